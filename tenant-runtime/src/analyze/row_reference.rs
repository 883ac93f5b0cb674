//! References to the row of an expression by the qualified name of its table, as in `app.notes.title`.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::{
    ast::{Expr, Ident, ObjectName, Query, SetExpr, TableFactor, TableWithJoins, Visit as _, Visitor},
    tokenizer::Location,
};

use super::{sql_expr::parse, sql_tokens::located_tokens};
use crate::model::schema::{Expression, QualifiedName};

/// Replaces the schema in each reference to the row by the qualified name of the table, so that the expression can be used on a
/// table of the same name in another schema. References to the same table in a subquery's FROM stay.
pub(crate) fn in_schema(expression: &Expression, table: &QualifiedName, schema: &str) -> String {
    let text = expression.as_str();
    let (Ok(parsed), Ok(tokens)) = (parse(text), located_tokens(text)) else { return text.to_owned() };
    let mut references = References { table, hides: Vec::new(), schemas: BTreeSet::new() };
    let _ = parsed.visit(&mut references);
    let parts = tokens.iter().map(|(_, part, start)| if references.schemas.contains(start) { schema } else { part });
    parts.collect()
}

/// Finds the schema names in the references to the row.
struct References<'t> {
    table: &'t QualifiedName,
    /// For each subquery around the current position, whether its FROM contains the table under its own name.
    hides: Vec<bool>,
    schemas: BTreeSet<Location>,
}

impl References<'_> {
    fn is_table(&self, schema: &Ident, table: &Ident) -> bool {
        folded(schema) == self.table.schema.as_str() && folded(table) == self.table.table.as_str()
    }

    fn is_read_by(&self, from: &TableWithJoins) -> bool {
        let factors = [&from.relation].into_iter().chain(from.joins.iter().map(|join| &join.relation));
        factors.into_iter().any(|factor| match factor {
            TableFactor::Table { name: ObjectName(parts), alias: None, .. } => {
                let parts: Vec<_> = parts.iter().filter_map(|part| part.as_ident()).collect();
                matches!(parts.as_slice(), [schema, table] if self.is_table(schema, table))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.is_read_by(table_with_joins),
            _ => false,
        })
    }
}

fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

impl Visitor for References<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let hides = match &*query.body {
            SetExpr::Select(select) => select.from.iter().any(|from| self.is_read_by(from)),
            _ => false,
        };
        self.hides.push(hides);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.hides.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expression
            && let [schema, table, _, ..] = parts.as_slice()
            && self.is_table(schema, table)
            && !self.hides.contains(&true)
        {
            self.schemas.insert(schema.span.start);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analyze::sql_expr::expression, ident::Ident};

    #[test]
    fn only_references_to_the_row_get_the_schema() {
        let table = QualifiedName { schema: Ident::derived(["app"]), table: Ident::derived(["notes"]) };
        for (text, expected) in [
            ("app.notes.title <> 'app.notes.title'", "pg_temp.notes.title <> 'app.notes.title'"),
            ("App . \"notes\".title = notes.title", "pg_temp . \"notes\".title = notes.title"),
            ("\"App\".notes.title = other.notes.title", "\"App\".notes.title = other.notes.title"),
            (
                "id IN (SELECT t.note FROM app.tags AS t WHERE t.name = app.notes.title)",
                "id IN (SELECT t.note FROM app.tags AS t WHERE t.name = pg_temp.notes.title)",
            ),
            (
                "id IN (SELECT n.id FROM app.notes AS n WHERE n.title = app.notes.title)",
                "id IN (SELECT n.id FROM app.notes AS n WHERE n.title = pg_temp.notes.title)",
            ),
            (
                "app.notes.id IN (SELECT app.notes.id FROM app.tags AS t JOIN app.notes ON app.notes.id = t.note) AND app.notes.x",
                "pg_temp.notes.id IN (SELECT app.notes.id FROM app.tags AS t JOIN app.notes ON app.notes.id = t.note) AND pg_temp.notes.x",
            ),
        ] {
            assert_eq!(in_schema(&expression(text).expect("valid"), &table, "pg_temp"), expected);
        }
    }
}
