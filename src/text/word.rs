//! Enums whose variants are words in files and on screen.

/// Implements for an enum: the list of its variants, a function that returns the word of a variant, and serde by that word.
/// The arguments are the enum, a description for messages, the name of the function, and the words.
macro_rules! words {
    ($type:ident, $what:literal, $word:ident, { $($variant:ident: $text:literal),* $(,)? }) => {
        impl $type {
            #[doc = concat!("Every ", $what, ", in the order of declaration.")]
            pub const ALL: [$type; [$($text),*].len()] = [$($type::$variant),*];

            /// Returns the word for it, on screen and in files.
            #[must_use]
            pub fn $word(self) -> &'static str {
                match self {
                    $($type::$variant => $text,)*
                }
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.$word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                $type::ALL.into_iter().find(|known| known.$word() == text).ok_or_else(|| {
                    let known = $type::ALL.map($type::$word).join(", ");
                    serde::de::Error::custom(format!(concat!("unknown ", $what, " `{}`; expected one of: {}"), text, known))
                })
            }
        }

        #[cfg(feature = "cli")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": $type::ALL.map($type::$word) })
            }
        }
    };
}

pub(crate) use words;
