//! Settings that disarm the gate, and the tool that reviews.

use std::process::{Command, Stdio};

use super::complaint::{Ailment, Complaint, Health};
use crate::snapshot::tool::cargo_insta;
use crate::snapshot::{Recorder, in_ci};

/// The first `cargo insta` that knows `INSTA_PENDING_DIR`, and takes only insta's own files for snapshots.
const CARGO_INSTA: (u64, u64) = (1, 46);

/// Looks at the environment, insta's file and the installed tools.
pub(crate) fn check(recorder: &Recorder, health: &mut Health) {
    if let Err(error) = recorder.check_settings() {
        health.complain(Complaint::about(Ailment::Disarmed, error.to_string()));
    }
    if recorder.in_cargo_project() {
        match cargo_insta_version() {
            None => health.complain(Complaint::of(Ailment::NoCargoInsta)),
            Some(version) if number(&version).is_some_and(|number| number < CARGO_INSTA) => {
                let (major, minor) = CARGO_INSTA;
                let text = format!("cargo-insta is {version}, and karat needs {major}.{minor} or later");
                health.complain(Complaint::about(Ailment::OldCargoInsta, text));
            }
            Some(_) => {}
        }
    }
    if in_ci() {
        health.complain(Complaint::of(Ailment::Ci));
    }
}

/// The version of `cargo insta`, as it says it; `None` where cargo does not find it.
fn cargo_insta_version() -> Option<String> {
    let mut command = Command::new(cargo_insta()?);
    let output = command.args(["insta", "--version"]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1).unwrap_or_default().to_owned())
}

/// Major and minor of a version.
fn number(version: &str) -> Option<(u64, u64)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}
