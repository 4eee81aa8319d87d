//! Recording through insta: one call at a time, and no word of its own on the screen.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::snapshot::catch::catch;
use crate::snapshot::lock::lock;
use crate::snapshot::settings;

/// Where insta is to record a snapshot.
pub(in crate::snapshot) struct Target<'a> {
    /// The folder that the header is relative to, and that insta's own file is in.
    pub workspace: &'a Path,
    /// The `case.json` that the header names.
    pub source: &'a Path,
    /// The folder of the snapshot.
    pub folder: &'a Path,
    /// The name of the snapshot file, without `.snap`.
    pub name: &'a str,
}

/// Keeps insta from printing diffs to stdout, from whatever thread. A value of `INSTA_OUTPUT` that insta does not know
/// stays, for `Recorder::check_settings` to refuse.
///
/// # Safety
///
/// Changes the environment, so no other thread may be running: call it first thing in `main`.
pub unsafe fn silence() {
    if settings::process("INSTA_OUTPUT").is_none_or(|value| settings::is_output(&value)) {
        // SAFETY: the caller promises that this is the only thread.
        unsafe { std::env::set_var("INSTA_OUTPUT", "none") };
    }
}

/// Asserts a text that differs from the stored one, which makes insta record it as its settings say. What insta thinks of
/// it is no verdict.
pub(in crate::snapshot) fn assert(place: &Target<'_>, text: &str) -> Result<()> {
    let Target { workspace, source, folder, name } = *place;
    // The trailing dot makes it no path of an existing file, which insta would resolve: where the goldens are links, to a
    // path of this machine. As it is, insta takes the text, in which a dot at the end means nothing.
    let source = source.join(".");
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The function behind insta's macro. The macro itself would take workspace and source from karat's own build.
    let call = || {
        insta::_macro_support::assert_snapshot(
            (name, text).into(),
            workspace,
            "karat",
            "karat",
            &source.to_string_lossy(),
            1,
            "",
        )
    };
    let _lock = lock(workspace);
    serially(|| settings.bind(call).map_err(|error| error.to_string())).map_err(|what| Error::Snapshot {
        path: folder.join(format!("{name}.snap")),
        what: format!("insta cannot record it: {what}"),
    })
}

/// Runs one call of insta at a time, and turns its panic into nothing where it only says that the snapshot differs, which
/// karat knows, and into an error where it says anything else.
fn serially(call: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    /// What insta said about its own configuration; after that panic its lock is poisoned, and it says nothing useful.
    static INSTA: Mutex<Option<String>> = Mutex::new(None);
    let mut misconfigured = INSTA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(why) = &*misconfigured {
        return Err(why.clone());
    }
    let said = match catch(call) {
        Ok(answer) => return answer,
        Err(panic) => panic.message,
    };
    if said.starts_with("snapshot assertion for ") {
        return Ok(());
    }
    if said.starts_with("Error building config") {
        *misconfigured = Some(said.clone());
    }
    Err(said)
}
