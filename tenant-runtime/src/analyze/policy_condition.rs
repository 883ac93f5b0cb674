//! Validates the conditions of policies in attributes.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{BinaryOperator, Expr, Join, JoinOperator, ObjectName, Query, SetExpr, TableFactor, Visit as _, Visitor},
    tokenizer::Token,
};

use super::{
    sql_expr::{calls_caller, contains, parsed},
    sql_tokens::tokens,
};
use crate::model::schema::Expression;

/// A validated condition of a policy, with the relations and columns that it reads.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) expression: Expression,
    /// The parse tree of the text in the attribute, with the calls of `caller()`.
    pub(super) tree: Expr,
    /// The tables that its subqueries read.
    pub(super) relations: Vec<String>,
    /// The columns, each with the qualifier before the dot, if any.
    pub(super) columns: Vec<(Option<String>, String)>,
    /// The operands of the top-level AND.
    pub(super) parts: Vec<String>,
    /// Whether the condition calls `caller()`.
    pub(super) asks_caller: bool,
}

/// Parses text that must be exactly one condition of a policy, in which `caller()` is the ID of the signed-in user.
///
/// Deny by default: the condition can contain columns, constants, operators, calls of allowlisted functions, and
/// subqueries on tables that have policies.
///
/// # Errors
///
/// Returns a predicate that describes the problem, and a help message.
pub(super) fn rule(text: &str, caller: &Expression, protected: &dyn Fn(&str) -> bool) -> Result<Condition, Invalid> {
    const HELP: &str = "write a single SQL condition on the row's columns; `caller()` is the ID of the signed-in user";
    let with_help = |error| (error, HELP.to_owned());
    let text = text.trim();
    let tree = parsed(text).map_err(with_help)?.tree;
    let mut validator = ExprValidator { protected, invalid: None, relations: Vec::new(), columns: Vec::new() };
    let _ = tree.visit(&mut validator);
    if let Some(invalid) = validator.invalid {
        return Err(invalid);
    }
    let expression = Expression::trusted(with_caller(text, caller).map_err(with_help)?);
    let mut parts = Vec::new();
    conjuncts(&tree, &mut parts);
    let asks_caller = calls_caller(&tree);
    let ExprValidator { relations, columns, .. } = validator;
    Ok(Condition { expression, tree, relations, columns, parts, asks_caller })
}

fn conjuncts(expr: &Expr, out: &mut Vec<String>) {
    match expr {
        Expr::Nested(inner) => conjuncts(inner, out),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        other => out.push(other.to_string()),
    }
}

/// The message (a predicate) and the help of an error.
type Invalid = (String, String);

/// The allowlist of functions; each is immutable or stable.
const FUNCTIONS: [&str; 22] = [
    "abs",
    "array_length",
    "btrim",
    "caller",
    "cardinality",
    "ceil",
    "char_length",
    "coalesce",
    "date_trunc",
    "floor",
    "greatest",
    "least",
    "length",
    "lower",
    "ltrim",
    "mod",
    "now",
    "nullif",
    "round",
    "rtrim",
    "starts_with",
    "upper",
];

/// Finds expressions that are not allowed in a policy.
struct ExprValidator<'a> {
    protected: &'a dyn Fn(&str) -> bool,
    invalid: Option<Invalid>,
    relations: Vec<String>,
    columns: Vec<(Option<String>, String)>,
}

/// Rejects a test for absent rows: a row that is hidden by the policies of the other table would count as absent.
fn absence() -> Invalid {
    (
        "could be true if its subquery finds no rows, but the subquery never finds rows that policies hide".into(),
        "test for existing rows with `IN (SELECT …)` or `EXISTS (SELECT …)`, combined only by AND and OR; join tables in the \
         subquery only by inner joins"
            .into(),
    )
}

impl Visitor for ExprValidator<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.columns.push((None, name.value.clone())),
            Expr::CompoundIdentifier(names) => {
                let mut names = names.iter().rev().map(|name| name.value.clone());
                if let Some(column) = names.next() {
                    self.columns.push((names.next(), column));
                }
            }
            _ => {}
        }
        let forbidden_call = match expr {
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                let allowed = || format!("the allowed functions are {}", super::list(FUNCTIONS));
                (!FUNCTIONS.contains(&name.as_str()))
                    .then(|| (format!("calls the function `{name}`, which is not allowed in a condition"), allowed()))
            }
            _ => None,
        };
        self.stop(forbidden_call.or_else(|| inverts(expr).then(absence)))
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.to_string();
        self.relations.push(name.clone());
        let unprotected = !(self.protected)(&name);
        let help = "name a tenant table with its schema, such as `app.projects`: a condition can read only tables \
            whose policies limit the rows to one tenant";
        self.stop(
            unprotected
                .then(|| (format!("reads `{name}`, which is not the qualified name of a tenant table"), help.into())),
        )
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let plain = match &*query.body {
            SetExpr::Select(select) => select.from.iter().all(|from| {
                // A table function has no policies, and its effects are unknown.
                let plain = |table: &TableFactor| {
                    matches!(table, TableFactor::Table { args: None, .. } | TableFactor::Derived { .. })
                };
                let inner = |join: &Join| matches!(join.join_operator, JoinOperator::Join(_) | JoinOperator::Inner(_));
                plain(&from.relation) && from.joins.iter().all(|join| inner(join) && plain(&join.relation))
            }),
            _ => false,
        };
        self.stop((!plain).then(absence))
    }
}

/// Returns whether an expression contains a subquery whose empty result could make the condition true.
///
/// A subquery without rows is NULL, or false for EXISTS and IN. AND and OR cannot turn either into true, and a
/// comparison cannot turn NULL into true; other expressions can.
fn inverts(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(_)
        | Expr::Subquery(_)
        | Expr::AnyOp { .. }
        | Expr::InSubquery { negated: false, .. }
        | Expr::Exists { negated: false, .. }
        | Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } => false,
        Expr::BinaryOp { .. } => contains(expr, |inner| matches!(inner, Expr::Exists { .. } | Expr::InSubquery { .. })),
        expr => contains(expr, |inner| {
            matches!(
                inner,
                Expr::Exists { .. }
                    | Expr::InSubquery { .. }
                    | Expr::Subquery(_)
                    | Expr::AnyOp { .. }
                    | Expr::AllOp { .. }
            )
        }),
    }
}

impl ExprValidator<'_> {
    fn stop(&mut self, invalid: Option<Invalid>) -> ControlFlow<()> {
        match invalid {
            Some(invalid) => {
                self.invalid = Some(invalid);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    }
}

/// Replaces `caller()` with the user ID in the context and keeps all other text, so that the
/// validated text is the text that runs.
fn with_caller(text: &str, caller: &Expression) -> Result<String, String> {
    let tokens = tokens(text).map_err(|error| error.to_string())?;
    let mut out = String::new();
    let mut rest = tokens.iter();
    while let Some((token, text)) = rest.next() {
        match token {
            Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("caller") => {
                let mut call =
                    rest.by_ref().map(|(token, _)| token).filter(|token| !matches!(token, Token::Whitespace(_)));
                if (call.next(), call.next()) != (Some(&Token::LParen), Some(&Token::RParen)) {
                    return Err("contains `caller` without `()`".into());
                }
                out.push_str(&format!("(SELECT {caller})"));
            }
            _ => out.push_str(text),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validated(text: &str) -> Result<String, Invalid> {
        let caller = Expression::trusted("me");
        rule(text, &caller, &|table| table.starts_with("app.")).map(|condition| condition.expression.to_string())
    }

    #[test]
    fn policy_condition_is_kept_except_for_caller() {
        for text in [
            "name <> 'it''s'",
            "name <> 'x'' OR true OR ''y'",
            "name <> E'it\\'s'",
            "\"a\"\"b\" = U&'d\\0061t'",
            "name = $x$a'b$x$ AND n > 1.5e3",
        ] {
            assert_eq!(validated(text), Ok(text.to_owned()));
        }
        assert_eq!(
            validated("name = 'caller()' OR id = Caller ( )"),
            Ok("name = 'caller()' OR id = (SELECT me)".to_owned())
        );
    }

    #[test]
    fn function_in_from_clause_is_rejected() {
        for from in ["LATERAL pg_ls_dir('.') AS f", "app.tasks, LATERAL pg_ls_dir('.')", "app.tasks('.')", "f(1)"] {
            assert!(validated(&format!("EXISTS (SELECT FROM {from})")).is_err(), "{from} passed");
        }
        assert!(
            validated("EXISTS (SELECT FROM (SELECT id FROM app.tasks) AS t JOIN app.projects AS p ON p.id = t.id)")
                .is_ok()
        );
    }

    #[test]
    fn policy_condition_round_trips_through_validation() {
        let written =
            |text: &str| rule(text, &Expression::trusted("USER"), &|_| true).map(|it| it.expression.to_string());
        for text in [
            "name = 'x'' OR true; --'",
            r"name = E'it\'s' OR name = E'\x27 OR true --'",
            "\"na\"\"me\" = $a$it's$a$",
            "name LIKE 'a''b' ESCAPE '''' AND größe = N'ü'",
        ] {
            assert_eq!(written(text), Ok(text.to_owned()));
            let twice = written(&format!("{text}\n  OR ö = Caller\n ( ) OR {text}"));
            assert_eq!(twice, Ok(format!("{text}\n  OR ö = (SELECT USER) OR {text}")));
        }
    }
}
