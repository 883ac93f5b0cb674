//! The values that the options give, by column or as whole rows, and their JSON form.

use std::{collections::BTreeMap, fmt};

use serde_json::Value as Json;

use super::VerifyError;
use crate::{analyze::list as backticked, ident::edit_distance, model::def::TableDef};

/// The given values, by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GivenValues {
    pub(super) tables: BTreeMap<String, GivenTable>,
}

/// The given values of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GivenTable {
    /// The values of single columns.
    pub(super) columns: BTreeMap<String, Vec<TestValue>>,
    /// Rows, whose values stay together.
    pub(super) rows: Vec<BTreeMap<String, TestValue>>,
}

/// A value of a test row, as text, or NULL.
///
/// ```
/// use tenant_runtime::verify::TestValue;
///
/// assert_eq!(TestValue::from(3), TestValue::from("3"));
/// assert_eq!(TestValue::from(None::<&str>), TestValue::NULL);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestValue(pub(super) Option<String>);

impl TestValue {
    /// NULL.
    pub const NULL: Self = Self(None);
}

macro_rules! from_text {
    ($($ty:ty)*) => {
        $(
            impl From<$ty> for TestValue {
                fn from(value: $ty) -> Self {
                    Self(Some(value.to_string()))
                }
            }
        )*
    };
}

from_text! { &str String &String char bool i16 i32 i64 f64 uuid::Uuid }

impl<T: Into<TestValue>> From<Option<T>> for TestValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

impl GivenValues {
    /// Reads the JSON form.
    pub(super) fn from_json(text: &str) -> Result<Self, VerifyError> {
        let wrong = |reason| VerifyError::Values { reason };
        let json: Json = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let Json::Object(tables) = json else {
            return Err(wrong(format!("expected an object of tables, found {}", shape(&json))));
        };
        let mut given = Self::default();
        for (name, json) in tables {
            let table = given_table(&format!("`{name}`"), json).map_err(wrong)?;
            given.tables.insert(name, table);
        }
        Ok(given)
    }

    /// Adds other values: they replace the values of the same columns, and other rows follow the
    /// rows of the same tables.
    pub(super) fn extend(&mut self, other: Self) {
        for (name, table) in other.tables {
            let own = self.tables.entry(name).or_default();
            own.columns.extend(table.columns);
            own.rows.extend(table.rows);
        }
    }

    /// Checks that the named tables and columns are declared.
    pub(super) fn check(&self, defs: &[&TableDef]) -> Result<(), VerifyError> {
        for (name, table) in &self.tables {
            let Some(def) = defs.iter().find(|def| def.name.to_string() == *name) else {
                let names: Vec<_> = defs.iter().map(|def| def.name.to_string()).collect();
                return Err(unknown(format!("there is no table `{name}`"), name, &names, "the tables are"));
            };
            let rows = table.rows.iter().flat_map(BTreeMap::keys);
            for column in table.columns.keys().chain(rows) {
                let settable = || def.columns.iter().filter(|column| !column.is_computed());
                if !settable().any(|known| known.name == column) {
                    let names: Vec<_> = settable().map(|column| column.name.to_owned()).collect();
                    let what = match def.columns.iter().any(|known| known.name == column) {
                        true => format!("the database sets the column `{column}` of `{name}`"),
                        false => format!("`{name}` has no column `{column}`"),
                    };
                    return Err(unknown(what, column, &names, "its columns are"));
                }
            }
        }
        Ok(())
    }
}

/// Returns how to give values for the columns of a table for which none can be generated.
pub(super) fn help(table: &str, columns: &[String]) -> String {
    let names = backticked(columns.iter().map(String::as_str));
    match columns {
        [column] => format!(
            "give values for {names}, in a JSON file with `--data`: {{\"{table}\": {{\"{column}\": [\"…\", \"…\"]}}}}, or in Rust \
             with `VerifyOptions::values`"
        ),
        [] => format!(
            "give rows in a JSON file with `--data`: {{\"{table}\": [{{\"column\": \"…\"}}]}}, or in Rust with `VerifyOptions::rows`"
        ),
        columns => {
            let values = columns.iter().map(|column| format!("\"{column}\": \"…\"")).collect::<Vec<_>>().join(", ");
            format!(
                "give rows with values for {names}, in a JSON file with `--data`: {{\"{table}\": [{{{values}}}]}}, or in Rust with \
                 `VerifyOptions::rows`"
            )
        }
    }
}

fn unknown(what: String, name: &str, names: &[String], list: &str) -> VerifyError {
    // A table can be named without its schema.
    let is_near = |known: &&String| edit_distance(name, known) <= 2 || known.ends_with(&format!(".{name}"));
    let nearest = names.iter().filter(is_near).min_by_key(|known| edit_distance(name, known));
    let help = match nearest {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("{list} {}", backticked(names.iter().map(String::as_str))),
    };
    VerifyError::UnknownName { what, help }
}

fn given_table(place: &str, json: Json) -> Result<GivenTable, String> {
    let mut table = GivenTable::default();
    match json {
        Json::Object(columns) => {
            for (name, json) in columns {
                let place = format!("{place}.`{name}`");
                let Json::Array(values) = json else {
                    return Err(format!("{place}: expected an array of values, found {}", shape(&json)));
                };
                if values.is_empty() {
                    return Err(format!("{place}: the array is empty"));
                }
                let values = values.into_iter().enumerate();
                let values = values.map(|(at, json)| value(format_args!("{place}[{at}]"), json));
                table.columns.insert(name, values.collect::<Result<_, _>>()?);
            }
        }
        Json::Array(rows) => {
            for (at, json) in rows.into_iter().enumerate() {
                let Json::Object(row) = json else {
                    let found = shape(&json);
                    return Err(format!("{place}[{at}]: expected an object with the values of a row, found {found}"));
                };
                let row = row.into_iter().map(|(name, json)| {
                    let value = value(format_args!("{place}[{at}].`{name}`"), json)?;
                    Ok::<_, String>((name, value))
                });
                table.rows.push(row.collect::<Result<_, _>>()?);
            }
            if table.rows.is_empty() {
                return Err(format!("{place}: the array is empty"));
            }
        }
        other => {
            let found = shape(&other);
            return Err(format!("{place}: expected an object of columns or an array of rows, found {found}"));
        }
    }
    Ok(table)
}

fn value(place: fmt::Arguments<'_>, json: Json) -> Result<TestValue, String> {
    match json {
        Json::Null => Ok(TestValue::NULL),
        Json::String(text) => Ok(TestValue(Some(text))),
        Json::Bool(_) | Json::Number(_) => Ok(TestValue(Some(json.to_string()))),
        other => Err(format!("{place}: expected a string, a number, a boolean or null, found {}", shape(&other))),
    }
}

fn shape(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
