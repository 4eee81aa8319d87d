//! Bazel's protocol for tests in several processes: <https://bazel.build/reference/test-encyclopedia#test-sharding>.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::run::{Shard, bazel};

/// The shard that Bazel asks for, where it does. It is told that this test knows shards, without which it takes all of them
/// for the whole, or fails.
pub(super) fn asked() -> Result<Option<Shard>> {
    if let Some(file) = std::env::var_os("TEST_SHARD_STATUS_FILE").filter(|file| !file.is_empty()).map(PathBuf::from) {
        let touch = || OpenOptions::new().create(true).append(true).open(&file)?.set_modified(SystemTime::now());
        touch().map_err(|error| Error::write(&file, error))?;
    }
    bazel()
}
