//! Validates SQL in attributes by parsing it, so that it cannot end the enclosing statement.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        BinaryOperator, Expr, Join, JoinOperator, ObjectName, Query, SetExpr, TableFactor, Visit as _, Visitor,
        visit_expressions,
    },
    dialect::PostgreSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, Whitespace},
};

use super::sql_tokens::tokens;
use crate::model::schema::Expression;

/// A validated expression with its parse tree, so that each check of the expression need not parse it again.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) expression: Expression,
    pub(super) tree: Expr,
}

/// Parses text that must be exactly one expression, such as the value of `default` or `check`.
///
/// # Errors
///
/// Returns a predicate that describes the problem, such as "contains a `;`".
pub(super) fn parsed(text: &str) -> Result<Parsed, String> {
    whole(text, |parser| parser.parse_expr()).map(|(expression, tree)| Parsed { expression, tree })
}

/// Validates text that must be exactly one expression.
///
/// # Errors
///
/// Those of [`parsed`].
pub(crate) fn expression(text: &str) -> Result<Expression, String> {
    parsed(text).map(|parsed| parsed.expression)
}

/// Parses text that must be exactly one type, such as the value of `sql_type`.
///
/// # Errors
///
/// Returns a predicate that describes the problem, such as "contains a `;`".
pub(crate) fn data_type(text: &str) -> Result<Expression, String> {
    whole(text, |parser| parser.parse_data_type()).map(|(text, _)| text)
}

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
    let asks_caller = contains(&tree, |inner| match inner {
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("caller"),
        _ => false,
    });
    let ExprValidator { relations, columns, .. } = validator;
    Ok(Condition { expression, tree, relations, columns, parts, asks_caller })
}

/// Parses the text of an expression that [`expression`] has accepted.
pub(super) fn parse(text: &str) -> Result<Expr, ParserError> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text)?.parse_expr()
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

/// Returns whether an expression or one of its subexpressions matches.
pub(super) fn contains(expr: &Expr, matches: fn(&Expr) -> bool) -> bool {
    let found = visit_expressions(expr, |inner| match matches(inner) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
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

/// Returns whether PostgreSQL reads a token as the start of a comment, which would extend to the
/// SQL that follows the text.
///
/// In PostgreSQL an operator ends where a comment begins; this tokenizer reads `@--` as one operator.
fn starts_comment(token: &Token, written: &str) -> bool {
    let opaque = match token {
        Token::Word(word) => word.quote_style.is_some(),
        token => written.ends_with('\'') || matches!(token, Token::DollarQuotedString(_)),
    };
    !opaque && (written.contains("--") || written.contains("/*"))
}

fn starts_with_digit(tag: Option<&str>) -> bool {
    tag.is_some_and(|tag| tag.starts_with(|first: char| first.is_ascii_digit()))
}

/// Validates text that must be exactly what `parse` reads, and returns the text with its parse tree.
fn whole<T>(
    text: &str,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<(Expression, T), String> {
    if text.contains('\0') {
        return Err("contains a NUL character, which PostgreSQL cannot store in text".into());
    }
    let dialect = PostgreSqlDialect {};
    let tokens = tokens(text).map_err(|error| format!("is not valid SQL: {error}"))?;
    for (token, written) in &tokens {
        match token {
            Token::SemiColon => return Err("contains a `;`".into()),
            Token::Placeholder(name) => return Err(format!("contains the parameter `{name}`")),
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                return Err("contains a comment".into());
            }
            token if starts_comment(token, written) => return Err("contains a comment".into()),
            // PostgreSQL reads `$` and the digits as a parameter, and does not read the rest as a string.
            Token::DollarQuotedString(string) if starts_with_digit(string.tag.as_deref()) => {
                return Err("is not valid SQL: the tag of a dollar-quoted string begins with a digit".into());
            }
            _ => {}
        }
    }
    let tokens = tokens.into_iter().map(|(token, _)| token).collect();
    let mut parser = Parser::new(&dialect).with_tokens(tokens);
    let tree = parse(&mut parser).map_err(|error| match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => format!("is not valid SQL: {text}"),
        ParserError::RecursionLimitExceeded => "is nested too deeply".into(),
    })?;
    match parser.peek_token().token {
        Token::EOF => Ok((Expression::trusted(text.trim()), tree)),
        token => Err(format!("contains unexpected text, starting with `{token}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_expressions_are_kept_verbatim() {
        for text in [
            "now()",
            "'todo'",
            "gen_random_uuid()",
            "length(name) > 0 AND name <> ''",
            "status IN ('a', 'b')",
            "amount >= 0",
            "'{}'::jsonb",
            "email ~ '^[^@]+@[^@]+$'",
            "now() + interval '7 days'",
            "ARRAY[]::text[]",
            "E'it\\'s'",
            "'--' || \"/*\" || $a$--$a$ || E'/*' || N'--'",
        ] {
            assert_eq!(expression(text).map(|e| e.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn expressions_that_could_end_the_statement_are_rejected() {
        for text in [
            "",
            "1); DROP TABLE app.users; --",
            "1)",
            "(1",
            "'open",
            "1 -- and the rest is a comment",
            "1 /* c */",
            "1, 2",
            "1 AS x",
            "$1 > 0",
            "now(); SELECT 1",
            "$$ open",
            "$1a$ ' $1a$",
            "\"open",
            // PostgreSQL ends an operator where a comment begins.
            "1 @-- 2",
            "a ||-- b",
            "a ->-- b",
            "a ->/* b",
            "a &/* b",
            "a |/*b*/ c",
        ] {
            assert!(expression(text).is_err(), "{text:?} passed");
        }
    }

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
    fn data_type_accepts_exactly_one_type() {
        for text in ["numeric(10, 2)", "citext", "app.status", "text[]", "timestamptz", "varchar(20)"] {
            assert!(data_type(text).is_ok(), "{text:?}: {:?}", data_type(text));
        }
        for text in ["", "text DEFAULT 1", "text, b text", "text)", "text; --"] {
            assert!(data_type(text).is_err(), "{text:?} passed");
        }
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
