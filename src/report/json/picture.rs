//! Where an output differs, as JSON.

use serde::{Deserialize, Serialize, Serializer};

use super::element::{Element, ElementType, Float, JsonTypes};
use super::nullable::nullable;
use crate::compare::{Decade, HeatMap, Picture, Size, WorstElement};

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub(super) struct JsonPicture {
    map: JsonMap,
    decades: Vec<JsonDecade>,
    /// What the elements of `worst` are; `null` where there is none.
    #[serde(deserialize_with = "nullable")]
    types: Option<JsonTypes>,
    worst: Vec<JsonWorst>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonMap {
    shape: Vec<usize>,
    step: [usize; 2],
    cells: Vec<JsonRow>,
}

/// A row of cells, on one line.
#[derive(Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonRow(Vec<Option<Float>>);

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonDecade {
    size: JsonSize,
    count: u64,
}

/// The exponent of ten with which a decade begins, or a word.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(untagged)]
enum JsonSize {
    Power(i32),
    Word(SizeWord),
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum SizeWord {
    Zero,
    NotFinite,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
struct JsonWorst {
    index: Vec<usize>,
    actual: Element,
    reference: Element,
    difference: Float,
    tolerance_used: Float,
}

impl Serialize for JsonRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let line = serde_json::value::to_raw_value(&self.0).map_err(serde::ser::Error::custom)?;
        line.serialize(serializer)
    }
}

impl From<&Picture> for JsonPicture {
    fn from(Picture { map, decades, worst }: &Picture) -> Self {
        let HeatMap { shape, step, cells } = map;
        let row = |row: &Vec<Option<f64>>| JsonRow(row.iter().map(|cell| cell.map(Float)).collect());
        JsonPicture {
            map: JsonMap { shape: shape.clone(), step: *step, cells: cells.iter().map(row).collect() },
            decades: decades.iter().map(JsonDecade::from).collect(),
            types: worst.first().map(|WorstElement { actual, reference, .. }| JsonTypes {
                actual: ElementType::of(*actual),
                reference: ElementType::of(*reference),
            }),
            worst: worst.iter().map(JsonWorst::from).collect(),
        }
    }
}

impl From<&Decade> for JsonDecade {
    fn from(Decade { size, count }: &Decade) -> Self {
        let size = match size {
            Size::Zero => JsonSize::Word(SizeWord::Zero),
            Size::Power(power) => JsonSize::Power(*power),
            Size::NotFinite => JsonSize::Word(SizeWord::NotFinite),
        };
        JsonDecade { size, count: *count }
    }
}

impl From<&WorstElement> for JsonWorst {
    fn from(WorstElement { index, actual, reference, difference, share }: &WorstElement) -> Self {
        JsonWorst {
            index: index.clone(),
            actual: (*actual).into(),
            reference: (*reference).into(),
            difference: Float(*difference),
            tolerance_used: Float(*share),
        }
    }
}

impl TryFrom<JsonPicture> for Picture {
    type Error = String;

    fn try_from(JsonPicture { map, decades, types, worst }: JsonPicture) -> Result<Self, String> {
        let JsonMap { shape, step, cells } = map;
        let cells = cells.into_iter().map(|JsonRow(row)| row.into_iter().map(|cell| cell.map(|x| x.0)).collect());
        Ok(Picture {
            map: HeatMap { shape, step, cells: cells.collect() },
            decades: decades.into_iter().map(Decade::from).collect(),
            worst: worst.into_iter().map(|element| element.read(types)).collect::<Result<_, String>>()?,
        })
    }
}

impl From<JsonDecade> for Decade {
    fn from(JsonDecade { size, count }: JsonDecade) -> Self {
        let size = match size {
            JsonSize::Word(SizeWord::Zero) => Size::Zero,
            JsonSize::Power(power) => Size::Power(power),
            JsonSize::Word(SizeWord::NotFinite) => Size::NotFinite,
        };
        Decade { size, count }
    }
}

impl JsonWorst {
    fn read(self, types: Option<JsonTypes>) -> Result<WorstElement, String> {
        let JsonWorst { index, actual, reference, difference, tolerance_used } = self;
        let types = types.ok_or("picture.types is null, and there are elements in picture.worst")?;
        Ok(WorstElement {
            index,
            actual: actual.value(types.actual)?,
            reference: reference.value(types.reference)?,
            difference: difference.0,
            share: tolerance_used.0,
        })
    }
}
