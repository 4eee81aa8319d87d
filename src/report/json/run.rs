//! `karat run --json` and `karat explain --json`: outcomes, and beside them what follows from them and what a reader is told.
//! Every report can be made again from a run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::{DIGEST, write};
use crate::case::sha256_of_text;
use crate::compare::{Comparison, Picture, Summary, Tolerance, Vacuous};
use crate::explain::Explanation;
use crate::report::message::{self, Next, next};
use crate::report::{ExplainView, Voice};
use crate::run::{
    CaseOutcome, ChainOutcome, Counts, Gate, Gates, OutputOutcome, Partition, Problem, RunOutcome, Verdict,
};
use crate::snapshot::Drift;
use crate::tensor::value::Float;

/// Writes a run: its totals, every case, every output. [`read_run`](super::read_run) reads it back.
///
/// # Errors
///
/// What `out` returns.
pub fn run(out: &mut dyn Write, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    let mut text = Vec::new();
    write(&mut text, "run", Run::new(voice, run))?;
    let text = String::from_utf8_lossy(&text);
    let content = text.strip_suffix("\n}\n").unwrap_or(&text);
    writeln!(out, "{content}{DIGEST}{}\"\n}}", sha256_of_text(content))
}

/// Writes a case, run by that executor and held to accuracy alone; the explanations are those of its outputs.
///
/// # Errors
///
/// What `out` returns.
pub fn explain(out: &mut dyn Write, voice: &Voice, explained: &ExplainView) -> io::Result<()> {
    #[derive(Serialize)]
    struct Explain<'a> {
        executor: &'a str,
        case: Case<'a>,
    }
    let ExplainView { executor, gate, case } = explained;
    write(out, "explain", Explain { executor, case: Case::new(voice, gate, case) })
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Run<'a> {
    root: String,
    snapshots: String,
    executor: &'a str,
    gates: Gates,
    gate: &'a Gate,
    verdict: Verdict,
    total: usize,
    failed: usize,
    filtered_out: usize,
    partition: Option<&'a Partition>,
    not_run: usize,
    counts: Counts,
    interrupted: Option<&'a str>,
    #[serde(with = "Float")]
    elapsed_seconds: f64,
    cases: Vec<Case<'a>>,
    chains: Option<&'a [ChainOutcome]>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Case<'a> {
    id: &'a str,
    file: String,
    /// The suite that sets a field which `file` does not set; there only where one does.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inherited: BTreeMap<&'a str, String>,
    checkpoint: Option<&'a str>,
    verdict: Verdict,
    failed: bool,
    problems: Vec<Told<'a>>,
    next: Option<String>,
    snapshot_only: bool,
    #[serde(with = "Float")]
    elapsed_seconds: f64,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Output<'a> {
    name: &'a str,
    verdict: Verdict,
    problems: Vec<Told<'a>>,
    next: Option<String>,
    reference: Option<&'a str>,
    or: &'a [String],
    kept: Option<String>,
    tolerance: Option<&'a Tolerance>,
    summary: Option<&'a Summary>,
    comparison: Option<&'a Comparison>,
    /// What else would pass what the case allows in a chained run; there only where something would.
    #[serde(skip_serializing_if = "Option::is_none")]
    chained_vacuous: Option<Vacuous>,
    drift: &'a [Drift],
    improved: &'a [Drift],
    explanations: &'a [Explanation],
    picture: Option<&'a Picture>,
}

/// A problem, and the message that the terminal shows.
#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct Told<'a> {
    #[serde(flatten)]
    problem: Cow<'a, Problem>,
    message: String,
}

impl Run<'_> {
    fn new<'a>(voice: &Voice, run: &'a RunOutcome) -> Run<'a> {
        Run {
            root: voice.path(&run.root),
            snapshots: voice.path(&run.snapshots),
            executor: &run.executor,
            gates: run.gates,
            gate: &run.gate,
            verdict: run.verdict(),
            total: run.cases.len(),
            failed: run.failed(),
            filtered_out: run.filtered_out,
            partition: run.partition.as_ref(),
            not_run: run.not_run,
            counts: run.counts(),
            interrupted: run.interrupted.as_deref(),
            elapsed_seconds: run.elapsed.as_secs_f64(),
            cases: run.cases.iter().map(|case| Case::new(voice, &run.gate, case)).collect(),
            chains: run.chains.as_deref(),
        }
    }
}

impl Case<'_> {
    /// A case with all of its outputs, as that gate and that voice say.
    fn new<'a>(voice: &Voice, gate: &Gate, case: &'a CaseOutcome) -> Case<'a> {
        let told = |problem| Told::new(voice, problem, &message::said(voice, case, None, problem).lines);
        Case {
            id: case.id.as_str(),
            file: voice.path(&case.file),
            inherited: case.inherited.iter().map(|(field, suite)| (field.as_str(), voice.path(suite))).collect(),
            checkpoint: case.checkpoint.as_deref(),
            verdict: case.verdict,
            failed: gate.fails(case),
            problems: case.problems.iter().map(told).collect(),
            next: next(voice, gate, case, None).map(command),
            snapshot_only: case.snapshot_only,
            elapsed_seconds: case.elapsed.as_secs_f64(),
            outputs: case.outputs.iter().map(|output| Output::new(voice, gate, case, output)).collect(),
        }
    }
}

impl Output<'_> {
    fn new<'a>(voice: &Voice, gate: &Gate, case: &CaseOutcome, output: &'a OutputOutcome) -> Output<'a> {
        let told = |problem| Told::new(voice, problem, &message::said(voice, case, Some(output), problem).lines);
        Output {
            name: &output.name,
            verdict: output.verdict,
            problems: output.problems.iter().map(told).collect(),
            next: next(voice, gate, case, Some(output)).map(command),
            reference: output.reference.as_deref(),
            or: &output.alternatives,
            kept: output.kept.as_ref().map(|kept| voice.path(kept)),
            tolerance: output.tolerance.as_ref(),
            summary: output.summary.as_ref(),
            comparison: output.comparison.as_ref(),
            chained_vacuous: output.chained_vacuous,
            drift: &output.drift,
            improved: &output.improved,
            explanations: &output.explanations,
            picture: output.picture.as_ref(),
        }
    }
}

impl Told<'_> {
    fn new<'a>(voice: &Voice, problem: &'a Problem, message: &[String]) -> Told<'a> {
        // As the message has it: no path of this machine where it can be helped.
        let problem = match problem {
            Problem::Error { text } => Cow::Owned(Problem::Error { text: voice.relative(text) }),
            Problem::Missing { text } => Cow::Owned(Problem::Missing { text: voice.relative(text) }),
            Problem::Orphaned { snapshot } => Cow::Owned(Problem::Orphaned { snapshot: voice.path(snapshot).into() }),
            _ => Cow::Borrowed(problem),
        };
        Told { problem, message: message.join("\n") }
    }
}

fn command(Next { first: _, label: _, command }: Next) -> String {
    command
}

/// The schema of a document of [`run`], as it is written: no field is ever left out.
#[cfg(feature = "cli")]
#[must_use]
pub fn run_schema() -> schemars::Schema {
    use serde_json::json;

    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<super::Document<Run<'_>>>();
    schema.insert("title".into(), json!("A run of karat"));
    if let Some(properties) = schema.pointer_mut("/properties").and_then(serde_json::Value::as_object_mut) {
        properties.insert("sha256".into(), json!({ "type": ["string", "null"] }));
    }
    for (place, value) in
        [("/properties/kind", json!("run")), ("/$defs/Header/properties/format", json!(super::FORMAT))]
    {
        if let Some(part) = schema.pointer_mut(place) {
            *part = json!({ "const": value });
        }
    }
    schema
}
