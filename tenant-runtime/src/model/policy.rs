//! Row-level security policies, with the kind of each policy and of each of its conditions.

use serde::{Deserialize, Serialize};

use super::{command::Command, expression::Expression, names};
use crate::ident::Ident;

/// A row-level security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name; unique in its table.
    pub name: Ident,
    /// The comment: which role may run which command on which rows.
    pub comment: String,
    /// What the policy is for.
    pub kind: PolicyKind,
    /// The role; none for `PUBLIC`.
    pub role: Option<Ident>,
    /// The conditions on existing rows (`USING`), all of which must hold; empty where the command has no such clause.
    pub using: Vec<Condition>,
    /// The conditions on new rows (`WITH CHECK`), all of which must hold; empty where the command has no such clause.
    pub with_check: Vec<Condition>,
}

/// What a policy is for. A table has at most one policy of each kind, so the kind identifies it, whatever its name or role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum PolicyKind {
    /// The restrictive policy that limits every role and every command to the tenant in the context.
    TenantIsolation,
    /// Allows a declared role a command.
    Command {
        /// The command.
        command: Command,
        /// Whether on the user's own rows only.
        own: bool,
    },
    /// Allows the role that owns the functions a command.
    FunctionOwner(Command),
    /// Allows the role of cross-tenant jobs a command.
    System(Command),
}

/// A condition of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What the condition requires.
    pub kind: ConditionKind,
    /// The SQL text.
    pub sql: Expression,
}

/// What a condition of a policy requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// The row's tenant is the one in the context.
    Tenant,
    /// The row's parent belongs to the tenant in the context.
    ParentTenant,
    /// A member of the tenant in the context has the row.
    Shared,
    /// The row's tenant is the one in the context, and the user is a member there whose role includes the transaction's.
    Membership,
    /// All members of the tenant see the row, or it is the user's own.
    Visibility,
    /// The row is the user's own.
    Owner,
    /// A condition that the declaration states.
    Custom,
    /// A function selects the rows; its owner has access to all of them.
    FunctionOwner,
    /// The job recorded a reason, and the row belongs to the tenant in the context where there is one.
    System,
    /// None: all rows.
    All,
}

impl PolicyKind {
    /// Returns the command; none for all of them.
    #[must_use]
    pub fn command(self) -> Option<Command> {
        match self {
            Self::TenantIsolation => None,
            Self::Command { command, .. } | Self::FunctionOwner(command) | Self::System(command) => Some(command),
        }
    }

    /// Returns whether the policy limits what others allow (`RESTRICTIVE`).
    #[must_use]
    pub fn is_restrictive(self) -> bool {
        self == Self::TenantIsolation
    }

    /// Returns the name of the policy of this kind: its command and its role, as the declaration names the role.
    pub(crate) fn policy_name(self, declared: &str) -> Ident {
        match self {
            Self::TenantIsolation => Ident::derived([names::TENANT_ISOLATION]),
            Self::Command { command, own } => names::command_policy(command, own, declared),
            Self::FunctionOwner(command) => names::command_policy(command, false, names::FUNCTION_OWNER),
            Self::System(command) => names::command_policy(command, false, names::SYSTEM),
        }
    }

    /// Returns whether a policy of the kind has a USING clause, and whether it has a WITH CHECK clause.
    pub(crate) fn clauses(self) -> (bool, bool) {
        self.command().map_or((true, true), Command::clauses)
    }
}

impl Policy {
    /// Creates a permissive policy with the same condition in each clause that its command has.
    pub(crate) fn with_condition(kind: PolicyKind, role: &Ident, comment: String, condition: &Condition) -> Self {
        let (using, with_check) = kind.clauses();
        let clause = |has: bool| if has { vec![condition.clone()] } else { Vec::new() };
        Self {
            name: kind.policy_name(role.as_str()),
            comment,
            kind,
            role: Some(role.clone()),
            using: clause(using),
            with_check: clause(with_check),
        }
    }

    /// Creates the policy that allows the role that owns the functions a command on all rows.
    pub(crate) fn of_function_owner(command: Command, role: &Ident, comment: String) -> Self {
        let condition = Condition::new(ConditionKind::FunctionOwner, Expression::trusted("true"));
        Self::with_condition(PolicyKind::FunctionOwner(command), role, comment, &condition)
    }

    /// Returns the command; none for all of them.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        self.kind.command()
    }

    /// Returns whether the policy limits what others allow (`RESTRICTIVE`).
    #[must_use]
    pub fn is_restrictive(&self) -> bool {
        self.kind.is_restrictive()
    }

    /// Returns the SQL of the USING clause.
    pub(crate) fn using_sql(&self) -> Option<Expression> {
        joined(&self.using)
    }

    /// Returns the SQL of the WITH CHECK clause.
    pub(crate) fn with_check_sql(&self) -> Option<Expression> {
        joined(&self.with_check)
    }

    /// Returns the conditions of both clauses.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.using.iter().chain(&self.with_check)
    }

    /// Returns whether two policies allow the same: they differ in nothing but name and comment.
    pub(crate) fn is_equivalent(&self, other: &Self) -> bool {
        (self.kind, &self.role) == (other.kind, &other.role)
            && (self.using_sql(), self.with_check_sql()) == (other.using_sql(), other.with_check_sql())
    }
}

impl Condition {
    /// Creates a condition.
    pub(crate) fn new(kind: ConditionKind, sql: Expression) -> Self {
        Self { kind, sql }
    }
}

/// Joins conditions that must all hold: the only place where the text of a clause is made.
fn joined(conditions: &[Condition]) -> Option<Expression> {
    match conditions {
        [] => None,
        [one] => Some(one.sql.clone()),
        many => {
            let parts: Vec<_> = many.iter().map(|condition| format!("({})", condition.sql)).collect();
            Some(Expression::trusted(parts.join("\n        AND ")))
        }
    }
}
