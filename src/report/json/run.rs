//! `karat run --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::chain::JsonChain;
use super::explanation::JsonExplanation;
use super::measured::{JsonComparison, JsonMismatch, JsonSummary, JsonTolerance};
use super::partition::JsonPartition;
use super::write;
use crate::report::next::{Next, next};
use crate::report::{Voice, message};
use crate::run::{CaseOutcome, Counts, Drift, Gate, OutputOutcome, Problem, RunOutcome};

/// Writes a run: its totals, every case, every output.
///
/// # Errors
///
/// What `out` returns.
pub fn run(out: &mut dyn Write, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    let RunOutcome { root, snapshots, executor, gates, cases, chains, filtered_out, partition, not_run, gate, elapsed } =
        run;
    let Gate { ci, allowed_skips, reviewed } = gate;
    let Counts { broken, missing, mismatch, orphaned, unrecorded, drift, skipped, pass } = run.counts();
    let content = JsonRun {
        root: voice.path(root),
        snapshots: voice.path(snapshots),
        executor,
        gates: gates.word(),
        gate: JsonGate { ci: *ci, allowed_skips, reviewed: *reviewed },
        verdict: run.verdict().word(),
        total: cases.len(),
        failed: run.failed(),
        filtered_out: *filtered_out,
        partition: partition.as_ref().map(JsonPartition::from),
        not_run: *not_run,
        counts: JsonCounts { broken, missing, mismatch, orphaned, unrecorded, drift, skipped, pass },
        elapsed_seconds: elapsed.as_secs_f64(),
        cases: cases.iter().map(|case| json_case(voice, gate, case)).collect(),
        chains: chains.as_ref().map(|chains| chains.iter().map(JsonChain::from).collect()),
    };
    write(out, "run", content)
}

#[derive(Serialize)]
struct JsonRun<'a> {
    root: String,
    snapshots: String,
    executor: &'a str,
    gates: &'static str,
    gate: JsonGate<'a>,
    verdict: &'static str,
    total: usize,
    failed: usize,
    filtered_out: usize,
    partition: Option<JsonPartition>,
    not_run: usize,
    counts: JsonCounts,
    elapsed_seconds: f64,
    cases: Vec<JsonCase<'a>>,
    chains: Option<Vec<JsonChain<'a>>>,
}

#[derive(Serialize)]
struct JsonGate<'a> {
    ci: bool,
    allowed_skips: &'a [String],
    reviewed: bool,
}

#[derive(Serialize)]
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

#[derive(Serialize)]
pub(super) struct JsonCase<'a> {
    id: &'a str,
    file: String,
    checkpoint: Option<&'a str>,
    verdict: &'static str,
    failed: bool,
    problems: Vec<JsonProblem<'a>>,
    next: Option<String>,
    snapshot_only: bool,
    elapsed_seconds: f64,
    outputs: Vec<JsonOutput<'a>>,
}

#[derive(Serialize)]
struct JsonOutput<'a> {
    name: &'a str,
    verdict: &'static str,
    problems: Vec<JsonProblem<'a>>,
    next: Option<String>,
    reference: Option<&'a str>,
    or: &'a [String],
    kept: Option<String>,
    tolerance: Option<JsonTolerance>,
    summary: Option<JsonSummary<'a>>,
    comparison: Option<JsonComparison<'a>>,
    drift: Vec<JsonDrift<'a>>,
    improved: Vec<JsonDrift<'a>>,
    explanations: Vec<JsonExplanation<'a>>,
}

#[derive(Serialize)]
struct JsonDrift<'a> {
    quantity: &'a str,
    stored: Option<&'a str>,
    measured: Option<&'a str>,
    band: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonProblem<'a> {
    #[serde(flatten)]
    what: What<'a>,
    message: String,
}

/// The kinds of a problem; those of a mismatch stand beside the others.
#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Problem(Kind<'a>),
    Mismatch(JsonMismatch<'a>),
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind<'a> {
    Error { text: &'a str },
    Missing { text: &'a str },
    Panicked { text: &'a str },
    Failed { text: &'a str },
    UnknownCheckpoint { name: &'a str, known: &'a [String] },
    ExtraOutput { known: &'a [String] },
    LeftOut { returned: &'a [String] },
    NotRepeatable { repeat: usize },
    ChainedOutside { comparison: Option<Box<JsonComparison<'a>>>, tolerance: JsonTolerance },
    NotChained { why: &'a str },
    Orphaned { snapshot: String },
    Skipped { reason: &'a str },
}

/// A case with all of its outputs.
pub(super) fn json_case<'a>(voice: &Voice, gate: &Gate, case: &'a CaseOutcome) -> JsonCase<'a> {
    let CaseOutcome { id, file, checkpoint, verdict, problems, outputs, snapshot_only, elapsed } = case;
    let problem = |problem: &'a Problem| JsonProblem {
        what: what(voice, problem),
        message: message::of_case(case, problem, voice).join("\n"),
    };
    JsonCase {
        id: id.as_str(),
        file: voice.path(file),
        checkpoint: checkpoint.as_deref(),
        verdict: verdict.word(),
        failed: gate.fails(case),
        problems: problems.iter().map(problem).collect(),
        next: next(voice, gate, case, None).map(command),
        snapshot_only: *snapshot_only,
        elapsed_seconds: elapsed.as_secs_f64(),
        outputs: outputs.iter().map(|output| json_output(voice, gate, case, output)).collect(),
    }
}

fn json_output<'a>(voice: &Voice, gate: &Gate, case: &CaseOutcome, output: &'a OutputOutcome) -> JsonOutput<'a> {
    let OutputOutcome {
        name,
        verdict,
        problems,
        summary,
        tolerance,
        comparison,
        drift,
        improved,
        kept,
        reference,
        alternatives,
        explanations,
    } = output;
    let problem = |problem: &'a Problem| JsonProblem {
        what: what(voice, problem),
        message: message::of_output(case, output, problem, voice).join("\n"),
    };
    JsonOutput {
        name,
        verdict: verdict.word(),
        problems: problems.iter().map(problem).collect(),
        next: next(voice, gate, case, Some(output)).map(command),
        reference: reference.as_deref(),
        or: alternatives,
        kept: kept.as_ref().map(|kept| voice.path(kept)),
        tolerance: tolerance.as_ref().map(JsonTolerance::from),
        summary: summary.as_ref().map(JsonSummary::from),
        comparison: comparison.as_ref().map(JsonComparison::from),
        drift: drift.iter().map(json_drift).collect(),
        improved: improved.iter().map(json_drift).collect(),
        explanations: explanations.iter().map(JsonExplanation::from).collect(),
    }
}

fn command(Next { first: _, label: _, command }: Next) -> String {
    command
}

fn json_drift(Drift { quantity, stored, measured, band }: &Drift) -> JsonDrift<'_> {
    JsonDrift { quantity, stored: present(stored), measured: present(measured), band: present(band) }
}

fn present(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn what<'a>(voice: &Voice, problem: &'a Problem) -> What<'a> {
    What::Problem(match problem {
        Problem::Mismatch(mismatch) => return What::Mismatch(mismatch.into()),
        Problem::Error(text) => Kind::Error { text },
        Problem::Missing(text) => Kind::Missing { text },
        Problem::Panicked(text) => Kind::Panicked { text },
        Problem::Failed(text) => Kind::Failed { text },
        Problem::UnknownCheckpoint { name, known } => Kind::UnknownCheckpoint { name, known },
        Problem::ExtraOutput { known } => Kind::ExtraOutput { known },
        Problem::LeftOut { returned } => Kind::LeftOut { returned },
        Problem::NotRepeatable { repeat } => Kind::NotRepeatable { repeat: *repeat },
        Problem::ChainedOutside { comparison, tolerance } => Kind::ChainedOutside {
            comparison: comparison.as_deref().map(|measured| Box::new(measured.into())),
            tolerance: tolerance.into(),
        },
        Problem::NotChained { why } => Kind::NotChained { why },
        Problem::Orphaned { snapshot } => Kind::Orphaned { snapshot: voice.path(snapshot) },
        Problem::Skipped(reason) => Kind::Skipped { reason },
    })
}
