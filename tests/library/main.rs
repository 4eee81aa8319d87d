//! karat as those meet it who use the library: in a crate of theirs, by the real cargo, nextest and cargo-insta.

mod project;
#[path = "../tools/mod.rs"]
mod tools;

mod assertions;
mod chained;
mod gate;
mod insta;
#[cfg(unix)]
mod interrupt;
mod isolate;
mod libtest;
mod list;
mod matrix;
mod packaged;
#[cfg(unix)]
mod review;
mod shards;
mod skips;
mod verbs;
mod workspace;
