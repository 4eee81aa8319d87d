use karat::{assert_close, assert_summary};

const LOGITS: [f32; 3] = [1.0, 2.0, 3.0];

#[test]
fn close() {
    assert_close!(LOGITS, [1.0f32, 2.0, 3.000001]);
    assert_close!(vec![1.0f64], [1.1f64], atol = 0.2, rtol = 0.0);
}

#[test]
fn values() {
    assert_close!(LOGITS, [1.0f32, 2.0, 4.0], atol = 0.5, rtol = 0.0);
}

#[test]
fn shapes() {
    assert_close!(LOGITS, [1.0f32, 2.0]);
}

#[test]
fn summary() {
    assert_summary!("logits", &LOGITS);
}

mod deep {
    #[test]
    fn summary() {
        karat::assert_summary!("logits", &super::LOGITS);
    }
}
