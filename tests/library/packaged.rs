//! karat as a packaged crate, which has none of karat's own goldens, tests or snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::project::{GOLDENS, Project};

/// Packages karat as for a registry, and unpacks that where it is another than in an earlier run.
fn unpack() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let run = |command: &mut Command| {
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    let mut package = Command::new("cargo");
    package.args(["package", "--no-verify", "--allow-dirty", "--offline", "--quiet", "--target-dir"]);
    run(package.arg(&home).current_dir(env!("CARGO_MANIFEST_DIR")));
    let name = concat!("karat-", env!("CARGO_PKG_VERSION"));
    let folder = home.join(name);
    let (archive, unpacked) = (home.join("package").join(format!("{name}.crate")), home.join("unpacked.crate"));
    let bytes = fs::read(&archive).expect("cargo has written it");
    if fs::read(&unpacked).is_ok_and(|earlier| earlier == bytes) && folder.is_dir() {
        return folder;
    }
    fs::remove_dir_all(&folder).ok();
    // Cargo would take the files for old ones by the times in the archive, which are the same in every archive.
    run(Command::new("tar").arg("-xzmf").arg(archive).arg("-C").arg(&home));
    fs::write(unpacked, bytes).expect("a file that can be written");
    folder
}

#[test]
fn snapshots_are_beside_the_goldens_of_the_user() {
    let karat = unpack();
    let project = Project::with_karat("packaged", &karat, &[GOLDENS]);
    project.case("layers/double", "double");
    project.goldens(&[]).fails().says(&["unrecorded  layers/double  ›  y ", "1 passed; 1 failed;"]);
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap.new"]);
    let pending = project.read("snapshots/layers/double/y.snap.new");
    assert!(pending.contains("\nsource: goldens/layers/double/case.json\n"), "{pending}");
    project.goldens(&["accept", "--all"]).passes();
    project.goldens(&[]).passes();
    for folder in ["snapshots", "goldens", "target"] {
        assert!(!karat.join(folder).exists(), "{folder} in the folder of karat itself");
    }
}
