//! karat's own goldens by its own harness, with the built-in checkpoints.

karat::goldens! {
    karat::Harness::new("goldens").executor(karat::executors::gpt2::executor())
}
