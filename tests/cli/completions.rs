//! `karat completions`, tried in a shell.

use crate::project::Project;

#[test]
fn every_shell_has_a_script() {
    let project = Project::empty();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = project.karat(["completions", shell]).exits(0);
        assert!(said.stdout.contains("fail-fast") && said.stdout.contains("doctor"), "{shell}");
        assert!(!said.stdout.contains("__case"), "{shell}");
    }
    project.karat(["completions", "tcsh"]).exits(2).says("possible values: bash, elvish, fish, powershell, zsh");
}

/// bash calls what the script has registered, as it does when the user presses the key.
#[cfg(unix)]
#[test]
fn bash_completes_verbs_and_options() {
    let project = Project::empty();
    let script = r#"
        source <(karat completions bash)
        complete_line() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
            local register; register=$(complete -p karat); register=${register#*-F }
            "${register%% *}" karat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            echo "${COMPREPLY[*]}"
        }
        complete_line karat do
        complete_line karat run --fa
        complete_line karat completions z
    "#;
    project.write("script.bash", script);
    let said = project.shell("bash --norc script.bash").exits(0);
    assert_eq!(said.stdout, "doctor\n--failed --fail-fast\nzsh\n", "{}", said.stderr);
}
