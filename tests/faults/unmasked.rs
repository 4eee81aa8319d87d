//! A block and a generation without the causal mask, of the functions that the built-in executor is made of.

use karat::executors::gpt2::{
    Conv1d, Gelu, Mask, Qkv, argmax, attention_output, attention_scores, embeddings, layer_norm, logits, mlp, qkv,
    residual, selected_logits, softmax,
};
use karat::run::CheckpointResult;
use karat::{Inputs, Result, outputs};
use ndarray::{Array, Array1, Array2, Array3, Axis, Dimension, concatenate};

pub(crate) fn block(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => layer(case, &read(case, "x")?, "")? })
}

/// Greedy generation without a cache, which would mask what comes later after all.
pub(crate) fn generate(case: &Inputs) -> CheckpointResult {
    let (wte, wpe): (Array2<f32>, Array2<f32>) = (read(case, "wte.weight")?, read(case, "wpe.weight")?);
    let mut ids: Array2<i64> = case.input("ids")?.into_dimensionality()?;
    for _ in 0..case.param("new_tokens")? {
        let mut x = embeddings(ids.view(), wte.view(), wpe.view(), 0)?;
        let layers = (0..).map(|place| format!("h.{place}."));
        for name in layers.take_while(|name| case.tensor(&format!("{name}ln_1.weight")).is_ok()) {
            x = layer(case, &x, &name)?;
        }
        let last = selected_logits(logits(norm(case, &x, "ln_f")?.view(), wte.view())?.view())?;
        ids = concatenate(Axis(1), &[ids.view(), argmax(last.view())?.insert_axis(Axis(1)).view()])?;
    }
    Ok(outputs! { "tokens" => ids })
}

fn layer(case: &Inputs, x: &Array3<f32>, prefix: &str) -> Result<Array3<f32>> {
    let named = |name: &str| format!("{prefix}{name}");
    let projection = Layer::of(case, &named("attn.c_attn"))?;
    let normal = norm(case, x, &named("ln_1"))?;
    let Qkv { q, k, v } = qkv(normal.view(), projection.weight.view(), projection.bias.view(), case.param("n_head")?)?;
    let probabilities = softmax(attention_scores(q.view(), k.view(), Mask::none())?.view())?;
    let Layer { weight, bias } = Layer::of(case, &named("attn.c_proj"))?;
    let h = residual(x.view(), attention_output(probabilities.view(), v.view(), weight.view(), bias.view())?.view())?;
    let (c_fc, c_proj) = (Layer::of(case, &named("mlp.c_fc"))?, Layer::of(case, &named("mlp.c_proj"))?);
    let gelu: Gelu = case.param("gelu")?;
    let update = mlp(norm(case, &h, &named("ln_2"))?.view(), c_fc.view(), c_proj.view(), gelu)?;
    residual(h.view(), update.view())
}

/// A linear layer's own weight and bias.
struct Layer {
    weight: Array2<f32>,
    bias: Array1<f32>,
}

impl Layer {
    fn of(case: &Inputs, name: &str) -> Result<Layer> {
        Ok(Layer { weight: read(case, &format!("{name}.weight"))?, bias: read(case, &format!("{name}.bias"))? })
    }

    fn view(&self) -> Conv1d<'_> {
        Conv1d { weight: self.weight.view(), bias: self.bias.view() }
    }
}

fn norm(case: &Inputs, x: &Array3<f32>, name: &str) -> Result<Array3<f32>> {
    let (weight, bias): (Array1<f32>, Array1<f32>) =
        (read(case, &format!("{name}.weight"))?, read(case, &format!("{name}.bias"))?);
    layer_norm(x.view(), weight.view(), bias.view(), case.param("eps")?)
}

fn read<D: Dimension>(case: &Inputs, name: &str) -> Result<Array<f32, D>> {
    Ok(case.input(name)?.into_dimensionality().expect("the case has the axes of its checkpoint"))
}
