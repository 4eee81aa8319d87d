//! The id of a case, which is its path below the goldens root, and the address of a tensor, which is relative to a case.

use std::fmt;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use crate::error::{Error, Result};
use crate::text::name::{check_length, check_part};

/// The id of a case: its path below the goldens root, with `/` on every system. It round-trips to the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct CaseId(String);

impl CaseId {
    /// The id of that text.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the text is no path below a root: empty, with an empty, `.` or `..` component, with a
    /// backslash or a control character, or absolute.
    pub fn new(text: &str) -> Result<CaseId> {
        let refuse = |why: &str| Err(Error::Invalid(format!("case id {text:?} {why}")));
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("is no path below the goldens root");
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return refuse("holds a backslash or a control character");
        }
        Ok(CaseId(text.to_owned()))
    }

    /// The id of a path relative to the goldens root.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] as [`CaseId::new`], and where a component is not UTF-8.
    pub fn from_path(relative: &Path) -> Result<CaseId> {
        let parts: Option<Vec<&str>> = relative.components().map(|part| part.as_os_str().to_str()).collect();
        match parts {
            Some(parts) => CaseId::new(&parts.join("/")),
            None => Err(Error::Invalid(format!("case folder {relative:?} has a name that is not UTF-8"))),
        }
    }

    /// Refuses an id of which another system could not have the folders, or would have others.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the folder and what to rename it to.
    pub(crate) fn check_portable(&self) -> Result<()> {
        let would_be_snapshot = |part: &str| match part.strip_suffix(".new").unwrap_or(part).strip_suffix(".snap") {
            Some(stem) => Err(format!("`{part}` is the name of a snapshot; rename it to `{stem}_snap`")),
            None => Ok(()),
        };
        let check =
            |part: &str| check_length(part).and_then(|()| check_part(part)).and_then(|()| would_be_snapshot(part));
        match self.0.split('/').map(check).find_map(Result::err) {
            Some(what) => Err(Error::Invalid(format!("case id {:?}: {what}", self.0))),
            None => Ok(()),
        }
    }

    /// An id to report a path under that may not be one; `name` stands for the root itself.
    pub(crate) fn lossy(relative: &Path, name: &str) -> CaseId {
        let names = relative.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        let parts: Vec<String> =
            names.map(|name| name.replace(|c: char| c.is_control() || c == '\\', "\u{fffd}")).collect();
        CaseId(if parts.is_empty() { name.to_owned() } else { parts.join("/") })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder of this case below `root`.
    #[must_use]
    pub fn below(&self, root: &Path) -> PathBuf {
        below(root, &self.0)
    }
}

/// A path below `root` from names with `/` between them.
pub(super) fn below(root: &Path, names: &str) -> PathBuf {
    match MAIN_SEPARATOR {
        '/' => root.join(names),
        _ => root.join(names.split('/').collect::<PathBuf>()),
    }
}

impl TryFrom<String> for CaseId {
    type Error = Error;

    fn try_from(text: String) -> Result<CaseId> {
        CaseId::new(&text)
    }
}

impl From<CaseId> for String {
    fn from(id: CaseId) -> String {
        id.0
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

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
    pub(super) fn resolve(root: &Path, id: &CaseId, text: &str) -> Result<Address, String> {
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
