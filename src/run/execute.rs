//! Executing a checkpoint: its inputs from disk, one call a repeat, and what can go wrong before there is an output.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checkpoint::{Executor, Inputs, Skip};
use super::outcome::Problem;
use crate::case::{Address, Case, Goldens, Input, Link, Suites, sha256};
use crate::error::{Error, Result};
use crate::snapshot::catch::catch;
use crate::tensor::{Containers, read_tensor};
use crate::tensor::{DType, Element, Tensor, dispatch};

/// The inputs of a case, and the sha256 of each.
pub(crate) struct Gathered {
    pub(crate) inputs: Inputs,
    pub(crate) digests: BTreeMap<String, String>,
}

/// What a checkpoint returned, all repeats, and how long they took.
pub(crate) struct Executed {
    pub(crate) outputs: BTreeMap<String, Tensor>,
    /// The first repeat, counted from 1, in which each such output had other bits than in the first.
    pub(crate) unstable: BTreeMap<String, usize>,
    pub(crate) elapsed: Duration,
}

/// Reads every input, and checks each `from`; all problems are found, not only the first.
pub(crate) fn gather(goldens: &Goldens, suites: &Suites, case: &Case) -> Result<Gathered, Vec<Problem>> {
    let mut tensors = BTreeMap::new();
    let mut digests = BTreeMap::new();
    let mut problems = Vec::new();
    let mut files = Containers::default();
    for (name, input) in &case.inputs {
        let Input { address, dtype, .. } = input;
        match files.at(&address.path).and_then(|file| file.read(address.member.as_deref(), *dtype)) {
            Ok(tensor) => {
                let digest = sha256(&tensor);
                if let Err(error) = check_link(goldens, suites, case, (name, input), || Ok(digest.clone())) {
                    problems.push(Problem::from_error("", &error));
                }
                tensors.insert(name.clone(), tensor);
                digests.insert(name.clone(), digest);
            }
            Err(error) => problems.push(Problem::from_error(&format!("input `{name}`"), &error)),
        }
    }
    if problems.is_empty() {
        Ok(Gathered { inputs: Inputs::new(case.id.clone(), case.params.clone(), tensors), digests })
    } else {
        Err(problems)
    }
}

/// Reads the tensor at that address.
pub(crate) fn read(address: &Address, declared: Option<DType>) -> Result<Tensor> {
    read_tensor(&address.path, address.member.as_deref(), declared)
}

/// Checks that an input with `from` is the reference of the output that it names.
pub(crate) fn check_link(
    goldens: &Goldens,
    suites: &Suites,
    case: &Case,
    (name, input): (&str, &Input),
    digest: impl FnOnce() -> Result<String>,
) -> Result<()> {
    let Some(Link { case: source, output }) = &input.link else { return Ok(()) };
    let field = format!("inputs.{name}");
    let wrong =
        |what: String| Error::Case { path: case.set_in(&field).to_path_buf(), what: format!("{field}.from: {what}") };
    if *source == case.id {
        return Err(wrong("names an output of the case itself; name the case that it comes from".to_owned()));
    }
    if !source.below(&goldens.root).is_dir() {
        return Err(wrong(format!("there is no case {source} below {}", goldens.root.display())));
    }
    let source = suites.case(source).map_err(|error| wrong(format!("names the case {source}: {error}")))?;
    let reference = source.outputs.get(output).ok_or_else(|| {
        let known: Vec<&str> = source.outputs.keys().map(String::as_str).collect();
        wrong(format!("the case {} has no output `{output}`; it has {}", source.id, known.join(", ")))
    })?;
    let same_place = (&reference.address.path, &reference.address.member, reference.dtype)
        == (&input.address.path, &input.address.member, input.dtype);
    if same_place || sha256(&read(&reference.address, reference.dtype)?) == digest()? {
        return Ok(());
    }
    Err(wrong(format!(
        "names {}:{output}, whose reference is {}, another tensor than {}; name that file, or correct `from`",
        source.id, reference.address, input.address
    )))
}

/// Calls the checkpoint `repeats` times; the outputs are those of the first.
pub(crate) fn execute(executor: &Executor, case: &Case, inputs: &Inputs, repeats: usize) -> Result<Executed, Problem> {
    let Some(checkpoint) = executor.get(&case.checkpoint) else {
        return Err(Problem::UnknownCheckpoint {
            name: case.checkpoint.clone(),
            known: executor.names().map(str::to_owned).collect(),
        });
    };
    let call = || match catch(|| checkpoint(inputs)) {
        Err(panic) => Err(Problem::Panicked { text: panic.to_string() }),
        Ok(Err(error)) => Err(match error.downcast_ref::<Skip>() {
            Some(skip) => Problem::Skipped { reason: skip.reason().to_owned() },
            None => Problem::Failed { text: error.to_string() },
        }),
        Ok(Ok(outputs)) => outputs.into_map().map_err(|error| Problem::Failed { text: error.to_string() }),
    };
    let started = Instant::now();
    let outputs = call()?;
    let mut unstable = BTreeMap::new();
    for repeat in 2..=repeats {
        let again = call()?;
        let names: Vec<&String> = outputs.keys().chain(again.keys()).collect();
        for name in names {
            let same = matches!((outputs.get(name), again.get(name)), (Some(a), Some(b)) if same_bits(a, b));
            if !same {
                unstable.entry(name.clone()).or_insert(repeat);
            }
        }
    }
    Ok(Executed { outputs, unstable, elapsed: started.elapsed() })
}

/// Whether two tensors are the same bit for bit, NaN payloads and signs of zero included.
pub(crate) fn same_bits(one: &Tensor, other: &Tensor) -> bool {
    fn bytes<T: Element>(elements: &[T]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(elements.len() * T::DTYPE.size());
        elements.iter().for_each(|x| x.push_le(&mut bytes));
        bytes
    }
    one.dtype() == other.dtype()
        && one.shape() == other.shape()
        && dispatch!(one.data(), elements => bytes(elements)) == dispatch!(other.data(), elements => bytes(elements))
}
