//! `karat doctor --json`.

use std::io::{self, Write};

use serde::Serialize;

use super::write;
use crate::doctor::{Complaint, Health};
use crate::report::Voice;
use crate::report::doctor::{command, said};

/// Writes what is wrong with a setup.
///
/// # Errors
///
/// What `out` returns.
pub fn doctor(out: &mut dyn Write, voice: &Voice, health: &Health) -> io::Result<()> {
    let Health { root, cases, snapshots, complaints } = health;
    let complaint = |complaint: &Complaint| JsonComplaint {
        kind: complaint.ailment.word(),
        is_fault: complaint.ailment.is_fault(),
        message: said(voice, complaint),
        files: complaint.files.iter().map(|file| voice.path(file)).collect(),
        next: command(voice, complaint),
    };
    let content = JsonDoctor {
        root: voice.path(root),
        is_well: health.is_well(),
        cases: *cases,
        snapshots: *snapshots,
        complaints: complaints.iter().map(complaint).collect(),
    };
    write(out, "doctor", content)
}

#[derive(Serialize)]
struct JsonDoctor {
    root: String,
    is_well: bool,
    cases: usize,
    snapshots: usize,
    complaints: Vec<JsonComplaint>,
}

#[derive(Serialize)]
struct JsonComplaint {
    kind: &'static str,
    is_fault: bool,
    message: String,
    files: Vec<String>,
    next: String,
}
