//! The id of a case: its path below the goldens root, with `/`.

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
pub(crate) fn below(root: &Path, names: &str) -> PathBuf {
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
