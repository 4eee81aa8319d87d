//! An example or more of every verb, which its help ends with.

use clap::Command;

/// The names of the verbs, as they are typed.
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

/// What is typed behind each verb, and what it does.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("", "every case below goldens/"),
            ("goldens/gpt2-tiny -k ln_1", "the cases of one suite whose id contains ln_1"),
            ("--failed --verbose", "what failed in the last run, with all measurements"),
            ("--ci --json run.json --junit run.xml", "in CI: a record, and JUnit's XML"),
        ],
    ),
    ("matrix", &[("-k ln_1 --by checkpoint", "a row a checkpoint, a column an executor")]),
    ("report", &[("run.json --html run.html", "one page from the record of a run")]),
    ("merge", &[("shard-1.json shard-2.json --junit run.xml", "one run from the records of two shards")]),
    ("list", &[("-k ln_1", "the cases whose id contains ln_1")]),
    (
        "show",
        &[
            ("gpt2-tiny/h.0/ln_1", "a case, and a summary of each of its tensors"),
            ("weights.safetensors#h.0.ln_1.weight", "one member of a container"),
        ],
    ),
    (
        "diff",
        &[("mine.npy reference.npy --atol 1e-5 --rtol 0 --explain", "two files, and what the difference looks like")],
    ),
    ("explain", &[("gpt2-tiny/h.0/ln_1", "one case")]),
    (
        "add",
        &[(
            "math/softmax --checkpoint softmax --input x=x.npy --output y=y.npy --atol 1e-6 --rtol 0",
            "a case with one input and one reference",
        )],
    ),
    ("accept", &[("--all", "everything that is pending"), ("gpt2-tiny/h.0/ln_1", "what is pending of one case")]),
    ("doctor", &[("", "goldens/, its snapshots, git and insta")]),
    ("completions", &[("bash", "what bash sources")]),
    ("schema", &[("suite", "the JSON Schema of suite.json")]),
];

/// The command line with the examples of each verb below its help, as they are typed here.
pub(super) fn with(command: Command, name: &str) -> Command {
    EXAMPLES.iter().fold(command, |command, (verb, examples)| {
        if command.find_subcommand(verb).is_none() {
            return command;
        }
        command.mut_subcommand(verb, |verb| {
            let lines = examples.iter().map(|(arguments, what)| {
                let typed = format!("{name} {} {arguments}", verb.get_name());
                format!("  # {what}\n  {}\n", typed.trim_end())
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
    fn the_help_of_every_verb_ends_with_an_example_that_can_be_typed() {
        for verb in VERBS {
            let mut command = with(Cli::command().bin_name("cargo test --test goldens --"), "karat");
            let help = command.find_subcommand_mut(verb).expect("a verb").render_help().to_string();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb}: {help}"));
            let typed: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("  karat ")).collect();
            assert!(!typed.is_empty(), "{verb}: {help}");
            for typed in typed {
                assert!(typed.starts_with(verb), "{typed}");
                let words = std::iter::once("karat").chain(typed.split(' '));
                assert!(Cli::command().try_get_matches_from(words).is_ok(), "{typed}");
            }
        }
    }
}
