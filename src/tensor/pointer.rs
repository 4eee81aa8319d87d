//! What stands in the place of a file whose content is kept elsewhere.

use std::fmt;
use std::path::Path;

/// A pointer in place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pointer {
    /// Of Git LFS: a small text.
    Lfs,
    /// Of git-annex: a small text, or a link into `.git/annex`.
    Annex,
}

/// How each text begins.
const STARTS: [(&str, Pointer); 2] =
    [("version https://git-lfs.github.com/spec/v1", Pointer::Lfs), ("/annex/objects/", Pointer::Annex)];

impl Pointer {
    /// The pointer that a file of this content is, if it is one.
    pub(crate) fn of(content: &[u8]) -> Option<Pointer> {
        STARTS.into_iter().find(|(start, _)| content.starts_with(start.as_bytes())).map(|(_, pointer)| pointer)
    }

    /// The pointer that a link to that path is, if it is one and leads nowhere.
    pub(crate) fn at(target: &Path) -> Option<Pointer> {
        let parts: Vec<_> = target.iter().collect();
        let is_annex = parts.windows(3).any(|parts| parts == [".git", "annex", "objects"]);
        is_annex.then_some(Pointer::Annex)
    }

    /// The pointer of which that message is.
    #[cfg(feature = "harness")]
    pub(crate) fn named_in(message: &str) -> Option<Pointer> {
        STARTS.into_iter().map(|(_, pointer)| pointer).find(|pointer| message.contains(&pointer.to_string()))
    }

    /// The command that brings the content.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Pointer::Lfs => "git lfs pull",
            Pointer::Annex => "git annex get .",
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pointer::Lfs => "Git LFS pointer",
            Pointer::Annex => "git-annex pointer",
        })
    }
}
