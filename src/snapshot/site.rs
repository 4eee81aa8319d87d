//! Snapshots of ordinary tests: a summary by name, beside the source of the test, where insta keeps its own.

use std::path::Path;

use super::hold::{Holder, Recorded, file_name};
use super::settings::Caller;
use super::text::Facts;
use super::workspace::tidy;
use crate::error::Result;

/// Where an assertion stands, as the compiler says it.
#[derive(Clone, Copy, Debug)]
pub struct TestSite<'a> {
    /// The folder of the package: `env!("CARGO_MANIFEST_DIR")`.
    pub manifest: &'a Path,
    /// The source, relative to the workspace: `file!()`.
    pub file: &'a str,
    /// The module: `module_path!()`.
    pub module: &'a str,
}

/// Holds the facts against the snapshot `snapshots/<module>__<name>.snap` beside the source of a test.
///
/// # Errors
///
/// [`Error::Snapshot`](crate::Error::Snapshot) where the stored snapshot is not one of karat's or nothing can be recorded
/// there; [`Error::Usage`](crate::Error::Usage) where a setting of insta would disarm the gate;
/// [`Error::Invalid`](crate::Error::Invalid) where the name cannot name a snapshot;
/// [`Error::Read`](crate::Error::Read) and [`Error::Write`](crate::Error::Write) from the file system.
pub fn record_in_test(site: &TestSite<'_>, name: &str, facts: &Facts<'_>) -> Result<Recorded> {
    let TestSite { manifest, file, module } = *site;
    let package = tidy(manifest)?;
    let holder = Holder::new(&package, &package, Caller::Test)?;
    holder.check_settings()?;
    // Cargo compiles members of a workspace from its root, so that `file!()` is relative to that; and a package that the
    // workspace above it excludes from its own folder.
    let sources = [manifest, &holder.workspace].map(|folder| folder.join(file));
    let [own, shared] = &sources;
    let source = if own.is_file() { own } else { shared };
    let folder = source.parent().unwrap_or(manifest).join("snapshots");
    let name = file_name(&format!("{}__{name}", module.replace("::", "__")))?;
    holder.hold(&folder.join(name), || source.clone(), facts, false)
}
