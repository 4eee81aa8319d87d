//! A tensor file that is not there, damaged or no file at all: the verdict, the file and what to do; nothing else stops.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bytes::{deflate, npy, pair, safetensors, zip};
use crate::project::{CommandOutput, Project};

/// Runs a good case beside one whose reference is that file with those bytes.
#[track_caller]
fn reference(name: &str, bytes: impl AsRef<[u8]>) -> CommandOutput {
    let project = Project::good();
    project.case("bad", |case| case["outputs"]["y"] = name.into());
    project.write(&format!("goldens/bad/{}", name.split('#').next().expect("a file")), bytes);
    project.karat(["run"]).exits(1).judges("good", "pass").says("1 of 2 cases failed")
}

/// Runs a good case beside one whose x and y are at those addresses.
#[track_caller]
fn addressed(x: &str, y: &str) -> CommandOutput {
    let project = Project::good();
    project.write("goldens/all.safetensors", safetensors(TWO, &[0; 16]));
    project.case("bad", |case| {
        case["inputs"]["x"] = x.into();
        case["outputs"]["y"] = y.into();
    });
    project.karat(["run"]).exits(1).judges("good", "pass").says("1 of 2 cases failed")
}

const TWO: &str = r#"{"y.a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"y.b":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}"#;

#[test]
fn an_input_or_an_output_whose_file_is_not_there_is_missing() {
    addressed("xx.npy", "y.npy")
        .judges("bad", "missing")
        .says("input `x`: goldens/bad/xx.npy: no such file; did you mean x.npy?")
        .says("restore it, or correct its name")
        .says("then: karat run -k bad");
    addressed("x.npy", "Y.npy")
        .judges("bad", "missing")
        .says("goldens/bad/Y.npy: no such file; there is y.npy, which differs in case");
    addressed("x.npy", "far/away.npy").judges("bad", "missing").says("away.npy: no such file or folder");
}

#[test]
fn a_tensor_name_that_the_file_does_not_hold_is_missing() {
    addressed("x.npy", "../all.safetensors#y.c")
        .judges("bad", "missing")
        .says("goldens/all.safetensors#y.c: no such tensor (did you mean y.")
        .says("the file contains y.a, y.b");
    addressed("x.npy", "../all.safetensors")
        .judges("bad", "broken")
        .says("contains 2 tensors; append the name of one, as in #y.a");
    addressed("x.npy#x", "y.npy").judges("bad", "broken").says("remove the # and the name after it");
}

#[test]
fn a_pointer_in_place_of_a_tensor_is_missing() {
    reference("y.npy", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        .judges("bad", "missing")
        .says("goldens/bad/y.npy: is a Git LFS pointer in place of the tensor; run `git lfs pull`");
    reference("y.npy", "/annex/objects/SHA256E-s152--00.npy\n")
        .judges("bad", "missing")
        .says("goldens/bad/y.npy: is a git-annex pointer in place of the tensor; run `git annex get .`");
}

#[test]
fn a_truncated_npy_is_broken() {
    reference("y.npy", &pair()[..pair().len() - 1])
        .judges("bad", "broken")
        .says("goldens/bad/y.npy: is truncated: it has 7 bytes of elements, but its header declares 8");
    reference("y.npy", "").judges("bad", "broken").says("goldens/bad/y.npy: is empty; regenerate it");
    reference("y.npy", &pair()[..9]).judges("bad", "broken").says("is truncated");
    reference("y.npy", "hello").judges("bad", "broken").says("not a valid .npy file");
}

#[test]
fn an_npy_with_trailing_bytes_is_broken() {
    reference("y.npy", [pair(), vec![0]].concat())
        .judges("bad", "broken")
        .says("goldens/bad/y.npy: has 1 trailing bytes after the 8 bytes of elements that its header declares");
}

#[test]
fn a_header_that_claims_2_to_the_60_elements_is_broken_and_costs_no_memory() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741824, 1073741824), }";
    reference("y.npy", npy(header, &[0; 8])).judges("bad", "broken").says(
        "goldens/bad/y.npy: is truncated: it has 8 bytes of elements, but its header declares 4611686018427387904",
    );
    let header = r#"{"y":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,4611686018427387904]}}"#;
    reference("y.safetensors", safetensors(header, &[0; 8]))
        .judges("bad", "broken")
        .says("goldens/bad/y.safetensors: not a valid .safetensors file: y declares F32 [1073741824, 1073741824]");
}

#[test]
fn pickled_objects_are_never_loaded() {
    reference("y.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"cos\nsystem\n."))
        .judges("bad", "broken")
        .says(
            "goldens/bad/y.npy: contains pickled Python objects (dtype |O), which karat never loads; save plain numbers",
        );
}

#[test]
fn a_safetensors_file_with_overlapping_or_out_of_range_offsets_is_broken() {
    let overlapping = TWO.replace("[8,16]", "[4,12]");
    reference("y.safetensors#y.a", safetensors(&overlapping, &[0; 16])).judges("bad", "broken").says(
        "goldens/bad/y.safetensors: not a valid .safetensors file: y.b starts at offset 4, inside the previous tensor",
    );
    reference("y.safetensors#y.a", safetensors(TWO, &[0; 12]))
        .judges("bad", "broken")
        .says("is truncated: it has 12 bytes of elements, but its header declares 16");
    reference("y.safetensors#y.a", "\u{7f}".repeat(40))
        .judges("bad", "broken")
        .says("not a valid .safetensors file, or truncated");
}

#[test]
fn an_npz_that_is_not_a_zip_is_broken() {
    reference("y.npz#y", pair()).judges("bad", "broken").says("goldens/bad/y.npz: not a valid .npz file, or truncated");
}

#[test]
fn an_npz_that_inflates_far_beyond_its_size_is_broken_at_once() {
    let started = Instant::now();
    // 64 MiB of zeros behind two floats.
    let bomb = zip("y.npy", &deflate(&pair(), 1 << 18), pair().len() as u32);
    reference("y.npz#y", bomb)
        .judges("bad", "broken")
        .says("goldens/bad/y.npz#y: decompresses to more than the 78 bytes it declares; regenerate the file");
    let liar = zip("y.npy", &deflate(&pair(), 1), u32::MAX - 1);
    reference("y.npz#y", liar).judges("bad", "broken").says("declares 4294967294 bytes, too many for its");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// A member that claims 2 GiB of zeros after that header and is truncated after the first: inflating it fails.
fn bomb(header: &str) -> Vec<u8> {
    let start = npy(header, &[0; 8]);
    let size = (start.len() - 8) as u32 + (1 << 31);
    let stream = [deflate(&start, 1), vec![0; 2_100_000]].concat();
    zip("y.npy", &stream, size)
}

#[test]
fn a_member_of_another_structure_is_not_inflated_to_tell() {
    for (header, says) in [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 268435456), }", "[2, 268435456]"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 268435456), }", "[2, 268435456]"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (268435456,), }", "f64"),
    ] {
        let what = if says == "f64" { "dtype" } else { "shape" };
        let said = reference("y.npz#y", bomb(header)).judges("bad", "mismatch").says(&format!("different {what}"));
        said.keeps_quiet_of("broken");
        let project = Project::good();
        project.write("y.npz", bomb(header));
        for also in [None, Some("--explain")] {
            let arguments = ["diff", "goldens/good/y.npy", "y.npz"].into_iter().chain(also);
            project.karat(arguments).exits(1).says(says).says("not read");
            let arguments = ["diff", "y.npz", "goldens/good/y.npy", "--json"].into_iter().chain(also);
            let said = project.karat(arguments).exits(1).json();
            let pair = &said["pairs"][0];
            assert_eq!((&pair["mismatch"]["kind"], &pair["actual"]["elements"]), (&json!(what), &json!(0)), "{said}");
            assert_eq!(pair["reference"]["elements"], 2, "{said}");
        }
    }
    // So is a mask, and a reference of a chained run.
    let project = Project::good();
    project.edit("good", |case| case["outputs"] = json!({ "y": { "tensor": "y.npy", "where": "m.npz#y" } }));
    project.write("goldens/good/m.npz", bomb("{'descr': '|b1', 'fortran_order': False, 'shape': (2147483648,), }"));
    project.karat(["run", "--chained"]).exits(1).judges("good", "mismatch").says("mask does not fit");
}

#[test]
fn a_file_without_a_tensor_extension_is_broken() {
    reference("y.bin", pair()).judges("bad", "broken").says("karat reads .npy, .npz and .safetensors");
}

#[cfg(unix)]
mod not_a_file {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    /// Runs a good case beside one whose reference is what `make` puts there.
    #[track_caller]
    fn instead(make: impl FnOnce(&std::path::Path)) -> CommandOutput {
        let project = Project::good();
        project.case("bad", |_| {});
        project.remove("goldens/bad/y.npy");
        make(&project.path("goldens/bad/y.npy"));
        project.karat(["run"]).exits(1).judges("good", "pass").says("1 of 2 cases failed")
    }

    #[test]
    fn a_folder_in_place_of_a_file_is_broken() {
        instead(|y| std::fs::create_dir(y).expect("a folder"))
            .judges("bad", "broken")
            .says("goldens/bad/y.npy: is a folder, not a file");
    }

    #[test]
    fn a_named_pipe_in_place_of_a_file_is_broken_and_waited_for_by_nobody() {
        instead(|y| assert!(Command::new("mkfifo").arg(y).status().expect("mkfifo").success()))
            .judges("bad", "broken")
            .says("goldens/bad/y.npy: is a named pipe, not a file");
    }

    #[test]
    fn a_device_in_place_of_a_file_is_broken() {
        instead(|y| symlink("/dev/zero", y).expect("a link"))
            .judges("bad", "broken")
            .says("goldens/bad/y.npy: is a device, not a file");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_missing() {
        instead(|y| symlink("nowhere.npy", y).expect("a link"))
            .judges("bad", "missing")
            .says("goldens/bad/y.npy: is a link to nowhere.npy, which does not exist");
    }
}
