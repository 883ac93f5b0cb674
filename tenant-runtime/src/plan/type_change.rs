//! The effect of changing a column's type on its values.

use std::collections::BTreeSet;

/// The effect of a type change on the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeChange {
    /// The values are unchanged, and the table is not read.
    InPlace,
    /// The table is rewritten, and no value is lost.
    Rewrite,
    /// The table is rewritten, and a value that cannot be converted makes the migration fail.
    MayFail,
    /// Values can change: the conversion rounds or truncates them, or this module does not know the conversion.
    Lossy,
    /// PostgreSQL cannot convert the values.
    Unsupported,
}

/// Returns the effect of changing one type to another. `enums` are the enum types of the product.
pub(super) fn type_change(from: &str, to: &str, enums: &BTreeSet<String>) -> TypeChange {
    match (enums.contains(from), enums.contains(to)) {
        (true, _) if to == "text" => return TypeChange::Rewrite,
        (_, true) if from == "text" => return TypeChange::MayFail,
        _ => {}
    }
    if let (Some(from), Some(to)) = (from.strip_suffix("[]"), to.strip_suffix("[]")) {
        return match type_change(from, to, enums) {
            TypeChange::InPlace => TypeChange::Rewrite,
            other => other,
        };
    }
    let ((from, from_size), (to, to_size)) = (parts(from), parts(to));
    if from == to {
        return resized(&from, &from_size, &to_size);
    }
    match (from.as_str(), to.as_str()) {
        ("varchar", "text") => TypeChange::InPlace,
        (citext, "text") | ("text", citext) if citext.ends_with(".citext") => TypeChange::InPlace,
        ("text", "varchar") if to_size.is_empty() => TypeChange::InPlace,
        ("text", "varchar") => TypeChange::Lossy,
        ("smallint", "integer" | "bigint" | "real" | "double precision")
        | ("integer", "bigint" | "double precision")
        | ("real", "double precision")
        | ("date", "timestamp" | "timestamptz")
        | ("boolean", "integer") => TypeChange::Rewrite,
        ("smallint" | "integer" | "bigint", "numeric") if to_size.is_empty() => TypeChange::Rewrite,
        ("smallint" | "integer" | "bigint", "smallint" | "integer" | "numeric") => TypeChange::MayFail,
        ("integer" | "bigint", "real")
        | ("bigint", "double precision")
        | ("real" | "double precision" | "numeric", "smallint" | "integer" | "bigint")
        | ("real" | "double precision" | "numeric", "real" | "double precision" | "numeric")
        | ("integer", "boolean")
        | ("timestamp" | "timestamptz", "date" | "time" | "timestamp" | "timestamptz")
        | ("json" | "jsonb", "json" | "jsonb") => TypeChange::Lossy,
        (from, to) if !(is_known(from) && is_known(to)) => TypeChange::Lossy,
        (_, "text") => TypeChange::Rewrite,
        (_, "varchar") => TypeChange::Lossy,
        ("text" | "varchar", _) => TypeChange::MayFail,
        _ => TypeChange::Unsupported,
    }
}

/// Returns the effect of changing the length or the precision of a type.
fn resized(ty: &str, from: &[u32], to: &[u32]) -> TypeChange {
    match (ty, from, to) {
        _ if from == to => TypeChange::InPlace,
        ("varchar" | "numeric", _, []) => TypeChange::InPlace,
        ("varchar", [from], [to]) if from <= to => TypeChange::InPlace,
        ("numeric", [from, scale], [to, to_scale]) if scale == to_scale && from <= to => TypeChange::InPlace,
        ("numeric", [from, scale], [to, to_scale]) if scale <= to_scale && from + to_scale <= to + scale => {
            TypeChange::Rewrite
        }
        _ => TypeChange::Lossy,
    }
}

/// Returns the name of a type as spelled in this file, and the numbers in its parentheses.
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
    fn type_change_effect_is_known_for_common_types() {
        for (from, to, expected) in [
            ("varchar(10)", "text", TypeChange::InPlace),
            ("character varying(10)", "varchar(20)", TypeChange::InPlace),
            ("varchar(20)", "varchar(10)", TypeChange::Lossy),
            ("numeric(10, 2)", "numeric(12,2)", TypeChange::InPlace),
            ("numeric(10, 2)", "numeric(12,4)", TypeChange::Rewrite),
            ("numeric(10, 2)", "numeric(10,4)", TypeChange::Lossy),
            ("numeric(10)", "numeric", TypeChange::InPlace),
            ("integer", "bigint", TypeChange::Rewrite),
            ("bigint", "int4", TypeChange::MayFail),
            ("text", "uuid", TypeChange::MayFail),
            ("uuid", "text", TypeChange::Rewrite),
            ("uuid", "bigint", TypeChange::Unsupported),
            ("date", "boolean", TypeChange::Unsupported),
            ("app.mood", "app.state", TypeChange::Lossy),
            ("text", "ext.citext", TypeChange::InPlace),
            ("public.citext", "text", TypeChange::InPlace),
            ("integer[]", "bigint[]", TypeChange::Rewrite),
            ("varchar[]", "text[]", TypeChange::Rewrite),
            ("text", "app.kind", TypeChange::MayFail),
            ("app.kind", "text", TypeChange::Rewrite),
            ("app.kind[]", "text[]", TypeChange::Rewrite),
        ] {
            let enums = ["app.kind".to_owned()].into();
            assert_eq!(type_change(from, to, &enums), expected, "{from} -> {to}");
        }
    }
}
