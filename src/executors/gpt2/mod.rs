//! GPT-2 and BERT building blocks on ndarray, and the executor that runs them as checkpoints.
//!
//! Each block is a pure function, whose documentation gives the shapes and the source of the formula. Weights have the layout of the
//! model: the weight of a linear layer is `[in, out]` in GPT-2 ([`Conv1d`]) and `[out, in]` in BERT ([`Dense`]).
//!
//! Matrix products are in `f32`; norms, softmax, GELU and pooling are in `f64`, and rounded once. The results do not depend on the
//! number of threads. A shape that does not fit is an [`Error::Checkpoint`](crate::Error::Checkpoint) that names it.

mod attention;
mod executor;
mod layers;
mod model;
mod tokens;

pub use crate::executors::{Config, Gelu};
pub use attention::{
    HIDDEN, KvCache, Mask, Qkv, attention_context, attention_output, attention_scores, bert_qkv, kv_cache, qkv,
};
pub use executor::executor;
pub use layers::{
    Conv1d, Dense, Layer, Norm, dense_gelu, dense_residual_norm, gelu, layer_norm, mlp, residual, softmax,
};
pub use model::{Block, Model, block, generate};
pub use tokens::{argmax, embeddings, logits, mean_pooling, normalize, selected_logits};
