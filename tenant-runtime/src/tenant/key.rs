//! Tenant and user ID types, and their text form in a transaction's settings.

use std::{fmt, str::FromStr};

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
};

/// A tenant or user ID type. Its text form contains no quote and no backslash, so it can be written
/// into a setting.
///
/// Sealed: `SET LOCAL` accepts no bind parameters, so isolation depends on the text form. The
/// implementing types are `Uuid`, `i64`, [`TextKey`], and the types that
/// [`tenant_key!`](crate::tenant_key) declares.
///
/// ```
/// # use tenant_runtime::tenant::ContextKey;
/// fn is_key<K: ContextKey>() {}
/// is_key::<uuid::Uuid>();
/// is_key::<i64>();
/// ```
pub trait ContextKey:
    Clone
    + PartialEq
    + fmt::Debug
    + Send
    + Sync
    + Type<Postgres>
    + for<'q> Encode<'q, Postgres>
    + for<'r> Decode<'r, Postgres>
    + sealed::Sealed
    + 'static
{
    /// Writes the text form of the key.
    #[doc(hidden)]
    fn write_text(&self, out: &mut String);

    /// Parses the text form of a key, such as a part of a path.
    #[doc(hidden)]
    fn read_text(text: &str) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for uuid::Uuid {}
    impl Sealed for i64 {}
    impl Sealed for super::TextKey {}
    impl<K: super::KeyNewtype> Sealed for K {}
}

impl ContextKey for uuid::Uuid {
    fn write_text(&self, out: &mut String) {
        let mut buffer = [0; 36];
        out.push_str(self.hyphenated().encode_lower(&mut buffer));
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl ContextKey for i64 {
    fn write_text(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl ContextKey for TextKey {
    fn write_text(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A newtype around a key. Implemented by [`tenant_key!`](crate::tenant_key).
///
/// The text in the setting is always the inner key's text, so an implementation cannot write any
/// other text.
#[doc(hidden)]
pub trait KeyNewtype:
    Clone
    + PartialEq
    + fmt::Debug
    + Send
    + Sync
    + Type<Postgres>
    + for<'q> Encode<'q, Postgres>
    + for<'r> Decode<'r, Postgres>
    + 'static
{
    /// The inner key.
    type Inner: ContextKey;

    /// Returns the inner key.
    fn inner(&self) -> &Self::Inner;

    /// Wraps a key.
    fn wrap(inner: Self::Inner) -> Self;
}

#[diagnostic::do_not_recommend]
impl<K: KeyNewtype> ContextKey for K {
    fn write_text(&self, out: &mut String) {
        self.inner().write_text(out);
    }

    fn read_text(text: &str) -> Option<Self> {
        K::Inner::read_text(text).map(Self::wrap)
    }
}

/// A textual tenant or user ID, such as a slug or the user ID of an identity provider.
///
/// The ID has 1 to 255 bytes and contains only ASCII letters and digits, `_`, `.`, `:`, `@`, `+`,
/// `|` and `-`, so that it cannot end the literal in which the value of a setting is written.
///
/// ```
/// # use tenant_runtime::TextKey;
/// assert_eq!(TextKey::new("auth0|5f7c8ec7c33c6c004bbafe82")?.as_str(), "auth0|5f7c8ec7c33c6c004bbafe82");
/// assert!(TextKey::new("acme'; RESET ROLE").is_err());
/// # Ok::<(), tenant_runtime::TextKeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextKey(Box<str>);

/// The reason why a string is not a valid [`TextKey`].
///
/// ```
/// # use tenant_runtime::{TextKey, TextKeyError};
/// assert_eq!(TextKey::new("a b"), Err(TextKeyError::Character { character: ' ' }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextKeyError {
    /// The string is empty.
    #[error("a key must not be empty")]
    Empty,
    /// The string is too long.
    #[error("a key has at most {} bytes; this text has {bytes}", TextKey::MAX_BYTES)]
    TooLong {
        /// The length of the string in bytes.
        bytes: usize,
    },
    /// The string contains a character that is not allowed in a key.
    #[error(
        "unexpected {character:?}: a key contains only ASCII letters and digits, `_`, `.`, `:`, `@`, `+`, `|` and `-`"
    )]
    Character {
        /// The first such character.
        character: char,
    },
}

impl TextKey {
    /// The maximum length of a key in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Validates a string as a key.
    ///
    /// ```
    /// # use tenant_runtime::TextKey;
    /// assert!(TextKey::new("acme").is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// [`TextKeyError::Empty`], [`TextKeyError::TooLong`] or [`TextKeyError::Character`].
    pub fn new(text: &str) -> Result<Self, TextKeyError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:@+|-".contains(c);
        match text.chars().find(|c| !allowed(*c)) {
            _ if text.is_empty() => Err(TextKeyError::Empty),
            _ if text.len() > Self::MAX_BYTES => Err(TextKeyError::TooLong { bytes: text.len() }),
            Some(character) => Err(TextKeyError::Character { character }),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns the key as a string.
    ///
    /// ```
    /// # use tenant_runtime::TextKey;
    /// assert_eq!(TextKey::new("acme")?.as_str(), "acme");
    /// # Ok::<(), tenant_runtime::TextKeyError>(())
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TextKey {
    type Err = TextKeyError;

    /// Validates a string as a key.
    ///
    /// ```
    /// let key: tenant_runtime::TextKey = "acme".parse()?;
    /// # Ok::<(), tenant_runtime::TextKeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`TextKey::new`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for TextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Type<Postgres> for TextKey {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <str as Type<Postgres>>::compatible(ty)
    }
}

impl PgHasArrayType for TextKey {
    fn array_type_info() -> PgTypeInfo {
        <String as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for TextKey {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<'_, Postgres>>::encode(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for TextKey {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::new(<&str as Decode<'r, Postgres>>::decode(value)?)?)
    }
}

/// Declares a newtype around a key, so that tenant IDs and user IDs cannot be confused.
///
/// ```
/// use uuid::Uuid;
///
/// tenant_runtime::tenant_key! {
///     /// The ID of an organization.
///     #[derive(Copy)]
///     pub struct OrgId(Uuid);
/// }
///
/// let key = OrgId::from(Uuid::nil());
/// assert_eq!(Uuid::from(key), Uuid::nil());
/// ```
///
/// The inner type is `Uuid`, `i64`, [`TextKey`] or another such newtype. The newtype can be a
/// column type and a tenancy's key type; it derives `Debug`, `Clone`, the comparison traits and
/// `Hash`, and converts from and into the inner type.
#[macro_export]
macro_rules! tenant_key {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident($inside:vis $inner:ty);) => {
        $(#[$meta])*
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::cmp::PartialOrd,
            ::core::cmp::Ord,
            ::core::hash::Hash,
        )]
        $visibility struct $name($inside $inner);

        const _: () = {
            use $crate::__private::sqlx::{
                Decode, Encode, Postgres, Type,
                encode::IsNull,
                error::BoxDynError,
                postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
            };

            impl ::core::convert::From<$inner> for $name {
                fn from(key: $inner) -> Self {
                    Self(key)
                }
            }

            impl ::core::convert::From<$name> for $inner {
                fn from(key: $name) -> Self {
                    key.0
                }
            }

            impl ::core::fmt::Display for $name {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Display::fmt(&self.0, f)
                }
            }

            impl Type<Postgres> for $name {
                fn type_info() -> PgTypeInfo {
                    <$inner as Type<Postgres>>::type_info()
                }

                fn compatible(ty: &PgTypeInfo) -> bool {
                    <$inner as Type<Postgres>>::compatible(ty)
                }
            }

            impl PgHasArrayType for $name {
                fn array_type_info() -> PgTypeInfo {
                    <$inner as PgHasArrayType>::array_type_info()
                }
            }

            impl Encode<'_, Postgres> for $name {
                fn encode_by_ref(
                    &self,
                    buffer: &mut PgArgumentBuffer,
                ) -> ::core::result::Result<IsNull, BoxDynError> {
                    <$inner as Encode<'_, Postgres>>::encode_by_ref(&self.0, buffer)
                }
            }

            impl<'r> Decode<'r, Postgres> for $name {
                fn decode(value: PgValueRef<'r>) -> ::core::result::Result<Self, BoxDynError> {
                    <$inner as Decode<'r, Postgres>>::decode(value).map(Self)
                }
            }

            impl $crate::PgColumn for $name {
                const SQL: $crate::SqlType = <$inner as $crate::PgColumn>::SQL;
                const DECODES_TEXT: ::core::primitive::bool = <$inner as $crate::PgColumn>::DECODES_TEXT;
            }

            impl $crate::__private::KeyNewtype for $name {
                type Inner = $inner;

                fn inner(&self) -> &$inner {
                    &self.0
                }

                fn wrap(inner: $inner) -> Self {
                    Self(inner)
                }
            }
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::tenant_key! {
        /// The key type of this test.
        struct Slug(TextKey);
    }

    fn text(key: &impl ContextKey) -> String {
        let mut text = String::new();
        key.write_text(&mut text);
        text
    }

    #[test]
    fn text_key_rejects_characters_that_need_escaping() {
        for text in ["a'b", "a\\b", "a b", "a\"b", "a\0b", "ä", "a\nb", "$$", "a;b", "a--b/*"] {
            assert!(matches!(TextKey::new(text), Err(TextKeyError::Character { .. })), "{text}");
        }
        assert_eq!(TextKey::new(""), Err(TextKeyError::Empty));
        assert_eq!(TextKey::new(&"x".repeat(256)), Err(TextKeyError::TooLong { bytes: 256 }));
        assert!(TextKey::new(&"x".repeat(255)).is_ok());
        assert_eq!(
            "auth0|a.b_c-D:x+y@9".parse::<TextKey>().map(|key| key.to_string()),
            Ok("auth0|a.b_c-D:x+y@9".into())
        );
    }

    #[test]
    fn key_newtype_writes_and_parses_its_inner_value() {
        let slug = Slug::from(TextKey::new("acme").expect("a key"));
        assert_eq!((text(&slug), text(&-7_i64)), ("acme".into(), "-7".into()));
        assert_eq!(text(&uuid::Uuid::nil()), "00000000-0000-0000-0000-000000000000");
        assert_eq!((Slug::read_text("acme"), Slug::read_text("a'b"), i64::read_text("x")), (Some(slug), None, None));
    }
}
