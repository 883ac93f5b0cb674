//! Candidate values for columns of any type, in the order in which they are tried.

use std::collections::BTreeSet;

use super::{
    catalog::{PgType, Types},
    patterns,
};
use crate::ident::in_double_quotes;

/// The input from which the values of a column are generated.
#[derive(Debug, Clone)]
pub(super) struct Seed {
    /// Identifies the tenant and the row.
    pub(super) mark: String,
    /// The number of the row.
    pub(super) number: u32,
    /// The constants of the check constraints that read the column.
    pub(super) constants: Vec<String>,
}

/// Candidate texts of a type.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The texts that are expected to be valid, in the order in which they are tried.
    pub(super) texts: Vec<String>,
    /// Texts that might be invalid: a cast in the database decides. They are tried after the other texts.
    pub(super) unsure: Vec<String>,
}

impl Seed {
    pub(super) fn new(mark: String, number: u32, conditions: &[&str]) -> Self {
        let constants = conditions.iter().flat_map(|condition| constants(condition)).collect();
        Self { mark, number, constants }
    }
}

/// Returns candidates for a type with its modifier.
pub(super) fn candidates(types: &Types, ty: u32, modifier: i32, seed: &Seed) -> Candidates {
    let mut found = of_type(types, ty, modifier, seed);
    let mut seen = BTreeSet::new();
    found.texts.retain(|text| seen.insert(text.clone()));
    found.unsure.retain(|text| seen.insert(text.clone()));
    found
}

fn of_type(types: &Types, oid: u32, modifier: i32, seed: &Seed) -> Candidates {
    let Some(ty) = types.get(&oid) else { return Candidates::default() };
    let element = |seed: &Seed| candidates(types, ty.element, modifier, seed).all();
    let sure = |texts| Candidates { texts, unsure: Vec::new() };
    match (ty.kind, ty.category) {
        ('e', _) => sure(ty.labels.clone()),
        ('d', _) => {
            let mut seed = seed.clone();
            seed.constants.extend(ty.checks.iter().flat_map(|check| constants(check)));
            // The conditions of the domain decide.
            Candidates { texts: Vec::new(), unsure: candidates(types, ty.base.0, ty.base.1, &seed).all() }
        }
        ('r', _) => {
            let range = |value: &String| {
                [format!("[{0},{0}]", in_double_quotes(value)), format!("[{},)", in_double_quotes(value))]
            };
            let ranges = element(seed).iter().flat_map(range).collect::<Vec<_>>();
            let own = ["(,)", "empty"].map(str::to_owned).into_iter().chain(seed.constants.clone()).collect();
            Candidates { texts: Vec::new(), unsure: [ranges, own].concat() }
        }
        ('m', _) => {
            let range = |value: &String| format!("{{[{0},{0}]}}", in_double_quotes(value));
            let ranges = element(seed).iter().map(range).collect::<Vec<_>>();
            let own = ["{}", "{(,)}"].map(str::to_owned).into_iter().chain(seed.constants.clone()).collect();
            Candidates { texts: Vec::new(), unsure: [ranges, own].concat() }
        }
        ('c', _) => {
            let value = |(ty, modifier): &(u32, i32)| {
                candidates(types, *ty, *modifier, seed)
                    .all()
                    .first()
                    .map_or_else(String::new, |text| in_double_quotes(text))
            };
            let values = ty.attributes.iter().map(value).collect::<Vec<_>>();
            Candidates { texts: Vec::new(), unsure: vec![format!("({})", values.join(","))] }
        }
        (_, 'A') if ty.element != 0 => {
            let elements = element(seed);
            let mut texts: Vec<String> =
                elements.iter().take(1).map(|one| format!("{{{}}}", in_double_quotes(one))).collect();
            texts.push("{}".to_owned());
            texts.extend(
                elements.get(..2).map(|two| format!("{{{},{}}}", in_double_quotes(&two[0]), in_double_quotes(&two[1]))),
            );
            texts.extend(elements.iter().skip(1).take(12).map(|one| format!("{{{}}}", in_double_quotes(one))));
            let is_plain =
                matches!(types.get(&ty.element), Some(element) if element.kind == 'b' && element.checks.is_empty());
            if is_plain && !has_unsure(types, ty.element) {
                Candidates { texts, unsure: seed.constants.clone() }
            } else {
                Candidates { texts: Vec::new(), unsure: [texts, seed.constants.clone()].concat() }
            }
        }
        _ => of_base_type(ty, modifier, seed),
    }
}

/// Returns whether the type has values that only a cast can check.
fn has_unsure(types: &Types, ty: u32) -> bool {
    let seed = Seed { mark: "verify".into(), number: 1, constants: vec!["verify".into()] };
    !of_type(types, ty, -1, &seed).unsure.is_empty()
}

impl Candidates {
    fn all(self) -> Vec<String> {
        [self.texts, self.unsure].concat()
    }
}

fn of_base_type(ty: &PgType, modifier: i32, seed: &Seed) -> Candidates {
    let (n, mark) = (seed.number, seed.mark.as_str());
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    // Adds the constants as texts that a cast has to check, because not every text is valid for the type.
    let and_constants = |texts: Vec<String>| Candidates { texts, unsure: seed.constants.clone() };
    let sure = |texts| Candidates { texts, unsure: Vec::new() };
    let days = |year: u32| format!("{year}-{:02}-{:02}", n / 28 % 12 + 1, n % 28 + 1);
    match ty.name.as_str() {
        "bool" => sure(list(&["true", "false"])),
        "int2" => sure(integers(seed, i64::from(n % 32_000), i64::from(i16::MIN)..=i64::from(i16::MAX))),
        "int4" => sure(integers(seed, i64::from(n), i64::from(i32::MIN)..=i64::from(i32::MAX))),
        "int8" => sure(integers(seed, i64::from(n), i64::MIN..=i64::MAX)),
        "oid" | "xid" | "xid8" | "cid" => sure(vec![n.to_string(), "1".into(), "0".into()]),
        "float4" | "float8" => {
            sure([integers(seed, i64::from(n % 32_000), -9_999_999..=9_999_999), decimals(seed)].concat())
        }
        "numeric" => sure(numerics(seed, modifier)),
        "money" => sure(integers(seed, i64::from(n), 0..=9_999_999)),
        "text" | "citext" => sure(strings(seed, None)),
        "name" => sure(strings(seed, Some(63))),
        "varchar" | "bpchar" => sure(strings(seed, usize::try_from(modifier - 4).ok())),
        "char" => sure((0..26).map(|at| char::from(b'a' + ((n + at) % 26) as u8).to_string()).collect()),
        "uuid" => and_constants(vec![format!("76657269-6679-4000-9000-{n:012}")]),
        "bytea" => {
            let lengths = lengths(seed).map(|length| format!("\\x{n:0>width$x}", width = length * 2));
            let texts = [format!("\\x{n:08x}"), format!("\\x{n:064x}"), String::new()];
            let long = |text: &String| text.len().is_multiple_of(2);
            and_constants(texts.into_iter().chain(lengths).filter(long).collect())
        }
        "date" => and_constants([days(2020), days(2120), days(1980)].into()),
        "timestamp" | "timestamptz" => and_constants([days(2020), days(2120), days(1980)].into()),
        "time" => and_constants(vec![format!("{:02}:{:02}", n / 60 % 24, n % 60), "23:59".into(), "00:00".into()]),
        "timetz" => and_constants(vec![format!("{:02}:{:02}+00", n / 60 % 24, n % 60)]),
        "interval" => and_constants(
            [format!("{n} days")]
                .into_iter()
                .chain(list(&["1 day", "1 hour", "00:00:00", "1 mon", "-1 day"]))
                .collect(),
        ),
        "json" | "jsonb" => {
            let constants = seed.constants.iter().map(|key| serde_json::json!({ key.as_str(): mark }).to_string());
            let plain = [serde_json::json!({ "verify": mark }).to_string(), "{}".into(), "[]".into()];
            let texts = plain.into_iter().chain(constants).chain([n.to_string(), format!("\"{mark}\""), "null".into()]);
            and_constants(texts.collect())
        }
        "jsonpath" => and_constants(vec![format!("$.\"{mark}\"")]),
        "inet" => and_constants(vec![
            format!("10.{}.{}.{}", n / 65_536 % 256, n / 256 % 256, n % 256),
            "2001:db8::1".into(),
            "192.168.0.0/16".into(),
        ]),
        "cidr" => and_constants(vec![
            format!("10.{}.{}.{}/32", n / 65_536 % 256, n / 256 % 256, n % 256),
            "2001:db8::/32".into(),
        ]),
        "macaddr" => {
            and_constants(vec![format!("08:00:2b:{:02x}:{:02x}:{:02x}", n / 65_536 % 256, n / 256 % 256, n % 256)])
        }
        "macaddr8" => and_constants(vec![format!(
            "08:00:2b:01:02:{:02x}:{:02x}:{:02x}",
            n / 65_536 % 256,
            n / 256 % 256,
            n % 256
        )]),
        "bit" => sure(bits(n, usize::try_from(modifier).unwrap_or(1), true)),
        "varbit" => sure(bits(n, usize::try_from(modifier).unwrap_or(16), false)),
        "xml" => and_constants(vec![format!("<verify>{mark}</verify>"), "<verify/>".into()]),
        "tsvector" | "tsquery" => and_constants(vec![format!("'{mark}'")]),
        "point" => and_constants(vec![format!("({n},1)"), "(0,0)".into()]),
        "line" => and_constants(vec![format!("{{1,1,{n}}}")]),
        "lseg" | "path" => and_constants(vec![format!("[(0,0),({n},1)]")]),
        "box" => and_constants(vec![format!("({n},1),(0,0)")]),
        "polygon" => and_constants(vec![format!("((0,0),({n},0),({n},1))")]),
        "circle" => and_constants(vec![format!("<(0,0),{n}>")]),
        "pg_lsn" => sure(vec![format!("0/{n:X}")]),
        "hstore" => and_constants(
            [format!("\"verify\"=>\"{mark}\"")]
                .into_iter()
                .chain(seed.constants.iter().map(|key| format!("{}=>\"{mark}\"", in_double_quotes(key))))
                .chain([String::new()])
                .collect(),
        ),
        "ltree" => and_constants(vec![format!("verify.n{n}"), "verify".into()]),
        "cube" => and_constants(vec![format!("({n}, 1)")]),
        "seg" => and_constants(vec![n.to_string()]),
        "vector" | "halfvec" => {
            let rest = usize::try_from(modifier).unwrap_or(3).max(1) - 1;
            sure(vec![format!("[{}{}]", n % 2_000, ",1".repeat(rest))])
        }
        "sparsevec" => sure(vec![format!("{{1:{}}}/{}", n % 2_000, usize::try_from(modifier).unwrap_or(3).max(1))]),
        _ => Candidates { texts: Vec::new(), unsure: by_category(ty.category, seed) },
    }
}

/// Returns candidates for a type that is not known by its name, such as a type of an extension.
fn by_category(category: char, seed: &Seed) -> Vec<String> {
    let n = seed.number;
    let numbers = || integers(seed, i64::from(n), i64::MIN..=i64::MAX);
    let own = match category {
        'S' => strings(seed, None),
        'N' => numbers(),
        _ => Vec::new(),
    };
    let (longitude, latitude) = (n % 180, n / 180 % 90);
    let shapes = [
        format!("POINT({longitude} {latitude})"),
        format!("SRID=4326;POINT({longitude} {latitude})"),
        format!("LINESTRING(0 0,{longitude} {latitude})"),
        format!("POLYGON((0 0,{longitude} 0,{longitude} 1,0 0))"),
        format!("MULTIPOLYGON(((0 0,{longitude} 0,{longitude} 1,0 0)))"),
        // Book numbers with their check digits.
        "978-0-306-40615-7".to_owned(),
        "0-306-40615-2".to_owned(),
        format!("[{n},1,1]"),
        format!("{n} days"),
        format!("({n},1)"),
        format!("10.0.{}.{}", n / 256 % 256, n % 256),
    ];
    let plain = ["true", "2020-01-01", "[1,2)", "1 m", "{}", "a", "0"].map(str::to_owned);
    let uuid = format!("76657269-6679-4000-9000-{n:012}");
    own.into_iter()
        .chain(seed.constants.clone())
        .chain(strings(seed, None))
        .chain(numbers())
        .chain([uuid])
        .chain(shapes)
        .chain(plain)
        .collect()
}

fn integers(seed: &Seed, first: i64, range: std::ops::RangeInclusive<i64>) -> Vec<String> {
    let near = |text: &String| text.parse::<f64>().ok().map(|n| n as i64);
    let constants = seed.constants.iter().filter_map(near);
    let constants = constants.flat_map(|n| [n, n.saturating_add(1), n.saturating_sub(1)]);
    let inside = constants.clone().map(|n| n.saturating_add(first % 1_000));
    let all = [first].into_iter().chain(constants).chain([1, 0, 10, -1]).chain(inside);
    all.filter(|n| range.contains(n)).map(|n| n.to_string()).collect()
}

/// Returns the constants that are not integers.
fn decimals(seed: &Seed) -> Vec<String> {
    seed.constants.iter().filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite)).cloned().collect()
}

fn numerics(seed: &Seed, modifier: i32) -> Vec<String> {
    let Ok(packed) = u32::try_from(modifier - 4) else {
        return [integers(seed, i64::from(seed.number), i64::MIN..=i64::MAX), decimals(seed)].concat();
    };
    let precision = (packed >> 16) & 0xffff;
    // Eleven bits with a sign.
    let scale = i64::from((packed & 0x7ff) ^ 1_024) - 1_024;
    let digits = i64::from(precision) - scale;
    let limit = 10_f64.powi(i32::try_from(digits.min(300)).unwrap_or(300));
    let fits = |text: &String| text.parse::<f64>().is_ok_and(|n| n.abs() < limit);
    let number = seed.number % 10_u32.saturating_pow(precision.min(9));
    let scaled = match usize::try_from(scale) {
        Ok(scale) if scale > 0 => {
            let text = format!("{number:0>width$}", width = scale + 1);
            let (whole, part) = text.split_at(text.len() - scale);
            format!("{whole}.{part}")
        }
        _ => number.to_string(),
    };
    let all = integers(seed, i64::from(seed.number), i64::MIN..=i64::MAX).into_iter().take(1);
    let others = integers(seed, 1, i64::MIN..=i64::MAX);
    all.chain([scaled]).chain(decimals(seed)).chain(others).filter(fits).collect()
}

fn strings(seed: &Seed, limit: Option<usize>) -> Vec<String> {
    let (mark, n) = (seed.mark.as_str(), seed.number);
    let plain = [
        format!("{mark}@verify.example"),
        format!("https://verify.example/{mark}"),
        format!("P{n}"),
        format!("p{n}"),
        n.to_string(),
        mark.to_uppercase(),
        mark.replace('-', "_"),
    ];
    let samples = seed.constants.iter().flat_map(|text| patterns::samples(text, n, mark));
    let ends = seed.constants.iter().filter(|text| text.len() < 24 && text.parse::<f64>().is_err());
    let ends = ends.flat_map(|text| [format!("{text}{n}"), format!("{n}{text}")]);
    let lengths = lengths(seed).flat_map(|length| {
        [(b'A', 26), (b'a', 26), (b'0', 10)].map(|(first, count)| patterns::word(first, count, length, n))
    });
    let others = ["a", "A", "ab", "AB", "abc", "ABC", "abcd", "+49301234567", "1.0.0", "{}"].map(str::to_owned);
    let short: Vec<String> = match limit {
        Some(limit) if limit < mark.len() => {
            [(b'a', 26), (b'A', 26), (b'0', 10)].map(|(first, count)| patterns::word(first, count, limit, n)).into()
        }
        _ => Vec::new(),
    };
    let all = [mark.to_owned()].into_iter().chain(short).chain(samples).chain(seed.constants.clone());
    let all = all.chain(lengths).chain(plain).chain(others).chain(ends).chain([String::new()]);
    all.filter(|text| limit.is_none_or(|limit| text.chars().count() <= limit)).collect()
}

/// Returns the constants that can be a length, and the adjacent numbers, as for `length(code) > 8`.
fn lengths(seed: &Seed) -> impl Iterator<Item = usize> + use<'_> {
    let numbers = seed.constants.iter().filter_map(|text| text.parse::<usize>().ok());
    numbers.filter(|n| (1..=300).contains(n)).flat_map(|n| [n, n + 1, n - 1]).filter(|n| *n > 0)
}

fn bits(number: u32, length: usize, is_fixed: bool) -> Vec<String> {
    let all = format!("{number:0>width$b}", width = if is_fixed { length } else { 1 });
    let last = all[all.len().saturating_sub(length)..].to_owned();
    if is_fixed { vec![last, "0".repeat(length), "1".repeat(length)] } else { vec![last, "1".into(), String::new()] }
}

/// Returns the string and number constants of an expression.
fn constants(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '\'' || c == '"' || c.is_ascii_digit()) {
        let before = rest[..at].chars().next_back();
        let inner = &rest[at..];
        if let Some(quote @ ('\'' | '"')) = inner.chars().next() {
            // In `E'…'`, a backslash also escapes a character.
            let (value, end) = quoted_text(inner, quote, before.is_some_and(|c| c.eq_ignore_ascii_case(&'e')));
            if quote == '\'' {
                found.push(value);
            }
            rest = &inner[end..];
        } else {
            let end = inner.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(inner.len());
            // A digit within a name does not start a number.
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                found.push(inner[..end].to_owned());
            }
            rest = &inner[end..];
        }
    }
    found
}

/// Returns the content of a quoted text, and the position after the text.
fn quoted_text(text: &str, quote: char, escapes: bool) -> (String, usize) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote && chars.peek().is_none_or(|(_, next)| *next != quote) {
            return (value, at + c.len_utf8());
        }
        let is_escape = c == quote || escapes && c == '\\';
        value.push(if is_escape { chars.next().map_or(c, |(_, next)| next) } else { c });
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_constraint_constants_are_used_as_test_values() {
        assert_eq!(constants("state IN ('new', 'paid') AND col2 BETWEEN 5 AND 10.5"), ["new", "paid", "5", "10.5"]);
        assert_eq!(constants(r#"("a'1" <> 'it''s'::text) AND (b ~ E'\\d+''')"#), ["it's", r"\d+'"]);
    }

    #[test]
    fn numeric_values_fit_precision_and_scale() {
        let seed = Seed { mark: "verify".into(), number: 1_234, constants: vec!["99.5".into(), "100".into()] };
        let modifier = |precision: i32, scale: i32| (precision << 16 | scale) + 4;
        assert_eq!(numerics(&seed, modifier(3, 2))[..2], ["2.34", "1"]);
        assert_eq!(numerics(&seed, modifier(4, 2))[..2], ["12.34", "99.5"]);
        assert_eq!(numerics(&seed, modifier(5, 0))[0], "1234");
    }
}
