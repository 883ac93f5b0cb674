//! Parses the SQL expressions that PostgreSQL evaluates on single rows: those of check constraints, of generated columns and of indexes.

use sqlparser::ast::Expr;

use super::{
    expression_columns,
    finding::Findings,
    list,
    sql_expr::{self, Parsed},
    unqualified_names,
};
use crate::{ident::edit_distance, model::def::TableDef};

/// Where an expression is used, for the messages.
pub(super) struct Use {
    /// The attribute, such as `check`.
    pub(super) attribute: &'static str,
    /// The object that evaluates the expression, such as "a check constraint".
    pub(super) object: &'static str,
    /// What to write instead of an invalid expression.
    pub(super) help: &'static str,
    /// What to write instead of a subquery.
    pub(super) help_query: &'static str,
    /// What to write instead of `caller()`.
    pub(super) help_caller: &'static str,
}

impl Use {
    /// The condition of a check constraint.
    pub(super) const CHECK: Self = Self {
        attribute: "check",
        object: "a check constraint",
        help: "write a single SQL condition on the row's columns, such as `length(name) > 0`",
        help_query: "write a condition on the row's columns; `with_check(insert = …, update = …)` accepts subqueries for the rows that \
                     application roles write",
        help_caller: "use `with_check(insert = …, update = …)` for conditions on the user",
    };
    /// The condition of the rows in an index.
    pub(super) const INDEX_CONDITION: Self = Self {
        attribute: "where",
        object: "an index",
        help: "write a single SQL condition on the row's columns, such as `deleted_at IS NULL`",
        help_query: "write a condition on the row's columns",
        help_caller: "remove `caller()`: the index contains the rows of all users",
    };
    /// An expression of an index.
    pub(super) const INDEX_EXPRESSION: Self = Self {
        attribute: "expr",
        object: "an index",
        help: "write a single SQL expression on the row's columns, such as `lower(name)`",
        help_query: "write an expression on the row's columns",
        help_caller: "remove `caller()`: the index contains the rows of all users",
    };
    /// The expression of a generated column.
    pub(super) const GENERATED: Self = Self {
        attribute: "generated",
        object: "a generated column",
        help: "write a single SQL expression on the row's other columns, such as `lower(name)`",
        help_query: "write an expression on the row's other columns; for values of other rows write a trigger in a hand-written \
                     migration, or a query in the app",
        help_caller: "use `owner = \"…\"` on the struct for a column that holds the ID of the user",
    };
}

/// Parses an expression; `None` if PostgreSQL would reject it.
pub(super) fn parse(def: &TableDef, place: &str, at: Use, text: &str, findings: &mut Findings) -> Option<Parsed> {
    let Use { attribute, object, .. } = at;
    let parsed = match sql_expr::parsed(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.error(place, format!("`{attribute} = {text:?}` {error}"), at.help);
            return None;
        }
    };
    let tree = &parsed.tree;
    if sql_expr::has_query(tree) {
        findings.error(
            place,
            format!("`{attribute} = {text:?}` contains a subquery, but {object} can read only its own row"),
            at.help_query,
        );
        return None;
    }
    if sql_expr::calls_caller(tree) {
        findings.error(
            place,
            format!("`{attribute} = {text:?}` calls `caller()`, but {object} does not depend on the user"),
            at.help_caller,
        );
        return None;
    }
    let is_known = check_columns(def, place, attribute, text, tree, findings);
    let unqualified = unqualified_names::in_expression(tree);
    unqualified_names::check(attribute, text, unqualified, place, findings);
    is_known.then_some(parsed)
}

/// Returns whether the table has all columns that an expression reads, and reports the first that it does not have.
fn check_columns(
    def: &TableDef,
    place: &str,
    attribute: &str,
    text: &str,
    expression: &Expr,
    findings: &mut Findings,
) -> bool {
    let is_known = |(qualifier, name): &(Option<String>, String)| {
        qualifier.as_deref().is_none_or(|qualifier| qualifier == def.name.table)
            && def.columns.iter().any(|column| column.name == name)
    };
    let unknown = expression_columns::columns(expression).into_iter().find(|column| !is_known(column));
    let Some((qualifier, name)) = unknown else { return true };
    let columns = || def.columns.iter().map(|column| column.name);
    let nearest = columns().min_by_key(|column| edit_distance(&name, column));
    // A name that differs in more than a third of its letters is another word.
    let nearest = nearest.filter(|column| edit_distance(&name, column) <= name.len().max(column.len()).div_ceil(3));
    let suggestion = nearest.map(|column| format!("did you mean `{column}`? ")).unwrap_or_default();
    let name = qualifier.map_or_else(|| name.clone(), |qualifier| format!("{qualifier}.{name}"));
    findings.error(
        place,
        format!("`{attribute} = {text:?}` reads `{name}`, which is not a column of `{}`", def.name),
        format!("{suggestion}its columns are {}; put text in single quotes", list(columns())),
    );
    false
}

/// Returns the columns that an expression reads, each once, in the order in which the expression names them: the order of the
/// fields has no influence on the name of the constraint.
pub(super) fn columns_once(expression: &Expr) -> Vec<String> {
    let mut columns = Vec::new();
    for (_, column) in expression_columns::columns(expression) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}
