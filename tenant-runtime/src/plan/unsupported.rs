//! Refusals: changes for which there is no way that keeps the rows, or that take a decision which the models do not tell.

use std::fmt;

use super::type_change::{TypeChange, type_change};
use crate::{
    diff::{Change, SchemaObject},
    model::{
        migration_hints::MigrationHints,
        schema::{Column, QualifiedName, RoleKind, Schema},
    },
};

/// One change that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// Every change that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl std::error::Error for Refusals {}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> =
            self.0.iter().map(|Refusal { what, help }| format!("error: {what}\n  help: {help}")).collect();
        f.write_str(&texts.join("\n\n"))
    }
}

/// Refuses what cannot be planned, all of it at once.
pub(super) fn judge(
    before: &Schema,
    after: &Schema,
    renamed: &Schema,
    changes: &[Change],
    unclear: &[SchemaObject],
    transition: &MigrationHints,
) -> Result<(), Refusals> {
    let mut refusals = Vec::new();
    if let (Some(old), Some(new)) = (before.owner(), after.owner())
        && old.name != new.name
    {
        // Everything belongs to it, in every database of the cluster.
        return Err(Refusals(vec![Refusal {
            what: format!("the roles have another prefix: `{}` was `{}`", new.name, old.name),
            help: "take the old prefix again; or rename the roles by hand (`ALTER ROLE … RENAME TO …`, as the administrator, \
                   while no app is connected) and start a new migrations folder for a new database"
                .to_owned(),
        }]));
    }
    if before.external_roles && !after.external_roles {
        return Err(Refusals(vec![Refusal {
            what: "the roles were made elsewhere, and are to be made by migrations".to_owned(),
            help: "keep `external_roles` in the tenancy; or start a new migrations folder for a new database"
                .to_owned(),
        }]));
    }
    refusals.extend(unclear.iter().map(|item| Refusal {
        what: format!("the sub-query of {item} names what is renamed without saying whose it is"),
        help: "first write the name of the table before each of its columns there (`projects.title`), and generate that migration; \
               then rename"
            .to_owned(),
    }));
    for change in changes {
        refusals.extend(refuse(change, changes, renamed, transition));
    }
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals)) }
}

fn refuse(change: &Change, changes: &[Change], renamed: &Schema, transition: &MigrationHints) -> Option<Refusal> {
    let tenant = |table: &QualifiedName| renamed.tables.get(table).filter(|table| table.partitions.is_some());
    match change {
        Change::Alter { before: SchemaObject::Partitions { .. }, after: SchemaObject::Partitions { table, .. } } => {
            Some(Refusal {
                what: format!("{change}, and PostgreSQL divides no table anew"),
                help: format!(
                    "declare a second struct with the new `partition_by_hash`, copy the rows of `{table}` in a migration of your \
                 own, and drop the old struct; or put the attribute back"
                ),
            })
        }
        Change::Add(SchemaObject::Column { table, column }) if !may_be_added(table, column, transition) => {
            Some(Refusal {
                what: format!(
                    "column `{table}.{}` is new and takes no NULL, and nothing fills it in the rows that are there",
                    column.name
                ),
                help: format!("{}{}", maybe_renamed(table, column, changes), suggestions(column)),
            })
        }
        Change::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: SchemaObject::Column { table, column },
        } if before.ty != column.ty => {
            let place = format!("column `{table}.{}`", column.name);
            if tenant(table).is_some_and(|table| table.tenant_column() == Some(&column.name)) {
                return Some(Refusal {
                    what: format!("{place} has another type, and the table is partitioned by it"),
                    help: "declare a second struct with the new type, and copy the rows in a migration of your own"
                        .to_owned(),
                });
            }
            (type_change(before.ty.as_str(), column.ty.as_str()) == TypeChange::Unsupported).then(|| Refusal {
                what: format!("{place} becomes `{}`, and PostgreSQL makes none of `{}`", column.ty, before.ty),
                help: "give the field another name (`column = \"…\"`), which adds a column beside it; fill that in a \
                       migration of your own, and drop the old one afterwards"
                    .to_owned(),
            })
        }
        Change::Drop(SchemaObject::Role { role, .. })
            if matches!(role.kind, RoleKind::SchemaOwner | RoleKind::Login { .. }) =>
        {
            Some(Refusal {
                what: format!("role `{}` is gone, and everything rests on it", role.name),
                help: "take the old tenancy again, or start a new migrations folder for a new database".to_owned(),
            })
        }
        _ => None,
    }
}

/// Asks whether a column is one that goes, under another name: filled anew, it would lose what that one holds.
fn maybe_renamed(table: &QualifiedName, column: &Column, changes: &[Change]) -> String {
    let gone = changes.iter().filter_map(|change| match change {
        Change::Drop(SchemaObject::Column { table: of, column: gone }) if of == table && gone.ty == column.ty => {
            Some(&gone.name)
        }
        _ => None,
    });
    gone.map(|gone| {
        format!("is it `{gone}` under another name? write `#[tenant(renamed_from = \"{gone}\")]` there; else ")
    })
    .collect()
}

fn may_be_added(table: &QualifiedName, column: &Column, transition: &MigrationHints) -> bool {
    column.nullable
        || column.default.is_some()
        || transition.backfills.contains_key(&(table.clone(), column.name.clone()))
}

fn suggestions(column: &Column) -> String {
    let example = match column.ty.as_str() {
        "text" => "''",
        "boolean" => "false",
        "uuid" => "gen_random_uuid()",
        "timestamptz" | "timestamp" | "date" => "now()",
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => "0",
        _ => "…",
    };
    format!(
        "add `default = \"{example}\"`, which fills every row; or make the field an `Option`; or say what fills the rows that \
         are there, computed from their other columns: `backfill = \"{example}\"`"
    )
}
