//! `karat run --json`: the whole of a run, from which every report can be made again.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::case::{JsonCase, seconds};
use super::chain::JsonChain;
use super::element::Float;
use super::nullable::nullable;
use super::partition::JsonPartition;
use super::words::{JsonGates, JsonVerdict};
use super::write;
use crate::report::Voice;
use crate::run::{ChainOutcome, Counts, Gate, RunOutcome, Verdict};

/// Writes a run: its totals, every case, every output. [`read_run`](super::read_run) reads it back.
///
/// # Errors
///
/// What `out` returns.
pub fn run(out: &mut dyn Write, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    write(out, "run", JsonRun::new(voice, run))
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonRun {
    root: String,
    snapshots: String,
    executor: String,
    gates: JsonGates,
    gate: JsonGate,
    verdict: JsonVerdict,
    total: usize,
    failed: usize,
    filtered_out: usize,
    #[serde(deserialize_with = "nullable")]
    partition: Option<JsonPartition>,
    not_run: usize,
    counts: JsonCounts,
    #[serde(deserialize_with = "nullable")]
    interrupted: Option<String>,
    elapsed_seconds: Float,
    cases: Vec<JsonCase>,
    #[serde(deserialize_with = "nullable")]
    chains: Option<Vec<JsonChain>>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonGate {
    ci: bool,
    allowed_skips: Vec<String>,
    reviewed: bool,
    /// What fails besides; there only where something was denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deny: Vec<JsonDeny>,
}

/// What a run may be told to fail for.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum JsonDeny {
    Vacuous,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonCounts {
    broken: usize,
    missing: usize,
    mismatch: usize,
    orphaned: usize,
    unrecorded: usize,
    drift: usize,
    skipped: usize,
    pass: usize,
}

impl JsonRun {
    fn new(voice: &Voice, run: &RunOutcome) -> JsonRun {
        let RunOutcome {
            root,
            snapshots,
            executor,
            gates,
            cases,
            chains,
            filtered_out,
            partition,
            not_run,
            gate,
            interrupted,
            elapsed,
        } = run;
        JsonRun {
            root: voice.path(root),
            snapshots: voice.path(snapshots),
            executor: executor.clone(),
            gates: JsonGates(*gates),
            gate: gate.into(),
            verdict: JsonVerdict(run.verdict()),
            total: cases.len(),
            failed: run.failed(),
            filtered_out: *filtered_out,
            partition: partition.as_ref().map(JsonPartition::from),
            not_run: *not_run,
            counts: run.counts().into(),
            interrupted: interrupted.clone(),
            elapsed_seconds: Float(elapsed.as_secs_f64()),
            cases: cases.iter().map(|case| JsonCase::new(voice, gate, case)).collect(),
            chains: chains.as_ref().map(|chains| chains.iter().map(JsonChain::from).collect()),
        }
    }
}

impl From<&Gate> for JsonGate {
    fn from(Gate { ci, allowed_skips, reviewed, deny_vacuous }: &Gate) -> Self {
        let deny = deny_vacuous.then_some(JsonDeny::Vacuous).into_iter().collect();
        JsonGate { ci: *ci, allowed_skips: allowed_skips.clone(), reviewed: *reviewed, deny }
    }
}

impl From<Counts> for JsonCounts {
    fn from(counts: Counts) -> Self {
        let Counts { broken, missing, mismatch, orphaned, unrecorded, drift, skipped, pass } = counts;
        JsonCounts { broken, missing, mismatch, orphaned, unrecorded, drift, skipped, pass }
    }
}

impl TryFrom<JsonRun> for RunOutcome {
    type Error = String;

    fn try_from(json: JsonRun) -> Result<Self, String> {
        let JsonRun {
            root,
            snapshots,
            executor,
            gates,
            gate: JsonGate { ci, allowed_skips, reviewed, deny },
            verdict,
            total,
            failed,
            filtered_out,
            partition,
            not_run,
            counts,
            interrupted,
            elapsed_seconds,
            cases,
            chains,
        } = json;
        let chains = chains.map(|chains| chains.into_iter().map(ChainOutcome::try_from).collect::<Result<_, String>>());
        let fails: Vec<bool> = cases.iter().map(|case| case.failed).collect();
        let run = RunOutcome {
            root: PathBuf::from(root),
            snapshots: PathBuf::from(snapshots),
            executor,
            gates: gates.0,
            cases: cases.into_iter().map(JsonCase::read).collect::<Result<_, String>>()?,
            chains: chains.transpose()?,
            filtered_out,
            partition: partition.map(JsonPartition::read).transpose()?,
            not_run,
            gate: Gate { ci, allowed_skips, reviewed, deny_vacuous: !deny.is_empty() },
            interrupted,
            elapsed: seconds(elapsed_seconds)?,
        };
        run.check()?;
        check_totals(&run, &fails, (verdict.0, total, failed, counts))?;
        Ok(run)
    }
}

/// Refuses totals that are not those of the cases.
fn check_totals(
    run: &RunOutcome,
    fails: &[bool],
    (verdict, total, failed, counts): (Verdict, usize, usize, JsonCounts),
) -> Result<(), String> {
    let wrong = run.cases.iter().zip(fails).find(|(case, fails)| run.gate.fails(case) != **fails);
    if let Some((case, fails)) = wrong {
        return Err(format!("case {}: failed is {fails}, and its verdict is {}", case.id, case.verdict.word()));
    }
    let is = |field: &str| Err(format!("{field} is not what the cases add up to; run it again"));
    match () {
        () if total != run.cases.len() => is("total"),
        () if failed != run.failed() => is("failed"),
        () if counts != run.counts().into() => is("counts"),
        () if verdict != run.verdict() => is("verdict"),
        () => Ok(()),
    }
}
