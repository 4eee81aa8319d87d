//! Cases whose process ended early, and an interrupted run.

use std::time::Duration;

use super::record::round_trip;
use super::{assert_text, example, to_json_text, to_text};
use crate::case::CaseId;
use crate::report::{Commands, Palette, json, terminal};
use crate::run::{CaseOutcome, Problem, RunOutcome, Verdict};

/// Returns every way in which the process of a case can end early.
fn problems() -> Vec<(&'static str, Problem)> {
    let printed = vec!["loading weights".to_owned(), "  done".to_owned()];
    vec![
        ("crashed", Problem::Crashed { signal: "SIGSEGV".into(), printed: printed.clone() }),
        ("exited", Problem::Exited { status: 0, printed: Vec::new() }),
        ("interrupted", Problem::Interrupted { signal: "SIGINT".into() }),
        ("memory", Problem::OutOfMemory { limit: Some(512 << 20), printed: Vec::new() }),
        ("no-memory", Problem::OutOfMemory { limit: None, printed: Vec::new() }),
        ("timed-out", Problem::TimedOut { limit: Duration::from_millis(2500), printed }),
    ]
}

fn run() -> RunOutcome {
    let case = |(name, problem): (&str, Problem)| {
        let id = CaseId::new(&format!("ends/{name}")).expect("an id");
        let file = format!("/home/me/port/goldens/ends/{name}/case.json").into();
        CaseOutcome::new(&id, file, Some("mlp".to_owned()), vec![problem])
    };
    let interrupted = Some("SIGTERM".to_owned());
    RunOutcome { cases: problems().into_iter().map(case).collect(), interrupted, not_run: 12, ..example::run() }
}

#[test]
fn the_end_of_a_process_is_reported_with_its_last_output() {
    let actual = terminal::failures(&Palette::plain(), &example::commands(), &run());
    let expected = "\
broken    ends/crashed
          checkpoint mlp crashed with SIGSEGV: segmentation fault, an invalid
          memory access or a stack overflow
          last output:
            loading weights
              done
          to run it alone:  karat run -k ends/crashed

broken    ends/exited
          checkpoint mlp exited the process with status 0 before it returned
          to run it alone:  karat run -k ends/exited

broken    ends/interrupted
          SIGINT interrupted the run during this case
          to run it alone:  karat run -k ends/interrupted

broken    ends/memory
          exceeded the memory limit (512 MiB)
          fix it, or give it more memory
          then:  karat run -k ends/memory

broken    ends/no-memory
          out of memory: the system had no more
          fix it, or give it more memory
          then:  karat run -k ends/no-memory

broken    ends/timed-out
          timed out after 2.5 s
          last output:
            loading weights
              done
          fix it, or set \"timeout\" in goldens/ends/timed-out/case.json
          then:  karat run -k ends/timed-out

";
    assert_text(&actual, expected);
}

#[test]
fn an_interrupted_run_never_passes() {
    let mut run = RunOutcome { cases: example::run().cases, ..run() };
    run.cases.retain(|case| case.verdict == Verdict::Pass);
    run.cases.iter_mut().for_each(|case| case.outputs.iter_mut().for_each(|output| output.improved.clear()));
    assert!(!run.passed() && run.failed() == 0);
    assert_eq!(run.verdict(), Verdict::Broken);
    let end = terminal::end(&Palette::plain(), &example::commands(), &run);
    let last = "\ninterrupted by SIGTERM: 12 cases did not run\nto run all cases:  karat run\nexecutor builtin\n";
    assert!(end.ends_with(last), "{end}");
    (run.interrupted, run.not_run) = (None, 0);
    assert!(run.passed());
}

#[test]
fn json_contains_how_each_process_ended() {
    let actual = to_json_text(|out| json::run(out, &example::commands(), &run()));
    let run: serde_json::Value = serde_json::from_str(&actual).expect("one JSON document");
    assert_eq!((&run["interrupted"], &run["not_run"]), (&"SIGTERM".into(), &12.into()));
    let problem = |at: usize| {
        let mut problem = run["cases"][at]["problems"][0].clone();
        problem.as_object_mut().expect("an object").remove("message");
        problem.to_string()
    };
    let expected = [
        r#"{"kind":"crashed","printed":["loading weights","  done"],"signal":"SIGSEGV"}"#,
        r#"{"kind":"exited","printed":[],"status":0}"#,
        r#"{"kind":"interrupted","signal":"SIGINT"}"#,
        r#"{"kind":"out_of_memory","limit_bytes":536870912,"printed":[]}"#,
        r#"{"kind":"out_of_memory","limit_bytes":null,"printed":[]}"#,
        r#"{"kind":"timed_out","limit_seconds":2.5,"printed":["loading weights","  done"]}"#,
    ];
    expected.iter().enumerate().for_each(|(at, expected)| assert_eq!(problem(at), *expected));
}

#[test]
fn how_each_process_ended_survives_a_round_trip() {
    let commands = Commands { base: "/elsewhere".into(), ..example::commands() };
    let read = json::read_run(&to_text(|out| json::run(out, &commands, &run()))).expect("it was just written");
    assert_eq!(format!("{read:?}"), format!("{:?}", run()));
    for case in run().cases {
        let read = round_trip(&case).expect("it was just written");
        assert_eq!(format!("{read:?}"), format!("{case:?}"));
    }
}
