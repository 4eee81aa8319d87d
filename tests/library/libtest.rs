//! `karat::goldens!` where Cargo.toml does not say `harness = false`, and where it does.

use super::project::Project;

const TARGET: (&str, &str) = (
    "tests/my-port.rs",
    r#"#![deny(warnings)]

use karat::{Harness, outputs};

karat::goldens! {
    let factor = 2.0;
    Harness::new("goldens").checkpoint("double", move |case| {
        let x = case.slice::<f32>("x")?;
        Ok(outputs! { "y" => x.iter().map(|x| factor * x).collect::<Vec<f32>>() })
    })
}
"#,
);

#[test]
fn libtest_in_place_of_the_harness_fails_and_names_the_lines_to_add() {
    let project = Project::new("libtest", &[TARGET]);
    project.case("layers/double", "double");
    let lines = ["[[test]]", "name = \"my-port\"", "harness = false"];
    for command in [&["test"][..], &["nextest", "run"]] {
        let said = project.cargo(command).fails().says(&["libtest ran instead of karat's harness"]);
        said.says(&lines).omits("warning: ");
    }
    for verb in ["run", "list", "accept", "doctor"] {
        project.cargo(&["test", "--test", "my-port", "--", verb]).fails().says(&lines);
    }

    let manifest = project.read("Cargo.toml");
    project.write("Cargo.toml", &format!("{manifest}\n{}\n", lines.join("\n")));
    let said = project.cargo(&["test"]).fails().says(&["unrecorded  layers/double"]);
    said.omits("libtest ran instead");
    project.cargo(&["test", "--test", "my-port", "--", "accept", "--all"]).passes();
    project.cargo(&["test"]).passes().says(&["test layers/double   ... ok"]).omits("warning: ");
    project.cargo(&["nextest", "run"]).passes().says(&["layers/double", "2 tests run: 2 passed"]);
    // The name has a dash, which the name of its program has not.
    project.remove("snapshots");
    let said = project.cargo_with(&[("CI", "1")], &["test"]).fails();
    said.says(&["cargo test --test my-port -- run -k layers/double"]);
}
