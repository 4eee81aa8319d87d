//! `run --html`: a page beside what the terminal says.

use serde_json::json;

use crate::project::Project;

fn page(project: &Project) -> String {
    String::from_utf8(project.files("")["out/run.html"].clone()).expect("a page is UTF-8")
}

#[test]
fn a_page_is_written_in_addition_to_the_terminal_report() {
    let project = Project::good();
    project.case("bad", |case| case["params"]["eps"] = json!(0.5));
    let arguments = ["run", "--chained", "--accuracy-only", "--html", "out/run.html"];
    let said = project.karat(arguments).exits(1).judges("bad", "mismatch").judges("good", "pass");
    let page = page(&project);
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
    assert!(page.contains("<title>karat: Failed: 1 of 2 cases</title>"), "{page}");
    // What did not pass is drawn, and the commands are those of the terminal.
    assert_eq!(page.matches("Heat map: ").count(), 1);
    let command = "karat run --accuracy-only --chained";
    assert!(page.contains(&format!("<code>{command}</code>")) && said.stdout.contains(command), "{}", said.stdout);
}

#[test]
fn all_outputs_are_drawn_where_that_is_asked_for() {
    let project = Project::good();
    project.case("bad", |case| case["params"]["eps"] = json!(0.5));
    project.karat(["run", "--html", "out/run.html", "--html-all"]).exits(1);
    assert_eq!(page(&project).matches("Heat map: ").count(), 2);
    project.karat(["run", "--html-all"]).exits(2).says("--html <FILE>");
}

#[test]
fn a_page_is_made_of_a_record_as_of_the_run() {
    let project = Project::good();
    project.case("bad", |case| case["params"]["eps"] = json!(0.5));
    project.karat(["run", "--chained", "--json", "run.json", "--html", "out/run.html"]).exits(1);
    let of_run = page(&project);
    project.karat(["report", "run.json", "--html", "out/run.html"]).exits(1);
    assert_eq!(page(&project), of_run);
}

#[test]
fn an_unwritable_page_is_reported_before_anything_runs() {
    let project = Project::good();
    let before = project.files("");
    project.karat(["run", "--html", "goldens"]).exits(2).says("--html goldens: this is a folder");
    project.karat(["run", "--html", "a", "--json", "a"]).exits(2).says("both name a");
    assert_eq!(project.files(""), before);
}
