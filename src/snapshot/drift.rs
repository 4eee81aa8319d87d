//! A line of a snapshot that moved: data, below what finds it out and what tells of it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A line of a snapshot whose stored value no longer holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Drift {
    /// The quantity, such as `largest difference`.
    pub quantity: String,
    /// What the snapshot says; empty where it has no such line.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub stored: String,
    /// What this run measured; empty where it has no such line.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub measured: String,
    /// The band that the stored value allows, in words, such as `up to 3.8e-6`; empty where it must be equal.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub band: String,
}

impl Drift {
    /// Whether it is what came out that moved, not what the case says or is given.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        let facts = ["checkpoint", "reference", "or", "where", "cast", "empty", "nan rule"];
        let rules = ["atol", "rtol", "outliers", "max_ulps", "max_rel_rms"];
        let quantity = self.quantity.strip_prefix("chained ").unwrap_or(&self.quantity);
        let is_named = quantity.starts_with("param ") || quantity.starts_with("input ");
        !is_named && !facts.contains(&quantity) && !rules.contains(&quantity)
    }
}

/// Writes a text, which is `null` where it is empty.
fn write<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
