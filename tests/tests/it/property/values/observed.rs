//! The tables and rows of a live database, in the form in which a version predicts them.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::model::{Rows, Value, Version};

/// A table as the catalog and its rows show it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// The type of each column, and whether it is NOT NULL.
    columns: BTreeMap<String, (String, bool)>,
    /// Whether row-level security is enabled and forced.
    is_secured: bool,
    /// The values of the rows, by the name of the column; sorted.
    rows: Vec<BTreeMap<String, Value>>,
}

/// All tables, by name.
pub(super) type Tables = BTreeMap<String, Observed>;

/// Returns the tables that a version predicts.
pub(super) fn predicted(version: &Version, all: &Rows) -> Tables {
    let tables = version.tables.iter().map(|table| {
        let tenant = version.tenant_of_parent(table);
        let row = |row: &super::model::Row| {
            let tenant = tenant.map(|tenant| (tenant.name.to_owned(), version.tenant_of_row(all, table, row)));
            table.columns.iter().map(|column| (column.name.to_owned(), row[&column.id].clone())).chain(tenant).collect()
        };
        let mut rows: Vec<_> = all[&table.id].iter().map(row).collect();
        rows.sort();
        let column = |column: &super::model::Column| {
            (column.name.to_owned(), (column.kind.sql_name().to_owned(), !column.nullable))
        };
        let columns = table.columns.iter().chain(tenant).map(column).collect();
        (table.name.to_owned(), Observed { columns, is_secured: true, rows })
    });
    tables.collect()
}

/// Reads the tables as the superuser, to whom no policy applies.
pub(super) async fn observe(superuser: &mut PgConnection) -> Result<Tables, String> {
    const COLUMNS: &str = "
        SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            c.relrowsecurity AND c.relforcerowsecurity
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r'";
    let told = |error: sqlx::Error| error.to_string();
    let mut tables = Tables::new();
    for row in sqlx::raw_sql(COLUMNS).fetch_all(&mut *superuser).await.map_err(told)? {
        let table: &mut Observed = tables.entry(row.get(0)).or_default();
        table.columns.insert(row.get(1), (row.get(2), row.get(3)));
        table.is_secured = row.get(4);
    }
    for (name, table) in &mut tables {
        let columns: Vec<_> = table.columns.keys().map(|column| format!("\"{column}\"::text")).collect();
        let sql = format!("SELECT {} FROM app.\"{name}\"", columns.join(", "));
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *superuser).await.map_err(told)?;
        let names = table.columns.keys();
        let values = |row: &sqlx::postgres::PgRow| {
            names.clone().enumerate().map(|(at, column)| (column.clone(), row.get(at))).collect()
        };
        table.rows = rows.iter().map(values).collect();
        table.rows.sort();
    }
    Ok(tables)
}

/// Compares what a database holds with what a version predicts.
pub(super) fn compare(found: &Tables, predicted: &Tables) -> Result<(), String> {
    let names = |tables: &Tables| tables.keys().cloned().collect::<Vec<_>>();
    if names(found) != names(predicted) {
        return Err(format!("the tables are {:?}, predicted {:?}", names(found), names(predicted)));
    }
    for (name, table) in predicted {
        let live = &found[name];
        if live.columns != table.columns {
            return Err(format!("{name} has the columns {:?}, predicted {:?}", live.columns, table.columns));
        }
        if live.is_secured != table.is_secured {
            return Err(format!("{name} is not under FORCE ROW LEVEL SECURITY"));
        }
        if live.rows != table.rows {
            let differ = |rows: &[BTreeMap<String, Value>], others: &[BTreeMap<String, Value>]| {
                let lines = rows.iter().filter(|row| !others.contains(row)).take(3).map(|row| format!("\n    {row:?}"));
                lines.collect::<String>()
            };
            let (odd, missing) = (differ(&live.rows, &table.rows), differ(&table.rows, &live.rows));
            return Err(format!("{name} has rows that differ: found{odd}\n  predicted{missing}"));
        }
    }
    Ok(())
}
