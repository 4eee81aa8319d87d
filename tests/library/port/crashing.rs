use std::time::Duration;

use karat::{CheckpointResult, Executor, Harness, Inputs, outputs};

fn double(case: &Inputs) -> CheckpointResult {
    Ok(outputs! { "y" => case.input::<f32>("x")? * 2.0 })
}

fn loops(_: &Inputs) -> CheckpointResult {
    eprintln!("looking for the end");
    std::fs::create_dir_all("target/loops")?;
    std::fs::write(format!("target/loops/{}", std::process::id()), "")?;
    loop {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn allocates(_: &Inputs) -> CheckpointResult {
    let mut all = Vec::new();
    // Ends even without a limit.
    for _ in 0..2048 {
        all.push(vec![1u8; 1 << 20]);
    }
    Err(format!("{} MiB were there to take", all.len()).into())
}

fn segfaults(_: &Inputs) -> CheckpointResult {
    // SAFETY: none; that is what is tried.
    let byte = unsafe { std::ptr::without_provenance::<u8>(8).read_volatile() };
    Err(format!("there is a {byte} at 8").into())
}

/// How deep a stack is that has no end.
#[expect(unconditional_recursion, reason = "that is what is tried")]
fn descend(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    descend(depth + 1) + frame[0]
}

/// Twice the input, but where it was given another than the golden one it aborts.
fn aborts_later(case: &Inputs) -> CheckpointResult {
    let x = case.input::<f32>("x")?;
    if x[0] != 2.0 {
        std::process::abort();
    }
    Ok(outputs! { "y" => x * 2.0 })
}

fn main() -> std::process::ExitCode {
    Harness::new("goldens")
        .checkpoint("double", double)
        .checkpoint("off", |case| Ok(outputs! { "y" => case.input::<f32>("x")? * 3.0 }))
        .checkpoint("panics", |_| panic!("head {} is missing", 3))
        .checkpoint("aborts", |_| std::process::abort())
        .checkpoint("segfaults", segfaults)
        .checkpoint("overflows", |_| Err(descend(0).to_string().into()))
        .checkpoint("exits", |_| {
            println!("all done");
            std::process::exit(0)
        })
        .checkpoint("exits 7", |_| std::process::exit(7))
        .checkpoint("loops", loops)
        .checkpoint("allocates", allocates)
        .checkpoint("aborts later", aborts_later)
        .checkpoint("waits", |case| {
            std::thread::sleep(Duration::from_millis(case.param("ms")?));
            double(case)
        })
        .other(Executor::new("other").checkpoint("double", double).checkpoint("aborts", double))
        .main()
}
