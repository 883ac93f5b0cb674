//! Reads the tables to fill from the catalog: the types of their columns, their defaults and their constraints.

use std::collections::{BTreeMap, BTreeSet};

use super::{VerifyError, session::Session};
use crate::{
    ident::literal,
    model::def::{TableDef, TableName},
};

/// The tables and their types, as in the database.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tables: BTreeMap<(String, String), LiveTable>,
    pub(super) types: Types,
}

/// Types by OID.
pub(super) type Types = BTreeMap<u32, PgType>;

/// A table.
#[derive(Debug, Default)]
pub(super) struct LiveTable {
    pub(super) columns: BTreeMap<String, LiveColumn>,
    /// The constraints and unique indexes, by name.
    pub(super) constraints: BTreeMap<String, Constraint>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct LiveColumn {
    /// The type with its modifier, as SQL.
    pub(super) sql: String,
    pub(super) ty: u32,
    pub(super) modifier: i32,
    /// The default, as SQL; `None` for an identity column and for a generated column.
    pub(super) default: Option<String>,
    /// The columns that the expression of a generated column reads; `None` for other columns.
    pub(super) reads: Option<BTreeSet<String>>,
}

/// A constraint.
#[derive(Debug, Clone)]
pub(super) struct Constraint {
    pub(super) columns: BTreeSet<String>,
    /// The condition of a check constraint.
    pub(super) condition: Option<String>,
}

/// A type.
#[derive(Debug, Clone, Default)]
pub(super) struct PgType {
    pub(super) name: String,
    /// The kind: `b` for a base type, `d` for a domain, `e` for an enum, `r` for a range, `m` for a
    /// multirange, `c` for a composite type.
    pub(super) kind: char,
    pub(super) category: char,
    /// The base type of a domain, with its modifier.
    pub(super) base: (u32, i32),
    /// The type of the elements of an array, or of the bounds of a range.
    pub(super) element: u32,
    /// The labels of an enum.
    pub(super) labels: Vec<String>,
    /// The conditions of a domain.
    pub(super) checks: Vec<String>,
    /// The types of the attributes of a composite type.
    pub(super) attributes: Vec<(u32, i32)>,
}

impl Catalog {
    /// Reads the tables of the given declarations.
    pub(super) async fn read(session: &mut Session, defs: &[&'static TableDef]) -> Result<Self, VerifyError> {
        let list = |texts: BTreeSet<&str>| texts.into_iter().map(literal).collect::<Vec<_>>().join(", ");
        let tables = format!(
            "n.nspname IN ({}) AND c.relname IN ({}) AND c.relkind IN ('r', 'p')",
            list(defs.iter().map(|def| def.name.schema).collect()),
            list(defs.iter().map(|def| def.name.table).collect())
        );
        let mut catalog = Self::default();
        for row in session.rows(&columns_sql(&tables)).await? {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            let (Some(schema), Some(table)) = (next(), next()) else { continue };
            let (Some(name), Some(sql), Some(ty), Some(modifier)) = (next(), next(), number(next()), number(next()))
            else {
                continue;
            };
            let (default, reads) = (next(), next());
            let reads = reads.map(|reads| texts(Some(reads)).into_iter().collect());
            let column = LiveColumn { sql, ty, modifier, default, reads };
            catalog.tables.entry((schema, table)).or_default().columns.insert(name, column);
        }
        for row in session.rows(&constraints_sql(&tables)).await? {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            let (Some(schema), Some(table), Some(name)) = (next(), next(), next()) else { continue };
            let constraint = Constraint { columns: texts(next()).into_iter().collect(), condition: next() };
            let Some(table) = catalog.tables.get_mut(&(schema, table)) else { continue };
            let constraint = table.on_written_columns(constraint);
            table.constraints.insert(name, constraint);
        }
        let used = catalog.tables.values().flat_map(|table| table.columns.values().map(|column| column.ty));
        let used: BTreeSet<u32> = used.collect();
        for row in session.rows(&types_sql(&used)).await? {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            let Some(oid) = number(next()) else { continue };
            let mut ty = PgType { name: next().unwrap_or_default(), ..PgType::default() };
            let mut letter = || next().and_then(|text| text.chars().next()).unwrap_or(' ');
            (ty.kind, ty.category) = (letter(), letter());
            ty.base = (number(next()).unwrap_or_default(), number(next()).unwrap_or(-1));
            ty.element = number(next()).unwrap_or_default();
            (ty.labels, ty.checks) = (texts(next()), texts(next()));
            let pair = |text: &String| {
                let (ty, modifier) = text.split_once(' ')?;
                Some((ty.parse().ok()?, modifier.parse().ok()?))
            };
            ty.attributes = texts(next()).iter().filter_map(pair).collect();
            catalog.types.insert(oid, ty);
        }
        Ok(catalog)
    }

    pub(super) fn table(&self, name: TableName) -> Option<&LiveTable> {
        self.tables.get(&(name.schema.to_owned(), name.table.to_owned()))
    }
}

impl LiveTable {
    /// Returns a constraint with the columns that a generated column reads in place of that column, which no INSERT sets. Its
    /// condition is then tried by inserting rows.
    fn on_written_columns(&self, constraint: Constraint) -> Constraint {
        let reads = |name: &String| self.columns.get(name).and_then(|column| column.reads.as_ref());
        if !constraint.columns.iter().any(|name| reads(name).is_some()) {
            return constraint;
        }
        let written = |name: &String| reads(name).cloned().unwrap_or_else(|| [name.clone()].into());
        Constraint { columns: constraint.columns.iter().flat_map(written).collect(), condition: None }
    }

    /// Returns the check constraints, each with the columns that it reads.
    pub(super) fn checks(&self) -> impl Iterator<Item = (&BTreeSet<String>, &str)> {
        self.constraints.values().filter_map(|constraint| Some((&constraint.columns, constraint.condition.as_deref()?)))
    }

    /// Returns the conditions that read a column.
    pub(super) fn conditions_of(&self, column: &str) -> Vec<&str> {
        self.checks().filter(|(columns, _)| columns.contains(column)).map(|(_, condition)| condition).collect()
    }

    /// Returns the columns that the check constraints connect with the given columns, directly or
    /// through other columns.
    pub(super) fn connected<'c>(&'c self, columns: impl IntoIterator<Item = &'c str>) -> BTreeSet<&'c str> {
        let mut found: BTreeSet<&str> = columns.into_iter().collect();
        loop {
            let before = found.len();
            for (columns, _) in self.checks() {
                if columns.iter().any(|column| found.contains(column.as_str())) {
                    found.extend(columns.iter().map(String::as_str));
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }
}

fn number<N: std::str::FromStr>(text: Option<String>) -> Option<N> {
    text?.parse().ok()
}

/// Returns the texts in a JSON array.
fn texts(json: Option<String>) -> Vec<String> {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

fn columns_sql(tables: &str) -> String {
    format!(
        "SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
             a.atttypid::int8::text, a.atttypmod::text,
             CASE a.attgenerated WHEN '' THEN pg_get_expr(d.adbin, d.adrelid) END,
             CASE WHEN a.attgenerated <> '' THEN (SELECT coalesce(json_agg(DISTINCT r.attname), '[]')
                 FROM pg_depend AS p JOIN pg_attribute AS r ON r.attrelid = p.refobjid AND r.attnum = p.refobjsubid
                 WHERE p.refclassid = 'pg_class'::regclass AND p.refobjid = c.oid AND r.attnum <> a.attnum
                     AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                         OR p.classid = 'pg_class'::regclass AND p.objid = c.oid AND p.objsubid = a.attnum))::text END
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE {tables}"
    )
}

/// Returns the query for the constraints, including the constraints of partitions, because errors can name them.
fn constraints_sql(tables: &str) -> String {
    format!(
        "WITH found AS (
             SELECT n.nspname::text AS schema, c.relname::text AS name, r.relid
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                 JOIN (SELECT oid AS parent, oid AS relid FROM pg_class UNION ALL SELECT inhparent, inhrelid FROM pg_inherits) AS r
                     ON r.parent = c.oid
             WHERE {tables})
         SELECT f.schema, f.name, k.conname::text,
             (SELECT json_agg(a.attname) FROM pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))::text,
             CASE k.contype WHEN 'c' THEN pg_get_expr(k.conbin, k.conrelid) END
         FROM found AS f JOIN pg_constraint AS k ON k.conrelid = f.relid AND k.contype IN ('c', 'u', 'p', 'f', 'x')
         UNION ALL
         SELECT f.schema, f.name, (SELECT x.relname::text FROM pg_class AS x WHERE x.oid = i.indexrelid),
             (SELECT json_agg(DISTINCT a.attname)
              FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
              WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid > 0)::text,
             NULL
         FROM found AS f JOIN pg_index AS i ON i.indrelid = f.relid AND i.indisunique
         WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)"
    )
}

fn types_sql(used: &BTreeSet<u32>) -> String {
    let used = used.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    format!(
        "WITH RECURSIVE needed(id) AS (
             SELECT u.id::oid FROM unnest('{{{used}}}'::int8[]) AS u(id)
             UNION
             SELECT part.id FROM needed JOIN pg_type AS t ON t.oid = needed.id
                 CROSS JOIN LATERAL (
                     SELECT t.typbasetype UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
                     UNION ALL SELECT r.rngsubtype FROM pg_range AS r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
                     UNION ALL SELECT a.atttypid FROM pg_attribute AS a
                         WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                 ) AS part(id)
             WHERE part.id <> 0)
         SELECT t.oid::int8::text, t.typname::text, t.typtype::text, t.typcategory::text, t.typbasetype::int8::text, t.typtypmod::text,
             coalesce((SELECT r.rngsubtype FROM pg_range AS r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)),
                 CASE t.typcategory WHEN 'A' THEN t.typelem ELSE 0 END)::int8::text,
             (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid)::text,
             (SELECT json_agg(pg_get_constraintdef(k.oid)) FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype = 'c')::text,
             (SELECT json_agg(a.atttypid::int8 || ' ' || a.atttypmod ORDER BY a.attnum) FROM pg_attribute AS a
              WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)::text
         FROM needed JOIN pg_type AS t ON t.oid = needed.id"
    )
}
