//! One case: its inputs read, its checkpoint called, its outputs judged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checkpoint::{Executor, Inputs, Skip};
use super::judge::{Judge, keep_actual};
use super::outcome::{CaseOutcome, Problem, Verdict};
use super::running::begin;
use super::session::{Ask, Session};
use crate::case::{Address, Case, CaseId, Goldens, Input, Link, Suites, sha256};
use crate::error::{Error, Result};
use crate::snapshot::catch::catch;
use crate::tensor::{Containers, DType, Tensor, read_tensor};

/// A case that ran, what it was given, and what it returned.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) inputs: Inputs,
    pub(super) outputs: BTreeMap<String, Tensor>,
}

/// What all calls of a checkpoint returned.
pub(super) struct Executed {
    pub(super) outputs: BTreeMap<String, Tensor>,
    /// The first call, counted from 1, in which each such output had other bits than in the first.
    pub(super) unstable: BTreeMap<String, usize>,
    /// How long they took together.
    pub(super) elapsed: Duration,
}

/// Why a case without a reference is not run where no snapshot is looked at: nothing would hold it.
const SNAPSHOT_ONLY: &str = "it names no reference: its snapshot alone holds it, and here no snapshot is looked at";

impl Session {
    /// Runs one case; where it ran, returns with what and what came out.
    pub(super) fn examine(&self, id: &CaseId, ask: Ask) -> (CaseOutcome, Option<Ran>) {
        let case = match self.suites.case(id) {
            Ok(case) => case,
            Err(error) => return (self.stopped(id, ask, vec![Problem::from_error("", &error)]), None),
        };
        let (inherited, checkpoint) = (case.inherited.clone(), case.checkpoint.clone());
        let (outcome, ran) = match self.run_case(case, ask) {
            Ok((outcome, ran)) => (outcome, ran),
            Err(problems) => (CaseOutcome { checkpoint: Some(checkpoint), ..self.stopped(id, ask, problems) }, None),
        };
        (CaseOutcome { inherited, ..outcome }, ran)
    }

    /// Runs a case that was read, or returns why it cannot be run.
    fn run_case(&self, case: Case, ask: Ask) -> Result<(CaseOutcome, Option<Ran>), Vec<Problem>> {
        let options = &self.options;
        if let Some(reason) = case.skip.as_ref().filter(|_| !options.runs_skipped) {
            return Err(vec![Problem::Skipped { reason: reason.clone() }]);
        }
        if case.outputs.is_empty() && self.drift_gate(ask).is_none() {
            return Err(vec![Problem::Skipped { reason: SNAPSHOT_ONLY.to_owned() }]);
        }
        if let Some(isolation) = self.isolation(&case) {
            return self.apart(isolation, case, ask);
        }
        let _running = begin(&case.id);
        let (inputs, digests) = gather(self.goldens(), &self.suites, &case)?;
        let Executed { outputs, unstable, elapsed } =
            execute(&self.executor, &case, &inputs, options.repeats.get()).map_err(|problem| vec![problem])?;
        let judge = Judge {
            session: self,
            ask,
            case: &case,
            inputs: &inputs,
            digests: &digests,
            actuals: &outputs,
            unstable: &unstable,
        };
        let judged = judge.all();
        let none = || Problem::Failed { text: "the checkpoint returned no output, and the case names none".to_owned() };
        let outcome = CaseOutcome {
            verdict: judged.iter().map(|output| output.verdict).min().unwrap_or(Verdict::Broken),
            problems: if judged.is_empty() { vec![none()] } else { Vec::new() },
            outputs: judged,
            snapshot_only: case.outputs.is_empty(),
            elapsed,
            ..CaseOutcome::whole(&case.id, case.file.clone(), Some(case.checkpoint.clone()), Vec::new())
        };
        Ok((outcome, Some(Ran { case, inputs, outputs })))
    }

    /// The outcome of a case that could not run; its snapshots count as referenced all the same.
    pub(super) fn stopped(&self, id: &CaseId, ask: Ask, mut problems: Vec<Problem>) -> CaseOutcome {
        if let Some(Err(error)) = self.drift_gate(ask).map(|recorder| recorder.touch_all(id)) {
            problems.push(Problem::from_error("", &error));
        }
        CaseOutcome::whole(id, id.below(&self.goldens().root).join("case.json"), None, problems)
    }

    /// Adds a problem to an output that may have passed by itself: nothing of it is left for review, and the actual tensor is
    /// kept.
    pub(super) fn spoil(&self, case: &mut CaseOutcome, ask: Ask, name: &str, problem: Problem, actual: &Tensor) {
        let (id, worst) = (case.id.clone(), problem.verdict());
        let touched = self.drift_gate(ask).and_then(|recorder| recorder.touch(&id, name).err());
        if let Some(output) = case.outputs.iter_mut().find(|output| output.name == name) {
            output.chained_vacuous = None;
            output.add(problem);
            touched.into_iter().for_each(|error| output.add(Problem::from_error("", &error)));
            if !ask.aside {
                keep_actual(&self.keep, &id, output, actual);
            }
            case.verdict = case.verdict.min(output.verdict);
        }
        case.verdict = case.verdict.min(worst);
    }
}

/// Reads every input of a case, with its sha256, and checks each `from`; finds all problems, not only the first.
pub(super) fn gather(
    goldens: &Goldens,
    suites: &Suites,
    case: &Case,
) -> Result<(Inputs, BTreeMap<String, String>), Vec<Problem>> {
    let (mut tensors, mut digests, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut files = Containers::default();
    let digest_of =
        |address: &Address, dtype| Ok(sha256(&read_tensor(&address.path, address.member.as_deref(), dtype)?));
    for (name, input) in &case.inputs {
        let Input { address, dtype, .. } = input;
        match files.at(&address.path).and_then(|file| file.read(address.member.as_deref(), *dtype)) {
            Ok(tensor) => {
                let digest = sha256(&tensor);
                if let Err(error) = check_link(goldens, suites, case, (name, input), &digest, digest_of) {
                    problems.push(Problem::from_error("", &error));
                }
                tensors.insert(name.clone(), tensor);
                digests.insert(name.clone(), digest);
            }
            Err(error) => problems.push(Problem::from_error(&format!("input `{name}`"), &error)),
        }
    }
    match problems.is_empty() {
        true => Ok((Inputs::new(case.id.clone(), case.params.clone(), tensors), digests)),
        false => Err(problems),
    }
}

/// Checks that an input with `from` is the reference of the output that it names. `digest` is that of the input, and
/// `digest_of` that of another tensor.
pub(crate) fn check_link(
    goldens: &Goldens,
    suites: &Suites,
    case: &Case,
    (name, input): (&str, &Input),
    digest: &str,
    digest_of: impl FnOnce(&Address, Option<DType>) -> Result<String>,
) -> Result<()> {
    let Some(Link { case: source, output }) = &input.link else { return Ok(()) };
    let field = format!("inputs.{name}");
    let wrong =
        |what: String| Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}.from: {what}") };
    if *source == case.id {
        return Err(wrong("names an output of the case itself; name the case that it comes from".to_owned()));
    }
    if !source.below(&goldens.root).is_dir() {
        return Err(wrong(format!("there is no case {source} below {}", goldens.root.display())));
    }
    let source = suites.case(source).map_err(|error| wrong(format!("names the case {source}: {error}")))?;
    let reference = source.outputs.get(output).ok_or_else(|| {
        let known: Vec<&str> = source.outputs.keys().map(String::as_str).collect();
        wrong(format!("the case {} has no output `{output}`; it has {}", source.id, known.join(", ")))
    })?;
    let same_place = (&reference.address.path, &reference.address.member, reference.dtype)
        == (&input.address.path, &input.address.member, input.dtype);
    if same_place || digest_of(&reference.address, reference.dtype)? == digest {
        return Ok(());
    }
    Err(wrong(format!(
        "names {}:{output}, whose reference is {}, another tensor than {}; name that file, or correct `from`",
        source.id, reference.address, input.address
    )))
}

/// Calls the checkpoint `repeats` times; the outputs are those of the first call.
pub(super) fn execute(executor: &Executor, case: &Case, inputs: &Inputs, repeats: usize) -> Result<Executed, Problem> {
    let Some(checkpoint) = executor.get(&case.checkpoint) else {
        return Err(Problem::UnknownCheckpoint {
            name: case.checkpoint.clone(),
            known: executor.names().map(str::to_owned).collect(),
        });
    };
    let call = || match catch(|| checkpoint(inputs)) {
        Err(panic) => Err(Problem::Panicked { text: panic.to_string() }),
        Ok(Err(error)) => Err(match error.downcast_ref::<Skip>() {
            Some(skip) => Problem::Skipped { reason: skip.reason().to_owned() },
            None => Problem::Failed { text: error.to_string() },
        }),
        Ok(Ok(outputs)) => outputs.into_map().map_err(|error| Problem::Failed { text: error.to_string() }),
    };
    let started = Instant::now();
    let outputs = call()?;
    let mut unstable = BTreeMap::new();
    for repeat in 2..=repeats {
        let again = call()?;
        for name in outputs.keys().chain(again.keys()) {
            let is_same = matches!((outputs.get(name), again.get(name)), (Some(a), Some(b)) if same_bits(a, b));
            if !is_same {
                unstable.entry(name.clone()).or_insert(repeat);
            }
        }
    }
    Ok(Executed { outputs, unstable, elapsed: started.elapsed() })
}

/// Whether two tensors are the same bit for bit, NaN payloads and signs of zero included.
pub(super) fn same_bits(one: &Tensor, other: &Tensor) -> bool {
    one.dtype() == other.dtype() && one.shape() == other.shape() && one.data().bytes() == other.data().bytes()
}
