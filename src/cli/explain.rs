//! `karat explain`: one case, and why its outputs are not their references.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::cases::{choose, find};
use super::{Context, Gate, Place};
use crate::error::{Error, Result};
use crate::explain::explain;
use crate::golden::{Address, Case, CaseId, Goldens, read_tensor};
use crate::numeric::{Pair, Tensor};
use crate::report::{ExplainView, Picture, json, terminal};
use crate::run::{Executors, Gates, Options, OutputOutcome, Session, Skips, Verdict};

/// The arguments of `karat explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The id or folder of a case
    case: String,
    /// The goldens root that the id is below [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Run another executor than the default one
    #[arg(long, value_name = "NAME")]
    executor: Option<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let (executor, other) = choose(executors, self.executor.clone())?;
        let (goldens, id) = self.find(context)?;
        let options =
            Options { gates: Gates::Accuracy, skips: Skips::Ignored, explain: Some(explain), ..Options::default() };
        let name = executor.name().to_owned();
        let session = Session::new(goldens, executor, options)?;
        let mut voice = context.voice(self.root.as_ref(), Some(&self.place), Some(session.recorder()));
        voice.executor = other;

        let case = session.case(&id);
        let pictures = pictures(session.goldens(), &id, &case.outputs);
        let view = ExplainView { executor: name, gate: session.gate().clone(), case, pictures };
        context.screen.print(|out, palette| match self.json {
            true => json::explain(out, &voice, &view),
            false => terminal::explain(out, palette, &voice, &view),
        })?;
        Ok(if view.gate.fails(&view.case) { Gate::Failed } else { Gate::Passed })
    }

    fn find(&self, context: &Context<'_>) -> Result<(Goldens, CaseId)> {
        find(context, &self.case, self.root.as_ref()).ok_or_else(|| {
            let root = self.root.as_ref().unwrap_or(&context.home.root);
            let command = &context.home.command;
            let what = &self.case;
            Error::Usage(format!("`{what}` is no case below {}; {command} list prints the cases", root.display()))
        })
    }
}

/// Where the outputs that do not match differ. What cannot be read again is not drawn: its message has been given.
fn pictures(goldens: &Goldens, id: &CaseId, outputs: &[OutputOutcome]) -> BTreeMap<String, Picture> {
    let Ok(case) = Case::load(&goldens.root, id) else { return BTreeMap::new() };
    let differing = outputs.iter().filter(|output| output.verdict == Verdict::Mismatch);
    differing.filter_map(|output| Some((output.name.clone(), picture(&case, output)?))).collect()
}

fn picture(case: &Case, outcome: &OutputOutcome) -> Option<Picture> {
    let output = case.outputs.get(&outcome.name)?;
    let read = |address: &Address, dtype| read_tensor(&address.path, address.member.as_deref(), dtype).ok();
    // An npy file does not say of every dtype which it is.
    let dtype = outcome.summary.as_ref().map(|summary| summary.dtype);
    let actual: Tensor = read_tensor(outcome.kept.as_ref()?, None, dtype).ok()?;
    let reference = read(&output.address, output.dtype)?;
    let mask = output.mask.as_ref().and_then(|mask| read(mask, None));
    let pair = Pair { actual: &actual, reference: &reference, mask: mask.as_ref() };
    Picture::of(pair, outcome.tolerance.as_ref()?)
}
