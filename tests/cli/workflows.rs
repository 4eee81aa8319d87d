//! The workflows in `docs/ci` use verbs and options that there are.

use std::fs;
use std::path::Path;

use crate::project::Project;

/// The words of every command of karat's in a file, from the verb on.
fn commands(text: &str) -> Vec<Vec<String>> {
    let marked = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let commands = marked.filter_map(|line| line.split_once("--test goldens -- ").map(|(_, command)| command));
    commands.map(|command| command.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn workflows_use_options_that_exist() {
    let project = Project::empty();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci");
    let mut verbs = Vec::new();
    for file in ["github.yml", "gitlab.yml"] {
        let text = fs::read_to_string(folder.join(file)).expect("a workflow");
        for command in commands(&text) {
            let help = project.karat([&command[0], "--help"]).exits(0).stdout;
            for option in command.iter().filter(|word| word.starts_with("--")) {
                let is_there = help.split_whitespace().any(|word| word.trim_end_matches(',') == option);
                assert!(is_there, "{file}: {} has no {option}:\n{help}", command[0]);
            }
            verbs.push(command[0].clone());
        }
    }
    assert_eq!(verbs, ["run", "merge", "run", "merge"]);
}
