//! Words of the format that stand for a value of karat's: written as a string, and only those that there are are read.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::compare::Vacuous;
use crate::explain::Hypothesis;
use crate::run::{Gates, Verdict};
use crate::tensor::DType;

/// A type that is one word in JSON: its name, what it stands for, all there are, the word of one.
macro_rules! words {
    ($name:ident, $what:literal, $of:ty, $all:expr, $word:expr) => {
        #[doc = concat!("A ", $what, ", as its word.")]
        #[derive(Clone, Copy)]
        pub(super) struct $name(pub(super) $of);

        impl $name {
            fn all() -> Vec<&'static str> {
                $all.into_iter().map($word).collect()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $all.into_iter().find(|known| $word(*known) == text).map($name).ok_or_else(|| {
                    let known = Self::all().join(", ");
                    D::Error::custom(format!(concat!("there is no ", $what, " `{}`, only {}"), text, known))
                })
            }
        }

        #[cfg(feature = "cli")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Json").into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": Self::all() })
            }
        }
    };
}

words!(JsonVerdict, "verdict", Verdict, Verdict::ALL, Verdict::word);
words!(JsonGates, "kind of gates", Gates, [Gates::Both, Gates::Accuracy], Gates::word);
words!(JsonDType, "dtype", DType, DType::ALL, DType::name);
words!(JsonVacuous, "kind of vacuous pass", Vacuous, Vacuous::ALL, Vacuous::word);
words!(JsonHypothesis, "hypothesis", Hypothesis, Hypothesis::ALL, Hypothesis::word);
