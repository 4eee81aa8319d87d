//! How fast a pair in memory is measured: against the sum of both arrays by the same threads, which is what memory allows.
//!
//!     cargo bench --bench kernel [-- --elements 134217728] [--rounds 7]
//!
//! A line of JSON for each kind of data and dtype, which benches/speed.py makes a table of: the seconds of each round, the
//! sum and the measuring in turn. `elements` is how many there are of 4 bytes and fewer; of 8 bytes there are half as many.

mod data;
mod sum;

use std::hint::black_box;
use std::time::Instant;

use half::{bf16, f16};
use karat::compare::{Pair, Rules, compare};
use karat::{Tensor, Tolerance};
use serde_json::json;

use self::data::{Likeness, Number};
use self::sum::Addend;

/// A pair that stays in the second-level cache: what a checkpoint of a small model has.
const SMALL: usize = 4096;
/// Pairs of that size in one timing: a clock is too coarse for one.
const TIMES: usize = 512;
/// Timings of the small pair, which take no time.
const SMALL_ROUNDS: usize = 25;

struct Sizes {
    elements: usize,
    rounds: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` runs every bench to see that it runs; a gibibyte is not for that.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let value = |name: &str, default: usize| {
        let typed = arguments.iter().position(|x| x == name).and_then(|at| arguments.get(at + 1));
        typed.map_or(default, |text| text.parse().expect("a number"))
    };
    let sizes = Sizes { elements: value("--elements", 1 << 27), rounds: value("--rounds", 7) };

    dtype::<f32>(&sizes);
    dtype::<f64>(&sizes);
    dtype::<f16>(&sizes);
    dtype::<bf16>(&sizes);
    dtype::<i32>(&sizes);
    dtype::<i64>(&sizes);
    scaling(&sizes);
    small::<f32>();
    small::<f64>();
}

/// All threads on each kind of data.
fn dtype<T: Number + Addend>(sizes: &Sizes) {
    for likeness in [Likeness::Near, Likeness::Outliers, Likeness::Unrelated] {
        let pair = Large::<T>::new(likeness, sizes.elements);
        let (mut sums, mut measures) = (Vec::new(), Vec::new());
        pair.warm();
        for _ in 0..sizes.rounds {
            sums.push(pair.sum());
            measures.push(pair.measure());
        }
        let line = json!({
            "what": "large", "data": likeness.name(), "dtype": pair.actual.dtype().name(), "elements": pair.actual.len(),
            "bytes": pair.bytes(), "outside": pair.outside(), "threads": rayon::current_num_threads(),
            "sum_seconds": sums, "measure_seconds": measures,
        });
        println!("{line}");
    }
}

/// One thread and two in turn, on nearly equal data.
fn scaling(sizes: &Sizes) {
    let pools =
        [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool"));
    let pair = Large::<f32>::new(Likeness::Near, sizes.elements);
    let mut seconds = [const { (Vec::new(), Vec::new()) }; 2];
    for pool in &pools {
        pool.install(|| pair.warm());
    }
    for _ in 0..sizes.rounds {
        for (pool, (sums, measures)) in pools.iter().zip(&mut seconds) {
            sums.push(pool.install(|| pair.sum()));
            measures.push(pool.install(|| pair.measure()));
        }
    }
    for (pool, (sums, measures)) in pools.iter().zip(seconds) {
        let line = json!({
            "what": "scaling", "dtype": pair.actual.dtype().name(), "elements": pair.actual.len(), "bytes": pair.bytes(),
            "threads": pool.current_num_threads(), "sum_seconds": sums, "measure_seconds": measures,
        });
        println!("{line}");
    }
}

/// Many times the same pair, which is in the cache, by this thread.
fn small<T: Number + Addend>() {
    let pair = Large::<T>::new(Likeness::Near, SMALL * size_of::<T>() / 4);
    let times = |timed: &dyn Fn() -> f64| (0..TIMES).map(|_| timed()).sum::<f64>() / TIMES as f64;
    let (mut sums, mut measures) = (Vec::new(), Vec::new());
    for _ in 0..SMALL_ROUNDS {
        sums.push(times(&|| pair.sum()));
        measures.push(times(&|| pair.measure()));
    }
    let line = json!({
        "what": "small", "dtype": pair.actual.dtype().name(), "elements": pair.actual.len(), "bytes": pair.bytes(),
        "threads": rayon::current_num_threads(), "sum_seconds": sums, "measure_seconds": measures,
    });
    println!("{line}");
}

/// A pair, and the rules for it: the default tolerance of its dtype.
struct Large<T> {
    actual: Tensor,
    reference: Tensor,
    rules: Rules,
    element: std::marker::PhantomData<T>,
}

impl<T: Number + Addend> Large<T> {
    fn new(likeness: Likeness, four_bytes: usize) -> Large<T> {
        let len = four_bytes / (size_of::<T>() / 4).max(1);
        let (actual, reference) = data::pair::<T>(likeness, len);
        let tensor = |elements| Tensor::new(&[len], elements).expect("as many elements as the shape has");
        let (actual, reference) = (tensor(actual), tensor(reference));
        let rules = Rules::new(Tolerance::default_for(reference.dtype()).expect("each of these dtypes has one"));
        Large { actual, reference, rules, element: std::marker::PhantomData }
    }

    fn bytes(&self) -> usize {
        2 * self.actual.len() * size_of::<T>()
    }

    fn warm(&self) {
        self.sum();
        self.measure();
    }

    /// The seconds of a sum of both.
    fn sum(&self) -> f64 {
        let [actual, reference] = [&self.actual, &self.reference].map(|it| it.as_slice::<T>().expect("its own dtype"));
        let started = Instant::now();
        black_box(sum::both(black_box(actual), black_box(reference)));
        started.elapsed().as_secs_f64()
    }

    /// The seconds of everything that is measured of a pair.
    fn measure(&self) -> f64 {
        let started = Instant::now();
        drop(black_box(compare(black_box(self.pair()), &self.rules)));
        started.elapsed().as_secs_f64()
    }

    /// The share of the elements outside the tolerance: whether the data is what its name says.
    fn outside(&self) -> f64 {
        let comparison = compare(self.pair(), &self.rules).expect("one shape and dtype");
        comparison.outside as f64 / comparison.elements as f64
    }

    fn pair(&self) -> Pair<'_> {
        Pair::new(&self.actual, &self.reference)
    }
}
