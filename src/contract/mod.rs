//! What every executor of the built-in checkpoints keeps, whatever it computes with: the contract of names, shapes and
//! params in `python/README.md`. For tests alone; each executor's own call these.

mod checks;
mod table;

pub(crate) use checks::{
    any_inputs, keeps_the_contract, knows_half_a_layer_and_an_lm_head, names_wrong_inputs, names_wrong_params,
};
