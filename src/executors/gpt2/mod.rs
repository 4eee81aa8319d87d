//! GPT-2 and its building blocks on ndarray, with those of BERT, and the executor that has them as checkpoints.
//!
//! Each is a pure function: shapes in its docs, no state, the formula's source named. Weights are as the model stores
//! them: a linear layer's is `[in, out]` in GPT-2 ([`Conv1d`]) and `[out, in]` in BERT ([`Dense`]).
//!
//! Matrix products are in `f32`; norms, softmax, GELU and pooling in `f64`, rounded once. The number of threads
//! changes no bit. A shape that does not fit is an [`Error::Checkpoint`](crate::Error::Checkpoint) that names it.

mod attention;
mod bert;
mod block;
mod cache;
#[cfg(test)]
mod contract;
mod embeddings;
mod executor;
mod gelu;
mod generate;
mod heads;
mod layer_norm;
mod logits;
mod mask;
mod matmul;
mod mlp;
mod model;
mod pooling;
mod qkv;
mod rows;
mod shape;
mod softmax;
mod weights;

pub use attention::{attention_context, attention_output, attention_scores};
pub use bert::{bert_qkv, dense_gelu, dense_residual_norm};
pub use block::{Block, Config, block};
pub use cache::{KvCache, kv_cache};
pub use embeddings::embeddings;
pub use executor::executor;
pub use gelu::{Gelu, gelu};
pub use generate::generate;
pub use layer_norm::{Norm, layer_norm};
pub use logits::{argmax, logits, selected_logits};
pub use mask::{HIDDEN, Mask};
pub use matmul::{Conv1d, Dense};
pub use mlp::{mlp, residual};
pub use model::Model;
pub use pooling::{mean_pooling, normalize};
pub use qkv::{Qkv, qkv};
pub use softmax::softmax;
