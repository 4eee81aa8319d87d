//! `--partition`: which cases a shard has, and what it says.

use std::collections::BTreeSet;

use crate::project::{CommandOutput, Project};

/// Five cases that pass, one that cannot be read, and a snapshot without a case.
fn project() -> Project {
    let project = Project::good();
    for id in ["a", "b", "c/d", "e"] {
        project.case(id, |_| {});
    }
    project.case("gone", |_| {});
    project.accept_all();
    project.remove("goldens/gone");
    project.write("goldens/f/Case.json", "{}");
    project
}

/// The ids in the document of that run or list.
fn ids(said: &CommandOutput) -> Vec<String> {
    let json = said.json();
    let cases = json["cases"].as_array().expect("a list");
    cases.iter().map(|case| case["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn every_case_orphan_and_problem_is_in_exactly_one_shard() {
    let project = project();
    let whole: BTreeSet<String> = ids(&project.karat(["run", "--json"])).into_iter().collect();
    assert_eq!(whole.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c/d", "e", "f", "gone", "good"]);
    for (kind, count) in [("slice", 1), ("slice", 2), ("slice", 3), ("slice", 9), ("hash", 2), ("hash", 5)] {
        let shards = (1..=count)
            .map(|index| project.karat(["run", "--json", "--partition", &format!("{kind}:{index}/{count}")]));
        let dealt: Vec<String> = shards.flat_map(|said| ids(&said)).collect();
        assert_eq!(dealt.len(), whole.len(), "{kind} {count}: {dealt:?}");
        assert_eq!(dealt.into_iter().collect::<BTreeSet<String>>(), whole, "{kind} {count}");
    }
}

#[test]
fn slices_are_dealt_round_robin_over_the_sorted_ids() {
    let project = project();
    let listed = |part: &str| ids(&project.karat(["list", "--json", "--partition", part]));
    assert_eq!(listed("slice:1/3"), ["a", "e"]);
    assert_eq!(listed("slice:2/3"), ["b", "f"]);
    assert_eq!(listed("slice:3/3"), ["c/d", "good"]);
    assert_eq!(listed("count:3/3"), listed("slice:3/3"));
    let said = project.karat(["run", "--partition", "slice:3/3"]).exits(0).judges("c/d", "pass").judges("good", "pass");
    said.says("2 passed (").says("slice:3/3 of 6 cases; to combine the records of all shards, use `merge`");
}

#[test]
fn a_shard_with_nothing_to_do_passes_and_says_so() {
    let project = Project::good();
    project.karat(["run", "--partition", "slice:1/3"]).exits(0).judges("good", "pass");
    let said = project.karat(["run", "--partition", "slice:2/3"]).exits(0);
    said.says("0 passed (").says("slice:2/3 of 1 case is empty: every case is in another shard");
    project.karat(["list", "--partition", "slice:2/3"]).exits(0);
    // Where no shard has anything, that is the error that it is without one.
    for part in ["slice:1/3", "slice:2/3"] {
        project
            .karat(["run", "--partition", part, "-k", "nix"])
            .exits(2)
            .says("the filter `nix` selects none of the 1 cases");
        project.karat(["list", "--partition", part, "-k", "nix"]).exits(2).says("the filter `nix` selects none");
    }
}

#[test]
fn auto_says_which_engine_it_found_and_runs_its_shard() {
    let project = project();
    let gitlab = [("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "3")];
    let said = project.karat_with(&gitlab, ["list", "--json", "--partition", "auto"]);
    assert_eq!(ids(&said), ["b", "f"]);
    said.says("karat: --partition auto: GitLab CI: CI_NODE_INDEX=2, counted from 1, of CI_NODE_TOTAL=3: slice:2/3\n");
    project.karat(["run", "--partition", "auto"]).exits(2).says("--partition auto found no shard in the environment");
    project.karat_with(&gitlab[..1], ["run", "--partition", "auto"]).exits(2).says("CI_NODE_TOTAL is not; set both");
    let both = [gitlab[0], gitlab[1], ("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "3")];
    project.karat_with(&both, ["run", "--partition", "auto"]).exits(2).says("variables that disagree");
}

#[test]
fn an_invalid_shard_is_refused() {
    let project = Project::good();
    project.karat(["run", "--partition", "slice:4/3"]).exits(2).says("`slice:4/3` does not exist; the 3 shards");
    project.karat(["run", "--partition", "half"]).exits(2).says("use slice:M/N, hash:M/N or auto");
    project.karat(["run", "--partition", "slice:1/2", "--failed"]).exits(2).says("cannot be used with");
    project.karat(["run", "--partition", "slice:1/2", "--chained"]).exits(2).says("cannot be used with");
}
