//! The candle executor, compared with the same goldens as the built-in one.
//!
//! Each run is a process of its own, this test binary asked for [`child`] alone: candle takes the number of its threads,
//! and insta its settings, from the environment.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use karat::case::{Goldens, sha256};
use karat::run::{Filter, Options, Session, Verdict};
use karat::tensor::read_tensor;

/// Runs every golden case three times on that many threads, and returns a line for each output: its case and name, the
/// verdict, the share of its tolerance used, the largest difference and the sha256 of the tensor.
fn run(threads: usize) -> Vec<String> {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    for (name, _) in std::env::vars_os() {
        if matches!(name.to_str(), Some(name) if name.starts_with("INSTA_") || name == "CI" || name == "TF_BUILD") {
            command.env_remove(name);
        }
    }
    command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("RAYON_NUM_THREADS", threads.to_string()).env("INSTA_OUTPUT", "none");
    command.env("KARAT_TEST_SCRATCH", scratch.path()).env("CARGO_TARGET_DIR", scratch.path());
    let output = command.output().expect("a process");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    stdout.lines().filter_map(|line| Some(line.split_once("=> ")?.1.to_owned())).collect()
}

/// Runs every golden case, and prints a line for each output.
#[test]
#[ignore = "the other tests run it, as a process of its own"]
fn child() {
    let Ok(scratch) = std::env::var("KARAT_TEST_SCRATCH") else { return };
    print!("\n{}", report(Path::new(&scratch)).expect("a run"));
}

fn report(scratch: &Path) -> karat::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
    // The snapshots belong to the built-in executor. Without one, an output that is close to its reference is unrecorded.
    let goldens = Goldens { root, snapshots: scratch.join("snapshots"), below: PathBuf::new() };
    let tree = goldens.discover()?;
    let options = Options { repeats: 3.try_into().expect("not 0"), ..Options::default() };
    let outcome =
        Session::new(goldens, karat::executors::candle::executor(), options)?.run(&tree, &Filter::default(), |_| ())?;
    let mut lines = String::new();
    for case in &outcome.cases {
        for problem in &case.problems {
            writeln!(lines, "=> {} {problem:?}", case.id).expect("memory can be written to");
        }
        for output in &case.outputs {
            let Some((comparison, kept)) = output.comparison.as_ref().zip(output.actual_file.as_ref()) else {
                writeln!(lines, "=> {}:{} {:?}", case.id, output.name, output.problems).expect("as above");
                continue;
            };
            let largest = comparison.max_abs_diff.as_ref().map_or(0.0, |extreme| extreme.value);
            let verdict = if comparison.is_close() { output.verdict } else { Verdict::Mismatch }.word();
            let (share, digest) = (comparison.tolerance_used, sha256(&read_tensor(kept, None, None)?));
            let name = case.checkpoint.as_deref().unwrap_or_default();
            writeln!(lines, "=> {}:{} {name} {verdict} {share:.3} {largest:e} {digest}", case.id, output.name)
                .expect("as above");
        }
    }
    Ok(lines)
}

#[test]
fn every_golden_case_is_within_tolerance_and_the_number_of_threads_changes_no_bit() {
    let once = run(1);
    assert!(once.len() > 40, "only {} outputs: {once:#?}", once.len());
    for suite in ["gpt2-tiny", "minilm"] {
        assert!(once.iter().any(|line| line.starts_with(&format!("{suite}/"))), "no case of {suite} was run");
    }
    let wrong: Vec<&String> = once.iter().filter(|line| !line.contains(" unrecorded ")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for threads in [2, 3] {
        assert_eq!(run(threads), once, "{threads} threads");
    }
}

#[test]
fn it_has_the_checkpoints_of_the_built_in_executor() {
    let (candle, built_in) = (karat::executors::candle::executor(), karat::executors::gpt2::executor());
    assert_eq!(candle.name(), "candle");
    assert!(candle.names().eq(built_in.names()), "{candle:?}\n{built_in:?}");
}
