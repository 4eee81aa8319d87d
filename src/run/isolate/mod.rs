//! A process of its own for a case: what ends it costs that case its verdict, and no other.

mod alone;
mod apart;
mod exchange;
mod limit;
mod process;
mod tail;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::case::Case;

pub use alone::Alone;
pub(crate) use limit::{can_limit_memory, die_with, limit_memory};

/// How a case is given a process of its own.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Which cases are.
    pub scope: Scope,
    /// The program that is started.
    pub program: PathBuf,
    /// Its arguments, but for those that say which case, and where its outcome goes. It writes that last, and then ends
    /// with status 0.
    pub arguments: Vec<OsString>,
    /// How long a case may take that does not say so itself.
    pub timeout: Option<Duration>,
    /// How many bytes the program was told that it may take.
    pub memory_limit: Option<u64>,
}

/// Which cases have a process of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every case.
    All,
    /// The cases that say how long they may take: nothing else can end a checkpoint that does not return.
    Timed,
}

impl Isolation {
    /// Whether that case is to have a process of its own.
    pub(super) fn covers(&self, case: &Case) -> bool {
        self.scope == Scope::All || case.timeout.is_some()
    }
}
