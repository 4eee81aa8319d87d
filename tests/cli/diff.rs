//! `karat diff`: files, containers and folders; the second is the reference.

use crate::bytes::{npy, safetensors};
use crate::made::{Packed, zip};
use crate::project::Project;

/// Two tensors that differ in one element, by an eighth.
fn two() -> Project {
    let project = Project::empty();
    project.tensor("a.npy", &[2, 2], vec![1.0f32, 2.0, 3.0, 4.125]);
    project.tensor("b.npy", &[2, 2], vec![1.0f32, 2.0, 3.0, 4.0]);
    project
}

#[test]
fn diff_exits_with_0_for_close_tensors_and_1_otherwise() {
    let project = two();
    project.karat(["diff", "a.npy", "a.npy"]).exits(0).says("pass atol 1e-5 + rtol 1.3e-6 x |reference|");
    let said = project.karat(["diff", "a.npy", "b.npy"]).exits(1).says("mismatch");
    said.says("1 of 4 elements (25%) is outside")
        .says("difference 0.125 [1, 1] 4.125 4")
        .says("smallest atol that passes");
    project
        .karat(["diff", "a.npy", "b.npy", "--atol", "0.125", "--rtol", "0"])
        .exits(0)
        .says("pass atol 0.125 + rtol 0");
    project.karat(["diff", "a.npy", "b.npy", "--atol", "0", "--rtol", "0.03125"]).exits(0);
    // The reference is on the right of the formula.
    project.karat(["diff", "b.npy", "a.npy", "--atol", "0", "--rtol", "0.0305"]).exits(0);
    project.karat(["diff", "a.npy", "b.npy", "--atol", "0", "--rtol", "0.0305"]).exits(1);
}

#[test]
fn atol_without_rtol_and_invalid_tolerances_are_refused() {
    let project = two();
    project
        .karat(["diff", "a.npy", "b.npy", "--atol", "1"])
        .exits(2)
        .says("required arguments were not provided: --rtol");
    project
        .karat(["diff", "a.npy", "b.npy", "--rtol", "1"])
        .exits(2)
        .says("required arguments were not provided: --atol");
    for wrong in ["-1", "NaN", "inf"] {
        let said = project.karat(["diff", "a.npy", "b.npy", &format!("--atol={wrong}"), "--rtol=0"]).exits(2);
        said.says("karat: atol is").keeps_quiet_of("pass");
    }
}

#[test]
fn another_shape_or_dtype_is_a_mismatch() {
    let project = two();
    project.tensor("flat.npy", &[4], vec![1.0f32, 2.0, 3.0, 4.0]);
    project.tensor("wide.npy", &[2, 2], vec![1.0f64, 2.0, 3.0, 4.0]);
    project
        .karat(["diff", "b.npy", "flat.npy"])
        .exits(1)
        .says("actual has shape [2, 2]")
        .says("reference has shape [4]");
    project.karat(["diff", "b.npy", "wide.npy"]).exits(1).says("actual is f32, but should be f64");
    project.tensor::<f32>("none.npy", &[0], vec![]);
    project.karat(["diff", "none.npy", "none.npy"]).exits(1).says("nothing to compare");
}

#[test]
fn nan_matches_nan_only_where_it_is_asked_for() {
    let project = Project::empty();
    project.tensor("nan.npy", &[2], vec![f32::NAN, 1.0]);
    project.karat(["diff", "nan.npy", "nan.npy"]).exits(1).says("mismatch");
    project.karat(["diff", "nan.npy", "nan.npy", "--nan"]).exits(0).says("pass");
}

#[test]
fn containers_are_compared_member_by_member() {
    let project = Project::empty();
    let header = |other: &str| {
        format!(
            r#"{{"w":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"{other}":{{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}}}"#
        )
    };
    project.write("a.safetensors", safetensors(&header("x"), &[0; 8]));
    project.write("b.safetensors", safetensors(&header("y"), &[0; 8]));
    project
        .karat(["diff", "a.safetensors", "a.safetensors"])
        .exits(0)
        .says("pass w no difference")
        .says("2 tensors: 2 pass");
    let said = project.karat(["diff", "a.safetensors", "b.safetensors"]).exits(1);
    said.says("missing x only in actual").says("missing y only in reference").says("3 tensors: 2 missing, 1 pass");
    project.karat(["diff", "a.safetensors#x", "b.safetensors#y"]).exits(0).says("pass");
}

#[test]
fn folders_are_compared_file_by_file() {
    let project = two();
    let one = Project::gpt2_tiny();
    for (name, bytes) in one.files("goldens/gpt2-tiny") {
        project.write(&format!("one/{name}"), &bytes);
        project.write(&format!("two/{name}"), &bytes);
    }
    let said = project.karat(["diff", "one", "two"]).exits(0).says("pass h.0/ln_1/y.npy no difference");
    said.says("pass weights.safetensors#transformer.wte.weight no difference");
    project.write("two/ln_f/y.npy", project.files("two")["h.1/block/y.npy"].clone());
    project.remove("one/h.1/qkv/q.npy");
    project.write("one/h.1/qkv/k.npy", "no tensor");
    let said = project.karat(["diff", "one", "two"]).exits(1).says("mismatch ln_f/y.npy difference");
    let said = said
        .says("missing h.1/qkv/q.npy only in reference")
        .says("broken h.1/qkv/k.npy one/h.1/qkv/k.npy: not a valid .npy file");
    said.says("1 broken, 1 missing, 1 mismatch,");
}

#[test]
fn a_broken_container_among_others_hides_none_of_them() {
    let project = Project::empty();
    for side in ["one", "two"] {
        project.tensor(&format!("{side}/a.npy"), &[1], vec![1.0f32]);
        project.write(&format!("{side}/b.safetensors"), "no tensor");
    }
    let said = project.karat(["diff", "one", "two"]).exits(1).says("pass a.npy").says("broken b.safetensors");
    said.says("one/b.safetensors: not a valid")
        .says("two/b.safetensors: not a valid")
        .says("3 tensors: 2 broken, 1 pass");
}

#[test]
fn files_that_cannot_be_compared_are_an_error() {
    let project = two();
    project.karat(["diff", "a.npy", "nix.npy"]).exits(2).says("karat: nix.npy: no such file");
    std::fs::create_dir(project.path("none")).expect("a folder");
    project.karat(["diff", "none", "none"]).exits(2).says("no tensors in none and none");
    project.karat(["diff", "a.npy", "none"]).exits(2).says("none is a folder and a.npy is a file");
    project.write("f8.npy", npy("{'descr': '|V1', 'fortran_order': False, 'shape': (1,), }", &[0]));
    project
        .karat(["diff", "f8.npy", "f8.npy", "--dtype", "f8_e4m3"])
        .exits(2)
        .says("f8_e4m3 has no default tolerance; give --atol and --rtol");
}

#[test]
fn a_member_of_any_name_is_compared_or_named_and_fails() {
    let project = Project::empty();
    project.tensor("x.npy", &[1], vec![1.0f32]);
    project.tensor("y.npy", &[1], vec![2.0f32]);
    let [x, y] = ["x.npy", "y.npy"].map(|name| project.files("").remove(name).expect("a file"));
    let npz = |members: &[(&'static str, &[u8])]| {
        zip(&members.iter().map(|(name, bytes)| Packed::stored(name, bytes)).collect::<Vec<_>>())
    };
    project.write("actual.npz", zip(&[Packed::deflated("x", &x), Packed::stored("y.npy", &x)]));
    project.write("reference.npz", npz(&[("x", &y), ("y.npy", &x)]));
    project.karat(["diff", "actual.npz", "reference.npz"]).exits(1).says("mismatch x").says("pass y");
    project.karat(["diff", "actual.npz#x", "x.npy"]).exits(0);
    project.karat(["show", "actual.npz"]).exits(0).says("x f32 [1]");
    project.write("noted.npz", npz(&[("note.txt", b"hello"), ("y.npy", &x)]));
    project.karat(["diff", "noted.npz", "noted.npz"]).exits(1).says("noted.npz#note.txt: not a valid .npy file");
    project.karat(["show", "noted.npz"]).exits(1).says("noted.npz#note.txt: not a valid .npy file");
}

#[test]
fn a_mean_a_deviation_and_a_norm_that_differ_do_not_print_alike() {
    let project = Project::empty();
    project.tensor("a.npy", &[3], vec![1.00004f64, 2.0, 3.0]);
    project.tensor("r.npy", &[3], vec![1.0f64, 2.0, 3.0]);
    let said = project.karat(["diff", "a.npy", "r.npy"]).exits(1);
    for row in ["mean", "std", "l2"] {
        let row = said.stdout.lines().find(|line| line.starts_with(row)).expect("a row");
        let values: Vec<&str> = row.split_whitespace().skip(1).collect();
        assert!(values.len() == 2 && values[0] != values[1], "{row}");
    }
}
