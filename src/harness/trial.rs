//! The trials of libtest-mimic: one per case, one for chains and one for problems that belong to no case.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::{Case, CaseId, Goldens, Tree, cores, parallel_map};
use crate::cli::{self, Program};
use crate::error::{Error, Result};
use crate::report::{Commands, Review, terminal};
use crate::run::{CaseOutcome, Filter, Problem, Session, Shard, Verdict};
use crate::text::fold;
use crate::text::safe::{escape_item, escape_lines};

/// The name of the trial for problems that belong to no case.
const COMPLETE: &str = "karat::complete";
/// The name of the trial that checks the tolerances for chained runs, if a case has one.
const CHAINED: &str = "karat::chained";

/// The exit code of failed tests, the same as libtest's.
pub(super) const FAILED: i32 = 101;

/// Data shared by all trials.
struct Shared {
    session: Arc<Session>,
    commands: Commands,
    runs_skipped: bool,
}

/// Returns the trials that the arguments can select, sorted by id.
///
/// With `--exact`, which nextest uses to start a process for each test, only that case is read. A shard gets the trials at its
/// positions on the full list, so that each trial is in exactly one shard.
pub(super) fn trials(
    session: Arc<Session>,
    single: Option<CaseId>,
    program: &Program,
    arguments: &Arguments,
    shard: Option<Shard>,
) -> Result<Vec<Trial>> {
    let review = if session.recorder().has_cargo_insta() { Review::Insta } else { Review::Accept };
    let shared = Arc::new(Shared {
        session,
        commands: Commands { review, ..program.commands() },
        runs_skipped: arguments.ignored || arguments.include_ignored,
    });
    // Only where needed: libtest prints no reason for a test with the ignored flag, but a case that runs prints its own.
    let uses_ignored_flag = arguments.list || arguments.ignored;
    if let Some(id) = single {
        let is_ignored = uses_ignored_flag && skip_reason(&shared, &id).is_some();
        return Ok(vec![case_trial(&shared, &id, is_ignored, run_in_own_process)]);
    }
    let tree = shared.session.goldens().discover()?;
    let infos = parallel_map(&tree.cases, cores(), |id| CaseInfo::read(&shared, id));
    let run = |shared: &Arc<Shared>, id: &CaseId| {
        shared.session.load_snapshot_index();
        shared.session.run_case(id)
    };
    let mut trials: Vec<Trial> = tree
        .cases
        .iter()
        .zip(&infos)
        .map(|(id, info)| case_trial(&shared, id, uses_ignored_flag && info.skip.is_some(), run))
        .collect();
    trials.extend(tree.problems.iter().map(|(id, what)| problem_trial(&shared, id, what)));
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    // Left out if only another test was requested.
    if exact_name(arguments, shard).is_none_or(|name| name == CHAINED) && infos.iter().any(|info| info.is_gated) {
        let (shared, tree) = (Arc::clone(&shared), tree.clone());
        let faults = move || shared.session.check_chains(&tree).iter().map(|case| message(&shared, case)).collect();
        trials.push(fault_trial(CHAINED, faults));
    }
    let skips: Vec<(CaseId, String)> =
        tree.cases.iter().cloned().zip(infos).filter_map(|(id, info)| Some((id, info.skip?))).collect();
    trials.push(fault_trial(COMPLETE, move || faults(&shared, &tree, &skips)));
    let mut position = 0..;
    trials.retain(|trial| {
        let position = position.next().expect("the range is endless");
        shard.is_none_or(|shard| shard.contains(position, trial.name()))
    });
    Ok(trials)
}

/// Returns the name given with `--exact`, if only that test runs.
fn exact_name(arguments: &Arguments, shard: Option<Shard>) -> Option<&String> {
    arguments.filter.as_ref().filter(|_| arguments.exact && !arguments.list && shard.is_none())
}

/// Returns the only case of this process, if there is one: nextest starts a process for each.
pub(super) fn single_case(goldens: &Goldens, arguments: &Arguments, shard: Option<Shard>) -> Option<CaseId> {
    exact_name(arguments, shard).and_then(|name| find_case(goldens, name))
}

/// Returns the case with exactly that id, if it is on disk and no other id differs from it in letter case only.
fn find_case(goldens: &Goldens, name: &str) -> Option<CaseId> {
    let id = CaseId::new(name).ok().filter(|id| id.check_portable().is_ok())?;
    let mut folder = goldens.root.clone();
    for part in name.split('/') {
        let entries = fs::read_dir(&folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let alike: Vec<String> = entries.filter(|entry| fold(entry) == fold(part)).collect();
        if alike != [part] {
            return None;
        }
        folder.push(part);
    }
    folder.join("case.json").exists().then_some(id)
}

/// What the list of trials needs to know about a case.
#[derive(Default)]
struct CaseInfo {
    /// Why it is skipped.
    skip: Option<String>,
    /// Whether it has a tolerance for chained runs.
    is_gated: bool,
}

impl CaseInfo {
    /// Reads a case. One that cannot be read reports its error when it runs.
    fn read(shared: &Shared, id: &CaseId) -> CaseInfo {
        let Ok(Case { skip, outputs, .. }) = shared.session.suites.case(id) else { return CaseInfo::default() };
        CaseInfo { skip, is_gated: outputs.values().any(|output| output.chained.is_some()) }
    }
}

fn case_trial(
    shared: &Arc<Shared>,
    id: &CaseId,
    is_ignored: bool,
    run: impl Fn(&Arc<Shared>, &CaseId) -> CaseOutcome + Send + 'static,
) -> Trial {
    let (shared, own_id) = (Arc::clone(shared), id.clone());
    let test = move || conclude(&shared, &run(&shared, &own_id));
    Trial::ignorable_test(escape_item(id.as_str()), test).with_ignored_flag(is_ignored)
}

/// Runs the only case of this process. If it exceeds its `timeout`, prints the message and exits.
fn run_in_own_process(shared: &Arc<Shared>, id: &CaseId) -> CaseOutcome {
    let session = &shared.session;
    let limit = Case::load(&session.goldens().root, id).ok().and_then(|case| case.timeout);
    let Some(limit) = limit else { return session.run_case(id) };
    let (sender, receiver) = channel();
    let (watchdog_shared, watchdog_id) = (Arc::clone(shared), id.clone());
    thread::spawn(move || {
        if receiver.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let outcome = watchdog_shared.session.timeout_outcome(&watchdog_id, limit);
            eprintln!("{}", message(&watchdog_shared, &outcome));
            cli::disarm();
            std::process::exit(FAILED);
        }
    });
    let outcome = session.run_case(id);
    // After a timeout the receiver is gone, and the process about to exit.
    sender.send(()).ok();
    outcome
}

/// Returns why `case.json` skips a case, if it does.
fn skip_reason(shared: &Shared, id: &CaseId) -> Option<String> {
    Case::load(&shared.session.goldens().root, id).ok()?.skip
}

/// Decides whether a trial fails; the message is the same as that of `karat run`.
fn conclude(shared: &Shared, outcome: &CaseOutcome) -> Result<Completion, Failed> {
    let gate = shared.session.gate();
    match outcome.problems.first() {
        Some(Problem::Skipped { reason }) if outcome.verdict == Verdict::Skipped => {
            // A skip in `case.json` is on the list of tests, and fails `karat::complete` in CI. A skip found at run time is
            // on no list, so it must be allowed by name.
            if gate.allows_skip(outcome) || skip_reason(shared, &outcome.id).is_some() {
                return Ok(Completion::ignored_with(escape_item(reason)));
            }
            Err(describe_skip(&outcome.id, reason).into())
        }
        _ if gate.fails(outcome) => Err(message(shared, outcome).into()),
        _ => Ok(Completion::Completed),
    }
}

/// Describes a skip that fails.
fn describe_skip(id: &CaseId, reason: &str) -> String {
    let reason: String = reason.lines().map(|line| format!("          {line}\n")).collect();
    escape_lines(&format!("skipped   {id}\n{reason}          to allow it:  Harness::allow_skip({:?})", id.as_str()))
}

/// Returns the message of `karat run` for a case.
fn message(shared: &Shared, outcome: &CaseOutcome) -> String {
    terminal::message(&shared.commands, shared.session.gate(), outcome)
}

fn problem_trial(shared: &Arc<Shared>, id: &CaseId, what: &str) -> Trial {
    let (shared, own_id, what) = (Arc::clone(shared), id.clone(), what.to_owned());
    Trial::test(escape_item(id.as_str()), move || {
        Err(message(&shared, &shared.session.problem_outcome(&own_id, &what)).into())
    })
}

/// Returns a trial that fails if there are any faults.
fn fault_trial(name: &str, faults: impl FnOnce() -> Vec<String> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let faults = faults();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n\n").into()) }
    })
}

/// Finds faults that belong to no case: an empty root, orphaned snapshots, skips that are not allowed in CI, and allowed skips
/// without a case. `skips` are the cases that `case.json` skips, with the reasons.
fn faults(shared: &Shared, tree: &Tree, skips: &[(CaseId, String)]) -> Vec<String> {
    let Shared { session, commands, runs_skipped } = shared;
    let goldens = session.goldens();
    if tree.cases.is_empty() && tree.problems.is_empty() {
        let error = Error::NoCases { place: goldens.root.clone(), exists: true };
        return vec![format!("{error}\nto add the first:  {}", commands.add())];
    }
    let fails = |case: &CaseOutcome| session.gate().fails(case);
    let mut faults = Vec::new();
    for (id, reason) in skips.iter().filter(|_| !runs_skipped) {
        // Also marks the snapshots of a skipped case as referenced, which under nextest nothing else does.
        if fails(&session.run_case(id)) {
            faults.push(describe_skip(id, reason));
        }
    }
    let orphans = session.find_orphans(tree, &Filter::default());
    faults.extend(orphans.iter().filter(|case| fails(case)).map(|case| message(shared, case)));
    let is_case = |name: &str| tree.cases.binary_search_by(|id| id.as_str().cmp(name)).is_ok();
    let unknown = session.gate().allowed_skips.iter().filter(|name| !is_case(name));
    faults.extend(
        unknown.map(|name| format!("Harness::allow_skip({name:?}) is not the id of a case; correct or remove it")),
    );
    faults
}
