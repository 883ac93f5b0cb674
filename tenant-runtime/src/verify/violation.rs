//! Differences: what a statement did that the declaration does not mean, and what that comes to.

use std::fmt;

use serde_json::{Value, json};

use super::{
    oracle::{Expected, Outcome},
    principals::NAMES,
    runner::{Probe, Runner},
};
use crate::model::schema::Command;

/// A statement of which something else came than the declaration says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The way that was tried, in a few words.
    pub door: String,
    /// The table, where it is about one.
    pub table: Option<String>,
    /// The command whose rights decide, where it is about one.
    pub command: Option<Command>,
    /// The database role that acted.
    pub role: String,
    /// Who acted, and in which context, in words.
    pub who: String,
    /// The statements that show it, in a transaction.
    pub statement: String,
    /// What the declaration means.
    pub expected: String,
    /// What the database did.
    pub found: String,
    /// What that comes to.
    pub meaning: &'static str,
    /// How many more statements showed the same.
    pub more: usize,
}

impl Violation {
    pub(super) fn new(probe: &Probe<'_>, found: &Outcome, attack: &Runner<'_>) -> Self {
        let acting = probe.acting;
        let told = |outcome: &Outcome| match (outcome, probe.about) {
            (Outcome::Rows(rows), Some((table, _))) => attack.whose(table, rows),
            (outcome, _) => plain(outcome),
        };
        let expected = match &probe.expected {
            Expected::Is(outcome) => told(outcome),
            Expected::OneOf(outcomes) => outcomes.iter().map(told).collect::<Vec<_>>().join(", or "),
            Expected::AtMost(rows) => format!("at most {}", told(&Outcome::Rows(rows.clone()))),
            Expected::Nothing => "nothing".to_owned(),
        };
        let found_text = told(found);
        // The tenant whose rows these are, where it is not the one that acts.
        let own = attack.cast.tenants.iter().position(|key| Some(key) == acting.tenant.as_ref());
        let crosses = !attack.is_administrator(acting)
            && NAMES.iter().enumerate().any(|(tenant, name)| {
                let rows = format!("of tenant {name}");
                Some(tenant) != own && found_text.contains(&rows) && !expected.contains(&rows)
            });
        Self {
            door: probe.door.to_owned(),
            table: probe.about.map(|(table, _)| table.to_string()),
            command: probe.about.map(|(_, command)| command),
            role: acting.role.clone().unwrap_or_else(|| acting.session.clone()),
            who: acting.words(attack.cast),
            statement: format!("BEGIN; {}{}; ROLLBACK;", acting.sql(attack.tenancy), probe.statement),
            meaning: meaning(&probe.expected, found, crosses),
            expected,
            found: found_text,
            more: 0,
        }
    }

    /// Says whether another one shows the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.door, &self.table, self.command, &self.role, self.meaning)
            == (&other.door, &other.table, other.command, &other.role, other.meaning)
    }

    /// Writes the difference as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "door": self.door,
            "table": self.table,
            "command": self.command.map(Command::attribute),
            "role": self.role,
            "who": self.who,
            "statement": self.statement,
            "expected": self.expected,
            "found": self.found,
            "meaning": self.meaning,
            "more": self.more,
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table.as_deref().unwrap_or("the database"))?;
        if let Some(command) = self.command {
            write!(f, ", {}", command.attribute())?;
        }
        writeln!(f, ", by {}: {}", self.role, self.meaning)?;
        writeln!(f, "    tried:    {}, as {}", self.door, self.who)?;
        writeln!(f, "    declared: {}", self.expected)?;
        writeln!(f, "    found:    {}", self.found)?;
        write!(f, "    shown by: {}", self.statement)?;
        if self.more > 0 {
            write!(f, "\n    and by {} more like it", self.more)?;
        }
        Ok(())
    }
}

fn plain(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Denied => "a privilege is missing".to_owned(),
        Outcome::Refused => "refused by row security".to_owned(),
        Outcome::Broken => "refused by a key".to_owned(),
        Outcome::Rows(rows) if rows.is_empty() => "no rows".to_owned(),
        Outcome::Rows(rows) => rows.iter().take(8).cloned().collect::<Vec<_>>().join(", "),
        Outcome::Failed(message) => message.clone(),
    }
}

fn meaning(expected: &Expected, found: &Outcome, crosses: bool) -> &'static str {
    let denied = Expected::Is(Outcome::Denied);
    match found {
        _ if crosses => "rows of another tenant are reached",
        Outcome::Rows(_) if *expected == denied => "a privilege that nobody declared",
        Outcome::Rows(rows) => match expected {
            Expected::Is(Outcome::Rows(wanted)) if rows.is_subset(wanted) => "rows that are declared are not reached",
            Expected::Is(Outcome::Broken) => "a key that should refuse lets it pass",
            Expected::Is(Outcome::Refused) => "a row that row security should refuse is let in",
            _ => "more is reached than is declared",
        },
        Outcome::Denied => "a privilege that is declared is missing",
        _ if *expected == denied => "a privilege that nobody declared, though something else refuses the statement",
        Outcome::Refused => "row security refuses what is declared",
        Outcome::Broken => "a key refuses what is declared",
        Outcome::Failed(_) => "the statement fails, and not as it should",
    }
}
