//! Checkpoints: the functions under test, what they are given, what they return, and the executors that have them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt;

use ndarray::ArrayD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::case::{CaseId, MOST_TENSORS, is_wide};
use crate::error::{Error, Result};
use crate::tensor::{Element, Tensor};

/// What a checkpoint returns: its outputs, or any error.
pub type CheckpointResult = std::result::Result<Outputs, Box<dyn StdError + Send + Sync>>;

type Checkpoint = dyn Fn(&Inputs) -> CheckpointResult + Send + Sync;

/// A set of checkpoints under one name: what can run cases.
pub struct Executor {
    name: String,
    checkpoints: BTreeMap<String, Box<Checkpoint>>,
}

/// What a checkpoint is given: the input tensors and parameters of one case.
#[derive(Clone, Debug)]
pub struct Inputs {
    id: CaseId,
    params: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
}

/// What a checkpoint returns: tensors by name. Made by [`outputs!`](crate::outputs).
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    tensors: Vec<(String, Tensor)>,
}

/// Says that a case cannot be run here and why; a checkpoint returns it as its error.
///
/// The case is then *skipped*: counted, listed at the end, and in CI a failure unless allowed by name.
///
/// ```
/// # use karat::{CheckpointResult, Inputs, Skip};
/// fn on_gpu(case: &Inputs) -> CheckpointResult {
///     Err(Skip::because("this machine has no GPU").into())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    reason: String,
}

impl Executor {
    /// An executor of that name with no checkpoints yet.
    #[must_use]
    pub fn new(name: &str) -> Executor {
        Executor { name: name.to_owned(), checkpoints: BTreeMap::new() }
    }

    /// Registers a checkpoint.
    ///
    /// # Panics
    ///
    /// Where the name is registered already: one of the two would silently never run.
    #[must_use]
    pub fn checkpoint(
        mut self,
        name: &str,
        function: impl Fn(&Inputs) -> CheckpointResult + Send + Sync + 'static,
    ) -> Executor {
        let earlier = self.checkpoints.insert(name.to_owned(), Box::new(function));
        assert!(earlier.is_none(), "checkpoint `{name}` is registered twice");
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of its checkpoints, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.checkpoints.keys().map(String::as_str)
    }

    /// The checkpoint of that name, if it has one.
    pub(crate) fn get(&self, name: &str) -> Option<&Checkpoint> {
        self.checkpoints.get(name).map(AsRef::as_ref)
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Executor { name, checkpoints } = self;
        f.debug_struct("Executor").field("name", name).field("checkpoints", &checkpoints.keys()).finish()
    }
}

impl Inputs {
    /// The inputs of a case.
    #[must_use]
    pub fn new(id: CaseId, params: BTreeMap<String, Value>, tensors: BTreeMap<String, Tensor>) -> Inputs {
        Inputs { id, params, tensors }
    }

    /// The same, with that tensor in place of the input of that name.
    pub(super) fn with(mut self, name: &str, tensor: Tensor) -> Inputs {
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    /// The case.
    #[must_use]
    pub fn id(&self) -> &CaseId {
        &self.id
    }

    /// The input of that name, of any dtype.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where the case has no such input; it names those that it has.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::Checkpoint(format!("the case has no input `{name}`; {}", known(self.tensors.keys()))))
    }

    /// Every input by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The input of that name as an ndarray.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where the case has no such input, or has it in another dtype.
    pub fn input<T: Element>(&self, name: &str) -> Result<ArrayD<T>> {
        let tensor = self.tensor(name)?;
        tensor.to_array().map_err(|_| other_dtype::<T>(name, tensor))
    }

    /// The elements of the input of that name, in C order (the last axis varies fastest), whatever its shape.
    ///
    /// ```
    /// # use karat::{CheckpointResult, Inputs, outputs};
    /// fn double(case: &Inputs) -> CheckpointResult {
    ///     let x = case.slice::<f32>("x")?;
    ///     Ok(outputs! { "y" => x.iter().map(|x| 2.0 * x).collect::<Vec<f32>>() })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where the case has no such input, or has it in another dtype.
    pub fn slice<T: Element>(&self, name: &str) -> Result<&[T]> {
        let tensor = self.tensor(name)?;
        tensor.as_slice().ok_or_else(|| other_dtype::<T>(name, tensor))
    }

    /// The parameter of that name.
    ///
    /// An integer that 64 bits cannot hold is read as it is written: as a `String` of its digits, a `u128` or an `i128`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where the case has no such parameter, or has it in another type.
    pub fn param<P: DeserializeOwned>(&self, name: &str) -> Result<P> {
        self.optional_param(name)?
            .ok_or_else(|| Error::Checkpoint(format!("the case has no param `{name}`; {}", known(self.params.keys()))))
    }

    /// The parameter of that name, or `None` where the case has no such parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where the case has it in another type.
    pub fn optional_param<P: DeserializeOwned>(&self, name: &str) -> Result<Option<P>> {
        self.params
            .get(name)
            .map(|value| {
                let wide = value.as_str().filter(|text| is_wide(text));
                P::deserialize(value)
                    .or_else(|error| wide.map_or(Err(error), serde_json::from_str))
                    .map_err(|error| Error::Checkpoint(format!("param `{name}` is {value}: {error}")))
            })
            .transpose()
    }
}

/// The error that an input has another dtype than the checkpoint reads.
fn other_dtype<T: Element>(name: &str, tensor: &Tensor) -> Error {
    Error::Checkpoint(format!("input `{name}` is {}, and the checkpoint reads {}", tensor.dtype(), T::DTYPE))
}

/// What there is, for a message about what there is not.
fn known<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) }
}

impl Outputs {
    /// No outputs yet.
    #[must_use]
    pub fn new() -> Outputs {
        Outputs::default()
    }

    /// Adds an output. A name given twice makes the case broken.
    #[must_use]
    pub fn with(mut self, name: &str, tensor: impl Into<Tensor>) -> Outputs {
        self.tensors.push((name.to_owned(), tensor.into()));
        self
    }

    /// The tensors by name.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] where a name was given twice, or more were given than a case may have.
    pub(crate) fn into_map(self) -> Result<BTreeMap<String, Tensor>> {
        let count = self.tensors.len();
        if count > MOST_TENSORS {
            return Err(Error::Checkpoint(format!(
                "the checkpoint returned {count} outputs, and may return {MOST_TENSORS}"
            )));
        }
        let mut map = BTreeMap::new();
        for (name, tensor) in self.tensors {
            if map.contains_key(&name) {
                return Err(Error::Checkpoint(format!("the checkpoint returned output `{name}` twice")));
            }
            map.insert(name, tensor);
        }
        Ok(map)
    }
}

/// The outputs of a checkpoint by name: ndarrays, vectors, slices, arrays, numbers or [`Tensor`]s.
///
/// A vector or a slice is a tensor of one axis, an array of arrays has two, and a number has none.
///
/// ```
/// # use karat::outputs;
/// let logits = vec![0.5f32, 2.0];
/// let outputs = outputs! {
///     "matrix" => ndarray::arr2(&[[1.0f32, 2.0]]),
///     "slice" => &logits[1..],
///     "array" => [[1i64, 2], [3, 4]],
///     "loss" => 0.25f64,
///     "logits" => logits,
/// };
/// ```
#[macro_export]
macro_rules! outputs {
    ($($name:expr => $tensor:expr),* $(,)?) => {
        $crate::Outputs::new()$(.with($name, $tensor))*
    };
}

impl Skip {
    /// A skip for that written reason.
    ///
    /// # Panics
    ///
    /// Where the reason is blank.
    #[must_use]
    pub fn because(reason: &str) -> Skip {
        assert!(!reason.trim().is_empty(), "a skip needs a written reason");
        Skip { reason: reason.to_owned() }
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.reason)
    }
}

impl StdError for Skip {}

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
            ("candle", true) => "; a harness has it by Harness::other(karat::candle::executor())",
            _ => "",
        };
        Err(Error::Usage(format!("there is no executor `{name}` here; there is {}{built}", known.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_that_64_bits_cannot_hold_is_read_as_it_is_written() {
        let wide = "18446744073709551616";
        let params = [("n", Value::from(wide)), ("text", Value::from("5")), ("small", Value::from(5))];
        let params = params.map(|(name, value)| (name.to_owned(), value)).into();
        let case = Inputs::new(CaseId::new("a").expect("an id"), params, BTreeMap::new());
        assert_eq!(case.param::<String>("n").ok().as_deref(), Some(wide));
        assert_eq!(case.param::<u128>("n").ok(), Some(1 << 64));
        assert_eq!(case.param::<f64>("n").ok(), Some(18446744073709551616.0));
        assert!(case.param::<u64>("n").is_err());
        assert!(case.param::<u64>("text").is_err());
        assert_eq!(case.param::<u128>("small").ok(), Some(5));
    }

    #[test]
    fn an_input_is_a_slice_in_c_order() {
        let tensors = [("x".to_owned(), Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]))].into();
        let case = Inputs::new(CaseId::new("a").expect("an id"), BTreeMap::new(), tensors);
        assert_eq!(case.slice::<f32>("x").ok(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
        let error = case.slice::<f64>("x").expect_err("another dtype").to_string();
        assert_eq!(error, "input `x` is f32, and the checkpoint reads f64");
    }

    #[test]
    fn a_checkpoint_returns_as_many_outputs_as_a_case_may_name_and_no_more() {
        let returned = |count: usize| {
            let outputs = (0..count).fold(Outputs::new(), |outputs, at| outputs.with(&at.to_string(), 0u8));
            outputs.into_map().map(|map| map.len()).map_err(|error| error.to_string())
        };
        assert_eq!(returned(10_000), Ok(10_000));
        assert_eq!(returned(10_001), Err("the checkpoint returned 10001 outputs, and may return 10000".to_owned()));
    }

    #[test]
    fn an_output_is_whatever_holds_elements() {
        let vector = vec![1u8, 2];
        let outputs = crate::outputs! {
            "vector" => &vector, "slice" => &vector[..1], "array" => [true], "rows" => [[1i32, 2, 3], [4, 5, 6]],
            "number" => 0.5f64, "tensor" => &Tensor::from(1i8), "moved" => vector,
        };
        let shapes = outputs.into_map().expect("each name is there once");
        let shapes = shapes.iter().map(|(name, tensor)| (name.as_str(), tensor.dtype().name(), tensor.shape()));
        let expected: [(&str, &str, &[usize]); 7] = [
            ("array", "bool", &[1]),
            ("moved", "u8", &[2]),
            ("number", "f64", &[]),
            ("rows", "i32", &[2, 3]),
            ("slice", "u8", &[1]),
            ("tensor", "i8", &[]),
            ("vector", "u8", &[2]),
        ];
        assert_eq!(shapes.collect::<Vec<_>>(), expected);
    }

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
