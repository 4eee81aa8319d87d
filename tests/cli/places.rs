//! Places that must simply work: names of every kind, trees of links, roots anywhere, folders that may not be written.

use crate::project::{CommandOutput, Project};
use crate::tools::path_with;

#[test]
fn cases_whose_names_other_tools_take_for_one_are_two() {
    let project = Project::empty();
    project.case("a/b", |_| {});
    project.case("a__b", |case| case["params"]["eps"] = serde_json::json!(1e-14));
    project.accept_all();
    assert!(project.has("snapshots/a/b/y.snap") && project.has("snapshots/a__b/y.snap"));
    project.karat(["run"]).exits(0).judges("a/b", "pass").judges("a__b", "pass");
}

#[test]
fn spaces_and_letters_of_every_script_are_names() {
    let project = Project::empty();
    for id in ["with space/größe λ", "日本語", "it's", "-dash", "a#b", "100%", "[x]"] {
        project.case(id, |_| {});
    }
    project.case("names", |case| case["outputs"] = serde_json::json!({ "y": { "tensor": "größe λ.npy" } }));
    std::fs::rename(project.path("goldens/names/y.npy"), project.path("goldens/names/größe λ.npy")).expect("a file");
    project.accept_all();
    let said = project.karat(["run"]).exits(0).judges("with space/größe λ", "pass").judges("日本語", "pass");
    said.judges("it's", "pass")
        .judges("a#b", "pass")
        .judges("names", "pass")
        .says(&format!("{} passed (", project.cases()));
    project.karat(["run", "-k", "space/größe λ"]).exits(0).says("1 passed (");
}

#[test]
fn a_case_within_a_case_is_a_case() {
    let project = Project::empty();
    project.case("outer", |_| {});
    project.case("outer/inner", |_| {});
    project.accept_all();
    project.karat(["run"]).exits(0).judges("outer", "pass").judges("outer/inner", "pass");
}

#[test]
fn the_current_folder_may_be_anywhere() {
    let project = Project::good();
    for (folder, root) in [("goldens", "."), ("goldens/good", ".."), ("snapshots", "../goldens"), ("goldens/good", ".")]
    {
        let mut command = project.command(crate::project::KARAT);
        let output = command.args(["run", root]).current_dir(project.path(folder)).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0), "{folder} {root}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let root = project.path("goldens").display().to_string();
    project.karat(["run", &root]).exits(0).judges("good", "pass");
}

#[test]
fn of_several_folders_named_goldens_the_last_is_the_root() {
    let project = Project::empty();
    project.case("data/goldens/inner", |_| {});
    let said = project.karat(["run", "goldens/data/goldens"]).exits(1).judges("inner", "unrecorded");
    assert!(project.has("goldens/data/snapshots/inner/y.snap.new"), "{}", said.stdout);
}

#[test]
fn in_a_cargo_project_the_review_is_instas() {
    let project = Project::good();
    project.case("new", |_| {});
    project.write("Cargo.toml", "[package]\nname = \"some\"\nversion = \"0.1.0\"\n");
    let path = path_with(&["cargo-insta"]).into_string().expect("UTF-8");
    let said: CommandOutput = project.karat_with(&[("PATH", &path)], ["run"]).exits(1);
    assert_eq!(said.command("if it is intended"), "cargo insta review");
    assert!(project.read("snapshots/new/y.snap.new").contains("source: goldens/new/case.json\n"));
}

#[test]
fn members_of_a_workspace_keep_their_tensors_apart() {
    let project = Project::empty();
    project.remove("goldens");
    project.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"crates/b\"]\n");
    for (member, value) in [("a", 2.0f32), ("crates/b", 3.0)] {
        project.write(&format!("{member}/Cargo.toml"), "[package]\nname = \"x\"\n");
        project.case("same", |_| {});
        std::fs::create_dir_all(project.path(member)).expect("a folder");
        std::fs::rename(project.path("goldens"), project.path(&format!("{member}/goldens"))).expect("a folder");
        project.tensor(&format!("{member}/goldens/same/y.npy"), &[1, 2], vec![-1.0, value]);
        let kept = format!("target/karat+{}/same/y.npy", member.replace('/', "+"));
        project.karat(["run", &format!("{member}/goldens")]).exits(1).says(&format!("actual saved to {kept}"));
        assert!(project.has(&kept));
    }
    assert!(!project.has("target/karat"));
}

#[cfg(unix)]
mod links {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_tree_of_links_is_a_tree() {
        let project = Project::good();
        let store = Project::gpt2_tiny();
        // Every file a link of its own, as build tools lay them.
        for name in store.files("goldens").keys() {
            let place = project.path(&format!("goldens/{name}"));
            fs::create_dir_all(place.parent().expect("a folder")).expect("folders");
            symlink(store.path(&format!("goldens/{name}")), place).expect("a link");
        }
        project.accept_all();
        project
            .karat(["run"])
            .exits(0)
            .judges("gpt2-tiny/h.1/qkv", "pass")
            .says(&format!("{} passed (", project.cases()));
        assert!(store.files("").keys().all(|name| name.starts_with("goldens/")));
    }

    #[test]
    fn links_to_folders_are_followed() {
        let project = Project::good();
        let store = Project::gpt2_tiny();
        symlink(store.path("goldens/gpt2-tiny"), project.path("goldens/gpt2-tiny")).expect("a link");
        project.accept_all();
        project.karat(["run"]).exits(0).judges("gpt2-tiny/h.1/qkv", "pass").judges("good", "pass");
        assert!(store.files("").keys().all(|name| name.starts_with("goldens/")));
    }

    #[test]
    fn a_root_that_is_a_link_has_its_snapshots_beside_the_link() {
        let project = Project::empty();
        let store = Project::gpt2_tiny();
        project.remove("goldens");
        symlink(store.path("goldens"), project.path("goldens")).expect("a link");
        project.accept_all();
        project.karat(["run"]).exits(0).says(&format!("{} passed (", project.cases()));
        assert!(project.files("snapshots").len() > project.cases());
        assert!(!project.read("snapshots/gpt2-tiny/ln_f/y.snap").contains(&*store.path("").to_string_lossy()));
        assert!(!store.has("snapshots"));
    }

    #[test]
    fn dangling_links_that_cannot_be_cases_are_ignored() {
        let project = Project::good();
        symlink("me@here.4711", project.path("goldens/good/.#case.json")).expect("a link");
        symlink("nowhere.npy", project.path("goldens/good/old.npy")).expect("a link");
        project.karat(["run"]).exits(0).judges("good", "pass").says("1 passed (");
    }

    #[test]
    fn folders_that_may_not_be_written_do_where_everything_passes() {
        let project = Project::good();
        let folders = ["goldens", "goldens/good", "snapshots", "snapshots/good", ""].map(|folder| project.path(folder));
        let changed =
            || folders.clone().map(|folder| fs::metadata(folder).and_then(|data| data.modified()).expect("a time"));
        let before = changed();
        let allow = |mode| {
            folders.iter().for_each(|folder| {
                fs::set_permissions(folder, fs::Permissions::from_mode(mode)).expect("they are ours");
            })
        };
        allow(0o555);
        let said = project.karat(["run"]);
        allow(0o755);
        said.exits(0).judges("good", "pass");
        // Whoever may write everywhere, as root may, would have left a trace.
        assert_eq!(changed(), before);
    }
}
