//! Conventions of command line tools: help, version, exit codes, and no error on a closed pipe.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::project::{KARAT, Project};

const VERBS: [&str; 7] = ["run", "list", "show", "diff", "add", "accept", "schema"];

#[test]
fn help_and_version_are_no_errors() {
    let project = Project::empty();
    let said = project.karat(["--help"]).exits(0);
    assert_eq!(said.stderr, "");
    for verb in VERBS {
        assert!(said.stdout.lines().any(|line| line.trim_start().starts_with(verb)), "{verb}: {}", said.stdout);
        project.karat([verb, "--help"]).exits(0).says(&format!("Usage: karat {verb}"));
    }
    said.says("Exit status: 0 all cases passed, 1 a case failed, 2 karat could not run.");
    for arguments in [&["--version"][..], &["-V"], &["--version", "list"]] {
        let version = project.karat(arguments).exits(0);
        assert_eq!(version.stdout, format!("karat {}\n", env!("CARGO_PKG_VERSION")), "{arguments:?}");
    }
}

#[test]
fn invalid_arguments_exit_with_2_and_print_nothing_to_stdout() {
    let project = Project::good();
    for arguments in
        [&[][..], &["frobnicate"], &["run", "--frobnicate"], &["run", "-j", "many"], &["diff", "one.npy"], &["show"]]
    {
        let said = project.karat(arguments).exits(2).says("--help");
        assert_eq!(said.stdout, "", "{arguments:?}");
    }
    for arguments in [
        &["frob\n::error::x\u{85}"][..],
        &["run", "--partition", "g\n::error::x\u{85}"],
        &["run", "--timeout", "g\n ::error::x\u{85}"],
        &["run", "--g\n::error::x\u{85}"],
        &["schema", "##[error]\n::error::x\u{85}"],
    ] {
        let said = project.karat(arguments).exits(2).says("\\u{3a}:error::x\\u{85}").says("--help");
        assert!(!said.stderr.contains('\u{85}') && !said.stderr.contains("##["), "{}", said.stderr);
        assert!(!said.stderr.lines().any(|line| line.trim_start().starts_with("::")), "{}", said.stderr);
    }
    for (word, verb) in [("lst", "list"), ("rnu", "run"), ("ru", "run"), ("doc", "doctor")] {
        project.karat([word]).exits(2).says(&format!("a similar subcommand exists: '{verb}'"));
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let project = Project::gpt2_tiny();
    project.accept_all();
    for arguments in
        [&["run"][..], &["run", "--json"], &["list"], &["schema"], &["--help"], &["show", "gpt2-tiny/ln_f"]]
    {
        let mut command = project.command(KARAT);
        let mut child =
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // Closed before the first line, and after it.
        if arguments.len() > 1 {
            let mut line = String::new();
            let stdout = child.stdout.take().expect("it is piped");
            BufReader::with_capacity(1, stdout).read_line(&mut line).expect("a line");
        } else {
            drop(child.stdout.take());
        }
        let mut stderr = String::new();
        child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("text");
        let code = child.wait().expect("it ends").code();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn a_closed_stderr_changes_no_exit_code() {
    let project = Project::empty();
    let mut child =
        project.command(KARAT).arg("run").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
}

#[test]
fn the_options_of_run_are_in_groups_and_each_is_in_one() {
    let help = Project::empty().karat(["run", "--help"]).exits(0).stdout;
    let headings: Vec<&str> =
        help.lines().filter_map(|line| line.strip_suffix(':')).filter(|line| !line.starts_with(' ')).collect();
    let groups = ["Case selection", "Execution", "Pass and fail", "Output and reports"];
    assert_eq!(headings, [&["Arguments", "Options"][..], &groups, &["Examples"]].concat(), "{help}");
    let (_, ungrouped) = help.split_once("\nOptions:\n").expect("a group");
    let ungrouped: Vec<&str> = ungrouped.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(ungrouped.iter().filter(|line| line.contains("--")).count(), 1, "only --help: {ungrouped:#?}");
}
