//! Checkpoints (the functions under test), their inputs and outputs, and the executors that run them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt;

use ndarray::ArrayD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::case::{CaseId, MOST_TENSORS, is_wide};
use crate::error::{Error, Result};
use crate::tensor::{Element, Tensor};

/// The return type of a checkpoint: its outputs, or any error.
pub type CheckpointResult = std::result::Result<Outputs, Box<dyn StdError + Send + Sync>>;

type Checkpoint = dyn Fn(&Inputs) -> CheckpointResult + Send + Sync;

/// A named set of checkpoints.
pub struct Executor {
    name: String,
    checkpoints: BTreeMap<String, Box<Checkpoint>>,
}

/// The arguments of a checkpoint: the input tensors and parameters of one case.
#[derive(Clone, Debug)]
pub struct Inputs {
    id: CaseId,
    params: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
}

/// The outputs of a checkpoint: tensors by name. Built by [`outputs!`](crate::outputs).
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    tensors: Vec<(String, Tensor)>,
}

/// The error that a checkpoint returns if a case cannot run on this machine.
///
/// The case is then *skipped*: it is counted, listed at the end, and fails in CI unless its skip is allowed by name.
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
    /// Creates an executor without checkpoints.
    #[must_use]
    pub fn new(name: &str) -> Executor {
        Executor { name: name.to_owned(), checkpoints: BTreeMap::new() }
    }

    /// Registers a checkpoint.
    ///
    /// # Panics
    ///
    /// If the name is already registered.
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

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of its checkpoints, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.checkpoints.keys().map(String::as_str)
    }

    /// Returns a checkpoint by name.
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
    /// Creates the inputs of a case.
    #[must_use]
    pub fn new(id: CaseId, params: BTreeMap<String, Value>, tensors: BTreeMap<String, Tensor>) -> Inputs {
        Inputs { id, params, tensors }
    }

    /// Replaces an input.
    pub(super) fn with(mut self, name: &str, tensor: Tensor) -> Inputs {
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    /// Returns the id of the case.
    #[must_use]
    pub fn id(&self) -> &CaseId {
        &self.id
    }

    /// Returns an input of any dtype.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] with the names of all inputs if the case has no such input.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::Checkpoint(format!("the case has no input `{name}`; {}", list(self.tensors.keys()))))
    }

    /// Iterates over all inputs by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Returns an input as an ndarray.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the case has no such input, or it has another dtype.
    pub fn input<T: Element>(&self, name: &str) -> Result<ArrayD<T>> {
        let tensor = self.tensor(name)?;
        tensor.to_array().map_err(|_| other_dtype::<T>(name, tensor))
    }

    /// Returns the elements of an input of any shape, in C order (the last axis varies fastest).
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
    /// [`Error::Checkpoint`] if the case has no such input, or it has another dtype.
    pub fn slice<T: Element>(&self, name: &str) -> Result<&[T]> {
        let tensor = self.tensor(name)?;
        tensor.as_slice().ok_or_else(|| other_dtype::<T>(name, tensor))
    }

    /// Returns a parameter.
    ///
    /// Integers that do not fit into 64 bits can be read as a `String` of digits, a `u128` or an `i128`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the case has no such parameter, or it has another type.
    pub fn param<P: DeserializeOwned>(&self, name: &str) -> Result<P> {
        self.optional_param(name)?
            .ok_or_else(|| Error::Checkpoint(format!("the case has no param `{name}`; {}", list(self.params.keys()))))
    }

    /// Returns a parameter, or `None` if the case has no such parameter.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if it has another type.
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

/// Returns the error for an input of another dtype than the checkpoint reads.
fn other_dtype<T: Element>(name: &str, tensor: &Tensor) -> Error {
    Error::Checkpoint(format!("input `{name}` is {}, but the checkpoint reads {}", tensor.dtype(), T::DTYPE))
}

/// Lists the existing names, for an error about a missing one.
fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) }
}

impl Outputs {
    /// Creates an empty set of outputs.
    #[must_use]
    pub fn new() -> Outputs {
        Outputs::default()
    }

    /// Adds an output. If a name is added twice, the case is broken.
    #[must_use]
    pub fn with(mut self, name: &str, tensor: impl Into<Tensor>) -> Outputs {
        self.tensors.push((name.to_owned(), tensor.into()));
        self
    }

    /// Returns the tensors by name.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if a name was added twice, or if there are more outputs than a case can have.
    pub(crate) fn into_map(self) -> Result<BTreeMap<String, Tensor>> {
        let count = self.tensors.len();
        if count > MOST_TENSORS {
            let text = format!("the checkpoint returned {count} outputs; the maximum is {MOST_TENSORS}");
            return Err(Error::Checkpoint(text));
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

/// Builds the [`Outputs`] of a checkpoint from ndarrays, vectors, slices, arrays, numbers or [`Tensor`]s.
///
/// A vector or a slice becomes a tensor with one axis, an array of arrays one with two axes, and a number one without axes.
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
    /// Creates a skip with a reason.
    ///
    /// # Panics
    ///
    /// If the reason is blank.
    #[must_use]
    pub fn because(reason: &str) -> Skip {
        assert!(!reason.trim().is_empty(), "a skip needs a reason");
        Skip { reason: reason.to_owned() }
    }

    /// Returns the reason.
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

/// The available executors: the default one, which alone has snapshots, and others for the same cases.
#[derive(Debug)]
pub struct Executors {
    /// The default executor first; names are unique.
    all: Vec<Executor>,
}

impl Executors {
    /// Starts with the default executor.
    #[must_use]
    pub fn new(default: Executor) -> Executors {
        Executors { all: vec![default] }
    }

    /// Adds another executor.
    ///
    /// # Panics
    ///
    /// If its name is already used.
    #[must_use]
    pub fn with(mut self, other: Executor) -> Executors {
        assert!(!self.has(other.name()), "an executor named `{}` already exists", other.name());
        self.all.push(other);
        self
    }

    /// Returns their names, the default first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(Executor::name)
    }

    /// Returns the name of the default executor.
    #[must_use]
    pub fn default_name(&self) -> &str {
        self.all[0].name()
    }

    /// Returns the names of all checkpoints of all executors, sorted.
    #[must_use]
    pub fn checkpoints(&self) -> BTreeSet<&str> {
        self.all.iter().flat_map(Executor::names).collect()
    }

    /// Returns whether an executor with that name exists.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// Returns the default executor.
    #[must_use]
    pub fn into_default(mut self) -> Executor {
        self.all.swap_remove(0)
    }

    /// Returns the executors with these names, in that order, or all of them if `names` is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if a name is unknown or given twice.
    pub fn choose(self, names: &[String]) -> Result<Vec<Executor>> {
        for (at, name) in names.iter().enumerate() {
            self.check(name)?;
            if names[..at].contains(name) {
                return Err(Error::Usage(format!("executor `{name}` is given twice")));
            }
        }
        let place = |executor: &Executor| names.iter().position(|name| name == executor.name());
        let mut chosen: Vec<Executor> =
            self.all.into_iter().filter(|executor| names.is_empty() || place(executor).is_some()).collect();
        chosen.sort_by_key(place);
        Ok(chosen)
    }

    /// Checks that an executor with that name exists.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the known names if it does not.
    pub fn check(&self, name: &str) -> Result<()> {
        if self.has(name) {
            return Ok(());
        }
        let known: Vec<&str> = self.names().collect();
        // This crate provides candle, but only with a feature, and in a harness only if it is added.
        let hint = match (name, cfg!(feature = "candle")) {
            ("candle", false) => "; build karat with `--features candle` to get it",
            ("candle", true) => "; add it to the harness with Harness::other(karat::candle::executor())",
            _ => "",
        };
        Err(Error::Usage(format!("unknown executor `{name}`; known: {}{hint}", known.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_wider_than_64_bits_keeps_all_digits() {
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
        assert_eq!(error, "input `x` is f32, but the checkpoint reads f64");
    }

    #[test]
    fn a_checkpoint_can_return_as_many_outputs_as_a_case_can_name() {
        let returned = |count: usize| {
            let outputs = (0..count).fold(Outputs::new(), |outputs, at| outputs.with(&at.to_string(), 0u8));
            outputs.into_map().map(|map| map.len()).map_err(|error| error.to_string())
        };
        assert_eq!(returned(10_000), Ok(10_000));
        assert_eq!(returned(10_001), Err("the checkpoint returned 10001 outputs; the maximum is 10000".to_owned()));
    }

    #[test]
    fn outputs_are_built_from_vectors_slices_arrays_and_numbers() {
        let vector = vec![1u8, 2];
        let outputs = crate::outputs! {
            "vector" => &vector, "slice" => &vector[..1], "array" => [true], "rows" => [[1i32, 2, 3], [4, 5, 6]],
            "number" => 0.5f64, "tensor" => &Tensor::from(1i8), "moved" => vector,
        };
        let shapes = outputs.into_map().expect("the names are unique");
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
    fn an_executor_that_is_unknown_or_given_twice_is_an_error() {
        assert_eq!(chosen(&["x"]).unwrap_err().to_string(), "unknown executor `x`; known: a, b, c");
        assert_eq!(chosen(&["a", "a"]).unwrap_err().to_string(), "executor `a` is given twice");
    }

    #[test]
    #[should_panic = "an executor named `b` already exists"]
    fn two_executors_with_the_same_name_are_rejected() {
        let _ = three().with(Executor::new("b"));
    }
}
