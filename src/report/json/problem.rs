//! One thing that is wrong, as JSON: what it is, and the message that the terminal shows.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::case::seconds;
use super::comparison::{JsonComparison, JsonMismatch};
use super::element::Float;
use super::measured::JsonTolerance;
use super::nullable::nullable;
use crate::compare::Comparison;
use crate::report::Voice;
use crate::run::Problem;

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonProblem {
    #[serde(flatten)]
    what: What,
    #[serde(skip_deserializing)]
    message: String,
}

/// The kinds of a problem; those of a mismatch stand beside the others.
#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(untagged)]
enum What {
    Problem(Kind),
    Mismatch(JsonMismatch),
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Error {
        text: String,
    },
    Missing {
        text: String,
    },
    Panicked {
        text: String,
    },
    Failed {
        text: String,
    },
    Crashed {
        signal: String,
        printed: Vec<String>,
    },
    Exited {
        status: i32,
        printed: Vec<String>,
    },
    TimedOut {
        limit_seconds: Float,
        printed: Vec<String>,
    },
    OutOfMemory {
        #[serde(deserialize_with = "nullable")]
        limit_bytes: Option<u64>,
        printed: Vec<String>,
    },
    Interrupted {
        signal: String,
    },
    UnknownCheckpoint {
        name: String,
        known: Vec<String>,
    },
    ExtraOutput {
        known: Vec<String>,
    },
    LeftOut {
        returned: Vec<String>,
    },
    NotRepeatable {
        repeat: usize,
    },
    ChainedOutside {
        #[serde(deserialize_with = "nullable")]
        comparison: Option<Box<JsonComparison>>,
        tolerance: JsonTolerance,
    },
    NotChained {
        why: String,
    },
    Orphaned {
        snapshot: String,
    },
    Skipped {
        reason: String,
    },
}

impl<'de> Deserialize<'de> for What {
    /// Looks at the kind first: the error is then about the field that is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<What, D::Error> {
        let object = Map::deserialize(deserializer)?;
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let is_mismatch = JsonMismatch::KINDS.contains(&kind);
        let kind = kind.to_owned();
        let value = Value::Object(object);
        let read = match is_mismatch {
            true => serde_json::from_value(value).map(What::Mismatch),
            false => serde_json::from_value(value).map(What::Problem),
        };
        read.map_err(|error| {
            D::Error::custom(if kind.is_empty() { error.to_string() } else { format!("{kind}: {error}") })
        })
    }
}

impl JsonProblem {
    pub(super) fn new(voice: &Voice, problem: &Problem, message: String) -> JsonProblem {
        JsonProblem { what: what(voice, problem), message }
    }
}

fn what(voice: &Voice, problem: &Problem) -> What {
    What::Problem(match problem.clone() {
        Problem::Mismatch(mismatch) => return What::Mismatch((&mismatch).into()),
        // As the message has it: no path of this machine where it can be helped.
        Problem::Error(text) => Kind::Error { text: voice.relative(&text) },
        Problem::Missing(text) => Kind::Missing { text: voice.relative(&text) },
        Problem::Panicked(text) => Kind::Panicked { text },
        Problem::Failed(text) => Kind::Failed { text },
        Problem::Crashed { signal, printed } => Kind::Crashed { signal, printed },
        Problem::Exited { status, printed } => Kind::Exited { status, printed },
        Problem::TimedOut { limit, printed } => Kind::TimedOut { limit_seconds: Float(limit.as_secs_f64()), printed },
        Problem::OutOfMemory { limit, printed } => Kind::OutOfMemory { limit_bytes: limit, printed },
        Problem::Interrupted { signal } => Kind::Interrupted { signal },
        Problem::UnknownCheckpoint { name, known } => Kind::UnknownCheckpoint { name, known },
        Problem::ExtraOutput { known } => Kind::ExtraOutput { known },
        Problem::LeftOut { returned } => Kind::LeftOut { returned },
        Problem::NotRepeatable { repeat } => Kind::NotRepeatable { repeat },
        Problem::ChainedOutside { comparison, tolerance } => Kind::ChainedOutside {
            comparison: comparison.map(|measured| Box::new(measured.as_ref().into())),
            tolerance: (&tolerance).into(),
        },
        Problem::NotChained { why } => Kind::NotChained { why },
        Problem::Orphaned { snapshot } => Kind::Orphaned { snapshot: voice.path(&snapshot) },
        Problem::Skipped(reason) => Kind::Skipped { reason },
    })
}

impl TryFrom<JsonProblem> for Problem {
    type Error = String;

    fn try_from(JsonProblem { what, message: _ }: JsonProblem) -> Result<Self, String> {
        let kind = match what {
            What::Mismatch(mismatch) => return Ok(Problem::Mismatch(mismatch.into())),
            What::Problem(kind) => kind,
        };
        Ok(match kind {
            Kind::Error { text } => Problem::Error(text),
            Kind::Missing { text } => Problem::Missing(text),
            Kind::Panicked { text } => Problem::Panicked(text),
            Kind::Failed { text } => Problem::Failed(text),
            Kind::Crashed { signal, printed } => Problem::Crashed { signal, printed },
            Kind::Exited { status, printed } => Problem::Exited { status, printed },
            Kind::TimedOut { limit_seconds, printed } => Problem::TimedOut { limit: seconds(limit_seconds)?, printed },
            Kind::OutOfMemory { limit_bytes, printed } => Problem::OutOfMemory { limit: limit_bytes, printed },
            Kind::Interrupted { signal } => Problem::Interrupted { signal },
            Kind::UnknownCheckpoint { name, known } => Problem::UnknownCheckpoint { name, known },
            Kind::ExtraOutput { known } => Problem::ExtraOutput { known },
            Kind::LeftOut { returned } => Problem::LeftOut { returned },
            Kind::NotRepeatable { repeat } => Problem::NotRepeatable { repeat },
            Kind::ChainedOutside { comparison, tolerance } => Problem::ChainedOutside {
                comparison: comparison.map(|measured| Comparison::try_from(*measured)).transpose()?.map(Box::new),
                tolerance: tolerance.into(),
            },
            Kind::NotChained { why } => Problem::NotChained { why },
            Kind::Orphaned { snapshot } => Problem::Orphaned { snapshot: PathBuf::from(snapshot) },
            Kind::Skipped { reason } => Problem::Skipped(reason),
        })
    }
}
