//! `karat show`: a tensor, a member, a container, a case by its id or its folder.

use crate::bytes::{npy, safetensors};
use crate::project::Project;

#[test]
fn a_file_is_shown_with_summary_and_histogram() {
    let project = Project::gpt2_tiny();
    let file = "goldens/gpt2-tiny/ln_f/y.npy";
    let said =
        project.karat(["show", file]).exits(0).says("dtype f32").says("shape [1, 8, 64]").says("elements 512 (2 KiB)");
    let said = said.says("not finite 0 NaN, 0 inf, 0 -inf").says("min -1.7621822").says("max 1.922235");
    assert!(said.stdout.starts_with(&format!("{file}\n")), "{}", said.stdout);
    assert!(said.stdout.lines().any(|line| line.ends_with("#####")), "{}", said.stdout);
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 80), "{}", said.stdout);
}

#[test]
fn a_member_is_shown_by_its_name() {
    let project = Project::gpt2_tiny();
    let file = "goldens/gpt2-tiny/weights.safetensors";
    project.karat(["show", &format!("{file}#transformer.ln_f.bias")]).exits(0).says("shape [64]");
    let said = project.karat(["show", &format!("{file}#transformer.ln_f.bais")]).exits(2);
    said.says("no such tensor (did you mean transformer.ln_f.bias");
}

#[test]
fn a_container_is_shown_as_a_list() {
    let project = Project::gpt2_tiny();
    let said = project.karat(["show", "goldens/gpt2-tiny/weights.safetensors"]).exits(0);
    assert_eq!(said.stdout.lines().count(), 29, "{}", said.stdout);
    said.says("transformer.h.0.attn.c_attn.weight f32 [64, 192] -0.878 to 1, std 0.25");
}

#[test]
fn a_member_that_cannot_be_read_fails_and_hides_no_other() {
    let project = Project::empty();
    let header =
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F4","shape":[2],"data_offsets":[4,5]}}"#;
    project.write("both.safetensors", safetensors(header, &[0; 5]));
    project.karat(["show", "both.safetensors"]).exits(1).says("a f32 [1]").says("has dtype F4; karat reads");
}

#[test]
fn a_case_is_shown_by_its_id_its_folder_and_its_file() {
    let project = Project::gpt2_tiny();
    let said = project.karat(["show", "gpt2-tiny/h.0/qkv"]).exits(0).says("checkpoint qkv").says("n_head 4");
    let said = said.says("x f32 [1, 8, 64]").says("x is ../ln_1/y.npy, from gpt2-tiny/h.0/ln_1:y");
    let said = said.says("q is q.npy; atol 1e-5 + rtol 0 x |reference|").says("framework transformers");
    assert!(
        said.stdout.starts_with("gpt2-tiny/h.0/qkv\n  file        goldens/gpt2-tiny/h.0/qkv/case.json\n"),
        "{}",
        said.stdout
    );
    for typed in [
        "gpt2-tiny/h.0/qkv/",
        "goldens/gpt2-tiny/h.0/qkv",
        "./goldens/gpt2-tiny/h.0/qkv/",
        "goldens/gpt2-tiny/h.0/qkv/case.json",
    ] {
        assert_eq!(project.karat(["show", typed]).exits(0).stdout, said.stdout, "{typed}");
    }
}

#[test]
fn a_case_is_found_below_a_root_of_any_name() {
    let project = Project::good();
    std::fs::rename(project.path("goldens"), project.path("cases")).expect("a folder");
    project.karat(["show", "good", "--root", "cases"]).exits(0).says("file cases/good/case.json");
    project.karat(["show", "cases/good", "--root", "cases"]).exits(0).says("file cases/good/case.json");
}

#[test]
fn a_case_with_a_tensor_that_is_not_there_is_shown_with_what_is_wrong_and_fails() {
    let project = Project::good();
    project.remove("goldens/good/x.npy");
    project.karat(["show", "good"]).exits(1).says("weight f32 [2]").says("x goldens/good/x.npy: no such file");
}

#[test]
fn an_unknown_name_is_answered_with_suggestions() {
    let project = Project::good();
    let said = project.karat(["show", "nix"]).exits(2);
    assert_eq!(
        said.stderr,
        "karat: `nix` is neither a tensor file nor a case below goldens; to list the cases:  karat list\n"
    );
    project
        .karat(["show", "goldens/good/yy.npy"])
        .exits(2)
        .says("goldens/good/yy.npy: no such file; did you mean y.npy?");
    project.karat(["show", "goldens"]).exits(2).says("but a folder with 1 case; did you mean: karat show good");
    project.write("goldens/good/case.json", "{");
    project.karat(["show", "good"]).exits(2).says("good/case.json: is not JSON: EOF while parsing an object at line 1");
}

#[test]
fn anonymous_bytes_are_shown_by_the_dtype_that_is_typed() {
    let project = Project::empty();
    project.write("w.npy", npy("{'descr': '<V2', 'fortran_order': False, 'shape': (1,), }", &[0x80, 0x3f]));
    project.karat(["show", "w.npy"]).exits(2).says("declare \"dtype\": \"bf16\" if that is the dtype");
    project.karat(["show", "w.npy", "--dtype", "bf16"]).exits(0).says("dtype bf16").says("max 1");
    project.karat(["show", "w.npy", "--dtype", "bf61"]).exits(2).says("expected one of bool, i8,");
}
