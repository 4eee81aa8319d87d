//! What version control knows of goldens and snapshots, as git says it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::complaint::{Ailment, Complaint, Health};
use crate::case::Goldens;
use crate::snapshot::Recorder;
use crate::tensor::is_tensor_file;

/// Looks for what would not be there in another clone.
pub(crate) fn check(goldens: &Goldens, recorder: &Recorder, health: &mut Health) {
    let folders = [goldens.selected(), recorder.snapshots().join(&goldens.below)];
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).filter(|folder| folder.is_dir()).collect();
    let ignored = match list(&goldens.root, &["--ignored"], &folders) {
        Ok(ignored) => ignored,
        Err(why) => {
            health.complain(Complaint::about(Ailment::Unversioned, why));
            return;
        }
    };
    let untracked = list(&goldens.root, &[], &folders).unwrap_or_default();
    for (ailment, files) in [(Ailment::Ignored, ignored), (Ailment::Untracked, untracked)] {
        let files: Vec<PathBuf> = files.into_iter().filter(|file| is_ours(file)).collect();
        if !files.is_empty() {
            health.complain(Complaint { files, ..Complaint::of(ailment) });
        }
    }
}

/// The files below those folders that git does not track: those that it ignores, or those that it does not; or why it does
/// not say.
fn list(root: &Path, which: &[&str], folders: &[&Path]) -> Result<Vec<PathBuf>, String> {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(root)
        .args(["ls-files", "--others", "--exclude-standard", "-z"])
        .args(which)
        .arg("--")
        .args(folders);
    let output = git.stdin(Stdio::null()).output().map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut files: Vec<PathBuf> =
        text.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name)).collect();
    files = files.into_iter().map(|file| crate::case::absolute(&file).unwrap_or(file)).collect();
    files.sort();
    Ok(files)
}

/// Whether another clone needs the file: not what is pending, nor what an editor left.
fn is_ours(file: &Path) -> bool {
    let is_named = file.file_name().is_some_and(|name| name == "case.json" || name == "suite.json");
    is_named || is_tensor_file(file) || file.extension().is_some_and(|extension| extension == "snap")
}
