//! Arrays of `f64` with nothing but loops.

use karat::Tensor;

/// Elements in C order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// What a computation gives, or why the shapes do not fit.
pub(crate) type Fit<T> = Result<T, String>;

impl Array {
    pub(crate) fn new(shape: &[usize], data: Vec<f64>) -> Array {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Array { shape: shape.to_vec(), data }
    }

    pub(crate) fn of(tensor: &Tensor) -> Array {
        Array::new(tensor.shape(), (0..tensor.len()).map(|place| tensor.value(place).to_f64()).collect())
    }

    /// Four axes, element by element.
    pub(crate) fn from_fn(shape: [usize; 4], at: impl Fn([usize; 4]) -> f64) -> Array {
        let mut data = Vec::new();
        for a in 0..shape[0] {
            for b in 0..shape[1] {
                for c in 0..shape[2] {
                    data.extend((0..shape[3]).map(|d| at([a, b, c, d])));
                }
            }
        }
        Array::new(&shape, data)
    }

    /// The element of four axes.
    pub(crate) fn at(&self, [a, b, c, d]: [usize; 4]) -> f64 {
        self.data[((a * self.shape[1] + b) * self.shape[2] + c) * self.shape[3] + d]
    }

    /// The row of four axes.
    pub(crate) fn row(&self, [a, b, c]: [usize; 3]) -> &[f64] {
        let (start, width) = ((a * self.shape[1] + b) * self.shape[2] + c, self.shape[3]);
        &self.data[start * width..(start + 1) * width]
    }

    pub(crate) fn width(&self) -> usize {
        *self.shape.last().expect("it has an axis")
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.data.chunks(self.width())
    }

    pub(crate) fn map(mut self, function: impl Fn(f64) -> f64) -> Array {
        self.data.iter_mut().for_each(|x| *x = function(*x));
        self
    }

    /// Each row of the last axis from the row that was there.
    pub(crate) fn map_rows(&self, function: impl Fn(&[f64]) -> Vec<f64>) -> Array {
        Array::new(&self.shape, self.rows().flat_map(function).collect())
    }

    pub(crate) fn plus(&self, other: &Array) -> Array {
        assert_eq!(self.shape, other.shape);
        Array::new(&self.shape, self.data.iter().zip(&other.data).map(|(x, y)| x + y).collect())
    }

    pub(crate) fn transposed(&self) -> Array {
        let (rows, columns) = (self.shape[0], self.shape[1]);
        let data = (0..rows * columns).map(|place| self.data[place % rows * columns + place / rows]);
        Array::new(&[columns, rows], data.collect())
    }

    /// `self weight^T + bias` along the last axis, the weight `[out, in]`.
    pub(crate) fn dense(&self, weight: &Array, bias: Option<&Array>) -> Fit<Array> {
        let [out, inner] = weight.shape[..] else { return Err(format!("a weight of {:?}", weight.shape)) };
        if inner != self.width() || bias.is_some_and(|bias| bias.shape != [out]) {
            return Err(format!("{:?} and {:?} for {:?}", weight.shape, bias.map(|bias| &bias.shape), self.shape));
        }
        let mut data = Vec::with_capacity(self.data.len() / inner * out);
        for row in self.rows() {
            for (place, weights) in weight.rows().enumerate() {
                data.push(dot(row, weights) + bias.map_or(0.0, |bias| bias.data[place]));
            }
        }
        let mut shape = self.shape.clone();
        *shape.last_mut().expect("it has an axis") = out;
        Ok(Array::new(&shape, data))
    }

    /// `self weight + bias`, the weight `[in, out]`.
    pub(crate) fn conv1d(&self, weight: &Array, bias: &Array) -> Fit<Array> {
        if weight.shape.len() != 2 {
            return Err(format!("a weight of {:?}", weight.shape));
        }
        self.dense(&weight.transposed(), Some(bias))
    }
}

pub(crate) fn dot(one: &[f64], other: &[f64]) -> f64 {
    assert_eq!(one.len(), other.len());
    let (mut sum, mut place) = (0.0, 0);
    // Where nothing is optimised an iterator costs several times as much, and nearly all of the time is here.
    while place < one.len() {
        sum += one[place] * other[place];
        place += 1;
    }
    sum
}
