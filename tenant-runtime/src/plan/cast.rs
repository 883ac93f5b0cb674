//! What becomes of values when the type of their column changes.

/// What becomes of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    /// They stay as they are, and the table is not even read.
    Free,
    /// Each is written anew, and none is lost.
    Rewrites,
    /// Each is written anew; one that does not fit stops the migration.
    MayFail,
    /// They may come out as others: rounded, cut, or in a way that is not known here.
    Loses,
    /// PostgreSQL has no way.
    Impossible,
}

/// Says what becomes of values of one type in the other.
pub(super) fn cast(from: &str, to: &str) -> Cast {
    let ((from, from_size), (to, to_size)) = (parts(from), parts(to));
    if let (Some(from), Some(to)) = (from.strip_suffix("[]"), to.strip_suffix("[]")) {
        return match cast(from, to) {
            Cast::Free => Cast::Rewrites,
            other => other,
        };
    }
    if from == to {
        return resized(&from, &from_size, &to_size);
    }
    match (from.as_str(), to.as_str()) {
        ("varchar" | "citext", "text") | ("text", "citext") => Cast::Free,
        ("text", "varchar") if to_size.is_empty() => Cast::Free,
        ("text", "varchar") => Cast::Loses,
        ("smallint", "integer" | "bigint" | "real" | "double precision")
        | ("integer", "bigint" | "double precision")
        | ("real", "double precision")
        | ("date", "timestamp" | "timestamptz")
        | ("boolean", "integer") => Cast::Rewrites,
        ("smallint" | "integer" | "bigint", "numeric") if to_size.is_empty() => Cast::Rewrites,
        ("smallint" | "integer" | "bigint", "smallint" | "integer" | "numeric") => Cast::MayFail,
        ("integer" | "bigint", "real")
        | ("bigint", "double precision")
        | ("real" | "double precision" | "numeric", "smallint" | "integer" | "bigint")
        | ("real" | "double precision" | "numeric", "real" | "double precision" | "numeric")
        | ("integer", "boolean")
        | ("timestamp" | "timestamptz", "date" | "time" | "timestamp" | "timestamptz")
        | ("json" | "jsonb", "json" | "jsonb") => Cast::Loses,
        (from, to) if !(is_known(from) && is_known(to)) => Cast::Loses,
        (_, "text") => Cast::Rewrites,
        (_, "varchar") => Cast::Loses,
        ("text" | "varchar", _) => Cast::MayFail,
        _ => Cast::Impossible,
    }
}

/// The same type with another length or precision.
fn resized(ty: &str, from: &[u32], to: &[u32]) -> Cast {
    match (ty, from, to) {
        _ if from == to => Cast::Free,
        ("varchar" | "numeric", _, []) => Cast::Free,
        ("varchar", [from], [to]) if from <= to => Cast::Free,
        ("numeric", [from, scale], [to, to_scale]) if scale == to_scale && from <= to => Cast::Free,
        ("numeric", [from, scale], [to, to_scale]) if scale <= to_scale && from + to_scale <= to + scale => {
            Cast::Rewrites
        }
        _ => Cast::Loses,
    }
}

/// The name of a type as this file writes it, and the numbers in its parentheses.
fn parts(ty: &str) -> (String, Vec<u32>) {
    let (name, size) = match (ty.find('('), ty.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            (format!("{}{}", &ty[..open], &ty[close + 1..]), &ty[open + 1..close])
        }
        _ => (ty.to_owned(), ""),
    };
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let name = match name.as_str() {
        "int2" => "smallint",
        "int4" | "int" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "decimal" => "numeric",
        "bool" => "boolean",
        "character varying" => "varchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        name => name,
    };
    let mut size: Vec<u32> = size.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    if name == "numeric" && size.len() == 1 {
        size.push(0);
    }
    (name.to_owned(), size)
}

fn is_known(ty: &str) -> bool {
    const KNOWN: [&str; 19] = [
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "numeric",
        "text",
        "varchar",
        "bytea",
        "uuid",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "json",
        "jsonb",
        "interval",
        "inet",
    ];
    KNOWN.contains(&ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_values_is_known_for_ordinary_types() {
        for (from, to, expected) in [
            ("varchar(10)", "text", Cast::Free),
            ("character varying(10)", "varchar(20)", Cast::Free),
            ("varchar(20)", "varchar(10)", Cast::Loses),
            ("numeric(10, 2)", "numeric(12,2)", Cast::Free),
            ("numeric(10, 2)", "numeric(12,4)", Cast::Rewrites),
            ("numeric(10, 2)", "numeric(10,4)", Cast::Loses),
            ("numeric(10)", "numeric", Cast::Free),
            ("integer", "bigint", Cast::Rewrites),
            ("bigint", "int4", Cast::MayFail),
            ("text", "uuid", Cast::MayFail),
            ("uuid", "text", Cast::Rewrites),
            ("uuid", "bigint", Cast::Impossible),
            ("date", "boolean", Cast::Impossible),
            ("app.mood", "app.state", Cast::Loses),
            ("integer[]", "bigint[]", Cast::Rewrites),
            ("varchar[]", "text[]", Cast::Rewrites),
        ] {
            assert_eq!(cast(from, to), expected, "{from} -> {to}");
        }
    }
}
