//! A case as a trial of libtest-mimic, and the trial that holds what belongs to no case.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::{Case, CaseId, Goldens, Tree, cores, parallel_map};
use crate::cli::{self, Home};
use crate::error::{Error, Result};
use crate::report::{Commands, Review, terminal};
use crate::run::{CaseOutcome, Filter, Problem, Session, Shard, Verdict};
use crate::text::fold;
use crate::text::safe::{escape_item, escape_lines};

/// The name of the trial that holds what belongs to no case.
const COMPLETE: &str = "karat::complete";
/// The name of the trial that follows the chains, where a case has a tolerance for that.
const CHAINED: &str = "karat::chained";

/// The exit status of tests that failed, as libtest has it.
pub(super) const FAILED: i32 = 101;

/// What every trial shares.
struct Shared {
    session: Arc<Session>,
    commands: Commands,
    runs_skipped: bool,
}

/// The trials that the arguments can select, sorted by id.
///
/// With `--exact` only what it names is read: nextest starts a process for each. Of a shard they are the trials at its
/// places in the whole list, so that each is in exactly one.
pub(super) fn trials(
    session: Arc<Session>,
    single: Option<CaseId>,
    home: &Home,
    arguments: &Arguments,
    shard: Option<Shard>,
) -> Result<Vec<Trial>> {
    let review = if session.recorder().has_cargo_insta() { Review::Insta } else { Review::Accept };
    let commands = Commands { review, ..home.commands() };
    // libtest gives no reason for what it ignores by the flag; a case that is selected gives its own.
    let flagged = arguments.list || arguments.ignored;
    let runs_skipped = arguments.ignored || arguments.include_ignored;
    let shared = Arc::new(Shared { session, commands, runs_skipped });
    if let Some(id) = single {
        let is_ignored = flagged && skip(shared.session.goldens(), &id).is_some();
        return Ok(vec![case_trial(&shared, &id, is_ignored, Ending::WithProcess)]);
    }
    let tree = shared.session.goldens().discover()?;
    let said = parallel_map(&tree.cases, cores(), |id| Said::of(&shared, id));
    let cases = tree.cases.iter().zip(&said);
    let mut trials: Vec<Trial> =
        cases.map(|(id, said)| case_trial(&shared, id, flagged && said.skip.is_some(), Ending::Alone)).collect();
    trials.extend(tree.problems.iter().map(|(id, what)| problem_trial(&shared, id, what)));
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    // The other of these trials, run alone, has nothing to do with the chains.
    if exact(arguments, shard).is_none_or(|name| name == CHAINED) && said.iter().any(|said| said.gates_chains) {
        trials.push(chained_trial(&shared, tree.clone()));
    }
    let skips = tree.cases.iter().cloned().zip(said).filter_map(|(id, said)| Some((id, said.skip?))).collect();
    trials.push(complete_trial(&shared, tree, skips));
    if let Some(shard) = shard {
        let places = 0..trials.len();
        trials = places
            .zip(trials)
            .filter(|(at, trial)| shard.contains(*at, trial.name()))
            .map(|(_, trial)| trial)
            .collect();
    }
    Ok(trials)
}

/// The test that `--exact` names, if it alone runs.
fn exact(arguments: &Arguments, shard: Option<Shard>) -> Option<&String> {
    arguments.filter.as_ref().filter(|_| arguments.exact && !arguments.list && shard.is_none())
}

/// The case that has this process for its own, as nextest starts one for each.
pub(super) fn single(goldens: &Goldens, arguments: &Arguments, shard: Option<Shard>) -> Option<CaseId> {
    exact(arguments, shard).and_then(|name| case_named(goldens, name))
}

/// The case with exactly that id, if it is on disk and no other differs from it in case alone.
fn case_named(goldens: &Goldens, name: &str) -> Option<CaseId> {
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

/// What becomes of a case that takes longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It has this process for its own, and ends with it.
    WithProcess,
    /// It is ended, and no other.
    Alone,
}

/// What the files of a case say that the list of trials depends on.
#[derive(Default)]
struct Said {
    /// Why it is not run.
    skip: Option<String>,
    /// Whether it has a tolerance for a chained run.
    gates_chains: bool,
}

impl Said {
    /// One that cannot be read says nothing, and is told of when it runs.
    fn of(shared: &Shared, id: &CaseId) -> Said {
        let Ok(Case { skip, outputs, .. }) = shared.session.suites.case(id) else { return Said::default() };
        Said { skip, gates_chains: outputs.values().any(|output| output.chained.is_some()) }
    }
}

fn case_trial(shared: &Arc<Shared>, id: &CaseId, is_ignored: bool, ending: Ending) -> Trial {
    let (shared, own) = (Arc::clone(shared), id.clone());
    let run = move || match ending {
        Ending::WithProcess => conclude(&shared, &watch(&shared, &own)),
        Ending::Alone => {
            shared.session.load_shelf();
            conclude(&shared, &shared.session.run_case(&own))
        }
    };
    Trial::ignorable_test(escape_item(id.as_str()), run).with_ignored_flag(is_ignored)
}

/// Runs the case. Where it takes longer than its `timeout`, the process ends with the message of that.
fn watch(shared: &Arc<Shared>, id: &CaseId) -> CaseOutcome {
    let session = &shared.session;
    let limit = Case::load(&session.goldens().root, id).ok().and_then(|case| case.timeout);
    let Some(limit) = limit else { return session.run_case(id) };
    let (ended, waiting) = channel();
    let watched = (Arc::clone(shared), id.clone());
    thread::spawn(move || {
        let (shared, id) = watched;
        if waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let outcome = shared.session.timeout_outcome(&id, limit);
            eprintln!("{}", message(&shared, &outcome));
            cli::disarm();
            std::process::exit(FAILED);
        }
    });
    let outcome = session.run_case(id);
    // It may have been too late, and the process about to end.
    ended.send(()).ok();
    outcome
}

/// Why `case.json` says that the case is not run, if it does.
fn skip(goldens: &Goldens, id: &CaseId) -> Option<String> {
    Case::load(&goldens.root, id).ok()?.skip
}

/// Ends a trial as the gate says; the message is what `karat run` would print.
fn conclude(shared: &Shared, outcome: &CaseOutcome) -> Result<Completion, Failed> {
    let gate = shared.session.gate();
    match outcome.problems.first() {
        Some(Problem::Skipped { reason }) if outcome.verdict == Verdict::Skipped => {
            // A written skip is on the list of tests, and in CI `karat::complete` fails for it. One that is found at run
            // time is on no list: it passes only where it is expected.
            if gate.allows_skip(outcome) || skip(shared.session.goldens(), &outcome.id).is_some() {
                return Ok(Completion::ignored_with(escape_item(reason)));
            }
            Err(skipped(&outcome.id, reason).into())
        }
        _ if gate.fails(outcome) => Err(message(shared, outcome).into()),
        _ => Ok(Completion::Completed),
    }
}

/// Why a skip fails. The lines of a reason are indented as in every message.
fn skipped(id: &CaseId, reason: &str) -> String {
    let reason: String = reason.lines().map(|line| format!("          {line}\n")).collect();
    escape_lines(&format!("skipped   {id}\n{reason}          to allow it:  Harness::allow_skip({:?})", id.as_str()))
}

/// What `karat run` would print of that case.
fn message(shared: &Shared, outcome: &CaseOutcome) -> String {
    terminal::message(&shared.commands, shared.session.gate(), outcome)
}

fn problem_trial(shared: &Arc<Shared>, id: &CaseId, what: &str) -> Trial {
    let (shared, own, what) = (Arc::clone(shared), id.clone(), what.to_owned());
    Trial::test(escape_item(id.as_str()), move || {
        Err(message(&shared, &shared.session.problem_outcome(&own, &what)).into())
    })
}

/// Fails on cases that are outside their tolerance for a chained run, or cannot be followed to.
fn chained_trial(shared: &Arc<Shared>, tree: Tree) -> Trial {
    let shared = Arc::clone(shared);
    Trial::test(CHAINED, move || {
        let faults: Vec<String> =
            shared.session.check_chains(&tree).iter().map(|case| message(&shared, case)).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n\n").into()) }
    })
}

/// Fails on orphaned snapshots, on an empty root, on a skip that is allowed to no case, and in CI on skips that nobody
/// allowed.
fn complete_trial(shared: &Arc<Shared>, tree: Tree, written: Vec<(CaseId, String)>) -> Trial {
    let shared = Arc::clone(shared);
    Trial::test(COMPLETE, move || {
        let faults = faults(&shared, &tree, &written);
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n\n").into()) }
    })
}

/// What is wrong and belongs to no case. `written` are the cases with a written skip, and their reasons.
fn faults(shared: &Shared, tree: &Tree, written: &[(CaseId, String)]) -> Vec<String> {
    let Shared { session, commands, runs_skipped } = shared;
    let goldens = session.goldens();
    if tree.cases.is_empty() && tree.problems.is_empty() {
        let nothing = Error::NoCases { place: goldens.root.clone(), exists: true };
        return vec![format!("{nothing}\nto add the first:  {}", commands.add())];
    }
    // Asking for a case that is skipped counts its snapshots as referenced; under nextest nothing else does.
    let written = written.iter().filter(|_| !runs_skipped);
    let written = written.map(|(id, reason)| (session.run_case(id), reason));
    let fails = |case: &CaseOutcome| session.gate().fails(case);
    let mut faults: Vec<String> =
        written.filter(|(case, _)| fails(case)).map(|(case, reason)| skipped(&case.id, reason)).collect();
    let orphans = session.find_orphans(tree, &Filter::default());
    faults.extend(orphans.iter().filter(|case| fails(case)).map(|case| message(shared, case)));
    let is_case = |name: &str| tree.cases.binary_search_by(|id| id.as_str().cmp(name)).is_ok();
    let unknown = session.gate().allowed_skips.iter().filter(|name| !is_case(name));
    faults
        .extend(unknown.map(|name| format!("Harness::allow_skip({name:?}) names no case; correct it or take it out")));
    faults
}
