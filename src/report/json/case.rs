//! One case of a run, with its outputs, as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chain::id;
use super::comparison::JsonComparison;
use super::element::Float;
use super::explanation::JsonExplanation;
use super::measured::{JsonSummary, JsonTolerance};
use super::nullable::nullable;
use super::picture::JsonPicture;
use super::problem::JsonProblem;
use super::words::{JsonVacuous, JsonVerdict};
use crate::compare::{Comparison, Picture, Summary, Tolerance};
use crate::explain::Explanation;
use crate::report::next::{Next, next};
use crate::report::{Voice, message};
use crate::run::{CaseOutcome, Gate, OutputOutcome, Problem};
use crate::snapshot::Drift;

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonCase {
    id: String,
    file: String,
    /// The suite that sets a field which `file` does not set; there only where one does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inherited: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    checkpoint: Option<String>,
    verdict: JsonVerdict,
    pub(super) failed: bool,
    problems: Vec<JsonProblem>,
    #[serde(skip_deserializing)]
    next: Option<String>,
    snapshot_only: bool,
    elapsed_seconds: Float,
    outputs: Vec<JsonOutput>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonOutput {
    name: String,
    verdict: JsonVerdict,
    problems: Vec<JsonProblem>,
    #[serde(skip_deserializing)]
    next: Option<String>,
    #[serde(deserialize_with = "nullable")]
    reference: Option<String>,
    or: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    kept: Option<String>,
    #[serde(deserialize_with = "nullable")]
    tolerance: Option<JsonTolerance>,
    #[serde(deserialize_with = "nullable")]
    summary: Option<JsonSummary>,
    #[serde(deserialize_with = "nullable")]
    comparison: Option<JsonComparison>,
    /// What else would pass what the case allows in a chained run; there only where something would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chained_vacuous: Option<JsonVacuous>,
    drift: Vec<JsonDrift>,
    improved: Vec<JsonDrift>,
    explanations: Vec<JsonExplanation>,
    #[serde(deserialize_with = "nullable")]
    picture: Option<JsonPicture>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonDrift {
    quantity: String,
    #[serde(deserialize_with = "nullable")]
    stored: Option<String>,
    #[serde(deserialize_with = "nullable")]
    measured: Option<String>,
    #[serde(deserialize_with = "nullable")]
    band: Option<String>,
}

impl JsonCase {
    /// A case with all of its outputs, as that gate and that voice say.
    pub(super) fn new(voice: &Voice, gate: &Gate, case: &CaseOutcome) -> JsonCase {
        let CaseOutcome { id, file, inherited, checkpoint, verdict, problems, outputs, snapshot_only, elapsed } = case;
        let told =
            |problem: &Problem| JsonProblem::new(voice, problem, message::of_case(case, problem, voice).join("\n"));
        JsonCase {
            id: id.to_string(),
            file: voice.path(file),
            inherited: inherited.iter().map(|(field, suite)| (field.clone(), voice.path(suite))).collect(),
            checkpoint: checkpoint.clone(),
            verdict: JsonVerdict(*verdict),
            failed: gate.fails(case),
            problems: problems.iter().map(told).collect(),
            next: next(voice, gate, case, None).map(command),
            snapshot_only: *snapshot_only,
            elapsed_seconds: Float(elapsed.as_secs_f64()),
            outputs: outputs.iter().map(|output| JsonOutput::new(voice, gate, case, output)).collect(),
        }
    }

    /// The outcome that was written.
    pub(super) fn read(self) -> Result<CaseOutcome, String> {
        let name = self.id.clone();
        let read = |json: JsonCase| {
            let case = CaseOutcome::try_from(json)?;
            case.check()?;
            Ok(case)
        };
        read(self).map_err(|what: String| format!("case {name}: {what}"))
    }
}

impl JsonOutput {
    fn new(voice: &Voice, gate: &Gate, case: &CaseOutcome, output: &OutputOutcome) -> JsonOutput {
        let OutputOutcome {
            name,
            verdict,
            problems,
            summary,
            tolerance,
            comparison,
            chained_vacuous,
            drift,
            improved,
            kept,
            reference,
            alternatives,
            explanations,
            picture,
        } = output;
        let told = |problem: &Problem| {
            JsonProblem::new(voice, problem, message::of_output(case, output, problem, voice).join("\n"))
        };
        JsonOutput {
            name: name.clone(),
            verdict: JsonVerdict(*verdict),
            problems: problems.iter().map(told).collect(),
            next: next(voice, gate, case, Some(output)).map(command),
            reference: reference.clone(),
            or: alternatives.clone(),
            kept: kept.as_ref().map(|kept| voice.path(kept)),
            tolerance: tolerance.as_ref().map(JsonTolerance::from),
            summary: summary.as_ref().map(JsonSummary::from),
            comparison: comparison.as_ref().map(JsonComparison::from),
            chained_vacuous: chained_vacuous.map(JsonVacuous),
            drift: drift.iter().map(JsonDrift::from).collect(),
            improved: improved.iter().map(JsonDrift::from).collect(),
            explanations: explanations.iter().map(JsonExplanation::from).collect(),
            picture: picture.as_ref().map(JsonPicture::from),
        }
    }
}

fn command(Next { first: _, label: _, command }: Next) -> String {
    command
}

impl From<&Drift> for JsonDrift {
    fn from(Drift { quantity, stored, measured, band }: &Drift) -> Self {
        let present = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        JsonDrift {
            quantity: quantity.clone(),
            stored: present(stored),
            measured: present(measured),
            band: present(band),
        }
    }
}

impl TryFrom<JsonCase> for CaseOutcome {
    type Error = String;

    fn try_from(json: JsonCase) -> Result<Self, String> {
        let JsonCase {
            id: case,
            file,
            inherited,
            checkpoint,
            verdict,
            failed: _,
            problems,
            next: _,
            snapshot_only,
            elapsed_seconds,
            outputs,
        } = json;
        let output = |output: JsonOutput| {
            let name = output.name.clone();
            output.try_into().map_err(|what: String| format!("output {name}: {what}"))
        };
        Ok(CaseOutcome {
            id: id(&case)?,
            file: PathBuf::from(file),
            inherited: inherited.into_iter().map(|(field, suite)| (field, PathBuf::from(suite))).collect(),
            checkpoint,
            verdict: verdict.0,
            problems: problems.into_iter().map(Problem::try_from).collect::<Result<_, String>>()?,
            outputs: outputs.into_iter().map(output).collect::<Result<_, String>>()?,
            snapshot_only,
            elapsed: seconds(elapsed_seconds)?,
        })
    }
}

impl TryFrom<JsonOutput> for OutputOutcome {
    type Error = String;

    fn try_from(json: JsonOutput) -> Result<Self, String> {
        let JsonOutput {
            name,
            verdict,
            problems,
            next: _,
            reference,
            or,
            kept,
            tolerance,
            summary,
            comparison,
            chained_vacuous,
            drift,
            improved,
            explanations,
            picture,
        } = json;
        Ok(OutputOutcome {
            name,
            verdict: verdict.0,
            problems: problems.into_iter().map(Problem::try_from).collect::<Result<_, String>>()?,
            summary: summary.map(Summary::try_from).transpose()?,
            tolerance: tolerance.map(Tolerance::from),
            comparison: comparison.map(Comparison::try_from).transpose()?,
            chained_vacuous: chained_vacuous.map(|vacuous| vacuous.0),
            drift: drift.into_iter().map(Drift::from).collect(),
            improved: improved.into_iter().map(Drift::from).collect(),
            kept: kept.map(PathBuf::from),
            reference,
            alternatives: or,
            explanations: explanations.into_iter().map(Explanation::from).collect(),
            picture: picture.map(Picture::try_from).transpose()?,
        })
    }
}

impl From<JsonDrift> for Drift {
    fn from(JsonDrift { quantity, stored, measured, band }: JsonDrift) -> Self {
        let (stored, measured) = (stored.unwrap_or_default(), measured.unwrap_or_default());
        Drift { quantity, stored, measured, band: band.unwrap_or_default() }
    }
}

/// A time that was written in seconds, to the nanosecond.
pub(super) fn seconds(Float(seconds): Float) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("elapsed_seconds is {seconds}: {error}"))
}
