//! Times the whole forward of GPT-2 124M on 64 tokens.
//!
//! `cargo bench --bench forward` times it on weights of its own. `python3 benches/forward.py` starts it with `serve
//! FILE` to hold it against torch on the same weights: for every line `run TOKENS` on stdin it prints the seconds
//! that a forward took, and for `logits PATH` it writes those of the last forward, `f32` after `f32`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, stdin};
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use karat::executors::gpt2::{Config, Gelu, Model};
use karat::tensor::read_tensor;
use karat::{Error as KaratError, Tensor};
use ndarray::{Array2, Array3};

const LAYERS: usize = 12;
const WIDTH: usize = 768;
const VOCAB: usize = 50257;
const POSITIONS: usize = 1024;
const TOKENS: usize = 64;
const RUNS: usize = 9;
const CONFIG: Config = Config { n_head: 12, eps: 1e-5, gelu: Gelu::Tanh };

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", file, ..] => serve(Path::new(file)),
        [.., "--bench"] => time_alone(),
        // `cargo test --benches` runs every bench to see that it runs; a forward of this size is not for that.
        _ => Ok(()),
    }
}

/// Prints the median time on made-up weights.
fn time_alone() -> Result<(), Box<dyn Error>> {
    let tensors = weights(|_, shape| Ok(made_up(shape)))?;
    let model = model(&tensors)?;
    let ids = Array2::from_shape_fn((1, TOKENS), |(_, place)| (place * 769 % VOCAB) as i64);
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let (_, elapsed) = forward(&model, &ids)?;
        seconds.push(elapsed);
    }
    seconds.sort_by(f64::total_cmp);
    println!("forward of {TOKENS} tokens: median {:.4} s, least {:.4} s", seconds[RUNS / 2], seconds[0]);
    Ok(())
}

/// Answers the lines on stdin.
fn serve(file: &Path) -> Result<(), Box<dyn Error>> {
    let tensors = weights(|name, _| read_tensor(file, Some(name), None))?;
    let model = model(&tensors)?;
    let mut logits = Array3::zeros((0, 0, 0));
    for line in stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("run", tokens)) => {
                let ids: Vec<i64> = tokens.split(' ').map(str::parse).collect::<Result<_, _>>()?;
                let elapsed;
                (logits, elapsed) = forward(&model, &Array2::from_shape_vec((1, ids.len()), ids)?)?;
                println!("{elapsed}");
            }
            Some(("logits", path)) => {
                fs::write(path, logits.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
                println!("written");
            }
            _ => return Err(format!("{line:?} is neither `run TOKENS` nor `logits PATH`").into()),
        }
    }
    Ok(())
}

fn forward(model: &Model<'_>, ids: &Array2<i64>) -> Result<(Array3<f32>, f64), KaratError> {
    let started = Instant::now();
    let (logits, _) = model.forward(ids.view(), &[])?;
    Ok((logits, started.elapsed().as_secs_f64()))
}

fn model(tensors: &BTreeMap<String, Tensor>) -> Result<Model<'_>, KaratError> {
    let find = |name: &str| tensors.get(name).ok_or_else(|| KaratError::Checkpoint(format!("there is no {name}")));
    Model::from_tensors(find, CONFIG)
}

/// Every weight of the model, made by a function of its name and shape.
fn weights(make: impl Fn(&str, &[usize]) -> karat::Result<Tensor>) -> Result<BTreeMap<String, Tensor>, KaratError> {
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("wte.weight".to_owned(), vec![VOCAB, WIDTH]),
        ("wpe.weight".to_owned(), vec![POSITIONS, WIDTH]),
        ("ln_f.weight".to_owned(), vec![WIDTH]),
        ("ln_f.bias".to_owned(), vec![WIDTH]),
    ];
    for layer in 0..LAYERS {
        for norm in ["ln_1", "ln_2"] {
            shapes.push((format!("h.{layer}.{norm}.weight"), vec![WIDTH]));
            shapes.push((format!("h.{layer}.{norm}.bias"), vec![WIDTH]));
        }
        for (name, from, to) in [("attn.c_attn", 1, 3), ("attn.c_proj", 1, 1), ("mlp.c_fc", 1, 4), ("mlp.c_proj", 4, 1)]
        {
            shapes.push((format!("h.{layer}.{name}.weight"), vec![from * WIDTH, to * WIDTH]));
            shapes.push((format!("h.{layer}.{name}.bias"), vec![to * WIDTH]));
        }
    }
    shapes.into_iter().map(|(name, shape)| make(&name, &shape).map(|tensor| (name, tensor))).collect()
}

/// Numbers between -0.035 and 0.035, whose deviation is that of GPT-2's initial weights.
fn made_up(shape: &[usize]) -> Tensor {
    let mut state = 1u64;
    let elements = (0..shape.iter().product::<usize>()).map(|_| {
        // Knuth's linear congruential generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * 0.035
    });
    Tensor::new(shape, elements.collect()).expect("as many elements as the shape has")
}
