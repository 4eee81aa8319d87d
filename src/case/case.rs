//! A case: `case.json` under the defaults of its suites, checked and resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::address::Address;
use super::id::CaseId;
use super::suites::Suites;
use crate::compare::{NanRule, Tolerance};
use crate::error::Result;
use crate::tensor::DType;

/// The name of the file that makes a folder a case.
pub(crate) const CASE_FILE: &str = "case.json";

/// How many inputs, or outputs, a case may have.
pub(crate) const MOST_TENSORS: usize = 10_000;

/// One checkpoint, its inputs, and the references its outputs are held against.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its path below the goldens root.
    pub id: CaseId,
    /// Its `case.json`.
    pub file: PathBuf,
    /// The computation under test.
    pub checkpoint: String,
    /// What the checkpoint needs besides tensors.
    pub params: BTreeMap<String, Value>,
    /// The tensors that the checkpoint is given.
    pub inputs: BTreeMap<String, Input>,
    /// The references; empty where the snapshot alone holds the case.
    pub outputs: BTreeMap<String, Output>,
    /// How long it may take, if it says so.
    pub timeout: Option<Duration>,
    /// Why the case is not run, if it is not.
    pub skip: Option<String>,
    /// Who made the goldens, as the suite says it.
    pub reference: Arc<Map<String, Value>>,
    /// The `suite.json` that sets a field, for each that `case.json` does not set itself: `skip`, `outputs.y`, `tolerance.y`.
    pub inherited: BTreeMap<String, PathBuf>,
}

/// A tensor that a checkpoint is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where it is.
    pub address: Address,
    /// What it is in the real pipeline, if it is another case's output.
    pub link: Option<Link>,
    /// The dtype that the case declares for npy's anonymous bytes.
    pub dtype: Option<DType>,
}

/// The output of a case that an input is in the real pipeline: `from` in `case.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose output.
    pub case: CaseId,
    /// Which output.
    pub output: String,
}

/// A reference, and what counts as close to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Where the reference is.
    pub address: Address,
    /// Where the references are that the output may equal instead.
    pub alternatives: Vec<Address>,
    /// Where the mask is, if some elements are left out.
    pub mask: Option<Address>,
    /// The dtype that the case declares for npy's anonymous bytes.
    pub dtype: Option<DType>,
    /// The dtype that the actual tensor must have where it is another than the reference's.
    pub cast: Option<DType>,
    /// How much may differ.
    pub limits: Limits,
    /// How much may differ in a chained run; `None` where that is no gate.
    pub chained: Option<Limits>,
    /// Whether NaN may match NaN.
    pub nan: NanRule,
    /// Whether the tensor is declared to be empty.
    pub empty: bool,
}

/// What the tolerance of an output says, before the dtype's default fills in what it leaves open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// `atol` and `rtol`.
    pub(crate) parts: Option<(f64, f64)>,
    pub(crate) outliers: u64,
    pub(crate) max_ulps: Option<u64>,
    pub(crate) max_rel_rms: Option<f64>,
}

impl Limits {
    /// The tolerance for that dtype; `None` where neither the case nor the dtype has one.
    #[must_use]
    pub fn tolerance(&self, dtype: DType) -> Option<Tolerance> {
        let mut tolerance = match self.parts {
            Some((atol, rtol)) => Tolerance { atol, rtol, ..Tolerance::EXACT },
            None => Tolerance::default_for(dtype)?,
        };
        tolerance.outliers = self.outliers;
        tolerance.max_ulps = self.max_ulps;
        tolerance.max_rel_rms = self.max_rel_rms;
        Some(tolerance)
    }
}

impl Output {
    /// The tolerance for a reference of that dtype; `None` where neither the case nor the dtype has one.
    ///
    /// Where the case declares a cast, the default is that of the dtype that resolves less.
    #[must_use]
    pub fn tolerance(&self, reference: DType) -> Option<Tolerance> {
        self.limits.tolerance(self.coarser(reference))
    }

    /// The tolerance of a chained run for a reference of that dtype, where the case has one.
    #[must_use]
    pub fn chained_tolerance(&self, reference: DType) -> Option<Tolerance> {
        self.chained.as_ref()?.tolerance(self.coarser(reference))
    }

    /// Of the dtypes on both sides the one that resolves less.
    fn coarser(&self, reference: DType) -> DType {
        let actual = self.cast.unwrap_or(reference);
        if actual.eps() > reference.eps() { actual } else { reference }
    }
}

impl Case {
    /// Reads the case `id` below `root`: its `case.json`, and every `suite.json` above it.
    ///
    /// # Errors
    ///
    /// [`Error::Case`](crate::Error::Case) with the file and the field, where one of them is not what the format says: the file is the one
    /// that has the field. [`Error::Read`](crate::Error::Read) where one cannot be read.
    pub fn load(root: &Path, id: &CaseId) -> Result<Case> {
        Suites::new(root).case(id)
    }

    /// The file that sets a field, or an entry of one (`outputs.y`), or else `case.json`, which may.
    #[must_use]
    pub fn set_in(&self, field: &str) -> &Path {
        self.inherited.get(field).unwrap_or(&self.file)
    }
}
