//! Where a tensor is: `file` or `file#name`, relative to a case, never outside the goldens root.

use std::fmt;
use std::path::{Path, PathBuf};

use super::id::{CaseId, below};
use crate::text::name::check_part;

/// Where a tensor is: a file below the goldens root, and the member where the file holds many.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The text that `case.json` has.
    pub text: String,
    /// The file.
    pub path: PathBuf,
    /// The member of an npz or safetensors file.
    pub member: Option<String>,
}

/// The longest address, in bytes: no system has longer paths.
const LONGEST: usize = 4096;

impl Address {
    /// The address that `text` names in the case `id` below `root`.
    ///
    /// # Errors
    ///
    /// In words: where the text is an absolute path, or leaves the root by `..`, or uses backslashes, or names a file that some
    /// system cannot have.
    pub(crate) fn resolve(root: &Path, id: &CaseId, text: &str) -> Result<Address, String> {
        if text.len() > LONGEST {
            return Err(format!("is {} bytes long, and may be {LONGEST}", text.len()));
        }
        let (file, member) = split(text);
        let absolute = Path::new(file).is_absolute() || file.starts_with('/') || file.as_bytes().get(1) == Some(&b':');
        if absolute {
            return Err(format!("`{text}` is an absolute path; name the file relative to the case, inside the root"));
        }
        if file.contains('\\') {
            return Err(format!("`{text}` holds a backslash; separate folders with `/`"));
        }
        let mut parts: Vec<&str> = id.as_str().split('/').collect();
        for part in file.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(format!("`{text}` leaves the goldens root by `..`; copy the file inside"));
                    }
                }
                part => {
                    check_part(part)?;
                    parts.push(part);
                }
            }
        }
        if file.is_empty() {
            return Err(format!("`{text}` names no file"));
        }
        let path = below(root, &parts.join("/"));
        Ok(Address { text: text.to_owned(), path, member: member.map(str::to_owned) })
    }

    /// The address that `text` names from the current folder, as a person types it.
    #[must_use]
    pub fn typed(text: &str) -> Address {
        let (file, member) = split(text);
        Address { text: text.to_owned(), path: PathBuf::from(file), member: member.map(str::to_owned) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.member {
            Some(member) => write!(f, "{}#{member}", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

/// Splits `file#name` behind the extension, so that both a file and a member may hold a `#`.
fn split(text: &str) -> (&str, Option<&str>) {
    if !text.contains('#') {
        return (text, None);
    }
    let lower = text.to_ascii_lowercase();
    [".npy#", ".npz#", ".safetensors#"]
        .iter()
        .filter_map(|mark| lower.find(mark).map(|at| at + mark.len()))
        .min()
        .map_or((text, None), |at| (&text[..at - 1], Some(&text[at..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let id = CaseId::new("suite/case").expect("a good id");
        Address::resolve(Path::new("g"), &id, text).map(|address| address.to_string().replace('\\', "/"))
    }

    #[test]
    fn a_file_is_relative_to_the_case_and_may_climb_to_the_root() {
        assert_eq!(resolve("y.npy").as_deref(), Ok("g/suite/case/y.npy"));
        assert_eq!(resolve("../w.safetensors#h.0").as_deref(), Ok("g/suite/w.safetensors#h.0"));
        assert_eq!(resolve("../../w.npz#a").as_deref(), Ok("g/w.npz#a"));
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused_as_text() {
        for text in ["../../../w.npy", "/etc/w.npy", "C:/w.npy", "a\\w.npy", "../../x/../../w.npy", ""] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_is_a_member_only_behind_the_extension() {
        assert_eq!(split("run#3/y.npy"), ("run#3/y.npy", None));
        assert_eq!(split("all.npz#a#b"), ("all.npz", Some("a#b")));
        assert_eq!(split("W.NPZ#a"), ("W.NPZ", Some("a")));
    }
}
