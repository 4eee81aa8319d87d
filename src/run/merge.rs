//! Merges the records of all shards into one run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::outcome::{CaseOutcome, RunOutcome, Verdict};
use super::partition::{Partition, Shard};
use crate::case::sha256_of_lines;
use crate::error::{Error, Result};

/// The record of one shard.
#[derive(Clone, Debug)]
pub struct Record {
    /// The name of its file.
    pub name: String,
    /// The version of karat that wrote it.
    pub version: String,
    /// The run.
    pub run: RunOutcome,
}

/// Merges the records of all shards: the cases of all of them, sorted by id, and the wall time of the slowest.
///
/// # Errors
///
/// [`Error::Usage`] with the names of the files and a remedy: if a record is not from a shard, a shard is missing or occurs
/// twice, or the records do not belong to the same cases, version of karat and options.
pub fn merge(records: Vec<Record>) -> Result<RunOutcome> {
    let parts = partitions(&records)?;
    check_same_run(&records, &parts)?;
    check_shards(&records, &parts)?;
    check_cases(&records, &parts[0])?;
    let mut runs = records.into_iter().map(|record| record.run);
    let first = runs.next().expect("there is at least one record");
    let mut merged = RunOutcome { partition: None, chains: None, ..first };
    for run in runs {
        // All other fields are the same in every record, or depend on the machine.
        let RunOutcome {
            root: _,
            snapshots: _,
            executor: _,
            gates: _,
            cases,
            chains: _,
            filtered_out: _,
            partition: _,
            not_run,
            interrupted,
            gate: _,
            elapsed,
        } = run;
        merged.cases.extend(cases);
        merged.not_run += not_run;
        merged.interrupted = merged.interrupted.take().or(interrupted);
        merged.elapsed = Duration::max(merged.elapsed, elapsed);
    }
    merged.cases.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(merged)
}

/// Joins the names of records.
fn names<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    records.into_iter().map(|record| record.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Returns the partition of each record.
fn partitions(records: &[Record]) -> Result<Vec<Partition>> {
    if records.is_empty() {
        return Err(Error::Usage("there is no record to merge".to_owned()));
    }
    let parts: Vec<Partition> = records.iter().filter_map(|record| record.run.partition.clone()).collect();
    if parts.len() < records.len() {
        let full = names(records.iter().filter(|record| record.run.partition.is_none()));
        return Err(Error::Usage(format!("not from a shard: {full}; omit such records, or run with --partition")));
    }
    Ok(parts)
}

/// Rejects records of different runs.
fn check_same_run(records: &[Record], parts: &[Partition]) -> Result<()> {
    let check = |problem: &str, remedy: &str, value: &dyn Fn(&Record, &Partition) -> String| {
        let mut groups: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for (record, part) in records.iter().zip(parts) {
            groups.entry(value(record, part)).or_default().push(record);
        }
        if groups.len() == 1 {
            return Ok(());
        }
        let groups: String =
            groups.into_iter().map(|(value, records)| format!("\n  {value}: {}", names(records))).collect();
        Err(Error::Usage(format!("{problem}:{groups}\n{remedy}")))
    };
    let short = |digest: &str| format!("sha256 {}..", digest.chars().take(8).collect::<String>());
    check(
        "the records were written by different versions of karat",
        "run every shard with the same version",
        &|record, _| record.version.clone(),
    )?;
    check("the records use different partitions", "run every shard with the same --partition KIND:M/N", &|_, part| {
        format!("{}, {} shards", part.shard.kind.word(), part.shard.count)
    })?;
    check(
        "the records cover different lists of cases",
        "run every shard on the same goldens, with the same filters",
        &|Record { run, .. }, Partition { total, digest, .. }| {
            format!("{total} cases, {} filtered out, {}", run.filtered_out, short(digest))
        },
    )?;
    check(
        "the records use different goldens or snapshots, although the ids of the cases are the same",
        "run every shard on the same commit",
        &|_, part| short(&part.contents),
    )?;
    check("the records use different executors", "run every shard with the same --executor", &|record, _| {
        record.run.executor.clone()
    })?;
    check(
        "the records use different gates",
        "run every shard with the same --accuracy-only, --ci, --deny and --allow-skip",
        &|record, _| describe_gates(&record.run),
    )
}

/// Describes what decides whether a run passes.
fn describe_gates(RunOutcome { gates, gate, .. }: &RunOutcome) -> String {
    let gates = match gates.word() {
        "both" => "accuracy and drift",
        word => word,
    };
    let flags = [
        (gate.ci, ", in CI"),
        (gate.reviewed, ", reviewed afterwards"),
        (gate.denies_vacuous(), ", vacuous passes denied"),
    ];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, text)| text.to_owned());
    let skips: BTreeSet<&str> = gate.allowed_skips.iter().map(String::as_str).collect();
    let skips = skips.into_iter().map(|id| format!(", skip of {id} allowed"));
    format!("{gates}{}", flags.chain(skips).collect::<String>())
}

/// Rejects shards that occur twice or are missing.
fn check_shards(records: &[Record], parts: &[Partition]) -> Result<()> {
    let mut by_index: BTreeMap<u64, Vec<&Record>> = BTreeMap::new();
    for (record, part) in records.iter().zip(parts) {
        by_index.entry(part.shard.index.get()).or_default().push(record);
    }
    let Shard { kind, index: _, count } = parts[0].shard;
    let shard_name = |index: u64| format!("{}:{index}/{count}", kind.word());
    let duplicates = by_index.iter().filter(|(_, records)| records.len() > 1);
    let duplicates: String = duplicates
        .map(|(index, records)| format!("\n  {}: {}", shard_name(*index), names(records.iter().copied())))
        .collect();
    if !duplicates.is_empty() {
        let text = format!("a shard has more than one record:{duplicates}\nomit all but one of them");
        return Err(Error::Usage(text));
    }
    let missing_count = (count.get() as usize).saturating_sub(by_index.len());
    if missing_count == 0 {
        return Ok(());
    }
    let missing = (1..=count.get()).filter(|index| !by_index.contains_key(index)).map(shard_name);
    let missing: Vec<String> = missing.take(8).collect();
    Err(Error::Usage(format!(
        "{missing_count} of {count} shards {} missing: {}{}\nfound {}; add the other records, or check why these jobs wrote \
         none",
        if missing_count == 1 { "is" } else { "are" },
        missing.join(", "),
        if missing_count > missing.len() { ", .." } else { "" },
        names(records)
    )))
}

/// Rejects records that together do not have the cases of the partition.
fn check_cases(records: &[Record], partition: &Partition) -> Result<()> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut listed: Vec<&str> = Vec::new();
    for Record { name, run, .. } in records {
        for case in &run.cases {
            if let Some(other) = owners.insert(case.id.as_str(), name) {
                let text = format!("case {} is in both {other} and {name}: re-run both shards", case.id);
                return Err(Error::Usage(text));
            }
            if !is_outside_partition(run, case) {
                listed.push(case.id.as_str());
            }
        }
    }
    listed.sort_unstable();
    let not_run: usize = records.iter().map(|record| record.run.not_run).sum();
    let Partition { shard: _, total, digest, contents: _ } = partition;
    let has_all_ids = || not_run > 0 || sha256_of_lines(listed.iter().copied()) == *digest;
    if listed.len() + not_run == *total && has_all_ids() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "the records contain {} of {total} cases, which are not those of the partition: {}\nre-run the shards",
        listed.len(),
        names(records)
    )))
}

/// Returns whether an outcome is about the snapshots folder and not a case of the partition.
pub(super) fn is_outside_partition(run: &RunOutcome, case: &CaseOutcome) -> bool {
    case.verdict == Verdict::Orphaned || (case.verdict == Verdict::Broken && case.file == run.snapshots)
}
