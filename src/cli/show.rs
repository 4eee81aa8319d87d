//! `karat show`: shows a tensor, every tensor of a container, or a case.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::cases::find;
use super::{Context, Exit, SnapshotsArg, suggest};
use crate::case::{Address, Case, CaseId, Goldens, Input, Output};
use crate::compare::{Summary, summarize};
use crate::error::{Error, Result};
use crate::report::{CaseView, Commands, InputView, OutputView, TensorView, histogram, json, terminal};
use crate::tensor::{Container, Containers, Contents, is_tensor_file, read_tensor};
use crate::tensor::{DType, Tensor};

/// The arguments of `karat show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A tensor file, `file#name` for one member, or the id or folder of a case
    what: String,
    /// The goldens root that the id is relative to [default: goldens]
    #[arg(long, value_name = "ROOT")]
    root: Option<PathBuf>,
    #[command(flatten)]
    snapshots: SnapshotsArg,
    /// The dtype of .npy elements that numpy stores as plain bytes: bf16, f8_e4m3 or f8_e5m2
    #[arg(long, value_name = "DTYPE", value_parser = super::param::parse_dtype)]
    dtype: Option<DType>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Exit> {
        match find(context, &self.what, self.root.as_ref()) {
            Some((goldens, id)) => self.show_case(context, &goldens, &id),
            None => self.show_file(context),
        }
    }

    fn show_case(&self, context: &Context<'_>, goldens: &Goldens, id: &CaseId) -> Result<Exit> {
        let mut view = view_case(Case::load(&goldens.root, id)?);
        let commands = context.commands(self.root.as_ref(), Some(&self.snapshots), None);
        let inputs = view.inputs.iter_mut().map(|input| &mut input.tensor);
        for tensor in inputs.chain(view.outputs.iter_mut().map(|output| &mut output.tensor)) {
            if let Err(error) = &mut tensor.summary {
                *error = commands.relative(error);
            }
        }
        context.screen.print_view(
            self.json,
            |out| json::show(out, &commands, &[], Some(&view)),
            |palette| terminal::show_case(palette, &commands, &view),
        )?;
        let inputs = view.inputs.iter().map(|input| &input.tensor);
        let mut tensors = inputs.chain(view.outputs.iter().map(|output| &output.tensor));
        Ok(Exit::from_passed(tensors.all(|tensor| tensor.summary.is_ok())))
    }

    fn show_file(&self, context: &Context<'_>) -> Result<Exit> {
        let address = Address::parse(&self.what);
        let container = Container::open(&address.path).map_err(|error| self.explain(context, error))?;
        let members = match container.contents() {
            Contents::Members(members) if address.member.is_none() => members,
            _ => return self.show_tensor(context, &address),
        };
        let views: Vec<TensorView> = members
            .into_iter()
            .map(|name| {
                let tensor = container.read(Some(&name), self.dtype);
                let place = format!("{}#{name}", self.what);
                view_tensor(name, place, tensor.as_ref(), None)
            })
            .collect();
        self.print(context, &views)
    }

    fn show_tensor(&self, context: &Context<'_>, address: &Address) -> Result<Exit> {
        let tensor = read_tensor(&address.path, address.member.as_deref(), self.dtype)?;
        let view = view_tensor(String::new(), self.what.clone(), Ok(&tensor), None);
        self.print(context, &[TensorView { histogram: Some(histogram(&tensor)), ..view }])
    }

    fn print(&self, context: &Context<'_>, views: &[TensorView]) -> Result<Exit> {
        let commands = context.commands(self.root.as_ref(), Some(&self.snapshots), None);
        context.screen.print_view(
            self.json,
            |out| json::show(out, &commands, views, None),
            |palette| terminal::show(palette, &self.what, views),
        )?;
        Ok(Exit::from_passed(views.iter().all(|view| view.summary.is_ok())))
    }

    /// Explains that the argument is neither a case nor a tensor file.
    fn explain(&self, context: &Context<'_>, error: Error) -> Error {
        let path = Address::parse(&self.what).path;
        if (path.exists() && !path.is_dir()) || is_tensor_file(&path) {
            return error;
        }
        let expected = "neither a tensor file nor a case";
        match suggest::case(context, (&self.what, expected), self.root.as_ref(), Commands::show_case) {
            Error::NoCases { .. } if path.is_dir() => error,
            suggestion => suggestion,
        }
    }
}

/// Summarizes the tensors of a case.
fn view_case(case: Case) -> CaseView {
    let Case { id, file, checkpoint, params, inputs, outputs, timeout, skip, reference, inherited: _ } = case;
    let mut files = Containers::default();
    let mut read = |address: &Address, declared| files.at(&address.path)?.read(address.member.as_deref(), declared);
    CaseView {
        id,
        file,
        checkpoint,
        params: params.into_iter().collect(),
        inputs: inputs
            .into_iter()
            .map(|(name, Input { address, link, dtype })| InputView {
                tensor: view_tensor(name, address.text.clone(), read(&address, dtype).as_ref(), None),
                from: link.map(|link| format!("{}:{}", link.case, link.output)),
            })
            .collect(),
        outputs: outputs
            .into_iter()
            .map(|(name, output)| {
                let tensor = read(&output.address, output.dtype);
                let dtype = tensor.as_ref().ok().map(|tensor| tensor.dtype());
                let tolerance = dtype.and_then(|dtype| output.tolerance(dtype));
                let chained_tolerance = dtype.and_then(|dtype| output.chained_tolerance(dtype));
                let Output { address, alternatives, mask, dtype: _, cast: _, limits: _, chained: _, nan: _, empty: _ } =
                    output;
                let mask_tensor = mask.as_ref().and_then(|address| read(address, None).ok());
                OutputView {
                    tensor: view_tensor(name, address.text.clone(), tensor.as_ref(), mask_tensor.as_ref()),
                    tolerance,
                    chained_tolerance,
                    alternatives: alternatives.into_iter().map(|address| address.text).collect(),
                    mask: mask.map(|address| address.text),
                }
            })
            .collect(),
        timeout,
        skip,
        reference: Arc::unwrap_or_clone(reference).into_iter().collect(),
    }
}

/// Summarizes a named tensor; the summary is an error if the tensor cannot be read.
fn view_tensor(name: String, place: String, tensor: Result<&Tensor, &Error>, mask: Option<&Tensor>) -> TensorView {
    let summary: Result<Summary, String> = match tensor {
        Err(error) => Err(error.to_string()),
        Ok(tensor) => match mask {
            Some(mask) if mask.dtype() != DType::Bool || mask.shape() != tensor.shape() => {
                Err(format!("its `where` has dtype {} and shape {:?}", mask.dtype(), mask.shape()))
            }
            mask => Ok(summarize(tensor, mask)),
        },
    };
    TensorView { name, place, summary, histogram: None }
}
