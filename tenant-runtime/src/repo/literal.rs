//! Values as typed constants in SQL text.
//!
//! A value is encoded by its own `Encode`, as for a bound parameter, and its bytes are written as a constant of the same type. So
//! newtypes and enums need no support of their own, and the server resolves operators as it does for a bound parameter.

use std::{fmt::Write as _, ops::RangeInclusive};

use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    postgres::{PgArgumentBuffer, PgTypeInfo},
};

use super::{
    calendar::date_of,
    type_oids::{
        ARRAYS, BOOL, BYTEA, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, INTERVAL, JSON, JSONB, NUMERIC, TEXT, TIME,
        TIMESTAMP, TIMESTAMPTZ, UUID, VARCHAR,
    },
};

/// A typed constant, such as `'42'::pg_catalog.int8`.
pub(super) struct Constant {
    pub(super) sql: String,
    /// Whether the value is text, binary or JSON, or an array of these.
    pub(super) is_text: bool,
}

/// Returns a value as a constant; `None` if its type is not supported or the value cannot be encoded, so that it has to be bound.
pub(super) fn literal_of<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(value: &T) -> Option<Constant> {
    let ty = value.produces().unwrap_or_else(T::type_info);
    literal_as(value, &ty)
}

/// Returns a text as a constant without a type, so that the server infers the type.
pub(super) fn untyped_literal_of<T: for<'q> Encode<'q, Postgres>>(value: &T) -> Option<Constant> {
    let mut buffer = PgArgumentBuffer::default();
    let null = value.encode_by_ref(&mut buffer).ok()?;
    let mut sql = String::new();
    match null {
        IsNull::Yes => sql.push_str("NULL"),
        IsNull::No => quoted(str::from_utf8(&buffer).ok()?, &mut sql)?,
    }
    Some(Constant { sql, is_text: matches!(null, IsNull::No) })
}

/// Returns a value as a constant of the type `ty`.
pub(super) fn literal_as<T: for<'q> Encode<'q, Postgres>>(value: &T, ty: &PgTypeInfo) -> Option<Constant> {
    let kind = Kind::of(ty.oid()?.0)?;
    let mut buffer = PgArgumentBuffer::default();
    let null = value.encode_by_ref(&mut buffer).ok()?;
    constant(kind, matches!(null, IsNull::No).then_some(&**buffer))
}

/// Returns the constant for the binary form of a value; without bytes, NULL.
fn constant(kind: Kind, bytes: Option<&[u8]>) -> Option<Constant> {
    let Kind { element, name, is_array } = kind;
    let suffix = if is_array { "[]" } else { "" };
    let mut sql = String::new();
    match bytes {
        None => sql.push_str("NULL"),
        Some(bytes) => {
            let mut text = String::new();
            if is_array {
                array(element, bytes, &mut text)?
            } else {
                scalar(element, bytes, &mut text)?
            }
            quoted(&text, &mut sql)?;
        }
    }
    write!(sql, "::pg_catalog.{name}{suffix}").ok()?;
    let is_text = bytes.is_some() && matches!(element, BYTEA | TEXT | VARCHAR | JSON | JSONB);
    Some(Constant { sql, is_text })
}

/// The supported types and their names.
const TYPES: [(u32, &str); 18] = [
    (BOOL, "bool"),
    (BYTEA, "bytea"),
    (INT8, "int8"),
    (INT2, "int2"),
    (INT4, "int4"),
    (TEXT, "text"),
    (JSON, "json"),
    (FLOAT4, "float4"),
    (FLOAT8, "float8"),
    (VARCHAR, "varchar"),
    (DATE, "date"),
    (TIME, "time"),
    (TIMESTAMP, "timestamp"),
    (TIMESTAMPTZ, "timestamptz"),
    (INTERVAL, "interval"),
    (NUMERIC, "numeric"),
    (UUID, "uuid"),
    (JSONB, "jsonb"),
];

/// A supported type.
#[derive(Clone, Copy)]
struct Kind {
    element: u32,
    name: &'static str,
    is_array: bool,
}

impl Kind {
    fn of(oid: u32) -> Option<Self> {
        let array = ARRAYS.iter().find(|(_, array)| *array == oid);
        let element = array.map_or(oid, |(element, _)| *element);
        let (_, name) = TYPES.iter().find(|(known, _)| *known == element)?;
        Some(Self { element, name, is_array: array.is_some() })
    }
}

/// Writes a string constant that consists of printable ASCII characters only, and in which nothing of the value can end it.
///
/// Quotes, backslashes, control characters and everything outside ASCII become `\uXXXX`, which means the same under each
/// `client_encoding`, `standard_conforming_strings` and `backslash_quote`. A NUL character has no such form; a bound value is
/// answered with the server's own error.
fn quoted(text: &str, out: &mut String) -> Option<()> {
    let is_plain = |c: char| matches!(c, ' '..='~') && c != '\'' && c != '\\';
    out.reserve(text.len() + 3);
    if text.chars().all(is_plain) {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
        return Some(());
    }
    out.push_str("E'");
    for c in text.chars() {
        match c {
            '\0' => return None,
            c if is_plain(c) => out.push(c),
            c if u32::from(c) < 0x1_0000 => write!(out, "\\u{:04X}", u32::from(c)).ok()?,
            c => write!(out, "\\U{:08X}", u32::from(c)).ok()?,
        }
    }
    out.push('\'');
    Some(())
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// Writes the text form of a value.
fn scalar(oid: u32, bytes: &[u8], out: &mut String) -> Option<()> {
    match oid {
        BOOL => out.push_str(match bytes {
            [0] => "f",
            [1] => "t",
            _ => return None,
        }),
        BYTEA => {
            out.push_str("\\x");
            out.push_str(&crate::hex::hex(bytes));
        }
        INT2 => write!(out, "{}", i16::from_be_bytes(fixed(bytes)?)).ok()?,
        INT4 => write!(out, "{}", i32::from_be_bytes(fixed(bytes)?)).ok()?,
        INT8 => write!(out, "{}", i64::from_be_bytes(fixed(bytes)?)).ok()?,
        FLOAT4 => {
            let value = f32::from_be_bytes(fixed(bytes)?);
            if value.is_nan() && value.to_bits() != f32::NAN.to_bits() {
                return None;
            }
            float(value.into(), || format!("{value:e}"), out);
        }
        FLOAT8 => {
            let value = f64::from_be_bytes(fixed(bytes)?);
            if value.is_nan() && value.to_bits() != f64::NAN.to_bits() {
                return None;
            }
            float(value, || format!("{value:e}"), out);
        }
        TEXT | VARCHAR | JSON => out.push_str(str::from_utf8(bytes).ok()?),
        // The first byte is the version of the format.
        JSONB => out.push_str(str::from_utf8(bytes.strip_prefix(&[1])?).ok()?),
        UUID => write!(out, "{:032x}", u128::from_be_bytes(fixed(bytes)?)).ok()?,
        DATE => match i32::from_be_bytes(fixed(bytes)?) {
            i32::MAX => out.push_str("infinity"),
            i32::MIN => out.push_str("-infinity"),
            days => {
                if date(days.into(), out)? == Era::BeforeChrist {
                    out.push_str(" BC");
                }
            }
        },
        TIME => time(i64::from_be_bytes(fixed(bytes)?), out)?,
        TIMESTAMP | TIMESTAMPTZ => timestamp(i64::from_be_bytes(fixed(bytes)?), oid == TIMESTAMPTZ, out)?,
        INTERVAL => {
            let (micros, days, months) = (bytes.get(..8)?, bytes.get(8..12)?, bytes.get(12..)?);
            let micros = i64::from_be_bytes(fixed(micros)?);
            let (days, months) = (i32::from_be_bytes(fixed(days)?), i32::from_be_bytes(fixed(months)?));
            write!(out, "{months:+} mons {days:+} days {micros:+} us").ok()?;
        }
        NUMERIC => numeric(bytes, out)?,
        _ => return None,
    }
    Some(())
}

/// Writes a float. The constant `NaN` has the usual bits; a bound value keeps others, so such a value is not written.
fn float(value: f64, finite: impl FnOnce() -> String, out: &mut String) {
    match value {
        _ if value.is_nan() => out.push_str("NaN"),
        f64::INFINITY => out.push_str("Infinity"),
        f64::NEG_INFINITY => out.push_str("-Infinity"),
        _ => out.push_str(&finite()),
    }
}

const DAY: i64 = 86_400_000_000;

/// The dates and times that PostgreSQL can store, 4714-11-24 BC to 5874897-12-31 or 294276-12-31. Others are bound, and get the
/// server's error for a bound value.
const DAYS: RangeInclusive<i64> = -2_451_545..=2_145_031_948;
const MICROS: RangeInclusive<i64> = -211_813_488_000_000_000..=9_223_371_331_199_999_999;

/// Writes microseconds since 2000-01-01.
fn timestamp(micros: i64, with_zone: bool, out: &mut String) -> Option<()> {
    match micros {
        i64::MAX => out.push_str("infinity"),
        i64::MIN => out.push_str("-infinity"),
        _ if !MICROS.contains(&micros) => return None,
        _ => {
            let era = date(micros.div_euclid(DAY), out)?;
            out.push(' ');
            time(micros.rem_euclid(DAY), out)?;
            if with_zone {
                out.push_str("+00");
            }
            if era == Era::BeforeChrist {
                out.push_str(" BC");
            }
        }
    }
    Some(())
}

/// Writes microseconds since midnight.
fn time(micros: i64, out: &mut String) -> Option<()> {
    if !(0..=DAY).contains(&micros) {
        return None;
    }
    let seconds = micros / 1_000_000;
    write!(out, "{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000).ok()
}

/// The era of a date, whose mark follows the time.
#[derive(PartialEq, Eq)]
enum Era {
    AnnoDomini,
    BeforeChrist,
}

/// Writes days since 2000-01-01 as a date.
fn date(days: i64, out: &mut String) -> Option<Era> {
    if !DAYS.contains(&days) {
        return None;
    }
    let (year, month, day) = date_of(days);
    let (year, era) = if year > 0 { (year, Era::AnnoDomini) } else { (1 - year, Era::BeforeChrist) };
    write!(out, "{year:04}-{month:02}-{day:02}").ok()?;
    Some(era)
}

/// Writes a number that PostgreSQL sends as digits to base 10,000.
fn numeric(bytes: &[u8], out: &mut String) -> Option<()> {
    let word = |index: usize| Some(u16::from_be_bytes(fixed(bytes.get(2 * index..2 * index + 2)?)?));
    let (digits, weight, sign, scale) =
        (usize::from(word(0)?), word(1)?.cast_signed(), word(2)?, usize::from(word(3)?));
    match sign {
        0x0000 => {}
        0x4000 => out.push('-'),
        0xC000 => out.push_str("NaN"),
        0xD000 => out.push_str("Infinity"),
        0xF000 => out.push_str("-Infinity"),
        _ => return None,
    }
    if sign >= 0xC000 {
        return Some(());
    }
    // Digits outside the stored ones are zero.
    let digit = |place: i32| match usize::try_from(place) {
        Ok(place) if place < digits => word(4 + place).filter(|digit| *digit < 10_000),
        _ => Some(0),
    };
    let weight = i32::from(weight);
    let mut whole = String::new();
    for place in 0..=weight {
        write!(whole, "{:04}", digit(place)?).ok()?;
    }
    let whole = whole.trim_start_matches('0');
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        let mut place = weight + 1;
        while fraction.len() < scale {
            write!(fraction, "{:04}", digit(place)?).ok()?;
            place += 1;
        }
        write!(out, ".{}", &fraction[..scale]).ok()?;
    }
    Some(())
}

/// Writes an array that is not nested, each element in quotes.
fn array(element: u32, bytes: &[u8], out: &mut String) -> Option<()> {
    let int = |at: usize| Some(i32::from_be_bytes(fixed(bytes.get(at..at + 4)?)?));
    let (depth, oid) = (int(0)?, int(8)?.cast_unsigned());
    if depth == 0 {
        out.push_str("{}");
        return Some(());
    }
    let (length, lower_bound) = (int(12)?, int(16)?);
    if depth != 1 || oid != element || lower_bound != 1 {
        return None;
    }
    let mut at = 20;
    let mut text = String::new();
    out.push('{');
    for index in 0..length {
        if index > 0 {
            out.push(',');
        }
        let size = int(at)?;
        at += 4;
        let Ok(size) = usize::try_from(size) else {
            out.push_str("NULL");
            continue;
        };
        text.clear();
        scalar(element, bytes.get(at..at + size)?, &mut text)?;
        at += size;
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    }
    out.push('}');
    (at == bytes.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(value: T) -> Option<String> {
        literal_of(&value).map(|constant| constant.sql)
    }

    #[test]
    fn values_become_typed_constants() {
        assert_eq!(sql(-32_768_i16).as_deref(), Some("'-32768'::pg_catalog.int2"));
        assert_eq!(sql(None::<i64>).as_deref(), Some("NULL::pg_catalog.int8"));
        assert_eq!(sql(f64::NEG_INFINITY).as_deref(), Some("'-Infinity'::pg_catalog.float8"));
        assert_eq!(sql(vec![true, false]).as_deref(), Some("'{\"t\",\"f\"}'::pg_catalog.bool[]"));
        let id = uuid::Uuid::from_u128(7);
        assert_eq!(sql(id).as_deref(), Some("'00000000000000000000000000000007'::pg_catalog.uuid"));
    }

    #[test]
    fn untyped_text_has_no_cast() {
        let sql =
            |value: Option<&'static str>| untyped_literal_of(&value).map(|constant| (constant.sql, constant.is_text));
        assert_eq!(sql(Some("it's")), Some((r"E'it\u0027s'".to_owned(), true)));
        assert_eq!(sql(None), Some(("NULL".to_owned(), false)));
        assert_eq!(sql(Some("a\0b")), None);
    }

    #[test]
    fn text_cannot_end_its_constant() {
        let text = "'; DROP TABLE x; -- \\' \u{e9}\u{1f980}\n";
        let escaped = r"E'\u0027; DROP TABLE x; -- \u005C\u0027 \u00E9\U0001F980\u000A'::pg_catalog.text";
        assert_eq!(sql(text.to_owned()).as_deref(), Some(escaped));
        assert_eq!(sql("a\0b".to_owned()), None);
    }

    #[test]
    fn types_without_a_fixed_oid_are_bound() {
        assert!(literal_as(&"x", &PgTypeInfo::with_name("citext")).is_none());
    }
}
