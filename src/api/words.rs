//! Enums that are words on the wire.

/// Declares an enum that is one of a few words on the wire, and keeps a word that it does not know: a newer daemon may
/// send one.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        $vis enum $name {
            $($(#[$doc])* $variant,)+
            /// A word that this version does not know.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            pub(crate) fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $word,)+
                    $name::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> $name {
                match word {
                    $($word => $name::$variant,)+
                    other => $name::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                Ok($name::from(&*<std::borrow::Cow<'de, str>>::deserialize(deserializer)?))
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use crate::api::status::Phase;

    #[test]
    fn an_unknown_word_is_kept() {
        let read = |json: &str| serde_json::from_str::<Phase>(json).unwrap();
        assert_eq!(read(r#""blocked""#), Phase::Blocked);
        assert_eq!(read(r#""may\nbe""#), Phase::Other("may\nbe".to_owned()));
        for word in ["deleting", "asleep"] {
            assert_eq!(serde_json::to_value(Phase::from(word)).unwrap(), word);
        }
    }
}
