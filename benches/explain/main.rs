//! How good `karat explain` is: plants faults, asks what they are, and counts the answers.
//!
//!     cargo bench --bench explain [-- --seeds 3] [--misses] [--only TEXT]
//!     cargo bench --bench explain -- serve REFERENCE.npy      what benches/explain.py times
//!
//! Faults are planted in the goldens of GPT-2 and of MiniLM and in random tensors, in several dtypes, under rounding noise. An
//! answer is right if the first explanation names all that was planted and nothing else; faults that no rule covers are
//! right where nothing fits.

mod blocks;
mod dice;
mod faults;
mod material;
mod mixed;
mod score;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use karat::DType;
use karat::compare::Pair;
use karat::explain::{Question, explain};
use karat::tensor::read_tensor;

use self::score::{Count, Score, Scores};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "serve") {
        serve(Path::new(&arguments[at + 1]));
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| arguments.iter().position(|x| x == name).and_then(|at| arguments.get(at + 1));
    let seeds: u64 = value("--seeds").and_then(|text| text.parse().ok()).unwrap_or(3);
    let started = Instant::now();
    let mut scores = Scores::default();
    for seed in 0..seeds {
        let goldens = material::goldens();
        score::measure(&goldens, &[DType::F32], seed, &mut scores);
        score::measure(&material::random(seed), &[DType::F32, DType::F64, DType::F16, DType::BF16], seed, &mut scores);
    }
    let Scores { single, pairs, uncovered, noise } = &scores;
    println!("{:<28} {:>6} {:>7} {:>7} {:>7} {:>7}", "planted", "times", "right", "half", "none", "wrong");
    for (name, score) in
        [("one fault", single), ("two faults", pairs), ("no rule covers it", uncovered), ("noise", noise)]
    {
        table(name, score);
        if arguments.iter().any(|x| x == "--misses") {
            let only = value("--only").map_or("", String::as_str);
            score.misses.iter().filter(|miss| miss.contains(only)).for_each(|miss| println!("    {miss}"));
        }
    }
    let mut all = Count::default();
    [single, pairs, uncovered, noise].iter().for_each(|score| all.add(score.total()));
    line("all", all);
    println!("{} questions in {:.1} s, {seeds} seeds", all.all(), started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

/// Explains each file that a line of stdin names against that reference: the seconds, and what it says.
fn serve(reference: &Path) {
    let read = |path: &Path| read_tensor(path, None, None).expect("a tensor");
    let reference = read(reference);
    for line in std::io::stdin().lines() {
        let actual = read(Path::new(&line.expect("a line of text")));
        let started = Instant::now();
        let explanations = explain(&Question::new(Pair::new(&actual, &reference)));
        let seconds = started.elapsed().as_secs_f64();
        let said = explanations.first().map_or("nothing fits", |first| &first.evidence);
        println!("{seconds} {said}");
    }
}

fn table(name: &str, score: &Score) {
    for (name, count) in &score.counts {
        line(&format!("  {name}"), *count);
    }
    line(name, score.total());
    if score.unseen > 0 {
        println!("  {} more changed nothing that shows, and were not asked about", score.unseen);
    }
    println!();
}

fn line(name: &str, count: Count) {
    let percent = |part: usize| format!("{:.1}%", 100.0 * count.share(part));
    println!(
        "{name:<28} {:>6} {:>7} {:>7} {:>7} {:>7}",
        count.all(),
        percent(count.right),
        percent(count.half),
        percent(count.none),
        percent(count.wrong)
    );
}
