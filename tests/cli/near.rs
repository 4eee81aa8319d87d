//! What is not there: what was meant, and where there is nothing yet, how to begin.

use crate::project::Project;

const ADD: &str = "to add the first:  karat add CASE --checkpoint NAME --input x=x.npy --output y=y.npy";

#[test]
fn without_cases_every_verb_says_how_to_add_the_first() {
    let empty = Project::empty();
    let none = Project::empty();
    none.remove("goldens");
    for project in [&empty, &none] {
        for arguments in [
            &["run"][..],
            &["matrix"],
            &["list"],
            &["explain", "a"],
            &["show", "a"],
            &["run", "-k", "a"],
            &["run", "--json"],
        ] {
            let said = project.karat(arguments).exits(2).says(ADD);
            assert_eq!(said.stdout, "", "{arguments:?}");
        }
    }
    empty.karat(["doctor"]).exits(1).says("karat add CASE --checkpoint NAME --input x=x.npy --output y=y.npy");
    none.karat(["doctor"]).exits(2).says(ADD);
    // The command that is said adds it where it was looked for.
    let other = Project::good();
    let said = other.karat(["run", "new/goldens"]).exits(2);
    let told = said.says("karat add CASE --root new/goldens --checkpoint NAME --input x=x.npy --output y=y.npy");
    assert!(!told.stderr.contains("did you mean"), "{}", told.stderr);
}

#[cfg(unix)]
#[test]
fn a_root_or_an_id_that_is_not_there_is_answered_with_the_command_that_was_meant() {
    let project = Project::good();
    for id in ["gpt2/h.0/ln_1", "gpt2/h.1/ln_1", "-bad"] {
        project.case(id, |_| {});
    }
    for (arguments, meant) in [
        (&["run", "goldns"][..], "karat run goldens"),
        (&["list", "goldens/gpt"], "karat list goldens/gpt2"),
        (&["doctor", "goldns"], "karat doctor goldens"),
        (&["run", "goldns", "-k", "good"], "karat run goldens -k good"),
        (&["run", "h.0/ln_1"], "karat run -k h.0/ln_1"),
        (&["matrix", "h.0/ln_1"], "karat matrix -k h.0/ln_1"),
        (&["list", "gpt2"], "karat list -k gpt2"),
        (&["list", "h.0/ln_1x"], "karat list -k gpt2/h.0/ln_1"),
        (&["explain", "goood"], "karat explain good"),
        (&["explain", "h.0/ln_1x"], "karat explain gpt2/h.0/ln_1"),
        (&["explain", "h.1/ln_1"], "karat explain gpt2/h.1/ln_1"),
        (&["show", "bad"], "karat show -- -bad"),
    ] {
        let said = project.karat(arguments).exits(2);
        let (_, command) =
            said.stderr.trim_end().split_once("did you mean:  ").unwrap_or_else(|| panic!("{}", said.stderr));
        assert_eq!(command, meant, "{arguments:?}");
        let again = project.shell(command);
        assert!(again.code < 2, "{command}: {}", again.stderr);
    }
    let said = project.karat(["explain", "ln_1"]).exits(2);
    said.says("did you mean: karat explain gpt2/h.0/ln_1 or: karat explain gpt2/h.1/ln_1");
    project
        .karat(["explain", "something"])
        .exits(2)
        .says("`something` is not a case below")
        .says("to list the cases: karat list");
}

#[cfg(unix)]
#[test]
fn a_folder_in_place_of_a_case_is_answered_with_the_cases_in_it() {
    let project = Project::good();
    for id in ["gpt2/h.0/ln_1", "gpt2/h.0/ln_2", "gpt2/h.1/ln_1", "gpt2/ln_f"] {
        project.case(id, |_| {});
    }
    for (typed, count, first) in [
        ("gpt2", 4, "gpt2/h.0/ln_1"),
        ("gpt2/h.0/", 2, "gpt2/h.0/ln_1"),
        ("goldens/gpt2/h.1", 1, "gpt2/h.1/ln_1"),
        ("h.0", 2, "gpt2/h.0/ln_1"),
        ("goldens", 5, "good"),
    ] {
        for (verb, wanted) in [("explain", "not a case"), ("show", "neither a tensor file nor a case")] {
            let cases = if count == 1 { "1 case".to_owned() } else { format!("{count} cases") };
            let said = project.karat([verb, typed]).exits(2);
            let said = said.says(&format!("`{typed}` is {wanted} below goldens, but a folder with {cases}; "));
            let said = said.says(&format!("did you mean: karat {verb} {first}"));
            let list = said.stderr.lines().find_map(|line| line.strip_prefix("to list them:  "));
            let listed = project.shell(list.expect("a command")).exits(0);
            assert_eq!(listed.stdout.lines().filter(|line| line.contains("layer_norm")).count(), count, "{typed}");
        }
    }
}

#[cfg(unix)]
#[test]
fn commands_of_a_case_whose_id_begins_with_a_dash_can_be_typed() {
    let project = Project::good();
    project.case("-bad", |case| case["params"]["eps"] = 1.into());
    project.case("-new", |_| {});
    project.case("--miss", |case| case["outputs"]["y"] = "no.npy".into());
    for (filter, label, code) in [("-bad", "to see it", 1), ("-new", "if it is intended", 0), ("--miss", "then", 1)] {
        let said = project.karat(["run", &format!("-k={filter}")]).exits(1);
        let said = project.shell(said.command(label));
        assert_eq!(said.code, code, "{filter}: {}{}", said.stdout, said.stderr);
    }
    assert!(project.has("snapshots/-new/y.snap"));
}

#[cfg(unix)]
#[test]
fn below_a_project_the_folder_that_has_the_goldens_is_named() {
    let project = Project::good();
    std::fs::create_dir_all(project.path("src/layers")).expect("folders");
    for verb in ["run", "list", "doctor", "accept --all", "explain good"] {
        let said = project.shell(&format!("cd src/layers && karat {verb}")).exits(2);
        said.says("there is no folder").says("a parent folder has one, ../../goldens; to use it: cd ../..");
        let said = project.shell(&format!("cd src && karat {verb}")).exits(2);
        said.says("a parent folder has one, ../goldens; to use it: cd ..").keeps_quiet_of("to add the first");
    }
    project.shell("cd src/layers && cd ../.. && karat list").exits(0);
    project.shell("cd src && karat list nix").exits(2).keeps_quiet_of("a folder above");
}
