//! Reports of the hand-made run.

use super::{assert_text, example, to_json_text};
use crate::report::{Commands, Palette, Review, json, terminal};
use crate::run::{Gate, RunOutcome, Verdict};

fn lines(run: &RunOutcome) -> String {
    terminal::case_lines(&Palette::plain(), &example::commands(), run)
}

fn failures(commands: &Commands, run: &RunOutcome) -> String {
    terminal::failures(&Palette::plain(), commands, run)
}

fn end(commands: &Commands, run: &RunOutcome) -> String {
    terminal::end(&Palette::plain(), commands, run)
}

/// Returns the example run with only the cases of one verdict.
fn only(verdict: Verdict) -> RunOutcome {
    let mut run = example::run();
    run.cases.retain(|case| case.verdict == verdict);
    run
}

#[test]
fn every_case_has_a_line() {
    assert_text(&lines(&example::run()), include_str!("../../../tests/data/report/lines.txt"));
}

#[test]
fn lines_with_short_ids_stay_within_80_columns() {
    let actual = lines(&example::run());
    let widest = actual.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{actual}");
}

#[test]
fn a_long_id_is_not_cut_and_shifts_only_its_own_line() {
    let long = format!("suite/{}", "deeper/".repeat(9) + "case");
    let outputs = || vec![example::output("y", Verdict::Pass)];
    let run = RunOutcome {
        cases: vec![example::case("a/b", "layer_norm", outputs()), example::case(&long, "qkv", outputs())],
        ..example::run()
    };
    let actual = lines(&run);
    assert!(actual.contains(&long), "{actual}");
    assert!(actual.starts_with(&format!("pass        {:32}  layer_norm  difference", "a/b")), "{actual}");
}

#[test]
fn every_case_that_did_not_pass_has_a_message() {
    assert_text(
        &failures(&example::commands(), &example::run()),
        include_str!("../../../tests/data/report/failures.txt"),
    );
}

#[test]
fn every_message_ends_with_a_command_unless_its_output_passed() {
    let actual = failures(&example::commands(), &example::run());
    for message in actual.split("\n\n").filter(|message| !message.is_empty() && !message.starts_with("pass")) {
        let last = message.trim_end().lines().last().unwrap_or_default();
        let (_, command) = last.split_once(":  ").unwrap_or_default();
        assert!(["karat ", "cargo ", "rm "].iter().any(|start| command.starts_with(start)), "{message}");
    }
}

#[test]
fn a_mismatch_is_never_accepted_or_reviewed() {
    for verdict in [Verdict::Broken, Verdict::Missing, Verdict::Mismatch, Verdict::Orphaned] {
        for review in [Review::Insta, Review::Accept] {
            let commands = Commands { review, ..example::commands() };
            let actual = failures(&commands, &only(verdict)) + &end(&commands, &only(verdict));
            assert!(!actual.contains("accept") && !actual.contains("review"), "{actual}");
        }
    }
}

#[test]
fn the_counts_start_with_the_worst_verdict() {
    assert_text(&end(&example::commands(), &example::run()), include_str!("../../../tests/data/report/end.txt"));
}

#[test]
fn a_run_that_passed_ends_with_the_number_of_cases() {
    let mut run = only(Verdict::Pass);
    run.cases.retain(|case| case.outputs.iter().all(|output| output.improved.is_empty()));
    run.filtered_out = 0;
    assert_text(&failures(&example::commands(), &run), "");
    assert_text(&end(&example::commands(), &run), "4 passed (1.24 s)\nexecutor builtin\n");
}

#[test]
fn a_skip_that_ci_does_not_allow_has_a_message() {
    let run = RunOutcome { gate: Gate { ci: true, ..Gate::default() }, ..only(Verdict::Skipped) };
    let expected = "\
skipped   gpt2-tiny/generate
          waits for the cache
          in CI a skipped case fails unless it is allowed by name:
          --allow-skip=gpt2-tiny/generate
          remove \"skip\" from goldens/gpt2-tiny/generate/case.json
          then:  karat run -k gpt2-tiny/generate

";
    assert_text(&failures(&example::commands(), &run), expected);
    let allowed = RunOutcome {
        gate: Gate { ci: true, allowed_skips: vec!["gpt2-tiny/generate".into()], ..Gate::default() },
        ..run
    };
    assert_text(&failures(&example::commands(), &allowed), "");
}

#[test]
fn in_ci_the_review_command_starts_with_a_run_on_another_machine() {
    let run = RunOutcome { gate: Gate { ci: true, ..Gate::default() }, ..only(Verdict::Drift) };
    let actual = failures(&example::commands(), &run);
    let command = "karat run -k gpt2-tiny/ln_f; cargo insta review";
    assert!(actual.contains(&format!("if it is intended, on your machine:  {command}\n")), "{actual}");
}

#[test]
fn commands_work_where_the_message_is_read() {
    let command = "cargo test --test goldens --";
    let commands = Commands { root: Some("my goldens".into()), ..Commands::new(command, "/home/me".into()) };
    let actual = failures(&commands, &only(Verdict::Drift)) + &failures(&commands, &only(Verdict::Missing));
    for line in [
        "if it is intended:  cargo test --test goldens -- accept --root 'my goldens' gpt2-tiny/ln_f\n",
        "then:  cargo test --test goldens -- run 'my goldens' -k lfs/ln\n",
    ] {
        assert!(actual.contains(line), "{actual}");
    }
    let actual = failures(&commands, &only(Verdict::Mismatch));
    assert!(actual.contains("actual saved to port/target/karat/gpt2-tiny/lm_head/logits.npy\n"), "{actual}");
}

#[test]
fn colours_do_not_change_the_text() {
    let commands = example::commands();
    let colored = terminal::failures(&Palette::colored(), &commands, &example::run());
    assert!(colored.contains("\u{1b}[1m\u{1b}[31mmismatch\u{1b}[0m  "), "{colored}");
    let mut plain = String::new();
    for (at, part) in colored.split('\u{1b}').enumerate() {
        plain += if at == 0 { part } else { part.split_once('m').expect("every escape is a colour").1 };
    }
    assert_text(&plain, &failures(&commands, &example::run()));
}

#[test]
fn json_contains_everything() {
    let actual = to_json_text(|out| json::run(out, &example::commands(), &example::run()));
    assert_text(&actual, include_str!("../../../tests/data/report/run.json"));
    serde_json::from_str::<serde_json::Value>(&actual).expect("one JSON document");
}

#[test]
fn a_first_run_reports_unrecorded_cases_together_and_the_worst_case_last() {
    let case = |id: &str, verdict| example::case(id, "mlp", vec![example::output("y", verdict)]);
    let mut cases: Vec<_> = (0..45).map(|at| case(&format!("s/{at:02}"), Verdict::Unrecorded)).collect();
    cases.insert(20, case("s/19x", Verdict::Mismatch));
    let run = RunOutcome { cases, filtered_out: 0, ..example::run() };
    let actual = failures(&example::commands(), &run);
    let expected = "\
unrecorded  45 cases
            within tolerance or without a reference, and no snapshot has been
            accepted yet: s/00, s/01, s/02, and 42 more
            if it is intended:  cargo insta review

";
    let rest = actual.strip_prefix(expected).unwrap_or_else(|| panic!("{actual}"));
    assert!(rest.starts_with("mismatch  s/19x  ›  y") && rest.lines().count() < 10, "{actual}");
    // A few cases are reported one by one.
    let few = RunOutcome { cases: run.cases[..3].to_vec(), ..run };
    assert_eq!(failures(&example::commands(), &few).matches("unrecorded  s/0").count(), 3);
}

#[test]
fn failures_end_with_the_worst() {
    let actual = failures(&example::commands(), &example::run());
    let place = |verdict: Verdict| {
        let of = example::run().cases.into_iter().find(|case| case.verdict == verdict).expect("every verdict");
        let line = |line: &str| line.starts_with(verdict.word()) && line.contains(of.id.as_str());
        actual.lines().position(line).unwrap_or_else(|| panic!("{}: {actual}", of.id))
    };
    use Verdict::{Broken, Drift, Mismatch, Missing, Orphaned, Unrecorded};
    let places = [Drift, Unrecorded, Orphaned, Mismatch, Missing, Broken].map(place);
    assert!(places.is_sorted(), "{places:?}");
}
