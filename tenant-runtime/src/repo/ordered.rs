//! Column types that can be sorted, and the text form of their values in a cursor.

use sqlx::{Decode, Encode, Postgres, Type};

use crate::tenant::{KeyNewtype, TextKey};

/// A column type that can be sorted and compared, in PostgreSQL's order.
///
/// JSON, arrays and the labels of an enum that is stored as text have no meaningful order and do not implement this trait; an enum
/// with `#[tenant(native)]` has the order of its variants. A newtype delegates to its inner type:
///
/// ```
/// use tenant_runtime::OrderedColumn;
///
/// #[derive(Debug, Clone, sqlx::Type)]
/// #[sqlx(transparent)]
/// struct Title(String);
///
/// impl OrderedColumn for Title {
///     fn to_cursor(&self) -> Option<String> {
///         self.0.to_cursor()
///     }
///     fn from_cursor(text: Option<&str>) -> Option<Self> {
///         String::from_cursor(text).map(Self)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` columns cannot be sorted",
    label = "cannot be sorted, or compared with `lt`, `le`, `gt` and `ge`",
    note = "numbers, text, dates, times, UUIDs and booleans can be sorted; for a newtype, implement `tenant_runtime::OrderedColumn`",
    note = "JSON, arrays and the labels of a `TenantEnum` without `#[tenant(native)]` cannot be sorted: sort the rows in Rust, or with \
            custom SQL on `&mut tx`"
)]
pub trait OrderedColumn:
    Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static
{
    /// Whether a value can be NULL.
    #[doc(hidden)]
    const NULLABLE: bool = false;

    /// Returns the text of a value for a cursor; `None` is NULL.
    fn to_cursor(&self) -> Option<String>;

    /// Parses a value from a cursor, which a client could have modified; `None` if it is invalid.
    fn from_cursor(text: Option<&str>) -> Option<Self>
    where
        Self: Sized;
}

#[diagnostic::do_not_recommend]
impl<V: OrderedColumn> OrderedColumn for Option<V>
where
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const NULLABLE: bool = true;

    fn to_cursor(&self) -> Option<String> {
        self.as_ref()?.to_cursor()
    }

    fn from_cursor(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(None),
            text => V::from_cursor(text).map(Some),
        }
    }
}

impl OrderedColumn for String {
    fn to_cursor(&self) -> Option<String> {
        Some(self.clone())
    }

    fn from_cursor(text: Option<&str>) -> Option<Self> {
        // PostgreSQL rejects a NUL byte in text, which would abort the transaction.
        text.filter(|text| !text.contains('\0')).map(str::to_owned)
    }
}

impl OrderedColumn for TextKey {
    fn to_cursor(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }

    fn from_cursor(text: Option<&str>) -> Option<Self> {
        Self::new(text?).ok()
    }
}

#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: OrderedColumn>> OrderedColumn for K {
    fn to_cursor(&self) -> Option<String> {
        self.inner().to_cursor()
    }

    fn from_cursor(text: Option<&str>) -> Option<Self> {
        K::Inner::from_cursor(text).map(Self::wrap)
    }
}

/// Implements the trait for types whose text form is exact and can be parsed.
macro_rules! by_text {
    ($($rust:ty),*) => {$(
        impl OrderedColumn for $rust {
            fn to_cursor(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn from_cursor(text: Option<&str>) -> Option<Self> {
                text?.parse().ok()
            }
        }
    )*};
}

by_text!(bool, i16, i32, i64, f32, f64, uuid::Uuid);
#[cfg(feature = "rust_decimal")]
by_text!(sqlx::types::Decimal);

/// Implements the trait for types that are represented by a number, because their text form depends on features and
/// loses fractions of a second.
#[cfg(any(feature = "chrono", feature = "time"))]
macro_rules! by_number {
    ($($rust:ty: $number:ty, $to:expr, $from:expr;)*) => {$(
        impl OrderedColumn for $rust {
            fn to_cursor(&self) -> Option<String> {
                let number: fn(&$rust) -> $number = $to;
                Some(number(self).to_string())
            }

            fn from_cursor(text: Option<&str>) -> Option<Self> {
                let value: fn($number) -> Option<$rust> = $from;
                value(text?.parse().ok()?)
            }
        }
    )*};
}

#[cfg(feature = "chrono")]
mod chrono {
    use sqlx::types::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

    use super::OrderedColumn;

    by_text!(NaiveDate, NaiveTime);
    by_number! {
        DateTime<Utc>: i64, Self::timestamp_micros, Self::from_timestamp_micros;
        NaiveDateTime: i64, |at| at.and_utc().timestamp_micros(),
            |micros| Some(DateTime::from_timestamp_micros(micros)?.naive_utc());
    }
}

#[cfg(feature = "time")]
mod time {
    use sqlx::types::time::{Date, OffsetDateTime, PrimitiveDateTime, Time};

    use super::OrderedColumn;

    by_number! {
        OffsetDateTime: i128, |at| at.unix_timestamp_nanos(), |nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        PrimitiveDateTime: i128, |at| at.assume_utc().unix_timestamp_nanos(), |nanos| {
            let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
            Some(PrimitiveDateTime::new(at.date(), at.time()))
        };
        Date: i32, |date| date.to_julian_day(), |day| Date::from_julian_day(day).ok();
        Time: u64, |time| {
            let (hour, minute, second, nano) = time.as_hms_nano();
            ((u64::from(hour) * 60 + u64::from(minute)) * 60 + u64::from(second)) * 1_000_000_000 + u64::from(nano)
        }, |nanos| {
            let (seconds, nano) = (nanos / 1_000_000_000, u32::try_from(nanos % 1_000_000_000).ok()?);
            let part = |value: u64| u8::try_from(value).ok();
            Time::from_hms_nano(part(seconds / 3600)?, part(seconds / 60 % 60)?, part(seconds % 60)?, nano).ok()
        };
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn survives<V: OrderedColumn + PartialEq>(value: V) -> bool {
        V::from_cursor(value.to_cursor().as_deref()) == Some(value)
    }

    #[test]
    fn cursor_values_round_trip() {
        assert!(survives("…'\"\\".to_owned()) && survives(Some(String::new())) && survives(None::<String>));
        assert!(survives(i64::MIN) && survives(0.1_f64) && survives(f32::MIN_POSITIVE) && survives(true));
        assert!(survives(Uuid::max()) && survives(TextKey::new("acme.eu").expect("a key")));
    }

    #[cfg(feature = "chrono")]
    #[test]
    fn chrono_cursor_values_round_trip_to_the_microsecond() {
        use sqlx::types::chrono::{DateTime, NaiveTime, Utc};
        let at: DateTime<Utc> = DateTime::from_timestamp_micros(-1_234_567_890_123_457).expect("a time");
        assert!(survives(at) && survives(at.naive_utc()) && survives(at.date_naive()) && survives(at.time()));
        assert!(survives(NaiveTime::MIN));
    }

    #[cfg(feature = "time")]
    #[test]
    fn time_crate_cursor_values_round_trip() {
        use sqlx::types::time::{OffsetDateTime, PrimitiveDateTime, Time};
        let at = OffsetDateTime::from_unix_timestamp_nanos(-1_234_567_890_123_457_000).expect("a time");
        assert!(survives(at) && survives(PrimitiveDateTime::new(at.date(), at.time())));
        assert!(survives(at.date()) && survives(at.time()) && survives(Time::MIDNIGHT));
    }

    #[test]
    fn malformed_cursor_values_are_rejected() {
        assert_eq!((i32::from_cursor(Some("1; --")), i32::from_cursor(None)), (None, None));
        assert_eq!((Uuid::from_cursor(Some("x")), bool::from_cursor(Some("yes"))), (None, None));
        assert_eq!((String::from_cursor(Some("a\0b")), TextKey::from_cursor(Some("a'b"))), (None, None));
    }
}
