//! GPT-2 and its building blocks on ndarray, with those of BERT, and the executor that has them as checkpoints.
//!
//! Each is a pure function: shapes in its docs, no state, the formula's source named. Weights are as the model stores
//! them: a linear layer's is `[in, out]` in GPT-2 ([`Conv1d`]) and `[out, in]` in BERT ([`Dense`]).
//!
//! Matrix products are in `f32`; norms, softmax, GELU and pooling in `f64`, rounded once. The number of threads
//! changes no bit. A shape that does not fit is an [`Error::Checkpoint`](crate::Error::Checkpoint) that names it.

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
