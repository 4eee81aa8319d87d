//! Planting a fault for real: the built-in executor as it ships is given what a faulty port would compute with.
//!
//! A parameter or an input of the case is changed in the copy. What no input can say is a checkpoint of its own beside
//! the built-in ones: attention without a mask, and what a port returns that computes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use karat::executors::gpt2;
use karat::run::CheckpointResult;
use karat::tensor::write_npy;
use karat::{Executor, Inputs, Outputs, Tensor};
use ndarray::ArrayD;
use serde_json::Value;

use crate::change::{Change, change};
use crate::fault::{Fault, Plant};
use crate::suite::{Golden, Suite};
use crate::unmasked;

/// The checkpoint that the built-in executor has not.
pub(crate) const CHECKPOINT: &str = "planted";

/// A case that is not as it was; dropped, it is again.
pub(crate) struct Planted {
    file: PathBuf,
    before: String,
    tensors: Vec<PathBuf>,
}

/// Plants the fault in that case of the copy.
pub(crate) fn plant(suite: &Suite, golden: &Golden, plant: &Plant) -> Planted {
    let Change { params, inputs, checkpoint } = change(golden, plant);
    let folder = suite.folder(golden);
    let file = folder.join("case.json");
    let before = fs::read_to_string(&file).expect("the case is there");
    let mut planted = Planted { file, before, tensors: Vec::new() };
    let mut case: Value = serde_json::from_str(&planted.before).expect("a case is JSON");
    if let Some(checkpoint) = checkpoint {
        case["checkpoint"] = checkpoint.into();
    }
    case["params"].as_object_mut().expect("it has params").extend(params);
    for (name, tensor) in inputs {
        let given = case["inputs"].as_object_mut().expect("it has inputs");
        let Some(tensor) = tensor else {
            given.remove(&name);
            continue;
        };
        // Without `from`, since karat refuses a tensor that is not the output it links to.
        let file = format!("planted.{name}.npy");
        write_npy(&folder.join(&file), &tensor).expect("the copy can be written");
        given.insert(name, file.clone().into());
        planted.tensors.push(folder.join(file));
    }
    fs::write(&planted.file, case.to_string()).expect("the copy can be written");
    planted
}

impl Drop for Planted {
    fn drop(&mut self) {
        fs::write(&self.file, &self.before).expect("the copy can be written");
        self.tensors.iter().for_each(|tensor| fs::remove_file(tensor).expect("the copy can be written"));
    }
}

/// The built-in executor, and beside it a checkpoint that returns or computes what the fault says.
pub(crate) fn executor(suite: &Suite, plant: &Plant) -> Executor {
    match plant.fault {
        fault if fault.is_returned() => {
            let outputs: BTreeMap<String, Outputs> =
                suite.of(&plant.checkpoint).map(|golden| (golden.id().to_owned(), returned(golden, fault))).collect();
            gpt2::executor().checkpoint(CHECKPOINT, move |case| Ok(outputs[case.id().as_str()].clone()))
        }
        Fault::Mask if plant.checkpoint == "block" => with(unmasked::block),
        Fault::Mask if plant.checkpoint == "generate" => with(unmasked::generate),
        _ => gpt2::executor(),
    }
}

fn with(function: fn(&Inputs) -> CheckpointResult) -> Executor {
    gpt2::executor().checkpoint(CHECKPOINT, function)
}

/// What a faulty port returns: NaN throughout, nothing, or the right elements up to a point.
fn returned(golden: &Golden, fault: Fault) -> Outputs {
    golden.references.iter().fold(Outputs::new(), |outputs, (name, reference)| {
        let tensor = &reference.tensor;
        let mut shape = tensor.shape().to_vec();
        match fault {
            Fault::Nan => return outputs.with(name, ArrayD::from_elem(shape, f32::NAN)),
            Fault::Empty => shape[0] = 0,
            // Cut where the rest is the beginning in C order, which a loop over pairs of elements would pass.
            _ => *shape.iter_mut().find(|extent| **extent > 1).expect("it has elements") -= 1,
        }
        let count = shape.iter().product();
        let cut = match (tensor.as_slice::<f32>(), tensor.as_slice::<i64>()) {
            (Some(elements), _) => Tensor::new(&shape, elements[..count].to_vec()),
            (_, Some(elements)) => Tensor::new(&shape, elements[..count].to_vec()),
            _ => panic!("{} is {}", golden.id(), tensor.dtype()),
        };
        outputs.with(name, cut.expect("as many as the shape has"))
    })
}
