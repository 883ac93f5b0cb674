//! Row-level security policies, with the kind of each policy and of each condition.

use serde::{Deserialize, Serialize};

use super::{command::Command, expression::Expression, names};
use crate::ident::Ident;

/// A row-level security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name; unique in its table.
    pub name: Ident,
    /// The comment: which role can run which command on which rows.
    pub comment: String,
    /// The purpose of the policy.
    pub kind: PolicyKind,
    /// The role; `None` for `PUBLIC`.
    pub role: Option<Ident>,
    /// The conditions on existing rows (`USING`), all of which must hold; empty if the command has no such clause.
    pub using: Vec<Condition>,
    /// The conditions on new rows (`WITH CHECK`), all of which must hold; empty if the command has no such clause.
    pub with_check: Vec<Condition>,
}

/// The purpose of a policy. A table has at most one policy of each kind, so the kind identifies the policy, regardless
/// of its name and role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum PolicyKind {
    /// The restrictive policy that limits rows to the tenant in the context; it applies to every role and every
    /// command. The function owner and the system role have separate conditions in it.
    TenantIsolation,
    /// The restrictive policy that requires a signed context; it applies to every role and every command, except to the
    /// function owner.
    SignedContext,
    /// Allows a declared role to run a command.
    Command {
        /// The command.
        command: Command,
        /// Whether the policy applies only to the user's own rows.
        own: bool,
    },
    /// Allows a declared role to delete rows, which keeps them with the time of the deletion.
    SoftDelete {
        /// Whether the policy applies only to the user's own rows.
        own: bool,
    },
    /// Allows a declared role to read deleted rows if a setting asks for them.
    ReadDeleted,
    /// Allows a declared role to restore deleted rows.
    Restore,
    /// Allows a declared role to remove deleted rows.
    Purge,
    /// Allows the function owner to run a command.
    FunctionOwner(Command),
    /// Allows the role of cross-tenant jobs to run a command.
    System(Command),
}

/// A condition of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The requirement of the condition.
    pub kind: ConditionKind,
    /// The SQL text.
    pub sql: Expression,
}

/// The requirement of a policy's condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionKind {
    /// The row's tenant is the tenant in the context.
    Tenant,
    /// The row's parent belongs to the row's tenant, and the user sees it.
    ParentTenant,
    /// The row belongs to a member of the tenant in the context.
    Shared,
    /// The row's tenant is the tenant in the context, and the user is a member of that tenant with
    /// a role that includes the transaction's role.
    Membership,
    /// The context is signed.
    Signed,
    /// All members of the tenant see the row, or the user owns the row.
    Visibility,
    /// The user owns the row.
    Owner,
    /// The row is not deleted, or the transaction itself has deleted it.
    NotDeletedBefore,
    /// The row is not deleted.
    NotDeleted,
    /// The row is deleted in this transaction.
    DeletedNow,
    /// The row is deleted.
    Deleted,
    /// The row is deleted, and a setting asks for deleted rows.
    DeletedShown,
    /// A condition that the declaration states.
    Custom,
    /// All rows: the function owner can access them, and its functions select the rows.
    FunctionOwner,
    /// The job has recorded a reason, and, if the context has a tenant, the row belongs to that tenant.
    System,
    /// Nothing: all rows match.
    All,
}

impl PolicyKind {
    /// Returns the command; `None` if the policy applies to all commands.
    #[must_use]
    pub fn command(self) -> Option<Command> {
        match self {
            Self::TenantIsolation | Self::SignedContext => None,
            Self::Command { command, .. } | Self::FunctionOwner(command) | Self::System(command) => Some(command),
            Self::ReadDeleted => Some(Command::Select),
            Self::SoftDelete { .. } | Self::Restore => Some(Command::Update),
            Self::Purge => Some(Command::Delete),
        }
    }

    /// Returns whether the policy limits what other policies allow (`RESTRICTIVE`).
    #[must_use]
    pub fn is_restrictive(self) -> bool {
        matches!(self, Self::TenantIsolation | Self::SignedContext)
    }

    /// Returns the name of the policy of this kind, from its command and the declared name of its role.
    pub(crate) fn policy_name(self, declared: &str) -> Ident {
        match self {
            Self::TenantIsolation => Ident::derived([names::TENANT_ISOLATION]),
            Self::SignedContext => Ident::derived([names::SIGNED_CONTEXT]),
            Self::Command { command, own } => names::command_policy(command, own, declared),
            Self::SoftDelete { own: false } => Ident::derived([names::SOFT_DELETE, declared]),
            Self::SoftDelete { own: true } => Ident::derived([names::SOFT_DELETE, names::OWN, declared]),
            Self::ReadDeleted => Ident::derived([names::READ_DELETED, declared]),
            Self::Restore => Ident::derived([names::RESTORE, declared]),
            Self::Purge => Ident::derived([names::PURGE, declared]),
            Self::FunctionOwner(command) => names::command_policy(command, false, names::FUNCTION_OWNER),
            Self::System(command) => names::command_policy(command, false, names::SYSTEM),
        }
    }

    /// Returns whether a policy of this kind has a USING clause, and whether it has a WITH CHECK clause.
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

    /// Creates the policy that allows the function owner to run a command on all rows.
    pub(crate) fn of_function_owner(command: Command, role: &Ident, comment: String) -> Self {
        let condition = Condition::new(ConditionKind::FunctionOwner, Expression::trusted("true"));
        Self::with_condition(PolicyKind::FunctionOwner(command), role, comment, &condition)
    }

    /// Returns the command; `None` if the policy applies to all commands.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        self.kind.command()
    }

    /// Returns whether the policy limits what other policies allow (`RESTRICTIVE`).
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

    /// Returns whether two policies have the same effect: they differ at most in name and comment.
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

/// Joins conditions that must all hold. This is the only place where the text of a clause is built.
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
