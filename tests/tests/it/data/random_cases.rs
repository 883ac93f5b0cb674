//! Random rows, filters and sort orders, each with an equivalent in plain Rust.

use std::cmp::Ordering;

use sqlx::types::{
    Decimal,
    chrono::{DateTime, NaiveDate},
};
use tenant_runtime::Filter;
use uuid::Uuid;

use super::{Alias, Boss, Kind, NewSample, Sample, sample};
use crate::property::Random;

/// A condition, its equivalent in Rust, and its description.
pub(super) struct Case {
    pub(super) filter: Filter<Sample, Boss>,
    pub(super) meets: Box<dyn Fn(&Sample) -> bool>,
    pub(super) said: String,
}

const TEXTS: [&str; 9] = ["", "a", "ab", "aB", "b%", "b_c", "b\\c", "x' OR true --", "…\"$1"];
const KINDS: [Kind; 3] = [Kind::Rock, Kind::Water, Kind::Dust];

fn text(random: &mut Random) -> String {
    random.pick(&TEXTS).to_owned()
}

fn maybe<T>(random: &mut Random, value: impl FnOnce(&mut Random) -> T) -> Option<T> {
    random.chance(70).then(|| value(random))
}

fn number(random: &mut Random) -> i32 {
    random.pick(&[i32::MIN, -1, 0, 1, 2, i32::MAX])
}

fn day(random: &mut Random) -> NaiveDate {
    NaiveDate::from_ymd_opt(random.pick(&[1899, 1999, 2000, 12000]), 2, 28).expect("a day")
}

fn code(random: &mut Random) -> Uuid {
    Uuid::from_u128(random.below(4) as u128)
}

fn price(random: &mut Random) -> Decimal {
    Decimal::new(i64::from(number(random)), 2)
}

fn ratio(random: &mut Random) -> f64 {
    random.pick(&[-0.1, 0.0, 0.1, 0.2, 1e300])
}

/// A sample whose values come from a small range, so that they repeat.
pub(super) fn samples(random: &mut Random) -> NewSample {
    NewSample {
        note: maybe(random, text),
        grams: number(random),
        depth: maybe(random, |random| i64::from(number(random))),
        ratio: ratio(random),
        fresh: random.chance(50),
        kind: random.pick(&KINDS),
        other: maybe(random, |random| random.pick(&KINDS)),
        taken_at: DateTime::from_timestamp_micros(i64::from(number(random)) * 1_000_001).expect("a time"),
        due: maybe(random, day),
        price: maybe(random, price),
        alias: Alias(text(random)),
        blob: text(random).into_bytes(),
        count: random.chance(50).then(|| random.pick(&[1, 2])),
        ..sample(&text(random))
    }
}

/// Builds an equality condition on a column: `$value` generates the value, and the field is read as an `Option`.
macro_rules! same {
    ($random:ident, $column:ident, $field:expr, $value:expr) => {{
        let field = $field;
        let (value, more) = ($value($random), [$value($random), $value($random)]);
        let name = stringify!($column);
        match $random.below(3) {
            0 => {
                let filter = Sample::$column.eq(value.clone());
                case(format!("{name} = {value:?}"), filter, move |row| field(row) == Some(value.clone()))
            }
            1 => {
                let filter = Sample::$column.ne(value.clone());
                case(format!("{name} <> {value:?}"), filter, move |row| field(row) != Some(value.clone()))
            }
            _ => {
                let filter = Sample::$column.in_(more.clone());
                case(format!("{name} in {more:?}"), filter, move |row| field(row).is_some_and(|it| more.contains(&it)))
            }
        }
    }};
}

/// Builds an order comparison on a column of an ordered type.
macro_rules! compared {
    ($random:ident, $column:ident, $field:expr, $value:expr) => {{
        if $random.chance(40) {
            return same!($random, $column, $field, $value);
        }
        let field = $field;
        let value = $value($random);
        let name = stringify!($column);
        let operand = value.clone();
        match $random.below(4) {
            0 => case(format!("{name} < {value:?}"), Sample::$column.lt(operand), move |row| {
                field(row).is_some_and(|it| it < value)
            }),
            1 => case(format!("{name} <= {value:?}"), Sample::$column.le(operand), move |row| {
                field(row).is_some_and(|it| it <= value)
            }),
            2 => case(format!("{name} > {value:?}"), Sample::$column.gt(operand), move |row| {
                field(row).is_some_and(|it| it > value)
            }),
            _ => case(format!("{name} >= {value:?}"), Sample::$column.ge(operand), move |row| {
                field(row).is_some_and(|it| it >= value)
            }),
        }
    }};
}

fn case<N>(said: String, filter: Filter<Sample, N>, meets: impl Fn(&Sample) -> bool + 'static) -> Case
where
    Boss: tenant_runtime::repo::access::MayUse<Sample, N>,
{
    Case { filter: filter.requires(), meets: Box::new(meets), said }
}

/// A condition without nested conditions.
fn leaf_condition(random: &mut Random) -> Case {
    match random.below(20) {
        0 => compared!(random, LABEL, |row: &Sample| Some(row.label.clone()), text),
        1 => compared!(random, NOTE, |row: &Sample| row.note.clone(), text),
        2 => compared!(random, GRAMS, |row: &Sample| Some(row.grams), number),
        3 => compared!(random, DEPTH, |row: &Sample| row.depth, |random| i64::from(number(random))),
        4 => compared!(random, RATIO, |row: &Sample| Some(row.ratio), ratio),
        5 => compared!(random, FRESH, |row: &Sample| Some(row.fresh), |random: &mut Random| random.chance(50)),
        6 => same!(random, KIND, |row: &Sample| Some(row.kind), |random: &mut Random| random.pick(&KINDS)),
        7 => same!(random, OTHER, |row: &Sample| row.other, |random: &mut Random| random.pick(&KINDS)),
        8 => compared!(random, DUE, |row: &Sample| row.due, day),
        9 => compared!(random, CODE, |row: &Sample| Some(row.code), code),
        10 => compared!(random, PRICE, |row: &Sample| row.price, price),
        11 => same!(random, ALIAS, |row: &Sample| Some(row.alias.clone()), |random| Alias(text(random))),
        12 => same!(random, BLOB, |row: &Sample| Some(row.blob.clone()), |random| text(random).into_bytes()),
        13 => compared!(random, SECRET, |row: &Sample| Some(row.secret), number),
        14 => compared!(random, ID, |row: &Sample| Some(row.id), |random: &mut Random| random.below(90) as i64),
        15 => {
            let start = text(random);
            let said = format!("NOTE starts with {start:?}");
            let filter = Sample::NOTE.starts_with(start.as_str());
            case(said, filter, move |row| row.note.as_ref().is_some_and(|note| note.starts_with(&start)))
        }
        16 => {
            let pattern = random.pick(&["%", "a%", "_", "b\\%", "b\\_%", "%'%", "A_", "$1"]);
            let meets = move |row: &Sample| like(&row.label, pattern);
            case(format!("LABEL like {pattern}"), Sample::LABEL.like(pattern), meets)
        }
        17 => {
            let pattern = random.pick(&["%B%", "A_", "%OR%", "ab"]);
            let meets = move |row: &Sample| like(&row.label.to_lowercase(), &pattern.to_lowercase());
            case(format!("LABEL ilike {pattern}"), Sample::LABEL.ilike(pattern), meets)
        }
        18 => match random.below(4) {
            0 => case("NOTE is null".into(), Sample::NOTE.is_null(), |row| row.note.is_none()),
            1 => case("DUE is not null".into(), Sample::DUE.is_not_null(), |row| row.due.is_some()),
            2 => case("OTHER = None".into(), Sample::OTHER.eq(None), |row| row.other.is_none()),
            _ => case("DEPTH <> None".into(), Sample::DEPTH.ne(None), |row| row.depth.is_some()),
        },
        _ => {
            let notes = [maybe(random, text), None];
            let said = format!("NOTE in {notes:?}");
            case(said, Sample::NOTE.in_(notes.clone()), move |row| notes.contains(&row.note))
        }
    }
}

/// A condition with nested conditions, up to a depth.
pub(super) fn condition(random: &mut Random, depth: usize) -> Case {
    if depth == 0 || random.chance(30) {
        return leaf_condition(random);
    }
    let one = condition(random, depth - 1);
    if random.chance(25) {
        return Case {
            filter: !one.filter,
            meets: Box::new(move |row| !(one.meets)(row)),
            said: format!("!({})", one.said),
        };
    }
    let other = condition(random, depth - 1);
    let both = random.chance(50);
    let said = format!("({} {} {})", one.said, if both { "&" } else { "|" }, other.said);
    let filter = match (both, random.chance(50)) {
        (true, true) => one.filter & other.filter,
        (false, true) => one.filter | other.filter,
        (_, false) => {
            let mut filter = one.filter;
            if both {
                filter &= other.filter
            } else {
                filter |= other.filter
            }
            filter
        }
    };
    let (one, other) = (one.meets, other.meets);
    Case {
        filter,
        said,
        meets: Box::new(move |row| if both { one(row) && other(row) } else { one(row) || other(row) }),
    }
}

/// LIKE in Rust, with `\` as the escape character.
fn like(text: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| like(&text[at..], rest.as_str()))
        }
        Some(c) => {
            let wanted = if c == '\\' { rest.next() } else { Some(c) };
            let mut text = text.chars();
            let fits = text.next().is_some_and(|found| c == '_' || wanted == Some(found));
            fits && like(text.as_str(), rest.as_str())
        }
    }
}

/// The order of two samples by a column.
pub(super) type Compare = fn(&Sample, &Sample) -> Ordering;

/// NULL sorts after all other values.
pub(super) fn nulls_last<T: PartialOrd>(one: &Option<T>, other: &Option<T>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.partial_cmp(other).expect("an order"),
        (one, other) => one.is_none().cmp(&other.is_none()),
    }
}
