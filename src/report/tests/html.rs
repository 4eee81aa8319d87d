//! The HTML report: it contains the messages of the terminal and no markup from files, and it stays small.

use std::time::Duration;

use super::example::{self, case, commands, output};
use crate::case::CaseId;
use crate::compare::{Pair, Picture, Rules, Tolerance};
use crate::report::html::{self, Detail};
use crate::report::{Palette, terminal};
use crate::run::{
    CaseOutcome, ChainOutcome, Difference, Finding, Gate, OutputOutcome, Problem, Role, RunOutcome, Step, Verdict,
};
use crate::tensor::Tensor;

fn page(run: &RunOutcome, detail: Detail) -> String {
    html::run(&commands(), run, detail)
}

/// Returns the visible text of the page, with single spaces and decoded entities.
fn text(page: &str) -> String {
    let body = &page[page.find("<body>").expect("there is a body")..page.rfind("<script>").expect("there is a script")];
    let mut shown = String::new();
    let mut is_tag = false;
    for c in body.chars() {
        match c {
            '<' => is_tag = true,
            // A tag separates words.
            '>' => (is_tag, shown) = (false, shown + " "),
            c if !is_tag => shown.push(c),
            _ => {}
        }
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let shown = entities.into_iter().fold(shown, |shown, (entity, c)| shown.replace(entity, c));
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_contains_every_message_of_the_terminal() {
    for ci in [false, true] {
        let run = RunOutcome { gate: Gate { ci, ..Gate::default() }, ..example::run() };
        let page = text(&page(&run, Detail::NotPassed));
        for case in run.cases.iter().filter(|case| run.gate.fails(case)) {
            let message = terminal::failure(&Palette::plain(), &commands(), &run.gate, case);
            // The page formats the first line of each block differently.
            for line in message.split("\n\n").flat_map(|block| block.lines().skip(1)) {
                // The page shows explanations in full, and snapshot lines as a table.
                let line = words(line.trim_start().trim_start_matches("looks like: "));
                let is_row = ["snapshot ", "now ", "band "].iter().any(|name| line.starts_with(name));
                assert!(is_row || page.contains(&line.replace(":  ", ": ")), "{line:?} is not on the page");
            }
        }
    }
}

#[test]
fn the_page_shows_the_count_of_every_verdict() {
    let run = example::run();
    let page = text(&page(&run, Detail::NotPassed));
    let counts = run.counts();
    for verdict in Verdict::ALL {
        assert!(page.contains(&format!("{} {}", counts.get(verdict), verdict.word())), "{}", verdict.word());
    }
    assert!(page.contains("Failed: 17 of 23 cases"), "{page}");
    assert!(page.contains("filtered out 3 cases"), "{page}");
}

#[test]
fn text_from_files_is_never_markup() {
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> & </style></title> \u{1b}[31m";
    // As much of it as an id may contain.
    let id = "a/<script>alert(1)<script>'\"><img src=x onerror=alert(1)>&";
    let run = |problem| {
        let mut named = output(hostile, Verdict::Mismatch);
        named.problems = vec![Problem::Failed { text: hostile.into() }];
        named.reference = Some(hostile.into());
        let of = CaseOutcome {
            checkpoint: Some(hostile.into()),
            verdict: Verdict::Broken,
            problems: vec![problem],
            ..case(id, hostile, vec![named])
        };
        let passes = case(&format!("{id}2"), hostile, vec![output(hostile, Verdict::Pass)]);
        let step = Step {
            id: CaseId::new(id).expect("a path"),
            checkpoint: Some(hostile.into()),
            role: Role::Hole,
            why: Some(hostile.into()),
            own: None,
            propagated: None,
            amplification: None,
        };
        let finding = Finding::Unknown { hole: step.id.clone() };
        let chains = Some(vec![ChainOutcome { name: hostile.into(), steps: vec![step], finding }]);
        RunOutcome { executor: hostile.into(), cases: vec![of, passes], chains, ..example::run() }
    };
    for problem in [
        Problem::Panicked { text: hostile.into() },
        Problem::Error { text: hostile.into() },
        Problem::UnknownCheckpoint { name: hostile.into(), known: vec![hostile.into()] },
        Problem::Skipped { reason: hostile.into() },
    ] {
        let page = page(&run(problem), Detail::All);
        // Only the page's own elements: script, style sheet, and the titles of the page and of a checkpoint.
        for (tag, count) in [("<script", 1), ("</script", 1), ("</style", 1), ("</title", 2)] {
            assert_eq!(page.matches(tag).count(), count, "{tag}");
        }
        assert!(!page.contains("<img") && !page.contains('\u{1b}'));
        assert!(text(&page).contains("<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"));
    }
}

/// Returns a run with `count` cases. Every hundredth case has a mismatch with a picture.
fn many(count: usize) -> RunOutcome {
    let shape = [16usize, 60];
    let reference = Tensor::new(&shape, vec![1.0f32; 960]).expect("as many");
    // No two neighbours have the same colour, which makes the map as large as possible.
    let actual: Vec<f32> = (0..960).map(|at| 1.0 + 3.0 * 10f32.powi(-4 + at % 4)).collect();
    let actual = Tensor::new(&shape, actual).expect("as many");
    let rules = Rules::new(Tolerance::new(1e-5, 0.0).expect("valid"));
    let picture = Picture::of(Pair::new(&actual, &reference), &rules).expect("one shape");
    let cases = (0..count).map(|at| {
        let id = format!("model-{}/transformer.h.{}/attention_output_{at}", at % 7, at % 48);
        match at % 100 {
            0 => {
                let differs = OutputOutcome {
                    problems: vec![Problem::Mismatch(crate::compare::Mismatch::Outside { count: 3 })],
                    comparison: Some(example::far()),
                    picture: Some(picture.clone()),
                    explanations: vec![example::explanation()],
                    ..output("y", Verdict::Mismatch)
                };
                case(&id, "attention_output", vec![differs])
            }
            _ => case(&id, "attention_output", vec![output("y", Verdict::Pass)]),
        }
    });
    RunOutcome { cases: cases.collect(), elapsed: Duration::from_secs(61), ..example::run() }
}

#[test]
fn a_page_with_5000_cases_and_50_failures_is_under_4_mb() {
    let run = many(5000);
    assert_eq!(run.failed(), 50);
    let size = page(&run, Detail::NotPassed).len();
    assert!(size < 4_000_000, "{size} bytes");
    assert!(size > 1_000_000, "{size} bytes: are all cases on the page?");
}

#[test]
fn a_pass_is_a_row_unless_details_are_requested_or_it_has_remarks() {
    let run = example::run();
    let row = "<tr id=\"case-gpt2-tiny/h.0/ln_1\"";
    let full = "<details id=\"case-gpt2-tiny/h.0/ln_1\"";
    let actual = page(&run, Detail::NotPassed);
    assert!(actual.contains(row) && !actual.contains(full));
    // This case improved, so it is shown in full.
    assert!(actual.contains("<details id=\"case-gpt2-tiny/h.1/ln_1\" class=\"case good\" data-v=\"pass\">"));
    let actual = page(&run, Detail::All);
    assert!(!actual.contains(row) && actual.contains(full));
}

#[test]
fn only_failing_cases_are_initially_open() {
    let run = example::run();
    let page = page(&run, Detail::All);
    for case in &run.cases {
        let id = case.id.as_str().replace(' ', "%20");
        let from = page.find(&format!("<details id=\"case-{id}\"")).expect("every case is there");
        let tag = &page[from..from + page[from..].find('>').expect("a tag ends")];
        assert_eq!(tag.ends_with(" open"), run.gate.fails(case), "{tag}");
    }
}

#[test]
fn a_chain_is_a_drawing_and_a_table() {
    let difference = |size: Option<f64>, is_close| {
        Some(Difference { max_abs_diff: size, tolerance_used: 2.0, rel_rms: None, is_close })
    };
    let step = |id: &str, own, propagated, part| Step {
        id: CaseId::new(id).expect("a path"),
        checkpoint: Some("layer_norm".into()),
        role: part,
        why: (part == Role::Hole).then(|| "skipped".into()),
        own,
        propagated,
        amplification: Some(1.5),
    };
    let steps = vec![
        step("line/a", difference(Some(0.0), true), difference(Some(0.0), true), Role::Sound),
        step("line/b", difference(Some(0.0586), false), difference(Some(0.0586), false), Role::Diverges),
        step("line/c", difference(None, false), difference(Some(f64::INFINITY), false), Role::AtFaultToo),
        step("line/d", None, None, Role::Hole),
    ];
    let finding = Finding::Divergence { id: CaseId::new("line/b").expect("a path") };
    let chains = Some(vec![ChainOutcome { name: "line".into(), steps, finding }]);
    let drawn = page(&RunOutcome { chains, ..example::run() }, Detail::NotPassed);
    for shown in ["first divergence: line/b", "b 0.0586 2x 0.0586 2x 1.5x first divergence", "d - - 1.5x hole: skipped"]
    {
        assert!(text(&drawn).contains(shown), "{shown}");
    }
    // A mark for each difference, and a line for those without a number.
    let count = |mark: &str| drawn.split("class=\"plot\"").nth(1).expect("a plot").matches(mark).count();
    assert_eq!(
        [count("\"own in\""), count("\"own out\""), count("\"propagated in\""), count("\"propagated out\"")],
        [1, 2, 1, 2]
    );
    assert!(drawn.contains(">n/a</text>"));
    let none = page(&RunOutcome { chains: Some(Vec::new()), ..example::run() }, Detail::NotPassed);
    assert!(text(&none).contains("no chains: no case uses another case's output (`from`)"));
}

#[test]
fn a_picture_has_a_text_alternative() {
    let run = many(1);
    let page = page(&run, Detail::NotPassed);
    assert!(page.contains(
        "Heat map: 960 of 960 cells contain an element outside tolerance; the largest is in the cell that starts at row 0, column 3"
    ));
    let text = text(&page);
    assert!(text.contains("0 |234523452345"), "the map in characters: {text}");
    assert!(text.contains("1e-4 to 1e-3 240"), "{text}");
    assert!(text.contains("[0, 3] 1.3 1 0.3 30,000x"), "{text}");
}
