//! Finding a tensor by name among those a file holds, and answering a wrong name with the right ones.

use std::path::Path;

use super::place::Place;
use crate::error::Result;
use crate::fs::nearest::{ALIKE, nearest};

/// How many known names a message lists.
const LISTED: usize = 8;

/// The position among the sorted `names` of the one asked for; of the only one where none is.
pub(crate) fn choose(path: &Path, names: &[String], member: Option<&str>) -> Result<usize> {
    match (member, names) {
        (Some(member), _) => names
            .binary_search_by(|name| name.as_str().cmp(member))
            .map_err(|_| Place::member(path, member).missing(unknown(member, names))),
        (None, [_]) => Ok(0),
        (None, []) => Err(Place::file(path).broken("holds no tensor")),
        (None, [first, ..]) => Err(Place::file(path).broken(format!(
            "holds {} tensors and none was named: append its name, as in #{first}; it holds {}",
            names.len(),
            list(names)
        ))),
    }
}

fn unknown(member: &str, names: &[String]) -> String {
    match (nearest(member, names.iter().map(String::as_str), ALIKE), names) {
        (_, []) => "no such tensor: the file holds none".to_owned(),
        (Some(near), _) => format!("no such tensor; the nearest is {near}; the file holds {}", list(names)),
        (None, _) => format!("no such tensor; the file holds {}", list(names)),
    }
}

fn list(names: &[String]) -> String {
    let listed = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
