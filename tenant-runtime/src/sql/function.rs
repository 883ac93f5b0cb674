//! The SQL of functions and their EXECUTE grants.

use std::fmt::Write as _;

use crate::{
    ident::{Ident, literal},
    model::schema::{Expression, Function, QualifiedName, Returns, Volatility},
};

/// Creates a function. Only the listed roles get EXECUTE.
///
/// A SECURITY DEFINER function pins its search_path and qualifies every name: otherwise the caller could create a table with the same
/// name in a schema that is searched first.
pub(super) fn create(name: &QualifiedName, function: &Function) -> String {
    define("CREATE", name, function)
}

/// Replaces a function in place, so that policies and triggers that call it stay valid.
pub(super) fn replace(name: &QualifiedName, function: &Function) -> String {
    define("CREATE OR REPLACE", name, function)
}

fn define(create: &str, name: &QualifiedName, function: &Function) -> String {
    let quoted = name.quoted();
    let returns = match &function.returns {
        Returns::Void => "void".to_owned(),
        Returns::Trigger | Returns::NewRow => "trigger".to_owned(),
        Returns::Value(ty) => ty.to_string(),
        Returns::Rows(columns) => format!("TABLE ({})", named(columns)),
    };
    // A function that only reads can be evaluated once per statement and in parallel workers; a function that writes
    // cannot.
    let volatility = match function.volatility {
        Volatility::Immutable => "IMMUTABLE PARALLEL SAFE",
        Volatility::Stable => "STABLE PARALLEL SAFE",
        Volatility::Volatile => "VOLATILE",
    };
    let security = if function.is_security_definer() { "SECURITY DEFINER" } else { "SECURITY INVOKER" };
    let types: Vec<_> = function.arguments.iter().map(|(_, ty)| ty.clone()).collect();
    let settings: String = function.settings().iter().map(|(name, value)| format!(" SET {name} = {value}")).collect();
    let tag = dollar_tag(&function.body);
    let mut out = format!(
        "
{create} FUNCTION {quoted}({}) RETURNS {returns}
LANGUAGE plpgsql {volatility} {security}{settings}
AS {tag}
{}
{tag};
COMMENT ON FUNCTION {} IS {};
",
        named(&function.arguments),
        function.body,
        signature(name, &types),
        literal(&function.comment)
    );
    if !function.execute.is_empty() {
        let roles: Vec<_> = function.execute.iter().map(|role| role.quoted().to_string()).collect();
        let _ = writeln!(out, "GRANT EXECUTE ON FUNCTION {} TO {};", signature(name, &types), roles.join(", "));
    }
    out
}

pub(super) fn drop(name: &QualifiedName, function: &Function) -> String {
    let types: Vec<_> = function.arguments.iter().map(|(_, ty)| ty.clone()).collect();
    format!("DROP FUNCTION {};\n", signature(name, &types))
}

pub(super) fn allow(name: &QualifiedName, arguments: &[Expression], role: &Ident) -> String {
    format!("GRANT EXECUTE ON FUNCTION {} TO {};\n", signature(name, arguments), role.quoted())
}

pub(super) fn forbid(name: &QualifiedName, arguments: &[Expression], role: &Ident) -> String {
    format!("REVOKE EXECUTE ON FUNCTION {} FROM {};\n", signature(name, arguments), role.quoted())
}

fn signature(name: &QualifiedName, arguments: &[Expression]) -> String {
    let types = arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("{}({types})", name.quoted())
}

fn named(columns: &[(Ident, Expression)]) -> String {
    columns.iter().map(|(name, ty)| format!("{} {ty}", name.quoted())).collect::<Vec<_>>().join(", ")
}

/// Returns a dollar-quote tag that does not occur in the body.
fn dollar_tag(body: &str) -> String {
    let tags = (0..).map(|number| match number {
        0 => "$function$".to_owned(),
        number => format!("$function{number}$"),
    });
    tags.into_iter().find(|tag| !body.contains(tag.as_str())).unwrap_or_default()
}
