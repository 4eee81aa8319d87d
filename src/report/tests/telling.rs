use std::io;

use super::example;
use crate::report::terminal::{self, Columns};
use crate::report::{Palette, json};

fn told(tell: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    tell(&mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("reports are UTF-8")
}

#[test]
fn dump() {
    let plain = Palette::plain();
    let run = example::run();
    let columns =
        Columns::of(run.cases.iter().map(|case| (case.id.as_str(), case.checkpoint.as_deref().unwrap_or("-"))));
    println!("{}", told(|out| run.cases.iter().try_for_each(|case| terminal::case_line(out, &plain, columns, case))));
    println!("{}", told(|out| terminal::failures(out, &plain, &example::voice(), &run)));
    println!("{}", told(|out| terminal::end(out, &plain, &example::voice(), &run)));
    println!("{}", told(|out| json::run(out, &example::voice(), &run)).len());
}
