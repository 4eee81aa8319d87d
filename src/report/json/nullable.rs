//! Fields that are `null` where they are absent: left out they are an error.

use serde::{Deserialize, Deserializer};

/// Reads such a field. Without it serde would take one that is missing for `null`.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}
