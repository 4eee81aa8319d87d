use karat::{Harness, Skip, outputs};

fn main() -> std::process::ExitCode {
    Harness::new("goldens")
        .checkpoint("double", |case| Ok(outputs! { "y" => case.input::<f32>("x")? * 2.0 }))
        .checkpoint("skips", |_| Err(Skip::because("there is no GPU").into()))
        .allow_skip("gpu")
        .main()
}
