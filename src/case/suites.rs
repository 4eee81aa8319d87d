//! The suites of one root, each read once: what lets many cases be read for the price of their `case.json`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::case::{CASE_FILE, Case};
use super::id::{CaseId, below};
use super::layer::{Defaults, Layer, Layers, SUITE_FILE};
use super::object::read_object;
use super::resolve::resolve;
use crate::error::{Error, Result};

/// The defaults of the folders below one root, as they were when first asked for.
///
/// It lives as long as one walk or one run, and no longer: it does not see that a suite changes.
pub(crate) struct Suites {
    root: PathBuf,
    /// By folder, as an id is written; the root is the empty text. What cannot be read is not kept: every case says so itself.
    known: RwLock<HashMap<String, Arc<Defaults>>>,
}

impl Suites {
    /// Of the cases below that root. Nothing is read yet.
    pub(crate) fn new(root: &Path) -> Suites {
        Suites { root: root.to_path_buf(), known: RwLock::default() }
    }

    /// Reads a case, as [`Case::load`] does.
    pub(crate) fn case(&self, id: &CaseId) -> Result<Case> {
        let layers = self.layers(id)?;
        resolve(&self.root, id, &layers).map_err(|fault| Error::Case { path: fault.file(&layers), what: fault.what })
    }

    fn layers(&self, id: &CaseId) -> Result<Layers> {
        let folder = id.below(&self.root);
        let file = folder.join(CASE_FILE);
        let own = read_object(&file)?.ok_or_else(|| Error::Case {
            path: file.clone(),
            what: "is not there; a case is a folder that holds a case.json".to_owned(),
        })?;
        let above = self.defaults(parent(id.as_str()).expect("an id is not empty"))?;
        // The folder of a case has no other case, as a rule: nobody would ask again.
        let defaults = suite(&folder)?.map_or_else(|| Arc::clone(&above), |suite| Arc::new(above.under(suite)));
        Layers::new(defaults, file, own)
    }

    /// What holds for the cases in a folder.
    fn defaults(&self, folder: &str) -> Result<Arc<Defaults>> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return Ok(Arc::clone(known));
        }
        let above = parent(folder).map(|above| self.defaults(above)).transpose()?.unwrap_or_default();
        let place = if folder.is_empty() { self.root.clone() } else { below(&self.root, folder) };
        let defaults = suite(&place)?.map_or(above.clone(), |suite| Arc::new(above.under(suite)));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), Arc::clone(&defaults));
        Ok(defaults)
    }
}

/// The suite in a folder, if it has one.
fn suite(folder: &Path) -> Result<Option<Layer>> {
    let file = folder.join(SUITE_FILE);
    read_object(&file)?.map(|fields| Layer::new(file, fields)).transpose()
}

/// The folder above one, as an id is written; the root has none.
fn parent(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/') {
        Some((above, _)) => Some(above),
        None => (!folder.is_empty()).then_some(""),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_suite_is_read_once_and_one_that_is_broken_again_for_every_case() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        };
        write("s/suite.json", r#"{"karat": 1, "checkpoint": "a", "reference": {"seed": 1}}"#);
        for id in ["s/one", "s/two"] {
            write(&format!("{id}/case.json"), "{}");
        }
        write("s/two/suite.json", r#"{"checkpoint": "c", "reference": {"model": "m"}}"#);
        let suites = Suites::new(root.path());
        let case = |suites: &Suites, id| {
            let case = suites.case(&CaseId::new(id).expect("an id"));
            case.map(|case| (case.checkpoint, serde_json::to_string(&*case.reference).expect("JSON")))
                .map_err(|error| error.to_string())
        };
        assert_eq!(case(&suites, "s/one"), Ok(("a".to_owned(), r#"{"seed":1}"#.to_owned())));
        assert_eq!(case(&suites, "s/two"), Ok(("c".to_owned(), r#"{"model":"m","seed":1}"#.to_owned())));
        write("s/suite.json", r#"{"karat": 1, "checkpoint": "b", "reference": null}"#);
        assert_eq!(case(&suites, "s/one"), Ok(("a".to_owned(), r#"{"seed":1}"#.to_owned())));
        assert_eq!(case(&Suites::new(root.path()), "s/one"), Ok(("b".to_owned(), "{}".to_owned())));

        let suites = Suites::new(root.path());
        for text in ["{", r#"{"karat": 2}"#] {
            write("s/suite.json", text);
            assert!(case(&suites, "s/one").is_err(), "{text}");
        }
        write("s/suite.json", r#"{"karat": 1, "checkpoint": "d"}"#);
        assert_eq!(case(&suites, "s/one").map(|(checkpoint, _)| checkpoint).as_deref(), Ok("d"));
    }
}
