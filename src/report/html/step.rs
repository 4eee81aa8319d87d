//! What to type next: a command, and a button that copies it.

use super::element::{Element, el};
use crate::report::next::Next;

/// What to do first, what the command is for, and the command.
pub(super) fn step(next: &Next) -> Element {
    let Next { first, label, command } = next;
    el("div")
        .class("step")
        .all(first.iter().map(|first| el("p").text(first)))
        .put(el("p").class("label").text(format!("{label}:")))
        .put(self::command(command))
}

/// A command to type. Without JavaScript it is selected as any text is.
pub(super) fn command(command: &str) -> Element {
    let button = el("button")
        .attr("type", "button")
        .class("copy")
        .attr("data-copy", command)
        .attr("aria-label", format!("Copy {command}"))
        .flag("hidden")
        .text("Copy");
    el("div").class("command").put(el("code").text(command)).put(button)
}
