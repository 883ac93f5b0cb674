//! The plan: changes in an order in which they can be made, each with who makes it and what caused it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diff::{Change, diff},
    ident::Ident,
    model::{
        def::TimeoutsDef,
        schema::{ForeignKey, Function, QualifiedName, Role, RoleKind, Schema, Table},
    },
};

/// Ordered steps from one schema to another.
#[derive(Debug, Clone)]
pub struct Plan<'s> {
    pub(crate) after: &'s Schema,
    pub(crate) owner: &'s Ident,
    pub(crate) steps: Vec<Step<'s>>,
}

impl Plan<'_> {
    /// Returns the steps in their order.
    #[must_use]
    pub fn steps(&self) -> &[Step<'_>] {
        &self.steps
    }

    /// Says whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns a few words for the file name, such as `init` or `add_invoices`.
    #[must_use]
    pub fn description(&self) -> String {
        let from_nothing =
            self.steps.iter().any(|step| matches!(step, Step::CreateRoles { .. } | Step::RequireRoles { .. }));
        let mut tables = self.steps.iter().filter_map(|step| match step {
            Step::CreateTable { name, .. } => Some(name.table.as_str()),
            _ => None,
        });
        match (from_nothing, tables.next(), tables.next()) {
            (false, Some(table), None) => format!("add_{table}"),
            (false, Some(_), Some(_)) => "add_tables".to_owned(),
            _ => "init".to_owned(),
        }
    }
}

/// One step: it can be undone, and it leaves nothing readable by more than before or after.
#[derive(Debug, Clone)]
pub enum Step<'s> {
    /// Makes the roles and who belongs to whom.
    CreateRoles {
        /// Every role.
        roles: &'s [Role],
    },
    /// Makes sure that something else made the roles as they must be, and who belongs to whom.
    RequireRoles {
        /// Every role.
        roles: &'s [Role],
    },
    /// Takes from PUBLIC what PostgreSQL gives it in a new database.
    LockDatabase {
        /// The login, which alone may connect.
        login: &'s Ident,
    },
    /// Says how long the app's sessions may hold the server up.
    SetTimeouts {
        /// The login.
        login: &'s Ident,
        /// The timeouts.
        timeouts: TimeoutsDef,
    },
    /// Makes a schema.
    CreateSchema {
        /// The schema.
        schema: &'s Ident,
        /// The role that owns it from its first moment.
        owner: &'s Ident,
    },
    /// Lets the tiers use a schema.
    OpenSchema {
        /// The schema.
        schema: &'s Ident,
    },
    /// Takes from PUBLIC what it would get on things that the owner makes later.
    LockDefaults,
    /// Makes the schema of the functions, and the functions in it. They come before the tables, whose policies call them;
    /// their bodies are looked at only when they run.
    CreateFunctions {
        /// The role that owns them.
        definer: &'s Ident,
        /// The schema.
        schema: &'s Ident,
        /// The functions by name.
        functions: &'s BTreeMap<QualifiedName, Function>,
    },
    /// Makes a table with its keys and indexes. It is under row level security without a policy, so nobody sees a row.
    CreateTable {
        /// The name.
        name: &'s QualifiedName,
        /// The table.
        table: &'s Table,
        /// Its foreign keys whose targets exist by now.
        foreign_keys: Vec<&'s ForeignKey>,
    },
    /// Lets the roles at a table: policies first, grants last. All tables are there by then, for policies that ask others.
    OpenTable {
        /// The name.
        name: &'s QualifiedName,
        /// The table.
        table: &'s Table,
    },
    /// Adds a foreign key whose target was made after the table.
    AddForeignKey {
        /// The table.
        name: &'s QualifiedName,
        /// The foreign key.
        key: &'s ForeignKey,
    },
}

impl Step<'_> {
    /// Says who makes the step.
    #[must_use]
    pub fn actor(&self) -> Actor<'_> {
        match self {
            Self::CreateRoles { .. }
            | Self::RequireRoles { .. }
            | Self::LockDatabase { .. }
            | Self::SetTimeouts { .. }
            | Self::CreateSchema { .. } => Actor::Administrator,
            Self::CreateFunctions { definer, .. } => Actor::Definer(definer),
            Self::OpenSchema { .. }
            | Self::LockDefaults
            | Self::CreateTable { .. }
            | Self::AddForeignKey { .. }
            | Self::OpenTable { .. } => Actor::Owner,
        }
    }
}

/// Who makes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'s> {
    /// The one who applies the migration.
    Administrator,
    /// The role that owns the tables.
    Owner,
    /// The role that owns the functions. What it makes, it owns: giving things away takes a superuser.
    Definer(&'s Ident),
}

/// Changes for which this version has no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", changes.join("\n"))]
pub struct Unplanned {
    /// What has changed, a sentence fragment each.
    pub changes: Vec<String>,
}

/// Plans the way from one schema to another.
///
/// # Errors
///
/// When something changed in a way for which there is no plan: this version plans what is new, not what is altered or gone.
pub fn plan<'s>(before: &'s Schema, after: &'s Schema) -> Result<Plan<'s>, Unplanned> {
    let changes = diff(before, after);
    let from_nothing = *before == Schema::default();
    let unplanned: Vec<_> = changes
        .iter()
        .filter(|change| match change {
            Change::AddSchema(_) | Change::AddTable { .. } => false,
            Change::AddRole(_) | Change::AddFunction { .. } => !from_nothing,
            _ => true,
        })
        .map(ToString::to_string)
        .collect();
    let Some(owner) = after.owner().filter(|_| unplanned.is_empty()) else {
        return Err(Unplanned { changes: unplanned });
    };
    let mut steps = Vec::new();
    if from_nothing {
        steps.push(match after.external_roles {
            true => Step::RequireRoles { roles: &after.roles },
            false => Step::CreateRoles { roles: &after.roles },
        });
        if let Some(Role { name: login, kind: RoleKind::Login { timeouts, .. } }) = after.login() {
            steps.push(Step::LockDatabase { login });
            if !after.external_roles {
                steps.push(Step::SetTimeouts { login, timeouts: *timeouts });
            }
        }
    }
    if from_nothing && let (Some(definer), Some((name, _))) = (after.definer(), after.functions.first_key_value()) {
        let (definer, schema) = (&definer.name, &name.schema);
        steps.push(Step::CreateSchema { schema, owner: definer });
        steps.push(Step::CreateFunctions { definer, schema, functions: &after.functions });
    }
    let new_schemas = || {
        changes.iter().filter_map(|change| match change {
            Change::AddSchema(schema) => Some(*schema),
            _ => None,
        })
    };
    steps.extend(new_schemas().map(|schema| Step::CreateSchema { schema, owner: &owner.name }));
    if from_nothing {
        steps.push(Step::LockDefaults);
    }
    steps.extend(new_schemas().map(|schema| Step::OpenSchema { schema }));
    let new: BTreeMap<_, _> = changes
        .iter()
        .filter_map(|change| match change {
            Change::AddTable { name, table } => Some((*name, *table)),
            _ => None,
        })
        .collect();
    steps.extend(create_tables(&new));
    Ok(Plan { after, owner: &owner.name, steps })
}

/// Orders tables so that each comes after those that it refers to; where they refer to each other in a circle, the foreign
/// keys that close it come last.
fn create_tables<'s>(tables: &BTreeMap<&'s QualifiedName, &'s Table>) -> Vec<Step<'s>> {
    let mut steps = Vec::new();
    let mut late = Vec::new();
    let mut waiting: BTreeSet<_> = tables.keys().copied().collect();
    let is_ready = |name: &QualifiedName, waiting: &BTreeSet<&QualifiedName>| {
        tables[name].foreign_keys.iter().all(|key| key.target == *name || !waiting.contains(&key.target))
    };
    while let Some(first) = waiting.first().copied() {
        let name = waiting.iter().copied().find(|name| is_ready(name, &waiting)).unwrap_or(first);
        waiting.remove(name);
        let table = tables[name];
        let (now, later) = table.foreign_keys.iter().partition(|key| !waiting.contains(&key.target));
        let later: Vec<&ForeignKey> = later;
        late.extend(later.into_iter().map(|key| Step::AddForeignKey { name, key }));
        steps.push(Step::CreateTable { name, table, foreign_keys: now });
    }
    steps.extend(late);
    steps.extend(tables.iter().map(|(name, table)| Step::OpenTable { name, table }));
    steps
}
