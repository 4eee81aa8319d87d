//! What faults are planted in: the goldens of this repository, and random tensors.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use karat::case::{Address, Case, Goldens};
use karat::tensor::read_tensor;
use karat::{DType, Tensor};
use serde_json::Value;

use super::dice::Dice;

/// A tensor in `f64`.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// The output of a case, with what surrounds it.
#[derive(Clone)]
pub(crate) struct Material {
    pub(crate) name: String,
    pub(crate) reference: Array,
    pub(crate) mask: Option<Vec<bool>>,
    pub(crate) inputs: BTreeMap<String, Array>,
    /// The references of the other outputs.
    pub(crate) others: BTreeMap<String, Array>,
    pub(crate) params: BTreeMap<String, Value>,
    pub(crate) checkpoint: String,
}

impl Array {
    pub(crate) fn new(shape: &[usize], values: Vec<f64>) -> Array {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{shape:?}");
        Array { shape: shape.to_vec(), values }
    }

    pub(crate) fn of(tensor: &Tensor) -> Array {
        Array::new(tensor.shape(), (0..tensor.len()).map(|at| tensor.value(at).to_f64()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The root mean square of the numbers, fills left out.
    pub(crate) fn rms(&self) -> f64 {
        let numbers: Vec<f64> = self.values.iter().copied().filter(|x| x.abs() < 1e9).collect();
        (numbers.iter().map(|x| x * x).sum::<f64>() / numbers.len().max(1) as f64).sqrt()
    }

    pub(crate) fn map(&self, f: impl FnMut(f64) -> f64) -> Array {
        Array { shape: self.shape.clone(), values: self.values.iter().copied().map(f).collect() }
    }

    /// Each element with its index.
    pub(crate) fn with_index(&self, mut f: impl FnMut(&[usize], f64) -> f64) -> Array {
        let mut index = vec![0; self.shape.len()];
        let values = self.values.iter().map(|&x| {
            let y = f(&index, x);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
            y
        });
        Array { values: values.collect(), shape: self.shape.clone() }
    }

    pub(crate) fn at(&self, index: &[usize]) -> f64 {
        self.values[index.iter().zip(&self.shape).fold(0, |place, (at, extent)| place * extent + at)]
    }

    /// The axes in that order, element by element.
    pub(crate) fn permute(&self, order: &[usize]) -> Array {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let empty = Array::new(&shape, vec![0.0; self.len()]);
        empty.with_index(|index, _| {
            let mut from = vec![0; index.len()];
            order.iter().zip(index).for_each(|(&axis, &at)| from[axis] = at);
            self.at(&from)
        })
    }

    pub(crate) fn reshape(&self, shape: &[usize]) -> Array {
        Array::new(shape, self.values.clone())
    }

    /// The nearest numbers of that dtype.
    pub(crate) fn tensor(&self, dtype: DType) -> Tensor {
        let values = self.values.iter();
        match dtype {
            DType::F64 => Tensor::new(&self.shape, self.values.clone()),
            DType::F32 => Tensor::new(&self.shape, values.map(|&x| x as f32).collect()),
            DType::F16 => Tensor::new(&self.shape, values.map(|&x| f16::from_f32(x as f32)).collect()),
            DType::BF16 => Tensor::new(&self.shape, values.map(|&x| bf16::from_f32(x as f32)).collect()),
            DType::I64 => Tensor::new(&self.shape, values.map(|&x| x as i64).collect()),
            _ => unreachable!("no fault is planted in {dtype}"),
        }
        .expect("as many as the shape")
    }
}

/// Every float output of the goldens that is large enough to tell anything.
pub(crate) fn goldens() -> Vec<Material> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens");
    let goldens = Goldens::locate(&root, None).expect("the goldens are there");
    let tree = goldens.discover().expect("they can be walked");
    let read = |address: &Address, dtype| {
        Array::of(&read_tensor(&address.path, address.member.as_deref(), dtype).expect("a tensor"))
    };
    let mut materials = Vec::new();
    for id in &tree.cases {
        let case = Case::load(&goldens.root, id).expect("a case");
        let inputs: BTreeMap<String, Array> =
            case.inputs.iter().map(|(name, input)| (name.clone(), read(&input.address, input.dtype))).collect();
        let references: BTreeMap<String, Array> =
            case.outputs.iter().map(|(name, output)| (name.clone(), read(&output.address, output.dtype))).collect();
        for (name, output) in &case.outputs {
            let reference = references[name].clone();
            if reference.len() < 32 || ["argmax", "generate", "kv_cache"].contains(&case.checkpoint.as_str()) {
                continue;
            }
            let mut others = references.clone();
            others.remove(name);
            materials.push(Material {
                name: format!("{id}:{name}"),
                mask: output.mask.as_ref().map(|mask| read(mask, None).values.iter().map(|x| *x != 0.0).collect()),
                reference,
                inputs: inputs.clone(),
                others,
                params: case.params.clone(),
                checkpoint: case.checkpoint.clone(),
            });
        }
    }
    materials
}

const SHAPES: &[&[usize]] =
    &[&[96], &[16, 24], &[24, 24], &[1, 8, 64], &[3, 12, 20], &[2, 4, 8, 16], &[1, 12, 16, 32], &[2, 3, 64, 64]];

/// What random tensors are like: normal, with offsets by column, with columns of several sizes, half of them zeros as after
/// a ReLU, whole numbers, numbers of bf16, and with one channel that is far larger than all others.
const KINDS: &[&str] = &["normal", "columns", "sizes", "relu", "whole", "short", "channel"];

/// Random tensors of several shapes and kinds.
pub(crate) fn random(seed: u64) -> Vec<Material> {
    let mut materials = Vec::new();
    for shape in SHAPES {
        for &kind in KINDS {
            let name = format!("{kind}{shape:?}");
            let mut dice = Dice::new(&name, seed);
            let width = *shape.last().expect("an axis");
            let count: usize = shape.iter().product();
            let columns: Vec<(f64, f64)> = (0..width).map(|_| (dice.normal(), (dice.normal() * 0.8).exp())).collect();
            let mut tensor = |with: &str| {
                let size = dice.between(0.2, 5.0);
                let values = (0..count).map(|at| {
                    let (offset, spread) = columns[at % width];
                    match with {
                        "normal" => size * dice.normal(),
                        "columns" => size * (2.0 * offset + dice.normal()),
                        "sizes" => size * spread * dice.normal(),
                        "relu" => size * dice.normal().max(0.0),
                        "whole" => (40.0 * dice.normal()).round(),
                        "short" => bf16::from_f64(size * dice.normal()).to_f64(),
                        _ => size * dice.normal() * if at % width == 3 { 50.0 } else { 1.0 },
                    }
                });
                Array::new(shape, values.collect())
            };
            let reference = tensor(kind);
            let others = ["k", "v"].map(|name| (name.to_owned(), tensor(kind)));
            materials.push(Material {
                name,
                reference,
                mask: None,
                inputs: BTreeMap::new(),
                others: others.into(),
                params: BTreeMap::new(),
                checkpoint: "custom".into(),
            });
        }
    }
    materials
}
