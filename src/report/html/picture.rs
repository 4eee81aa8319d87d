//! A difference drawn: where it is, how large, and the elements that are furthest outside.

use super::decades::decades;
use super::element::{Element, el};
use super::heat::heat;
use super::worst::worst;
use crate::compare::Picture;

/// The map beside the sizes, and the elements below.
pub(super) fn picture(picture: &Picture) -> Element {
    let Picture { map, decades: sizes, types: _, worst: furthest } = picture;
    let drawings = el("div").class("side").put(heat(map)).put(decades(sizes));
    el("div").class("picture").put(drawings).put(worst(furthest))
}
