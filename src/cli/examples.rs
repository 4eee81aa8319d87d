//! The examples at the end of the help of every verb.

use clap::Command;

/// The names of the verbs.
pub(crate) const VERBS: &[&str] = &[
    "run",
    "matrix",
    "report",
    "merge",
    "list",
    "show",
    "diff",
    "explain",
    "add",
    "accept",
    "doctor",
    #[cfg(feature = "cli")]
    "completions",
    #[cfg(feature = "cli")]
    "schema",
];

/// The arguments of each example, and what it does.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("", "every case below goldens/"),
            ("goldens/gpt2-tiny -k ln_1", "the cases of one suite whose id contains ln_1"),
            ("--failed --verbose", "only what failed in the last run, with all measurements"),
            ("--ci --json run.json --junit run.xml", "in CI: write a record and JUnit XML"),
        ],
    ),
    ("matrix", &[("-k ln_1 --by checkpoint", "a row per checkpoint, a column per executor")]),
    ("report", &[("run.json --html run.html", "an HTML page from the record of a run")]),
    ("merge", &[("shard-1.json shard-2.json --junit run.xml", "one run from the records of two shards")]),
    ("list", &[("-k ln_1", "the cases whose id contains ln_1")]),
    (
        "show",
        &[
            ("gpt2-tiny/h.0/ln_1", "a case with a summary of each of its tensors"),
            ("weights.safetensors#h.0.ln_1.weight", "one member of a container"),
        ],
    ),
    (
        "diff",
        &[("mine.npy reference.npy --atol 1e-5 --rtol 0 --explain", "compare two files and explain the difference")],
    ),
    ("explain", &[("gpt2-tiny/h.0/ln_1", "explain one case")]),
    (
        "add",
        &[(
            "math/softmax --checkpoint softmax --input x=x.npy --output y=y.npy --atol 1e-6 --rtol 0",
            "a case with one input and one reference",
        )],
    ),
    ("accept", &[("--all", "all pending snapshots"), ("gpt2-tiny/h.0/ln_1", "the pending snapshots of one case")]),
    ("doctor", &[("", "check goldens/, its snapshots, and the settings of git and insta")]),
    ("completions", &[("bash", "completions for bash")]),
    ("schema", &[("suite", "the JSON Schema of suite.json")]),
];

/// Adds the examples of each verb to the end of its help; `name` is the name of the program.
pub(super) fn with_examples(command: Command, name: &str) -> Command {
    EXAMPLES.iter().fold(command, |command, (verb, examples)| {
        if command.find_subcommand(verb).is_none() {
            return command;
        }
        command.mut_subcommand(verb, |verb| {
            let lines = examples.iter().map(|(arguments, what)| {
                let line = format!("{name} {} {arguments}", verb.get_name());
                format!("  # {what}\n  {}\n", line.trim_end())
            });
            let text = format!("Examples:\n{}", lines.collect::<String>());
            verb.after_help(text)
        })
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::main::Cli;

    #[test]
    fn the_help_of_every_verb_ends_with_a_valid_example() {
        for verb in VERBS {
            let mut command = with_examples(Cli::command().bin_name("cargo test --test goldens --"), "karat");
            let help = command.find_subcommand_mut(verb).expect("a verb").render_help().to_string();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb}: {help}"));
            let lines: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("  karat ")).collect();
            assert!(!lines.is_empty(), "{verb}: {help}");
            for line in lines {
                assert!(line.starts_with(verb), "{line}");
                let words = std::iter::once("karat").chain(line.split(' '));
                assert!(Cli::command().try_get_matches_from(words).is_ok(), "{line}");
            }
        }
    }
}
