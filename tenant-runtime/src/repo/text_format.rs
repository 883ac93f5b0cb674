//! Reads dates, times and decimals, whose text format sqlx reads differently from the binary format, or not at all.
//!
//! The server sends the text format in answers to messages whose text contains the values. The result is the same for both
//! formats, and a value outside the range of the Rust type, such as `infinity`, is an error, where sqlx panics.

use sqlx::postgres::PgRow;
#[cfg(any(feature = "chrono", feature = "time", feature = "rust_decimal"))]
use {
    sqlx::{
        Postgres, Row as _, Type, ValueRef as _,
        postgres::{PgValueFormat, PgValueRef},
    },
    std::any::Any,
};

#[cfg(any(feature = "chrono", feature = "time"))]
use super::calendar::days_of;

/// Reads a column if its type is one of those that need their own reader.
///
/// # Errors
///
/// [`sqlx::Error::ColumnDecode`] if the value is outside the range of the type, or [`sqlx::Error::ColumnIndexOutOfBounds`].
#[cfg(not(any(feature = "chrono", feature = "time", feature = "rust_decimal")))]
pub(super) fn read<T: 'static>(_: &PgRow, _: usize) -> sqlx::Result<Option<T>> {
    Ok(None)
}

/// Reads a column if its type is one of those that need their own reader.
///
/// # Errors
///
/// [`sqlx::Error::ColumnDecode`] if the value is outside the range of the type, or [`sqlx::Error::ColumnIndexOutOfBounds`].
#[cfg(any(feature = "chrono", feature = "time", feature = "rust_decimal"))]
pub(super) fn read<T: 'static>(row: &PgRow, index: usize) -> sqlx::Result<Option<T>> {
    let mut found: Option<T> = None;
    #[cfg(feature = "chrono")]
    read_as(&mut found, row, index, chrono::timestamptz)?;
    #[cfg(feature = "chrono")]
    read_as(&mut found, row, index, chrono::timestamp)?;
    #[cfg(feature = "chrono")]
    read_as(&mut found, row, index, chrono::date)?;
    #[cfg(feature = "chrono")]
    read_as(&mut found, row, index, chrono::time)?;
    #[cfg(feature = "time")]
    read_as(&mut found, row, index, time::timestamptz)?;
    #[cfg(feature = "time")]
    read_as(&mut found, row, index, time::timestamp)?;
    #[cfg(feature = "time")]
    read_as(&mut found, row, index, time::date)?;
    #[cfg(feature = "time")]
    read_as(&mut found, row, index, time::time)?;
    // sqlx reads the binary format as well as it can be read.
    #[cfg(feature = "rust_decimal")]
    if row.try_get_raw(index)?.format() == PgValueFormat::Text {
        read_as(&mut found, row, index, decimal)?;
    }
    Ok(found)
}

/// Reads a value of type `V` into `found` if `T` is `V` or `Option<V>`. NULL and values of other types are left to sqlx.
#[cfg(any(feature = "chrono", feature = "time", feature = "rust_decimal"))]
fn read_as<T: 'static, V: Type<Postgres> + 'static>(
    found: &mut Option<T>,
    row: &PgRow,
    index: usize,
    decode: impl Fn(&PgValueRef<'_>) -> Option<V>,
) -> sqlx::Result<()> {
    let found: &mut dyn Any = found;
    if !found.is::<Option<V>>() && !found.is::<Option<Option<V>>>() {
        return Ok(());
    }
    let raw = row.try_get_raw(index)?;
    if raw.is_null() || !V::compatible(&raw.type_info()) {
        return Ok(());
    }
    let Some(value) = decode(&raw) else {
        let source = format!("the value is outside the range of `{}`", std::any::type_name::<V>()).into();
        return Err(sqlx::Error::ColumnDecode { index: index.to_string(), source });
    };
    match found.downcast_mut::<Option<V>>() {
        Some(found) => *found = Some(value),
        None => {
            if let Some(found) = found.downcast_mut::<Option<Option<V>>>() {
                *found = Some(Some(value));
            }
        }
    }
    Ok(())
}

/// Returns the number in the binary format, or the result of reading the text format.
#[cfg(any(feature = "chrono", feature = "time"))]
fn number<const N: usize>(
    raw: &PgValueRef<'_>,
    binary: fn([u8; N]) -> i64,
    text: fn(&str) -> Option<i64>,
) -> Option<i64> {
    match raw.format() {
        PgValueFormat::Binary => Some(binary(raw.as_bytes().ok()?.try_into().ok()?)),
        PgValueFormat::Text => text(raw.as_str().ok()?),
    }
}

/// Reads microseconds since 2000-01-01, or since midnight.
#[cfg(any(feature = "chrono", feature = "time"))]
fn micros(raw: &PgValueRef<'_>, text: fn(&str) -> Option<i64>) -> Option<i64> {
    let micros = number(raw, i64::from_be_bytes, text)?;
    // These mean `infinity` and `-infinity`.
    (micros != i64::MAX && micros != i64::MIN).then_some(micros)
}

/// Reads days since 2000-01-01.
#[cfg(any(feature = "chrono", feature = "time"))]
fn days(raw: &PgValueRef<'_>) -> Option<i64> {
    let days = number(raw, |bytes| i32::from_be_bytes(bytes).into(), text_days)?;
    (days != i64::from(i32::MAX) && days != i64::from(i32::MIN)).then_some(days)
}

/// Reads `[Y…]YYYY-MM-DD HH:MM:SS[.ffffff][+00][ BC]`.
#[cfg(any(feature = "chrono", feature = "time"))]
fn text_timestamp(text: &str) -> Option<i64> {
    let (text, era) = match text.strip_suffix(" BC") {
        Some(text) => (text, " BC"),
        None => (text, ""),
    };
    let (date, time) = text.strip_suffix("+00").unwrap_or(text).split_once(' ')?;
    let days = text_days(&format!("{date}{era}"))?;
    days.checked_mul(86_400_000_000)?.checked_add(text_time(time)?)
}

/// Reads `[Y…]YYYY-MM-DD[ BC]`.
#[cfg(any(feature = "chrono", feature = "time"))]
fn text_days(text: &str) -> Option<i64> {
    let (date, before_christ) = match text.strip_suffix(" BC") {
        Some(date) => (date, true),
        None => (text, false),
    };
    let mut parts = date.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) {
        return None;
    }
    Some(days_of(if before_christ { 1 - year } else { year }, month, day))
}

/// Reads `HH:MM:SS[.ffffff]`.
#[cfg(any(feature = "chrono", feature = "time"))]
fn text_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':').map(digits);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let micros = digits(&format!("{fraction:0<6}"))?;
    Some((hours * 3600 + minutes * 60 + seconds) * 1_000_000 + micros)
}

#[cfg(any(feature = "chrono", feature = "time"))]
fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(feature = "chrono")]
mod chrono {
    use sqlx::{
        postgres::PgValueRef,
        types::chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc},
    };

    use super::{days, micros, text_time, text_timestamp};

    /// Seconds from 1970 to 2000.
    const SECONDS_TO_2000: i64 = 946_684_800;
    /// Days from 0001-01-01 to 2000-01-01, counted from 1.
    const DAYS_TO_2000: i64 = 730_120;

    pub(super) fn timestamptz(raw: &PgValueRef<'_>) -> Option<DateTime<Utc>> {
        let at = |micros: i64| DateTime::from_timestamp_micros(micros.checked_add(SECONDS_TO_2000 * 1_000_000)?);
        micros(raw, text_timestamp).and_then(at)
    }

    pub(super) fn timestamp(raw: &PgValueRef<'_>) -> Option<NaiveDateTime> {
        timestamptz(raw).map(|at| at.naive_utc())
    }

    pub(super) fn date(raw: &PgValueRef<'_>) -> Option<NaiveDate> {
        let date = |days: i64| NaiveDate::from_num_days_from_ce_opt(i32::try_from(days + DAYS_TO_2000).ok()?);
        days(raw).and_then(date)
    }

    /// `24:00:00` is midnight.
    pub(super) fn time(raw: &PgValueRef<'_>) -> Option<NaiveTime> {
        let time = |micros: i64| Some(DateTime::from_timestamp_micros(micros)?.time());
        micros(raw, text_time).and_then(time)
    }
}

#[cfg(feature = "time")]
mod time {
    use sqlx::{
        postgres::PgValueRef,
        types::time::{Date, OffsetDateTime, PrimitiveDateTime, Time},
    };

    use super::{days, micros, text_time, text_timestamp};

    const SECONDS_TO_2000: i128 = 946_684_800;
    /// The Julian day of 2000-01-01.
    const JULIAN_DAY_OF_2000: i64 = 2_451_545;

    pub(super) fn timestamptz(raw: &PgValueRef<'_>) -> Option<OffsetDateTime> {
        let nanos = |micros: i64| (i128::from(micros) + SECONDS_TO_2000 * 1_000_000) * 1000;
        let at = |micros: i64| OffsetDateTime::from_unix_timestamp_nanos(nanos(micros)).ok();
        micros(raw, text_timestamp).and_then(at)
    }

    pub(super) fn timestamp(raw: &PgValueRef<'_>) -> Option<PrimitiveDateTime> {
        timestamptz(raw).map(|at| PrimitiveDateTime::new(at.date(), at.time()))
    }

    pub(super) fn date(raw: &PgValueRef<'_>) -> Option<Date> {
        let date = |days: i64| Date::from_julian_day(i32::try_from(days + JULIAN_DAY_OF_2000).ok()?).ok();
        days(raw).and_then(date)
    }

    /// `24:00:00` is midnight.
    pub(super) fn time(raw: &PgValueRef<'_>) -> Option<Time> {
        let time =
            |micros: i64| Some(OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?.time());
        micros(raw, text_time).and_then(time)
    }
}

/// Reads a number in the text format. Zero has no decimal places, as in the binary format.
#[cfg(feature = "rust_decimal")]
fn decimal(raw: &PgValueRef<'_>) -> Option<sqlx::types::Decimal> {
    use sqlx::types::Decimal;
    let number = Decimal::from_str_exact(raw.as_str().ok()?).ok()?;
    Some(if number.is_zero() { Decimal::ZERO } else { number })
}

#[cfg(all(test, any(feature = "chrono", feature = "time")))]
mod tests {
    use super::*;

    #[test]
    fn text_of_dates_and_times_is_read() {
        assert_eq!(text_timestamp("2000-01-01 00:00:00+00"), Some(0));
        assert_eq!(text_timestamp("1999-12-31 23:59:59.99999"), Some(-10));
        assert_eq!((text_days("2000-03-01"), text_days("0001-01-01 BC")), (Some(60), Some(-730_485)));
        assert_eq!(text_time("24:00:00"), Some(86_400_000_000));
    }

    #[test]
    fn other_text_is_not_read() {
        for text in ["infinity", "03.02.2024 06:32:03 IST", "2024-02-03 06:32:03+05", "2024-13-01 00:00:00", ""] {
            assert_eq!(text_timestamp(text), None, "{text}");
        }
    }
}
