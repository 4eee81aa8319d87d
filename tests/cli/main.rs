//! The command line as a user meets it: the real binary in temporary folders, what it says and what it leaves on disk.

mod bytes;
#[path = "../made/mod.rs"]
mod made;
mod project;
#[path = "../tools/mod.rs"]
mod tools;

mod accept;
mod add;
mod again;
mod agree;
mod bad_case;
mod bad_output;
mod bad_place;
mod bad_tensor;
mod chained;
mod ci;
mod commands;
mod completions;
mod diff;
mod doctor;
mod drift;
mod either;
mod explain;
#[cfg(target_os = "linux")]
mod flat;
#[cfg(unix)]
mod hostile;
mod html;
#[cfg(unix)]
mod interrupt;
mod json;
mod list;
mod matrix;
mod merge;
mod near;
mod own;
mod places;
mod reports;
mod run;
mod schema;
mod shards;
mod show;
mod suites;
mod together;
mod usage;
mod vacuous;
mod workflows;
