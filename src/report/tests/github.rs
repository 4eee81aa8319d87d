//! What GitHub Actions is told.

use std::path::Path;

use super::{assert_told, example};
use crate::report::github::{annotations, summary};
use crate::run::{CaseOutcome, Gate, Problem, RunOutcome, Verdict};

fn annotated(run: &RunOutcome, workspace: Option<&str>) -> Vec<String> {
    let told = annotations(&example::voice(), run, workspace.map(Path::new));
    told.lines().map(str::to_owned).collect()
}

fn summarised(run: &RunOutcome, limit: usize) -> String {
    summary(&example::voice(), run, limit)
}

/// A run of as many broken cases.
fn broken(count: usize) -> RunOutcome {
    let case = |at| CaseOutcome {
        verdict: Verdict::Broken,
        problems: vec![Problem::Failed { text: "no".into() }],
        ..example::case(&format!("many/case {at:04}"), "mlp", Vec::new())
    };
    RunOutcome { cases: (0..count).map(case).collect(), ..example::run() }
}

#[test]
fn each_case_is_annotated_where_it_is_the_worst_first() {
    let run = RunOutcome {
        cases: example::run().cases.into_iter().filter(|case| case.verdict != Verdict::Broken).collect(),
        ..example::run()
    };
    let lines = annotated(&run, Some("/home/me"));
    let heads: Vec<&str> = lines.iter().map(|line| line.rsplit_once("::").expect("a command").0).collect();
    assert_eq!(
        heads,
        [
            "::error file=port/goldens/gpt2-tiny/h.1/qkv/case.json,title=missing%3A gpt2-tiny/h.1/qkv",
            "::error file=port/goldens/lfs/ln/case.json,title=missing%3A lfs/ln",
            "::error file=port/goldens/gpt2-tiny/h.0/attn/case.json,title=mismatch%3A gpt2-tiny/h.0/attn",
            "::error file=port/goldens/gpt2-tiny/h.0/mlp/case.json,title=mismatch%3A gpt2-tiny/h.0/mlp",
            "::error file=port/goldens/gpt2-tiny/lm_head/case.json,title=mismatch%3A gpt2-tiny/lm_head",
            "::error file=port/goldens/gpt2-tiny/h.0/qkv/case.json,title=mismatch%3A gpt2-tiny/h.0/qkv",
            "::error file=port/snapshots/old case/y.snap,title=orphaned%3A old case",
            "::warning file=port/goldens/gpt2-tiny/wpe/case.json,title=unrecorded%3A gpt2-tiny/wpe",
            "::warning file=port/goldens/synthetic/alibi/case.json,title=unrecorded%3A synthetic/alibi",
            "::warning file=port/goldens/gpt2-tiny/h.1/ln_2/case.json,title=drift%3A gpt2-tiny/h.1/ln_2",
            "::warning file=port/goldens/gpt2-tiny/ln_f/case.json,title=drift%3A gpt2-tiny/ln_f",
        ]
    );
    assert!(
        lines[2].contains("%0A          3 of 512 elements (0.6%25), the first at [0, 2, 5], are outside"),
        "{}",
        lines[2]
    );
    assert!(lines[9].contains("if it is intended:  cargo insta review"), "{}", lines[9]);
    // Elsewhere files are named as everywhere.
    assert!(annotated(&run, Some("/home/you"))[0].starts_with("::error file=goldens/gpt2-tiny/h.1/qkv/case.json,"));
    assert!(annotated(&run, None)[0].starts_with("::error file=goldens/gpt2-tiny/h.1/qkv/case.json,"));
}

#[test]
fn no_more_is_annotated_than_is_shown_and_the_rest_is_counted() {
    assert_eq!(annotated(&broken(10), None).len(), 10);
    let lines = annotated(&broken(42), None);
    assert_eq!(lines.len(), 10);
    assert!(lines[8].starts_with("::error file=goldens/many/case 0008/case.json,"), "{}", lines[8]);
    assert!(lines[9].starts_with("::error title=33 cases more::many/case 0009%0Amany/case 0010%0A"), "{}", lines[9]);
    assert!(annotated(&broken(100_000), None).iter().all(|line| line.len() < 65_536));
}

#[test]
fn what_passes_the_gate_is_not_annotated() {
    let reviewed = RunOutcome { gate: Gate { reviewed: true, ..Gate::default() }, ..example::run() };
    assert!(annotated(&reviewed, None).iter().all(|line| line.starts_with("::error ")));
    assert_eq!(annotated(&RunOutcome { cases: Vec::new(), ..example::run() }, None), [""; 0]);
}

#[test]
fn a_step_has_a_summary() {
    assert_told(&summarised(&example::run(), usize::MAX), include_str!("../../../tests/data/report/summary.md"));
}

#[test]
fn a_summary_is_never_larger_than_is_shown() {
    let run = broken(20_000);
    let whole = summarised(&run, usize::MAX);
    assert!(whole.len() > 1024 * 1024, "{}", whole.len());
    let page = summarised(&run, 1024 * 1024);
    assert!((1_000_000..=1024 * 1024).contains(&page.len()), "{}", page.len());
    let rows = page.lines().filter(|line| line.starts_with("| broken | `many/")).count();
    assert!(page.ends_with(&format!("\nand {} more, which have no room here: see the log.\n", 20_000 - rows)));
    assert_eq!(summarised(&run, 100), "");
}

#[test]
fn nothing_in_a_summary_is_markdown_of_its_own() {
    let mut run = broken(1);
    run.cases[0].problems = vec![Problem::Error { text: "<b> @me a|b `c` *d* [e](f)".into() }];
    let page = summarised(&run, usize::MAX);
    assert!(page.contains(r"&lt;b&gt; &#64;&#8203;me a\|b \`c\` \*d\* \[e\](f)"), "{page}");
}
