//! GPT-2 and its building blocks: properties that hold of every input, and the whole model against plain loops in f64.

use std::collections::BTreeMap;

use karat::executors::gpt2::{
    Block, Config, Gelu, KvCache, Mask, Model, Qkv, argmax, attention_output, attention_scores, block, generate,
    kv_cache, layer_norm, mlp, normalize, qkv, residual, selected_logits, softmax,
};
use karat::{Error, Tensor};
use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, Ix1, Ix2, concatenate, s};
use proptest::prelude::*;

const WIDTH: usize = 24;
const HEADS: usize = 3;
const VOCAB: usize = 50;
const POSITIONS: usize = 32;
const LAYERS: usize = 2;
const CONFIG: Config = Config { n_head: HEADS, eps: 1e-5, gelu: Gelu::Tanh };

/// Weights by name, of the size that trained ones have: no bias is 0, no norm's weight is 1.
fn weights(seed: u64) -> BTreeMap<String, Tensor> {
    let mut state = seed;
    let mut made = |shape: &[usize], centre: f64, spread: f64| {
        let elements = (0..shape.iter().product::<usize>()).map(|_| {
            // Knuth's linear congruential generator.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (centre + spread * ((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0)) as f32
        });
        Tensor::new(shape, elements.collect()).expect("as many elements as the shape has")
    };
    let mut weights = BTreeMap::new();
    weights.insert("wte.weight".to_owned(), made(&[VOCAB, WIDTH], 0.0, 0.4));
    weights.insert("wpe.weight".to_owned(), made(&[POSITIONS, WIDTH], 0.0, 0.2));
    let norms = (0..LAYERS).flat_map(|layer| [format!("h.{layer}.ln_1"), format!("h.{layer}.ln_2")]);
    for norm in norms.chain(["ln_f".to_owned()]) {
        weights.insert(format!("{norm}.weight"), made(&[WIDTH], 1.0, 0.5));
        weights.insert(format!("{norm}.bias"), made(&[WIDTH], 0.0, 0.3));
    }
    for layer in 0..LAYERS {
        for (name, from, to) in [("attn.c_attn", 1, 3), ("attn.c_proj", 1, 1), ("mlp.c_fc", 1, 4), ("mlp.c_proj", 4, 1)]
        {
            weights.insert(format!("h.{layer}.{name}.weight"), made(&[from * WIDTH, to * WIDTH], 0.0, 0.5));
            weights.insert(format!("h.{layer}.{name}.bias"), made(&[to * WIDTH], 0.0, 0.3));
        }
    }
    weights
}

fn model(weights: &BTreeMap<String, Tensor>) -> Model<'_> {
    let find = |name: &str| weights.get(name).ok_or_else(|| Error::Checkpoint(format!("there is no {name}")));
    Model::from_tensors(find, CONFIG).expect("all weights are there")
}

fn ids(tokens: &[i64]) -> Array2<i64> {
    Array2::from_shape_vec((1, tokens.len()), tokens.to_vec()).expect("one row")
}

/// How far apart the elements are at most, as a share of the largest.
fn apart<D: ndarray::Dimension>(one: &ndarray::Array<f32, D>, other: &ndarray::Array<f32, D>) -> f32 {
    assert_eq!(one.shape(), other.shape());
    let scale = other.iter().fold(0.0f32, |scale, x| scale.max(x.abs()));
    one.iter().zip(other).fold(0.0f32, |apart, (x, y)| apart.max((x - y).abs())) / scale
}

fn array4(shape: (usize, usize, usize, usize), low: f32, high: f32) -> impl Strategy<Value = Array4<f32>> {
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    prop::collection::vec(low..high, count).prop_map(move |x| Array4::from_shape_vec(shape, x).expect("it fits"))
}

fn tokens(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(0..VOCAB as i64, count)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_rows_of_softmax_are_probabilities(x in array4((1, 2, 3, 7), -90.0, 90.0)) {
        let y = softmax(x.view()).unwrap();
        prop_assert!(y.iter().all(|y| (0.0..=1.0).contains(y)));
        prop_assert!(y.sum_axis(Axis(3)).iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    }

    #[test]
    fn softmax_does_not_see_a_shift(x in array4((1, 1, 4, 6), -8.0, 8.0), shift in -64i8..64) {
        // Multiples of 2^-10 below 128 can be shifted by whole numbers without rounding.
        let x = x.mapv(|x| (x * 1024.0).round() / 1024.0);
        prop_assert_eq!(softmax((&x + f32::from(shift)).view()).unwrap(), softmax(x.view()).unwrap());
    }

    #[test]
    fn values_added_to_the_cache_can_be_read_back(
        past_k in array4((2, 3, 4, 5), -1.0, 1.0),
        past_v in array4((2, 3, 4, 5), -1.0, 1.0),
        new_k in array4((2, 3, 2, 5), -1.0, 1.0),
        new_v in array4((2, 3, 2, 5), -1.0, 1.0),
    ) {
        let KvCache { k, v } = kv_cache(past_k.view(), past_v.view(), new_k.view(), new_v.view()).unwrap();
        for (whole, past, new) in [(k, past_k, new_k), (v, past_v, new_v)] {
            prop_assert_eq!(whole.slice(s![.., .., ..4, ..]), past);
            prop_assert_eq!(whole.slice(s![.., .., 4.., ..]), new);
        }
    }

    #[test]
    fn a_block_is_its_parts(seed: u64, x in array4((1, 2, 5, WIDTH), -2.0, 2.0)) {
        let weights = weights(seed);
        let Block { ln_1, c_attn, attn_c_proj, ln_2, c_fc, mlp_c_proj } = model(&weights).blocks[1];
        let x = x.index_axis(Axis(0), 0);
        let (y, cache) = block(x, &model(&weights).blocks[1], CONFIG, None).unwrap();

        let normal = layer_norm(x, ln_1.weight, ln_1.bias, CONFIG.eps).unwrap();
        let Qkv { q, k, v } = qkv(normal.view(), c_attn.weight, c_attn.bias, HEADS).unwrap();
        let scores = attention_scores(q.view(), k.view(), Mask::causal()).unwrap();
        let probabilities = softmax(scores.view()).unwrap();
        let update = attention_output(probabilities.view(), v.view(), attn_c_proj.weight, attn_c_proj.bias).unwrap();
        let h = residual(x, update.view()).unwrap();
        let normal = layer_norm(h.view(), ln_2.weight, ln_2.bias, CONFIG.eps).unwrap();
        let update = mlp(normal.view(), c_fc, mlp_c_proj, Gelu::Tanh).unwrap();
        prop_assert_eq!(y, residual(h.view(), update.view()).unwrap());
        prop_assert_eq!(cache, KvCache { k, v });
    }

    #[test]
    fn no_position_sees_the_future(seed: u64, past in tokens(1..6), one in tokens(4), other in tokens(4)) {
        let weights = weights(seed);
        let logits = |future: &[i64]| model(&weights).forward(ids(&[&past, future].concat()).view(), &[]).unwrap().0;
        let (one, other) = (logits(&one), logits(&other));
        prop_assert_eq!(one.slice(s![.., ..past.len(), ..]), other.slice(s![.., ..past.len(), ..]));
    }

    #[test]
    fn the_cache_changes_nothing_but_the_work(seed: u64, tokens in tokens(2..12), cut in any::<prop::sample::Index>()) {
        let weights = weights(seed);
        let model = model(&weights);
        let cut = 1 + cut.index(tokens.len() - 1);
        let (whole, caches) = model.forward(ids(&tokens).view(), &[]).unwrap();
        let (first, past) = model.forward(ids(&tokens[..cut]).view(), &[]).unwrap();
        let (second, grown) = model.forward(ids(&tokens[cut..]).view(), &past).unwrap();
        let joined: Array3<f32> = concatenate(Axis(1), &[first.view(), second.view()]).unwrap();
        prop_assert!(apart(&joined, &whole) < 1e-6);
        for (grown, whole) in grown.iter().zip(&caches) {
            prop_assert!(apart(&grown.k, &whole.k) < 1e-6 && apart(&grown.v, &whole.v) < 1e-6);
        }
    }

    #[test]
    fn generation_is_the_best_token_of_every_forward(seed: u64, prompt in tokens(1..6)) {
        let weights = weights(seed);
        let model = model(&weights);
        let mut expected = prompt.clone();
        for _ in 0..6 {
            let (logits, _) = model.forward(ids(&expected).view(), &[]).unwrap();
            expected.push(argmax(selected_logits(logits.view()).unwrap().view()).unwrap()[0]);
        }
        prop_assert_eq!(generate(&model, ids(&prompt).view(), 6).unwrap(), ids(&expected));
    }

    #[test]
    fn a_normalized_row_has_length_1(x in array4((1, 1, 3, 9), -100.0, 100.0)) {
        let y = normalize(x.index_axis(Axis(0), 0).index_axis(Axis(0), 0), 1e-12).unwrap();
        prop_assert!(y.rows().into_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-6));
    }
}

#[test]
fn sequences_of_a_batch_do_not_see_each_other() {
    let weights = weights(7);
    let model = model(&weights);
    let (one, other) = (ids(&[3, 1, 4]), ids(&[1, 5, 9]));
    let both = concatenate(Axis(0), &[one.view(), other.view()]).unwrap();
    let generated = generate(&model, both.view(), 5).unwrap();
    for (row, alone) in generated.rows().into_iter().zip([one, other]) {
        assert_eq!(row.insert_axis(Axis(0)), generate(&model, alone.view(), 5).unwrap());
    }
}

#[test]
fn generation_ends_at_the_last_position() {
    let weights = weights(7);
    let model = model(&weights);
    let prompt = ids(&[1, 2, 3]);
    assert_eq!(generate(&model, prompt.view(), 0).unwrap(), prompt);
    assert_eq!(generate(&model, prompt.view(), POSITIONS - 2).unwrap().ncols(), POSITIONS + 1);
    for new_tokens in [POSITIONS - 1, usize::MAX] {
        let error = generate(&model, prompt.view(), new_tokens).unwrap_err().to_string();
        assert_eq!(error, format!("{new_tokens} tokens after ids [1, 3] go beyond the 32 positions"));
    }
    assert!(generate(&model, ids(&[]).view(), 1).unwrap_err().to_string().contains("no prompt"));
}

#[test]
fn an_error_names_the_layer() {
    let mut weights = weights(7);
    weights.insert(
        "h.1.mlp.c_fc.weight".to_owned(),
        Tensor::new(&[4 * WIDTH, WIDTH], vec![0f32; 4 * WIDTH * WIDTH]).unwrap(),
    );
    let error = model(&weights).forward(ids(&[1]).view(), &[]).unwrap_err().to_string();
    assert_eq!(error, "h.1: mlp: c_fc: weight is [96, 24]; for x [1, 1, 24] it must be [24, 24]");
    let (_, mut caches) = model(&self::weights(7)).forward(ids(&[1]).view(), &[]).unwrap();
    caches.pop();
    let error = model(&self::weights(7)).forward(ids(&[1]).view(), &caches).unwrap_err().to_string();
    assert_eq!(error, "past has 1 caches, but the model has 2 blocks");
}

#[test]
fn three_runs_agree_bit_for_bit_on_any_number_of_threads() {
    let weights = weights(11);
    let prompt = ids(&(0..24).collect::<Vec<i64>>());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        let (logits, _) = pool.install(|| model(&weights).forward(prompt.view(), &[])).unwrap();
        logits.mapv(f32::to_bits)
    };
    let once = run(1);
    for threads in [1, 1, 2, 2, 2, 3] {
        assert!(run(threads) == once, "{threads} threads");
    }
}

#[test]
fn the_whole_model_is_as_plain_loops_in_f64_have_it() {
    for seed in 0..8 {
        let weights = weights(seed);
        let tokens: Vec<i64> = (0..20).map(|place| (place * 17 + seed as i64) % VOCAB as i64).collect();
        let (logits, _) = model(&weights).forward(ids(&tokens).view(), &[]).unwrap();
        let apart =
            apart(&logits.index_axis(Axis(0), 0).to_owned(), &plain::logits(&weights, &tokens).mapv(|x| x as f32));
        assert!(apart < 2e-6, "seed {seed}: {apart:e} of the largest logit");
    }
}

/// GPT-2 once more, written down from the paper in f64, one sequence at a time.
mod plain {
    use super::*;

    pub(crate) fn logits(weights: &BTreeMap<String, Tensor>, tokens: &[i64]) -> Array2<f64> {
        let named = |name: &str| -> ArrayD<f64> { weights[name].to_array::<f32>().expect("f32").mapv(f64::from) };
        let matrix = |name: &str| named(name).into_dimensionality::<Ix2>().expect("a matrix");
        let vector = |name: &str| named(name).into_dimensionality::<Ix1>().expect("a vector");
        let linear =
            |x: &Array2<f64>, name: &str| x.dot(&matrix(&format!("{name}.weight"))) + vector(&format!("{name}.bias"));
        let norm = |x: &Array2<f64>, name: &str| {
            let (weight, bias) = (vector(&format!("{name}.weight")), vector(&format!("{name}.bias")));
            rows(x, |row| {
                let mean = row.sum() / WIDTH as f64;
                let variance = row.mapv(|x| (x - mean).powi(2)).sum() / WIDTH as f64;
                (row - mean) / (variance + CONFIG.eps).sqrt() * &weight + &bias
            })
        };

        let (wte, wpe) = (matrix("wte.weight"), matrix("wpe.weight"));
        let mut x = Array2::from_shape_fn((tokens.len(), WIDTH), |(i, j)| wte[[tokens[i] as usize, j]] + wpe[[i, j]]);
        for layer in 0..LAYERS {
            let qkv = linear(&norm(&x, &format!("h.{layer}.ln_1")), &format!("h.{layer}.attn.c_attn"));
            x = &x + &linear(&attention(&qkv), &format!("h.{layer}.attn.c_proj"));
            let wide = linear(&norm(&x, &format!("h.{layer}.ln_2")), &format!("h.{layer}.mlp.c_fc"));
            let gelu =
                |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
            x = &x + &linear(&wide.mapv(gelu), &format!("h.{layer}.mlp.c_proj"));
        }
        norm(&x, "ln_f").dot(&wte.t())
    }

    /// `[seq, 3 width]` to `[seq, width]`.
    fn attention(qkv: &Array2<f64>) -> Array2<f64> {
        let (seq, size) = (qkv.nrows(), WIDTH / HEADS);
        let mut y = Array2::zeros((seq, WIDTH));
        for (head, row) in (0..HEADS).flat_map(|head| (0..seq).map(move |row| (head, row))) {
            let part = |third: usize, row: usize| {
                qkv.slice(s![row, third * WIDTH + head * size..third * WIDTH + (head + 1) * size])
            };
            let odds: Vec<f64> =
                (0..=row).map(|key| (part(0, row).dot(&part(1, key)) / (size as f64).sqrt()).exp()).collect();
            let sum: f64 = odds.iter().sum();
            for (key, odds) in odds.iter().enumerate() {
                y.slice_mut(s![row, head * size..(head + 1) * size]).scaled_add(odds / sum, &part(2, key));
            }
        }
        y
    }

    fn rows(x: &Array2<f64>, function: impl Fn(Array1<f64>) -> Array1<f64>) -> Array2<f64> {
        let mut y = x.clone();
        y.rows_mut().into_iter().for_each(|mut row| {
            let new = function(row.to_owned());
            row.assign(&new);
        });
        y
    }
}
