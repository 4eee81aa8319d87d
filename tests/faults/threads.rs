//! The same bits from every run, on one thread and on two.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use karat::case::Goldens;
use karat::run::{Filter, Options, Session, Verdict};

use crate::alone::alone;
use crate::suite::repository;

/// The bytes of every output of both suites, by case and name.
type Bytes = BTreeMap<String, Vec<u8>>;

#[test]
fn three_runs_agree_bit_for_bit_with_1_thread_and_with_2() {
    let runs: Vec<(usize, Bytes)> = [1, 1, 1, 2, 2, 2].map(|threads| (threads, run(threads))).into();
    let (_, first) = &runs[0];
    for (number, (threads, outputs)) in runs.iter().enumerate() {
        assert!(outputs.keys().eq(first.keys()), "run {number} has other outputs");
        for (name, bytes) in outputs {
            assert!(bytes == &first[name], "{name} has other bits in run {number}, with {threads} threads");
        }
    }
}

/// A run of both suites in a process of its own, since rayon's pool is as large as the environment says.
///
/// There are no snapshots in its folder, so that karat keeps every output as one that did not pass.
fn run(threads: usize) -> Bytes {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().to_str().expect("a temporary folder is text").to_owned();
    let number = threads.to_string();
    let variables =
        [("RAYON_NUM_THREADS", number.clone()), ("KARAT_TEST_THREADS", number), ("INSTA_WORKSPACE_ROOT", root)];
    let said = alone("threads::child", &variables);
    let line = |line: &str| {
        let (name, path) = line.split_once("=> ")?.1.split_once(' ')?;
        let path = PathBuf::from(path);
        assert!(path.starts_with(folder.path()), "{} is kept outside the temporary folder", path.display());
        Some((name.to_owned(), fs::read(path).expect("the actual tensor is kept")))
    };
    let outputs: Bytes = said.lines().filter_map(line).collect();
    assert!(!outputs.is_empty(), "{said}");
    outputs
}

/// Runs both suites and says where every output is kept.
#[test]
#[ignore = "the test above runs it, as a process of its own"]
fn child() {
    let (Ok(threads), Some(folder)) = (std::env::var("KARAT_TEST_THREADS"), std::env::var_os("INSTA_WORKSPACE_ROOT"))
    else {
        return;
    };
    let threads: NonZeroUsize = threads.parse().expect("a number of threads");
    assert_eq!(rayon::current_num_threads(), threads.get());
    let snapshots = PathBuf::from(folder).join("snapshots");
    let goldens = Goldens::locate(&repository("goldens"), Some(&snapshots)).expect("the goldens are there");
    let options = Options { jobs: threads, ..Options::default() };
    let tree = goldens.discover().expect("the goldens can be walked");
    let session =
        Session::new(goldens, karat::executors::gpt2::executor(), options).expect("insta's settings are sound");
    let run = session.run(&tree, &Filter::default(), |_| ()).expect("there are cases");
    assert_eq!(run.cases.len(), tree.cases.len());
    for case in &run.cases {
        assert_eq!(case.verdict, Verdict::Unrecorded, "{}: {:?}", case.id, case.problems);
        for output in &case.outputs {
            let path = output.actual_file.as_ref().expect("what did not pass is kept");
            println!("\n=> {}:{} {}", case.id, output.name, path.display());
        }
    }
}
