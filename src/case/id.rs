//! Case ids, which are paths below the goldens root, and tensor addresses, which are relative to a case.

use std::fmt;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use crate::error::{Error, Result};
use crate::text::name::{check_length, check_part};

/// The id of a case: its path below the goldens root, with `/` on every system. It converts to the path and back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
pub struct CaseId(String);

impl CaseId {
    /// Parses an id.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the text is not a path below a root: if it is empty or absolute, has an empty, `.` or `..`
    /// component, or contains a backslash or a control character.
    pub fn new(text: &str) -> Result<CaseId> {
        let refuse = |why: &str| Err(Error::Invalid(format!("case id {text:?} {why}")));
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("is not a path below the goldens root");
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return refuse("contains a backslash or a control character");
        }
        Ok(CaseId(text.to_owned()))
    }

    /// Returns the id of a path relative to the goldens root.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] as for [`CaseId::new`], and if a component is not UTF-8.
    pub fn from_path(relative: &Path) -> Result<CaseId> {
        let parts: Option<Vec<&str>> = relative.components().map(|part| part.as_os_str().to_str()).collect();
        match parts {
            Some(parts) => CaseId::new(&parts.join("/")),
            None => Err(Error::Invalid(format!("case folder {relative:?} has a name that is not UTF-8"))),
        }
    }

    /// Refuses an id whose folders are not valid, or not the same, on every system.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the folder and a new name for it.
    pub(crate) fn check_portable(&self) -> Result<()> {
        let check_extension = |part: &str| match part.strip_suffix(".new").unwrap_or(part).strip_suffix(".snap") {
            Some(stem) => Err(format!("`{part}` is the name of a snapshot; rename it to `{stem}_snap`")),
            None => Ok(()),
        };
        let check =
            |part: &str| check_length(part).and_then(|()| check_part(part)).and_then(|()| check_extension(part));
        match self.0.split('/').map(check).find_map(Result::err) {
            Some(what) => Err(Error::Invalid(format!("case id {:?}: {what}", self.0))),
            None => Ok(()),
        }
    }

    /// Returns an id for reporting a path that may not be a valid id; `name` stands for the root itself.
    pub(crate) fn lossy(relative: &Path, name: &str) -> CaseId {
        let names = relative.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        let parts: Vec<String> =
            names.map(|name| name.replace(|c: char| c.is_control() || c == '\\', "\u{fffd}")).collect();
        CaseId(if parts.is_empty() { name.to_owned() } else { parts.join("/") })
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folder of this case below `root`.
    #[must_use]
    pub fn below(&self, root: &Path) -> PathBuf {
        below(root, &self.0)
    }
}

/// Returns the path below `root` of names separated by `/`.
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

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The location of a tensor: a file, and the member if the file contains several tensors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The text in `case.json` or on the command line.
    pub text: String,
    /// The file.
    pub path: PathBuf,
    /// The member of an npz or safetensors file.
    pub member: Option<String>,
}

/// The maximum length of an address, in bytes: no system supports longer paths.
const MAX_LEN: usize = 4096;

impl Address {
    /// Resolves an address in the case `id` below `root`.
    ///
    /// # Errors
    ///
    /// A message if the text is an absolute path, leaves the root through `..`, contains backslashes, or names a file that is not
    /// valid on every system.
    pub(super) fn resolve(root: &Path, id: &CaseId, text: &str) -> Result<Address, String> {
        if text.len() > MAX_LEN {
            return Err(format!("is {} bytes long; the limit is {MAX_LEN}", text.len()));
        }
        let (file, member) = split(text);
        let absolute = Path::new(file).is_absolute() || file.starts_with('/') || file.as_bytes().get(1) == Some(&b':');
        if absolute {
            return Err(format!("`{text}` is an absolute path; name the file relative to the case, inside the root"));
        }
        if file.contains('\\') {
            return Err(format!("`{text}` contains a backslash; separate folders with `/`"));
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
            return Err(format!("`{text}` does not name a file"));
        }
        let path = below(root, &parts.join("/"));
        Ok(Address { text: text.to_owned(), path, member: member.map(str::to_owned) })
    }

    /// Parses an address relative to the current folder, as given on the command line.
    #[must_use]
    pub fn parse(text: &str) -> Address {
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

/// Splits `file#name` after the extension, so that both names may contain a `#`.
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
        let id = CaseId::new("suite/case").expect("a valid id");
        Address::resolve(Path::new("g"), &id, text).map(|address| address.to_string().replace('\\', "/"))
    }

    #[test]
    fn a_file_is_relative_to_the_case_and_can_be_anywhere_below_the_root() {
        assert_eq!(resolve("y.npy").as_deref(), Ok("g/suite/case/y.npy"));
        assert_eq!(resolve("../w.safetensors#h.0").as_deref(), Ok("g/suite/w.safetensors#h.0"));
        assert_eq!(resolve("../../w.npz#a").as_deref(), Ok("g/w.npz#a"));
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        for text in ["../../../w.npy", "/etc/w.npy", "C:/w.npy", "a\\w.npy", "../../x/../../w.npy", ""] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_separates_the_member_only_after_the_extension() {
        assert_eq!(split("run#3/y.npy"), ("run#3/y.npy", None));
        assert_eq!(split("all.npz#a#b"), ("all.npz", Some("a#b")));
        assert_eq!(split("W.NPZ#a"), ("W.NPZ", Some("a")));
    }
}
