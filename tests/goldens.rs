//! karat's own goldens by its own harness, with the built-in checkpoints.

fn main() -> std::process::ExitCode {
    karat::Harness::new("goldens").executor(karat::gpt2::executor()).main()
}
