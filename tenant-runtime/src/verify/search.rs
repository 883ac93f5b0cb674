//! The search for the values of a row: the columns that a constraint names change together, and no combination is tried twice.

use std::collections::{BTreeMap, BTreeSet};

use super::{VerifyError, catalog::LiveTable, session::Session};
use crate::ident::{literal, quoted};

/// A value in an INSERT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The column's default.
    Default,
    Null,
    Text(String),
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl Value {
    pub(super) fn sql(&self) -> String {
        match self {
            Self::Default => "DEFAULT".to_owned(),
            Self::Null => "NULL".to_owned(),
            Self::Text(text) => literal(text),
        }
    }
}

/// Columns whose values change together.
#[derive(Debug)]
struct Variable {
    columns: Vec<&'static str>,
    options: Vec<Vec<Value>>,
    at: usize,
}

/// The search for one row.
#[derive(Debug, Default)]
pub(super) struct Search {
    variables: Vec<Variable>,
    /// The candidates of each column, in the order of attempts.
    candidates: BTreeMap<&'static str, Vec<Value>>,
    /// Columns that keep their default or NULL until a constraint names them.
    pub(super) deferred: BTreeSet<&'static str>,
    /// Columns whose values come from whole given rows.
    from_rows: BTreeSet<&'static str>,
    tried: BTreeSet<String>,
}

/// The result of asking the database for combinations that satisfy the check constraints.
#[derive(Debug)]
pub(super) enum Solutions {
    /// Combinations were found; the first one is in use.
    Found,
    /// No combination of the candidates satisfies the check constraints.
    Missing,
    /// A condition fails for some values, or there are too many combinations.
    Unknown,
}

/// The maximum number of combinations that are compared, of candidates of a column in larger searches, and of solutions.
const COMBINATIONS: usize = 60_000;
const CANDIDATES: usize = 40;
const SOLUTIONS: usize = 120;
/// The maximum number of columns in one search.
const COLUMNS: usize = 10;

impl Search {
    /// Sets the candidates of a column.
    pub(super) fn set(&mut self, column: &'static str, candidates: Vec<Value>) {
        self.deferred.remove(column);
        self.variables.retain(|variable| variable.columns != [column]);
        let options = candidates.iter().map(|value| vec![value.clone()]).collect();
        self.variables.push(Variable { columns: vec![column], options, at: 0 });
        self.candidates.insert(column, candidates);
    }

    /// Sets whole rows as the candidates of some columns.
    pub(super) fn set_rows(&mut self, columns: Vec<&'static str>, rows: Vec<Vec<Value>>) {
        self.from_rows.extend(columns.iter().copied());
        self.variables.push(Variable { columns, options: rows, at: 0 });
    }

    /// Returns the columns with their current values.
    pub(super) fn values(&self) -> Vec<(&'static str, &Value)> {
        let variables = self.variables.iter().filter(|variable| !variable.options.is_empty());
        variables.flat_map(|variable| variable.columns.iter().copied().zip(&variable.options[variable.at])).collect()
    }

    /// Returns whether the current values were not tried before, and remembers these values.
    pub(super) fn is_new(&mut self) -> bool {
        let key = format!("{:?}", self.values());
        self.tried.insert(key)
    }

    /// Advances to a combination that was not tried, by changing the columns that match; returns false if there is none.
    pub(super) fn advance(&mut self, is_blamed: &dyn Fn(&str) -> bool) -> bool {
        let free: Vec<usize> = (0..self.variables.len())
            .filter(|at| {
                let variable = &self.variables[*at];
                variable.options.len() > 1 && variable.columns.iter().any(|column| is_blamed(column))
            })
            .collect();
        for _ in 0..COMBINATIONS / 10 {
            let mut has_next = false;
            for at in &free {
                let variable = &mut self.variables[*at];
                variable.at += 1;
                if variable.at < variable.options.len() {
                    has_next = true;
                    break;
                }
                variable.at = 0;
            }
            if !has_next {
                return false;
            }
            if self.is_new() {
                return true;
            }
        }
        false
    }

    /// Asks the database for combinations of the candidates that satisfy all checks on the given
    /// columns. `turn` chooses among the combinations of columns that are NULL.
    pub(super) async fn solve(
        &mut self,
        session: &mut Session,
        live: &LiveTable,
        columns: &BTreeSet<&'static str>,
        turn: Option<usize>,
    ) -> Result<Solutions, VerifyError> {
        let present: BTreeMap<_, Value> =
            self.values().into_iter().map(|(name, value)| (name, value.clone())).collect();
        let known = columns.iter().copied().filter(|column| live.columns.contains_key(*column));
        let mut lists: Vec<(&'static str, Vec<Value>)> = known
            .map(|column| {
                let is_given = self.from_rows.contains(column);
                let list = self.candidates.get(column).filter(|list| !is_given && !list.is_empty()).cloned();
                (column, list.unwrap_or_else(|| vec![present.get(column).cloned().unwrap_or(Value::Default)]))
            })
            .collect();
        if lists.len() > COLUMNS {
            return Ok(Solutions::Unknown);
        }
        let product = |lists: &[(&str, Vec<Value>)]| {
            lists.iter().fold(1_usize, |product, (_, list)| product.saturating_mul(list.len()))
        };
        // Checks each column by itself first, so that fewer combinations remain.
        for (column, list) in &mut lists {
            if list.len() > 1
                && let Some(found) = rows(session, live, &[(*column, list.clone())], false).await?
            {
                *list = found.into_iter().filter_map(|(_, at)| list.get(*at.first()?).cloned()).collect();
            }
        }
        if lists.iter().any(|(_, list)| list.is_empty()) {
            return Ok(Solutions::Missing);
        }
        let is_small = product(&lists) <= COMBINATIONS;
        if !is_small {
            lists.iter_mut().for_each(|(_, list)| shorten(list));
        }
        let Some(found) = rows(session, live, &lists, is_small).await? else { return Ok(Solutions::Unknown) };
        let patterns = found.iter().filter(|(rank, _)| *rank == 1).count();
        let free: Vec<usize> = (0..lists.len()).filter(|at| !self.from_rows.contains(lists[*at].0)).collect();
        let option = |at: &Vec<usize>| free.iter().map(|place| lists[*place].1[at[*place]].clone()).collect::<Vec<_>>();
        let mut options: Vec<Vec<Value>> = found.iter().map(|(_, at)| option(at)).collect();
        if let Some(turn) = turn
            && patterns > 1
        {
            options[..patterns].rotate_left(turn % patterns);
        }
        if options.is_empty() {
            return Ok(if is_small { Solutions::Missing } else { Solutions::Unknown });
        }
        self.merge(free.iter().map(|at| lists[*at].0).collect(), options);
        Ok(Solutions::Found)
    }

    /// Replaces the variables of the given columns with one variable.
    fn merge(&mut self, columns: Vec<&'static str>, options: Vec<Vec<Value>>) {
        let (replaced, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.variables)
            .into_iter()
            .partition(|variable| variable.columns.iter().any(|column| columns.contains(column)));
        self.variables = kept;
        for column in replaced.iter().flat_map(|variable| &variable.columns).filter(|column| !columns.contains(column))
        {
            let options = self.candidates.get(column).into_iter().flatten().map(|value| vec![value.clone()]).collect();
            self.variables.push(Variable { columns: vec![column], options, at: 0 });
        }
        self.variables.push(Variable { columns, options, at: 0 });
    }
}

/// Shortens a list of candidates; NULL and the default remain.
fn shorten(list: &mut Vec<Value>) {
    let mut at = 0;
    list.retain(|value| {
        at += 1;
        at <= CANDIDATES || !matches!(value, Value::Text(_))
    });
}

/// Returns the places of the candidates in each combination that satisfies the checks, with its
/// rank among the combinations with the same columns NULL; `None` if a condition fails.
async fn rows(
    session: &mut Session,
    live: &LiveTable,
    lists: &[(&str, Vec<Value>)],
    is_ranked: bool,
) -> Result<Option<Vec<(usize, Vec<usize>)>>, VerifyError> {
    let mut tables = Vec::new();
    for (number, (column, list)) in lists.iter().enumerate() {
        let Some(live) = live.columns.get(*column) else { return Ok(None) };
        let value = |value: &Value| match (value, &live.default) {
            (Value::Default, Some(default)) => format!("({default})::{}", live.sql),
            (Value::Default | Value::Null, _) => format!("NULL::{}", live.sql),
            (Value::Text(text), _) => format!("{}::{}", literal(text), live.sql),
        };
        let values = list.iter().enumerate().map(|(at, one)| format!("({at}, {})", value(one))).collect::<Vec<_>>();
        tables.push(format!("(VALUES {}) AS t{number}(\"verify at\", {})", values.join(", "), quoted(column)));
    }
    let is_inside =
        |columns: &BTreeSet<String>| columns.iter().all(|column| lists.iter().any(|(own, _)| own == column));
    let conditions = live.checks().filter(|(columns, _)| is_inside(columns));
    let conditions = conditions.map(|(_, condition)| format!("({condition}) IS NOT FALSE")).collect::<Vec<_>>();
    let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    let places = (0..lists.len()).map(|at| format!("t{at}.\"verify at\"")).collect::<Vec<_>>();
    let nulls = lists.iter().map(|(column, _)| format!("{} IS NULL", quoted(column))).collect::<Vec<_>>().join(", ");
    let asked = if is_ranked {
        let cost = places.join(" + ");
        format!(
            "SELECT rank::text, places::text FROM (SELECT ARRAY[{0}] AS places, {cost} AS cost, \
                 row_number() OVER (PARTITION BY {nulls} ORDER BY {cost}, {0}) AS rank FROM {1} WHERE {conditions}) AS found \
             ORDER BY rank, cost, places LIMIT {SOLUTIONS}",
            places.join(", "),
            tables.join(", ")
        )
    } else {
        let limit = if lists.len() == 1 { String::new() } else { format!(" LIMIT {SOLUTIONS}") };
        format!("SELECT '0', ARRAY[{}]::text FROM {} WHERE {conditions}{limit}", places.join(", "), tables.join(", "))
    };
    let asked = format!("SAVEPOINT new_row; SET LOCAL statement_timeout = '3s'; {asked}");
    let found = session.try_rows(&asked).await?;
    session.run("ROLLBACK TO new_row").await?;
    let Ok(found) = found else { return Ok(None) };
    let read = |row: Vec<Option<String>>| {
        let [Some(rank), Some(places)] = row.as_slice() else { return None };
        let places = places.trim_matches(['{', '}']).split(',').map(|place| place.parse().ok());
        Some((rank.parse().ok()?, places.collect::<Option<Vec<usize>>>()?))
    };
    Ok(Some(found.into_iter().filter_map(read).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_changes_blamed_columns_and_repeats_no_combination() {
        let values = |texts: &[&str]| texts.iter().map(|text| Value::Text((*text).to_owned())).collect::<Vec<_>>();
        let mut search = Search::default();
        search.set("a", values(&["1", "2"]));
        search.set("b", values(&["x", "y"]));
        search.set("c", values(&["only"]));
        assert!(search.is_new() && !search.is_new());
        let mut seen = Vec::new();
        while search.advance(&|column| column == "a") || search.advance(&|_| true) {
            seen.push(search.values().iter().map(|(_, value)| value.sql()).collect::<String>());
        }
        assert_eq!(seen, ["'2''x''only'", "'1''y''only'", "'2''y''only'"]);
    }
}
