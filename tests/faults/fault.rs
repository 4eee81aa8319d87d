//! The faults, where each can be planted, and why it cannot be elsewhere.

use crate::suite::{ATTENTION_MASK, Golden};

/// One way in which a port goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Eps,
    Swapped,
    Scaled,
    Transposed,
    Heads,
    Zeroed,
    Mask,
    Gelu,
    QueryKey,
    Positions,
    Unscaled,
    Merged,
    Nan,
    Empty,
    Truncated,
}

/// A fault at one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plant {
    pub(crate) fault: Fault,
    pub(crate) checkpoint: String,
    /// The input that is faulty; empty where it is the computation.
    pub(crate) place: String,
}

/// What a faulty eps is.
pub(crate) const EPS: f64 = 1e-3;

/// What faulty weights are multiplied by.
pub(crate) const FACTOR: f64 = 1.01;

impl Fault {
    pub(crate) const ALL: [Fault; 15] = [
        Fault::Eps,
        Fault::Swapped,
        Fault::Scaled,
        Fault::Transposed,
        Fault::Heads,
        Fault::Zeroed,
        Fault::Mask,
        Fault::Gelu,
        Fault::QueryKey,
        Fault::Positions,
        Fault::Unscaled,
        Fault::Merged,
        Fault::Nan,
        Fault::Empty,
        Fault::Truncated,
    ];

    /// The words for it in the table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Fault::Eps => "eps 1e-3",
            Fault::Swapped => "weight and bias swapped",
            Fault::Scaled => "weights x1.01",
            Fault::Transposed => "weight transposed",
            Fault::Heads => "twice as many heads",
            Fault::Zeroed => "bias zeroed",
            Fault::Mask => "mask left out",
            Fault::Gelu => "the other GELU",
            Fault::QueryKey => "q and k exchanged",
            Fault::Positions => "positions shifted by one",
            Fault::Unscaled => "scores not scaled",
            Fault::Merged => "heads merged last first",
            Fault::Nan => "all NaN",
            Fault::Empty => "empty",
            Fault::Truncated => "truncated",
        }
    }

    /// Whether it is in what a checkpoint returns, whatever it computes.
    pub(crate) fn is_returned(self) -> bool {
        matches!(self, Fault::Nan | Fault::Empty | Fault::Truncated)
    }

    /// Where it can be planted in that case: the faulty inputs, or one empty name where it is the computation.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub(crate) fn places(self, golden: &Golden) -> Result<Vec<String>, &'static str> {
        let checkpoint = golden.checkpoint();
        let is_whole = matches!(checkpoint, "block" | "generate");
        let has = |name: &str| golden.case.params.contains_key(name);
        let takes = |name: &str| golden.inputs.contains_key(name);
        let once = |is_here: bool, why| if is_here { Ok(vec![String::new()]) } else { Err(why) };
        let each = |is_faulty: &dyn Fn(&str) -> bool, why| {
            if checkpoint == "generate" {
                return Err("it has the parameters of the other checkpoints, where each is planted");
            }
            let places: Vec<String> = golden.inputs.keys().filter(|name| is_faulty(name)).cloned().collect();
            if places.is_empty() { Err(why) } else { Ok(places) }
        };
        let is_integer = golden.references.values().all(|reference| reference.tensor.as_slice::<i64>().is_some());
        match self {
            Fault::Eps if checkpoint == "normalize" => {
                Err("its eps is a lower bound of the norm, and no row is that short")
            }
            Fault::Eps => once(has("eps"), "no eps"),
            Fault::Swapped => each(&|name| is_weight(name) && takes(&bias_of(name)), "no weight with a bias"),
            Fault::Scaled => each(&is_weight, "no weight"),
            Fault::Transposed => {
                let is_matrix = |name: &str| is_weight(name) && golden.inputs[name].shape().len() == 2;
                each(&is_matrix, "no weight with two axes")
            }
            Fault::Heads => once(has("n_head"), "its heads are an axis of its input, or it has none"),
            Fault::Zeroed => each(&|name| name.ends_with("bias"), "no bias"),
            Fault::Mask => once(is_whole || has("causal") || takes("mask"), "no mask"),
            Fault::Gelu => once(has("gelu"), "no GELU"),
            Fault::QueryKey | Fault::Unscaled if checkpoint == ATTENTION_MASK => {
                Err("masked scores are one constant, whatever the scores were")
            }
            Fault::QueryKey => {
                let returns = |name: &str| golden.references.contains_key(name);
                let is_here = (takes("q") && takes("k")) || (returns("q") && returns("k"));
                once(is_whole || is_here, "it does not have both")
            }
            Fault::Positions => {
                let is_here = takes("ids") || takes("mask") || checkpoint == "selected_logits";
                once(is_here, "its rows do not depend on their position")
            }
            Fault::Unscaled => once(is_whole || checkpoint == "attention_scores", "no scores"),
            Fault::Merged => {
                let is_here = matches!(checkpoint, "attention_output" | "attention_context");
                once(is_whole || is_here, "it does not merge heads")
            }
            Fault::Nan => once(!is_integer, "integers cannot be NaN"),
            Fault::Empty => once(true, ""),
            Fault::Truncated => once(
                golden.references.values().all(|y| y.tensor.len() > 1),
                "a single element cannot be truncated without being empty",
            ),
        }
    }

    /// Why goldens see nothing of it at that checkpoint, where it could be planted.
    pub(crate) fn unseen(self, checkpoint: &str) -> Option<&'static str> {
        match (self, checkpoint) {
            (Fault::Mask, "attention_scores") => {
                Some("masked scores are excluded by `where`; `attention_mask` compares them")
            }
            (Fault::Gelu, "generate") => Some("no logit changes enough for another token to win"),
            _ => None,
        }
    }
}

fn is_weight(name: &str) -> bool {
    name.ends_with("weight")
}

/// The bias that belongs to a weight, or to a bias its weight.
pub(crate) fn bias_of(weight: &str) -> String {
    match weight.strip_suffix("weight") {
        Some(layer) => format!("{layer}bias"),
        None => format!("{}weight", weight.strip_suffix("bias").expect("weights and biases are called so")),
    }
}
