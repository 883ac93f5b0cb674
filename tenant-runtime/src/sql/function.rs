//! The SQL of functions that run as the definer: their schema, the functions, and who may call them.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{heading, role};
use crate::{
    ident::{Ident, literal},
    model::schema::{Expression, Function, QualifiedName, Returns},
    plan::Plan,
};

/// Makes the functions of a schema.
///
/// Each pins its search_path and qualifies every name, or whoever calls it could put a table of the same name before the one
/// that is meant.
pub(super) fn create(plan: &Plan<'_>, schema: &Ident, functions: &BTreeMap<QualifiedName, Function>) -> String {
    let mut out = heading(&format!("Functions in {schema}"));
    out.push_str("-- They look across what their callers may see, so nobody may call one who is not named.\n");
    out.push_str("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;\n");
    let users = role::lowest_tiers(plan).chain(plan.after.visitor()).chain(plan.after.owner());
    let users: Vec<_> = users.map(|role| role.name.quoted().to_string()).collect();
    let _ = writeln!(out, "GRANT USAGE ON SCHEMA {} TO {};", schema.quoted(), users.join(", "));
    for (name, function) in functions {
        out.push_str(&create_one(name, function));
    }
    out
}

pub(super) fn create_one(name: &QualifiedName, function: &Function) -> String {
    let quoted = name.quoted();
    let returns = match &function.returns {
        Returns::Void => "void".to_owned(),
        Returns::Trigger => "trigger".to_owned(),
        Returns::Value(ty) => ty.to_string(),
        Returns::Rows(columns) => format!("TABLE ({})", named(columns)),
    };
    // What a statement may ask once for all rows, also in parallel workers; what writes may do neither.
    let volatility = if function.stable { "STABLE PARALLEL SAFE" } else { "VOLATILE" };
    let types = function.arguments.iter().map(|(_, ty)| ty.to_string()).collect::<Vec<_>>().join(", ");
    let tag = dollar_tag(&function.body);
    let mut out = format!(
        "
CREATE FUNCTION {quoted}({}) RETURNS {returns}
LANGUAGE plpgsql {volatility} SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS {tag}
{}
{tag};
COMMENT ON FUNCTION {quoted}({types}) IS {};
",
        named(&function.arguments),
        function.body,
        literal(&function.comment)
    );
    if !function.execute.is_empty() {
        let roles: Vec<_> = function.execute.iter().map(|role| role.quoted().to_string()).collect();
        let _ = writeln!(out, "GRANT EXECUTE ON FUNCTION {quoted}({types}) TO {};", roles.join(", "));
    }
    out
}

/// Drops the functions and their schema.
pub(super) fn drop(schema: &Ident, functions: &BTreeMap<QualifiedName, Function>) -> String {
    let mut out = heading(&format!("Functions in {schema}"));
    for (name, function) in functions.iter().rev() {
        let types = function.arguments.iter().map(|(_, ty)| ty.to_string()).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "DROP FUNCTION {}({types});", name.quoted());
    }
    let _ = writeln!(out, "DROP SCHEMA {};", schema.quoted());
    out.push_str("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC;\n");
    out
}

fn named(columns: &[(Ident, Expression)]) -> String {
    columns.iter().map(|(name, ty)| format!("{} {ty}", name.quoted())).collect::<Vec<_>>().join(", ")
}

/// A dollar quote that the body does not hold.
fn dollar_tag(body: &str) -> String {
    let tags = (0..).map(|number| match number {
        0 => "$function$".to_owned(),
        number => format!("$function{number}$"),
    });
    tags.into_iter().find(|tag| !body.contains(tag.as_str())).unwrap_or_default()
}
