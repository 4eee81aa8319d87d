//! What is asked about a mismatch.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compare::Pair;
use crate::tensor::Tensor;

/// A mismatch, and everything around it that may tell why.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The two tensors. Their shapes may differ; a mask is one of the reference's shape.
    pub pair: Pair<'a>,
    /// What the checkpoint was given.
    pub inputs: BTreeMap<&'a str, &'a Tensor>,
    /// What else it returned.
    pub others: Vec<Other<'a>>,
    /// The parameters of the case: a hint.
    pub params: BTreeMap<&'a str, &'a Value>,
    /// The name of the checkpoint: a hint.
    pub checkpoint: Option<&'a str>,
}

/// Another output of the same case.
#[derive(Clone, Copy, Debug)]
pub struct Other<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the checkpoint returned under that name, where it is known.
    pub actual: Option<&'a Tensor>,
    /// What it should have returned.
    pub reference: &'a Tensor,
}

impl<'a> Question<'a> {
    /// The two tensors alone.
    #[must_use]
    pub fn new(pair: Pair<'a>) -> Question<'a> {
        Question { pair, inputs: BTreeMap::new(), others: Vec::new(), params: BTreeMap::new(), checkpoint: None }
    }

    /// The same, with that input.
    #[must_use]
    pub fn with_input(mut self, name: &'a str, tensor: &'a Tensor) -> Question<'a> {
        self.inputs.insert(name, tensor);
        self
    }

    /// The same, with that other output.
    #[must_use]
    pub fn with_other(mut self, other: Other<'a>) -> Question<'a> {
        self.others.push(other);
        self
    }

    /// The same, with that parameter.
    #[must_use]
    pub fn with_param(mut self, name: &'a str, value: &'a Value) -> Question<'a> {
        self.params.insert(name, value);
        self
    }

    /// The same, with that checkpoint.
    #[must_use]
    pub fn of_checkpoint(mut self, name: &'a str) -> Question<'a> {
        self.checkpoint = Some(name);
        self
    }
}
