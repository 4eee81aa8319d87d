//! Runs one case: reads its inputs, calls its checkpoint and judges its outputs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checkpoint::{Executor, Inputs, Skip};
use super::judge::{Judge, save_actual};
use super::outcome::{CaseOutcome, Problem, Verdict};
use super::registry::register;
use super::session::{RunMode, Session};
use crate::case::{Address, Case, CaseId, Goldens, Input, Link, Suites, sha256};
use crate::error::{Error, Result};
use crate::snapshot::panic::catch_panic;
use crate::tensor::{Containers, DType, Tensor, read_tensor};

/// An executed case with its inputs and outputs.
pub(super) struct CaseRun {
    pub(super) case: Case,
    pub(super) inputs: Inputs,
    pub(super) outputs: BTreeMap<String, Tensor>,
}

/// The result of all calls of a checkpoint.
pub(super) struct Execution {
    /// The outputs of the first call.
    pub(super) outputs: BTreeMap<String, Tensor>,
    /// The outputs that differed in a later call, with the number of the first such call, counted from 1.
    pub(super) unstable: BTreeMap<String, usize>,
    /// The total time of all calls.
    pub(super) elapsed: Duration,
}

/// Why a case without references is skipped if drift is not checked.
const SNAPSHOT_ONLY: &str = "the case has no reference, only a snapshot, and this run does not use snapshots";

impl Session {
    /// Runs one case. Also returns its inputs and outputs if it was executed.
    pub(super) fn run_in_mode(&self, id: &CaseId, mode: RunMode) -> (CaseOutcome, Option<CaseRun>) {
        let case = match self.suites.case(id) {
            Ok(case) => case,
            Err(error) => return (self.incomplete(id, mode, vec![Problem::from_error(&error)]), None),
        };
        let (inherited, checkpoint) = (case.inherited.clone(), Some(case.checkpoint.clone()));
        let (outcome, run) = self
            .try_run(case, mode)
            .unwrap_or_else(|problems| (CaseOutcome { checkpoint, ..self.incomplete(id, mode, problems) }, None));
        (CaseOutcome { inherited, ..outcome }, run)
    }

    /// Runs a case, or returns why it cannot be run.
    fn try_run(&self, case: Case, mode: RunMode) -> Result<(CaseOutcome, Option<CaseRun>), Vec<Problem>> {
        let options = &self.options;
        if let Some(reason) = case.skip.as_ref().filter(|_| !options.runs_skipped) {
            return Err(vec![Problem::Skipped { reason: reason.clone() }]);
        }
        if case.outputs.is_empty() && self.drift_gate(mode).is_none() {
            return Err(vec![Problem::Skipped { reason: SNAPSHOT_ONLY.to_owned() }]);
        }
        if let Some(isolation) = self.isolation(&case) {
            return self.run_isolated(isolation, case, mode);
        }
        let _registration = register(&case.id);
        let (inputs, digests) = read_inputs(self.goldens(), &self.suites, &case)?;
        let Execution { outputs, unstable, elapsed } =
            execute(&self.executor, &case, &inputs, options.repeats.get()).map_err(|problem| vec![problem])?;
        let judge = Judge {
            session: self,
            mode,
            case: &case,
            inputs: &inputs,
            digests: &digests,
            actuals: &outputs,
            unstable: &unstable,
        };
        let judged = judge.judge_all();
        let mut outcome = CaseOutcome::new(&case.id, case.file.clone(), Some(case.checkpoint.clone()), Vec::new());
        if judged.is_empty() {
            let text = "the checkpoint returned no output, and the case names none".to_owned();
            outcome.add_problem(Problem::Failed { text });
        }
        outcome.verdict = judged.iter().map(|output| output.verdict).fold(outcome.verdict, Verdict::min);
        (outcome.outputs, outcome.snapshot_only, outcome.elapsed) = (judged, case.outputs.is_empty(), elapsed);
        Ok((outcome, Some(CaseRun { case, inputs, outputs })))
    }

    /// Returns the outcome of a case that did not run, and marks its snapshots as referenced.
    pub(super) fn incomplete(&self, id: &CaseId, mode: RunMode, mut problems: Vec<Problem>) -> CaseOutcome {
        if let Some(Err(error)) = self.drift_gate(mode).map(|recorder| recorder.touch_all(id)) {
            problems.push(Problem::from_error(&error));
        }
        CaseOutcome::new(id, id.below(&self.goldens().root).join("case.json"), None, problems)
    }

    /// Adds a problem found in the chained run to an output, drops its pending snapshot and saves the actual tensor.
    pub(super) fn add_chained_problem(
        &self,
        case: &mut CaseOutcome,
        mode: RunMode,
        name: &str,
        problem: Problem,
        actual: &Tensor,
    ) {
        let (id, verdict) = (case.id.clone(), problem.verdict());
        let error = self.drift_gate(mode).and_then(|recorder| recorder.touch(&id, name).err());
        if let Some(output) = case.outputs.iter_mut().find(|output| output.name == name) {
            output.chained_vacuous = None;
            output.add_problem(problem);
            error.iter().for_each(|error| output.add_problem(Problem::from_error(error)));
            if !mode.is_unreported {
                save_actual(&self.artifacts, &id, output, actual);
            }
            case.verdict = case.verdict.min(output.verdict);
        }
        case.verdict = case.verdict.min(verdict);
    }
}

/// Reads the inputs of a case and their sha256, and checks each `from`. Returns all problems, not only the first.
pub(super) fn read_inputs(
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
                    problems.push(Problem::from_error(&error));
                }
                tensors.insert(name.clone(), tensor);
                digests.insert(name.clone(), digest);
            }
            Err(error) => problems.push(Problem::new(format!("input `{name}`: {error}"), error.is_missing())),
        }
    }
    match problems.is_empty() {
        true => Ok((Inputs::new(case.id.clone(), case.params.clone(), tensors), digests)),
        false => Err(problems),
    }
}

/// Checks that an input with `from` equals the reference of the output that `from` names. `digest` is the sha256 of the
/// input; `digest_of` computes that of another tensor.
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
    let error =
        |what: String| Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}.from: {what}") };
    if *source == case.id {
        return Err(error("names an output of the same case; name the case that computes the input".to_owned()));
    }
    if !source.below(&goldens.root).is_dir() {
        return Err(error(format!("there is no case {source} below {}", goldens.root.display())));
    }
    let source = suites.case(source).map_err(|cause| error(format!("names the case {source}: {cause}")))?;
    let reference = source.outputs.get(output).ok_or_else(|| {
        let known: Vec<&str> = source.outputs.keys().map(String::as_str).collect();
        error(format!("the case {} has no output `{output}`; it has {}", source.id, known.join(", ")))
    })?;
    let is_same_tensor = (&reference.address.path, &reference.address.member, reference.dtype)
        == (&input.address.path, &input.address.member, input.dtype);
    if is_same_tensor || digest_of(&reference.address, reference.dtype)? == digest {
        return Ok(());
    }
    Err(error(format!(
        "names {}:{output}, whose reference {} differs from {}; use that file as the input, or correct `from`",
        source.id, reference.address, input.address
    )))
}

/// Calls the checkpoint `repeats` times.
pub(super) fn execute(executor: &Executor, case: &Case, inputs: &Inputs, repeats: usize) -> Result<Execution, Problem> {
    let Some(checkpoint) = executor.get(&case.checkpoint) else {
        return Err(Problem::UnknownCheckpoint {
            name: case.checkpoint.clone(),
            known: executor.names().map(str::to_owned).collect(),
        });
    };
    let call = || match catch_panic(|| checkpoint(inputs)) {
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
        let repeated = call()?;
        for name in outputs.keys().chain(repeated.keys()) {
            if !matches!((outputs.get(name), repeated.get(name)), (Some(a), Some(b)) if same_bits(a, b)) {
                unstable.entry(name.clone()).or_insert(repeat);
            }
        }
    }
    Ok(Execution { outputs, unstable, elapsed: started.elapsed() })
}

/// Returns whether two tensors are equal bit for bit, including NaN payloads and signs of zero.
pub(super) fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    a.dtype() == b.dtype() && a.shape() == b.shape() && a.data().bytes() == b.data().bytes()
}
