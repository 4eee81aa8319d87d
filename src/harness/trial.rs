//! A case as a trial of libtest-mimic, and the trial that holds what belongs to no case.

use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::cli::Home;
use crate::error::Result;
use crate::golden::{Case, CaseId, Goldens, Tree};
use crate::report::{Palette, Review, Voice, terminal};
use crate::run::{CaseOutcome, Filter, Problem, Session, Verdict};

/// The name of the trial that holds what belongs to no case.
const COMPLETE: &str = "karat::complete";

/// What every trial shares.
struct Shared {
    session: Session,
    voice: Voice,
}

/// The trials that the arguments can select, sorted by id.
///
/// With `--exact` only what it names is read: nextest starts a process for each.
pub(super) fn trials(session: Session, home: &Home, arguments: &Arguments) -> Result<Vec<Trial>> {
    let review = if session.recorder().in_cargo_project() { Review::Insta } else { Review::Accept };
    let base = std::env::current_dir().unwrap_or_default();
    let voice = Voice { command: home.command.clone(), review, root: None, snapshots: None, base };
    let exact = arguments.filter.as_ref().filter(|_| arguments.exact && !arguments.list);
    let single = exact.and_then(|name| case_named(session.goldens(), name));
    let shared = Arc::new(Shared { session, voice });
    if let Some(id) = single {
        return Ok(vec![case_trial(&shared, &id)]);
    }
    let tree = shared.session.goldens().discover()?;
    let mut trials: Vec<Trial> = tree.cases.iter().map(|id| case_trial(&shared, id)).collect();
    trials.extend(tree.problems.iter().map(|(id, what)| problem_trial(id, what)));
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    trials.push(complete_trial(&shared, tree));
    Ok(trials)
}

/// The case with exactly that id, if it is on disk.
fn case_named(goldens: &Goldens, name: &str) -> Option<CaseId> {
    let id = CaseId::new(name).ok()?;
    id.below(&goldens.root).join("case.json").exists().then_some(id)
}

fn case_trial(shared: &Arc<Shared>, id: &CaseId) -> Trial {
    let is_skipped = Case::load(&shared.session.goldens().root, id).is_ok_and(|case| case.skip.is_some());
    let (shared, own) = (Arc::clone(shared), id.clone());
    Trial::ignorable_test(id.as_str(), move || {
        let outcome = shared.session.case(&own);
        conclude(&shared, &outcome)
    })
    .with_ignored_flag(is_skipped)
}

/// Ends a trial as the gate says; the message is what `karat run` would print.
fn conclude(shared: &Shared, outcome: &CaseOutcome) -> Result<Completion, Failed> {
    if outcome.verdict == Verdict::Skipped {
        let reason = match outcome.problems.first() {
            Some(Problem::Skipped(reason)) => reason.clone(),
            _ => String::new(),
        };
        // A skip that libtest could not list beforehand would be invisible: it passes only where it is expected.
        if shared.session.gate().allows_skip(outcome) {
            return Ok(Completion::ignored_with(reason));
        }
        return Err(format!("skipped: {reason}\nto allow it:  Harness::allow_skip({:?})", outcome.id.as_str()).into());
    }
    if shared.session.gate().fails(outcome) { Err(message(shared, outcome).into()) } else { Ok(Completion::Completed) }
}

/// What `karat run` would print of that case.
fn message(shared: &Shared, outcome: &CaseOutcome) -> String {
    let mut text = Vec::new();
    terminal::failure(&mut text, &Palette::plain(), &shared.voice, shared.session.gate(), outcome)
        .expect("a vector takes every byte");
    String::from_utf8_lossy(&text).into_owned()
}

fn problem_trial(id: &CaseId, what: &str) -> Trial {
    let what = what.to_owned();
    Trial::test(id.as_str(), move || Err(what.into()))
}

/// Fails on orphaned snapshots, on an empty root, and in CI on skips that nobody allowed.
fn complete_trial(shared: &Arc<Shared>, tree: Tree) -> Trial {
    let shared = Arc::clone(shared);
    Trial::test(COMPLETE, move || {
        let goldens = shared.session.goldens();
        if tree.cases.is_empty() && tree.problems.is_empty() {
            let root = goldens.root.display();
            return Err(format!("no case below {root}: a case is a folder that holds a case.json").into());
        }
        let orphans = shared.session.orphans(&tree, &Filter::default());
        let skipped = tree.cases.iter().filter_map(|id| {
            let case = Case::load(&goldens.root, id).ok()?;
            let problems = vec![Problem::Skipped(case.skip?)];
            Some(CaseOutcome::whole(id, case.file, Some(case.checkpoint), problems))
        });
        let failed: Vec<CaseOutcome> =
            skipped.chain(orphans).filter(|case| shared.session.gate().fails(case)).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(failed.iter().map(|case| message(&shared, case)).collect::<Vec<_>>().join("\n").into())
    })
}
