//! One run of the records of its shards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::outcome::{CaseOutcome, RunOutcome, Verdict};
use super::partition::{Partition, Shard};
use crate::case::sha256_of_lines;
use crate::error::{Error, Result};

/// What a shard has written.
#[derive(Clone, Debug)]
pub struct Record {
    /// The file that it is in, as the reader names it.
    pub name: String,
    /// The version of karat that wrote it.
    pub version: String,
    /// The run.
    pub run: RunOutcome,
}

/// Puts the records of all shards together: every case of every one, sorted by id, and the wall time of the slowest.
///
/// # Errors
///
/// [`Error::Usage`] that names the files and what to do: where a record is of no shard, a shard is missing or there twice,
/// or the records are not of one list of cases, run by one karat with the same options.
pub fn merge(records: Vec<Record>) -> Result<RunOutcome> {
    let parts = parts(&records)?;
    check_alike(&records, &parts)?;
    check_shards(&records, &parts)?;
    check_cases(&records, &parts)?;
    let mut runs = records.into_iter().map(|record| record.run);
    let first = runs.next().expect("a record was checked");
    let mut whole = RunOutcome { partition: None, chains: None, ..first };
    for run in runs {
        // What every record has in common was checked, or is where it ran.
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
        whole.cases.extend(cases);
        whole.not_run += not_run;
        whole.interrupted = whole.interrupted.take().or(interrupted);
        whole.elapsed = Duration::max(whole.elapsed, elapsed);
    }
    whole.cases.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(whole)
}

/// The part that each record is.
fn parts(records: &[Record]) -> Result<Vec<Partition>> {
    let whole: Vec<&str> =
        records.iter().filter(|record| record.run.partition.is_none()).map(|record| record.name.as_str()).collect();
    match whole.as_slice() {
        [] if records.is_empty() => Err(Error::Usage("there is no record to merge".to_owned())),
        [] => Ok(records.iter().filter_map(|record| record.run.partition.clone()).collect()),
        [one] => {
            Err(Error::Usage(format!("{one} is of a whole run, and no shard: leave it out, or run with --partition")))
        }
        many => Err(Error::Usage(format!(
            "{} are of whole runs, and no shards: leave them out, or run with --partition",
            many.join(", ")
        ))),
    }
}

/// Refuses records of different runs.
fn check_alike(records: &[Record], parts: &[Partition]) -> Result<()> {
    let of = |what: &str, remedy: &str, value: &dyn Fn(&Record, &Partition) -> String| {
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (record, part) in records.iter().zip(parts) {
            groups.entry(value(record, part)).or_default().push(&record.name);
        }
        if groups.len() == 1 {
            return Ok(());
        }
        let groups: Vec<String> =
            groups.iter().map(|(value, names)| format!("\n  {value}: {}", names.join(", "))).collect();
        Err(Error::Usage(format!("{what}:{}\n{remedy}", groups.concat())))
    };
    of("the records are of different versions of karat", "run every shard with the same", &|record, _| {
        record.version.clone()
    })?;
    of("the records are dealt out differently", "run every shard with the same --partition KIND:M/N", &|_, part| {
        format!("{}, {} shards", part.shard.kind.word(), part.shard.count)
    })?;
    let remedy = "run every shard over the same goldens, with the same filters";
    of("the records are of different lists of cases", remedy, &|record, part| {
        let Partition { shard: _, total, digest, contents: _ } = part;
        let digest: String = digest.chars().take(8).collect();
        format!("{total} cases and {} filtered out, sha256 {digest}..", record.run.filtered_out)
    })?;
    let remedy = "run every shard over the same commit";
    of("the records are of other goldens or snapshots, though the cases have the same names", remedy, &|_, part| {
        format!("sha256 {}..", part.contents.chars().take(8).collect::<String>())
    })?;
    of("the records are of different executors", "run every shard with the same --executor", &|record, _| {
        record.run.executor.clone()
    })?;
    let remedy = "run every shard with the same --accuracy-only, --ci, --deny and --allow-skip";
    of("the records are of different gates", remedy, &|record, _| {
        let RunOutcome { gates, gate, .. } = &record.run;
        let ci = if gate.ci { ", in CI" } else { "" };
        let denied = if gate.deny_vacuous { ", vacuous passes denied" } else { "" };
        let reviewed = if gate.reviewed { ", reviewed afterwards" } else { "" };
        let allowed: BTreeSet<&str> = gate.allowed_skips.iter().map(String::as_str).collect();
        let allowed = allowed.into_iter().map(|id| format!(", skip of {id} allowed")).collect::<String>();
        let gates = match gates.word() {
            "both" => "accuracy and drift",
            word => word,
        };
        format!("{gates}{ci}{reviewed}{denied}{allowed}")
    })
}

/// Refuses a shard that is there twice, or is missing.
fn check_shards(records: &[Record], parts: &[Partition]) -> Result<()> {
    let mut names: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for (record, part) in records.iter().zip(parts) {
        names.entry(part.shard.index.get()).or_default().push(&record.name);
    }
    let Shard { kind, index: _, count } = parts[0].shard;
    let named = |index: u64| format!("{}:{index}/{count}", kind.word());
    let twice: Vec<String> = names
        .iter()
        .filter(|(_, names)| names.len() > 1)
        .map(|(index, names)| format!("\n  {}: {}", named(*index), names.join(", ")))
        .collect();
    if !twice.is_empty() {
        let twice = twice.concat();
        return Err(Error::Usage(format!(
            "a shard is there more than once:{twice}\nleave out all records of it but one"
        )));
    }
    let missing: Vec<String> =
        (1..=count.get()).filter(|index| !names.contains_key(index)).map(named).take(8).collect();
    match (count.get() as usize).saturating_sub(names.len()) {
        0 => Ok(()),
        more => {
            let dots = if more > missing.len() { ", .." } else { "" };
            let there: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
            Err(Error::Usage(format!(
                "of {count} shards {} missing: {}{dots}\nthere are {}; add the records of the others, or look why these jobs \
                 wrote none",
                if more == 1 { "1 is".to_owned() } else { format!("{more} are") },
                missing.join(", "),
                there.join(", ")
            )))
        }
    }
}

/// Refuses records that do not hold what was dealt out to them.
fn check_cases(records: &[Record], parts: &[Partition]) -> Result<()> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for record in records {
        for case in &record.run.cases {
            if let Some(other) = owners.insert(case.id.as_str(), &record.name) {
                return Err(Error::Usage(format!(
                    "the case {} is in {other} and in {}: run both shards again",
                    case.id, record.name
                )));
            }
        }
    }
    let cases = records.iter().flat_map(|record| {
        let Record { run, .. } = record;
        run.cases.iter().filter(|case| !is_off_the_list(run, case))
    });
    let mut listed: Vec<&str> = cases.map(|case| case.id.as_str()).collect();
    listed.sort_unstable();
    let not_run: usize = records.iter().map(|record| record.run.not_run).sum();
    let Partition { shard: _, total, digest, contents: _ } = &parts[0];
    let is_whole =
        listed.len() + not_run == *total && (not_run > 0 || sha256_of_lines(listed.iter().copied()) == *digest);
    if is_whole {
        return Ok(());
    }
    let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    Err(Error::Usage(format!(
        "the records hold {} of {total} cases, and not those that were dealt out: {}\nrun the shards again",
        listed.len(),
        names.join(", ")
    )))
}

/// Whether it belongs to no case: it was found among the snapshots.
pub(super) fn is_off_the_list(run: &RunOutcome, case: &CaseOutcome) -> bool {
    case.verdict == Verdict::Orphaned || (case.verdict == Verdict::Broken && case.file == run.snapshots)
}
