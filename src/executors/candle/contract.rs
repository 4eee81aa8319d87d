//! The executor held to the contract of the built-in checkpoints.

use proptest::prelude::*;

use super::executor;
use crate::contract::{
    any_inputs, keeps_the_contract, knows_half_a_layer_and_an_lm_head, names_wrong_inputs, names_wrong_params,
};

#[test]
fn every_checkpoint_keeps_the_contract() {
    keeps_the_contract(&executor());
}

#[test]
fn an_input_that_is_missing_or_has_another_dtype_or_number_of_axes_is_named() {
    names_wrong_inputs(&executor());
}

#[test]
fn a_param_that_is_missing_or_makes_no_sense_is_named() {
    names_wrong_params(&executor());
}

#[test]
fn a_layer_that_is_half_there_is_an_error_and_an_lm_head_is_used() {
    knows_half_a_layer_and_an_lm_head(&executor());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_shape_makes_a_checkpoint_panic(inputs in any_inputs()) {
        let _ = inputs.run(&executor());
    }
}
