//! Finds names of types and functions that are written without a schema and are not PostgreSQL's own. Migrations read such names
//! only in `pg_catalog`, so that no `search_path` decides which type or function is meant.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{DataType, Expr, ObjectName, visit_expressions},
    dialect::PostgreSqlDialect,
    parser::Parser,
};

use super::finding::Findings;
use crate::model::schema::Expression;

/// The types in `pg_catalog` that the parser does not know by name.
const TYPES: [&str; 66] = [
    "aclitem",
    "bit",
    "bool",
    "box",
    "bpchar",
    "char",
    "cid",
    "cidr",
    "circle",
    "date",
    "datemultirange",
    "daterange",
    "float4",
    "float8",
    "inet",
    "int2",
    "int2vector",
    "int4",
    "int4multirange",
    "int4range",
    "int8",
    "int8multirange",
    "int8range",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "numeric",
    "nummultirange",
    "numrange",
    "oid",
    "oidvector",
    "path",
    "pg_lsn",
    "pg_snapshot",
    "point",
    "polygon",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "tid",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "varbit",
    "xid",
    "xid8",
    "xml",
];

/// Functions of widely used extensions.
const EXTENSION_FUNCTIONS: [(&str, &[&str]); 8] = [
    (
        "uuid-ossp",
        &[
            "uuid_generate_v1",
            "uuid_generate_v1mc",
            "uuid_generate_v3",
            "uuid_generate_v4",
            "uuid_generate_v5",
            "uuid_nil",
        ],
    ),
    (
        "pgcrypto",
        &["armor", "crypt", "digest", "gen_random_bytes", "gen_salt", "hmac", "pgp_sym_encrypt", "pgp_sym_decrypt"],
    ),
    ("unaccent", &["unaccent"]),
    ("hstore", &["hstore", "akeys", "avals"]),
    ("ltree", &["subltree", "subpath", "nlevel", "text2ltree", "lca"]),
    ("pg_trgm", &["similarity", "word_similarity", "show_trgm"]),
    ("fuzzystrmatch", &["levenshtein", "soundex", "metaphone", "dmetaphone"]),
    ("postgis", &["st_makepoint", "st_setsrid", "st_point", "st_geomfromtext", "st_isvalid"]),
];

/// Reports an unqualified name in the value of an attribute.
pub(super) fn check(
    attribute: &str,
    text: &str,
    found: Option<(String, String)>,
    place: &str,
    findings: &mut Findings,
) {
    if let Some((name, qualified)) = found {
        findings.error(
            place,
            format!("`{attribute} = {text:?}`: `{name}` has no schema and is not PostgreSQL's own"),
            format!(
                "migrations read names without a schema only in `pg_catalog`; write the schema, such as {qualified}"
            ),
        );
    }
}

/// Returns the first unqualified name in a parsed expression that is not PostgreSQL's own, and how to write it.
pub(super) fn in_expression(parsed: &Expr) -> Option<(String, String)> {
    let mut found = None;
    let _ = visit_expressions(parsed, |inner| {
        found = match inner {
            Expr::Function(function) => single(&function.name).and_then(|name| {
                let extension = EXTENSION_FUNCTIONS.iter().find(|(_, names)| names.contains(&name.as_str()))?.0;
                Some((
                    name.clone(),
                    format!("`public.{name}(…)` if the extension `{extension}` is in the schema `public`"),
                ))
            }),
            Expr::Cast { data_type, .. } => of_type(data_type),
            _ => None,
        };
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found
}

/// Returns the name of a type if it is unqualified and not PostgreSQL's own, and how to write it.
pub(super) fn in_type(text: &Expression) -> Option<(String, String)> {
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text.as_str()).ok()?;
    of_type(&parser.parse_data_type().ok()?)
}

/// Returns the schema and the name of a type that is written with its schema, or of the elements of an array.
pub(super) fn qualified_type(text: &Expression) -> Option<(String, String)> {
    use sqlparser::ast::ArrayElemTypeDef::SquareBracket;
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text.as_str()).ok()?;
    let mut ty = parser.parse_data_type().ok()?;
    while let DataType::Array(SquareBracket(inner, _)) = ty {
        ty = *inner;
    }
    let DataType::Custom(name, _) = ty else { return None };
    let [schema, name] = &name.0[..] else { return None };
    Some((folded(schema.as_ident()?), folded(name.as_ident()?)))
}

fn of_type(ty: &DataType) -> Option<(String, String)> {
    use sqlparser::ast::ArrayElemTypeDef::{AngleBracket, Parenthesis, SquareBracket};
    match ty {
        DataType::Custom(name, _) => {
            let name = single(name).filter(|name| !TYPES.contains(&name.as_str()))?;
            Some((name.clone(), format!("`public.{name}` if it is in the schema `public`")))
        }
        DataType::Array(AngleBracket(inner) | SquareBracket(inner, _) | Parenthesis(inner)) => of_type(inner),
        _ => None,
    }
}

/// Returns the name, as PostgreSQL reads it, if it has no schema.
fn single(name: &ObjectName) -> Option<String> {
    let [part] = &name.0[..] else { return None };
    Some(folded(part.as_ident()?))
}

/// Returns a name as PostgreSQL reads it.
fn folded(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::{super::sql_expr, *};

    #[test]
    fn types_that_are_not_in_pg_catalog_need_a_schema() {
        let found = |text| in_type(&sql_expr::data_type(text).expect("valid")).map(|(name, _)| name);
        for own in [
            "text",
            "numeric(10, 2)",
            "timestamptz",
            "varchar(20)[]",
            "inet",
            "tsvector",
            "int4range",
            "bit(3)",
            "money[]",
        ] {
            assert_eq!(found(own), None, "{own}");
        }
        for qualified in ["public.citext", "app.status[]", "\"Odd\".\"type\""] {
            assert_eq!(found(qualified), None, "{qualified}");
        }
        for other in ["citext", "citext[]", "\"Status\"", "geometry", "vector(3)"] {
            assert!(found(other).is_some(), "{other}");
        }
    }

    #[test]
    fn functions_and_casts_in_expressions_need_a_schema() {
        let found = |text| in_expression(&sql_expr::parsed(text).expect("valid").tree).map(|(name, _)| name);
        for fine in ["now()", "gen_random_uuid()", "'a'::text", "public.uuid_generate_v4()", "x::public.citext = 'a'"] {
            assert_eq!(found(fine), None, "{fine}");
        }
        assert_eq!(found("lower(unaccent(name)) <> ''").as_deref(), Some("unaccent"));
        assert_eq!(found("uuid_generate_v4()").as_deref(), Some("uuid_generate_v4"));
        assert_eq!(found("name::citext = 'a'").as_deref(), Some("citext"));
    }
}
