//! Several executors over the same cases.

use std::collections::BTreeSet;

use super::checkpoint::Executor;
use crate::error::{Error, Result};

/// The executors that can run the same cases: the default one, which alone has snapshots, and others beside it.
#[derive(Debug)]
pub struct Executors {
    /// The default one first; no two of one name.
    all: Vec<Executor>,
}

impl Executors {
    /// The default executor alone.
    #[must_use]
    pub fn new(default: Executor) -> Executors {
        Executors { all: vec![default] }
    }

    /// The same, and that executor beside it.
    ///
    /// # Panics
    ///
    /// Where one of that name is there: nobody could choose between the two.
    #[must_use]
    pub fn with(mut self, other: Executor) -> Executors {
        assert!(!self.has(other.name()), "an executor `{}` is there already", other.name());
        self.all.push(other);
        self
    }

    /// Their names, that of the default one first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(Executor::name)
    }

    /// The name of the default one.
    #[must_use]
    pub fn default_name(&self) -> &str {
        self.all[0].name()
    }

    /// The names of the checkpoints that any of them has, sorted.
    #[must_use]
    pub fn checkpoints(&self) -> BTreeSet<&str> {
        self.all.iter().flat_map(Executor::names).collect()
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The default one.
    #[must_use]
    pub fn into_default(mut self) -> Executor {
        self.all.swap_remove(0)
    }

    /// Those of that name, in that order; all of them where no name is given.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where a name is unknown, with those that are known; or where one is given twice.
    pub fn choose(self, names: &[String]) -> Result<Vec<Executor>> {
        for (at, name) in names.iter().enumerate() {
            self.check(name)?;
            if names[..at].contains(name) {
                return Err(Error::Usage(format!("the executor `{name}` is named twice")));
            }
        }
        let place = |executor: &Executor| names.iter().position(|name| name == executor.name());
        let mut chosen: Vec<Executor> =
            self.all.into_iter().filter(|executor| names.is_empty() || place(executor).is_some()).collect();
        chosen.sort_by_key(place);
        Ok(chosen)
    }

    /// Refuses the name of an executor that there is not.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] that names those that there are.
    pub fn check(&self, name: &str) -> Result<()> {
        if self.has(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.names().collect();
        // The one that this crate has, but not in every build, nor in a harness that did not ask for it.
        let built = match (name, cfg!(feature = "candle")) {
            ("candle", false) => "; karat has it where it is built with `--features candle`",
            ("candle", true) => "; a harness has it by Harness::other(karat::executors::candle::executor())",
            _ => "",
        };
        Err(Error::Usage(format!("there is no executor `{name}` here; there is {}{built}", known.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Executors {
        Executors::new(Executor::new("a")).with(Executor::new("b")).with(Executor::new("c"))
    }

    fn chosen(names: &[&str]) -> Result<Vec<String>> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Ok(three().choose(&names)?.iter().map(|executor| executor.name().to_owned()).collect())
    }

    #[test]
    fn executors_are_chosen_by_name_in_the_order_of_the_names() {
        assert_eq!(chosen(&[]).unwrap(), ["a", "b", "c"]);
        assert_eq!(chosen(&["c", "a"]).unwrap(), ["c", "a"]);
        assert_eq!(three().into_default().name(), "a");
    }

    #[test]
    fn a_name_that_is_unknown_or_given_twice_is_an_error() {
        assert_eq!(chosen(&["x"]).unwrap_err().to_string(), "there is no executor `x` here; there is a, b, c");
        assert_eq!(chosen(&["a", "a"]).unwrap_err().to_string(), "the executor `a` is named twice");
    }

    #[test]
    #[should_panic = "an executor `b` is there already"]
    fn two_executors_of_one_name_cannot_be_told_apart() {
        let _ = three().with(Executor::new("b"));
    }
}
