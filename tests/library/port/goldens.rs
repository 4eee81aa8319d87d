use karat::{CheckpointResult, Executor, Harness, Inputs, Skip, outputs};

fn double(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => case.input::<f32>("x")? * 2.0 })
}

fn two(case: &Inputs) -> CheckpointResult {
    let x = case.input::<f32>("x")?;
    Ok(outputs! { "y" => &x * 2.0, "z" => x })
}

fn sum(case: &Inputs) -> CheckpointResult {
    let x = case.input::<f32>("x")?;
    Ok(outputs! { "y" => &x + &x })
}

fn main() -> std::process::ExitCode {
    Harness::new("goldens")
        .checkpoint("double", double)
        .checkpoint("two", two)
        .checkpoint("nothing", |_| Ok(outputs! {}))
        .checkpoint("panics", |_| panic!("head {} is missing", 3))
        .checkpoint("fails", |_| Err("no weights".into()))
        .checkpoint("skips", |_| Err(Skip::because("there is no GPU").into()))
        .other(Executor::new("sum").checkpoint("double", sum))
        .other(Executor::new("off").checkpoint("double", |case| Ok(outputs! { "y" => case.input::<f32>("x")? * 0.0 })))
        .main()
}
