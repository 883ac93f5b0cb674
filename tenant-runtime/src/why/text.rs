//! The answer as text.

use std::fmt;

use super::{Decision, Privilege, Why};
use crate::model::schema::{Command, ConditionKind, Policy};

impl Why {
    /// Returns the command with its preposition and the table, as in `insert into app.projects`.
    fn on_table(&self) -> String {
        let command = match self.command {
            Command::Select => "select from",
            Command::Insert => "insert into",
            Command::Update => "update",
            Command::Delete => "delete from",
        };
        format!("{command} {}", self.table)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, table, place, .. } = self;
        let command = self.command.attribute();
        let verdict = match (self.is_allowed(), &self.privilege) {
            (_, Privilege::ByFunction { own, .. }) if !own.is_empty() => {
                format!("role `{role}` can {} only through {}", self.on_table(), own.join(" and "))
            }
            (Some(true), _) => format!("role `{role}` can {command} this row of {table}"),
            (Some(false), _) if self.of_row => format!("role `{role}` cannot {command} this row of {table}"),
            (Some(false), _) => format!("role `{role}` cannot {}", self.on_table()),
            (None, _) => format!("role `{role}` can {command} rows of {table} that satisfy the policies"),
        };
        writeln!(f, "{verdict}\n")?;
        match &self.privilege {
            Privilege::Held(grants) => {
                writeln!(f, "privilege: granted")?;
                grants.iter().try_for_each(|grant| writeln!(f, "    {grant}"))?;
            }
            Privilege::Missing(holders) => {
                writeln!(f, "privilege: missing; PostgreSQL reports `permission denied for table {}`", table.table)?;
                match holders.as_slice() {
                    [] => writeln!(f, "    no role has this privilege: {place} declares no role for `{command}`")?,
                    holders => writeln!(f, "    granted to {} by `{command} = …` on {place}", holders.join(" and "))?,
                }
            }
            Privilege::ByFunction { own, others } => {
                writeln!(f, "privilege: granted to no role; only functions that check the caller run this command")?;
                own.iter().try_for_each(|function| writeln!(f, "    {function}: this role has EXECUTE"))?;
                others.iter().try_for_each(|function| writeln!(f, "    {function}: this role lacks EXECUTE"))?;
            }
        }
        if !matches!(self.privilege, Privilege::Held(_)) {
            return Ok(());
        }
        for command in [self.command, Command::Select] {
            let mut policies = self.policies.iter().filter(|one| one.command == command).peekable();
            if policies.peek().is_none() || command == Command::Select && self.command == Command::Insert {
                continue;
            }
            match command == self.command {
                true => writeln!(
                    f,
                    "\npolicies for {}: a row must satisfy all restrictive policies and at least one permissive policy",
                    command.keyword()
                )?,
                false => writeln!(
                    f,
                    "\npolicies for {}: they apply as well, because WHERE and RETURNING read rows",
                    command.keyword()
                )?,
            }
            for decision in policies {
                decision.fmt(f)?;
            }
            if command == Command::Select {
                break;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { name, comment, .. } = &self.policy;
        let kind = if self.policy.is_restrictive() { "restrictive" } else { "permissive" };
        writeln!(f, "  {name} ({kind}): {comment}")?;
        for part in &self.parts {
            let holds = match part.holds {
                Some(true) => "satisfied: ",
                Some(false) => "violated:  ",
                None => "",
            };
            writeln!(f, "    {holds}{}", part.condition.sql)?;
            writeln!(f, "      {}", meaning(part.condition.kind))?;
        }
        Ok(())
    }
}

/// Describes the requirement of a condition.
fn meaning(kind: ConditionKind) -> &'static str {
    match kind {
        ConditionKind::Tenant => "the row belongs to the tenant in the context",
        ConditionKind::ParentTenant => "the row's parent belongs to the row's tenant and is visible to the user",
        ConditionKind::Shared => "the row belongs to a user who is a member of the tenant in the context",
        ConditionKind::Membership => {
            "the row belongs to the tenant in the context, and the user is a member of that tenant with a role that \
             includes the current role"
        }
        ConditionKind::Signed => "the app has signed the context, or the login is bound to it",
        ConditionKind::Visibility => "all members of the tenant see the row, or the user owns it",
        ConditionKind::Owner => "the user owns the row",
        ConditionKind::NotDeletedBefore => "the row is not deleted, or this transaction deletes it",
        ConditionKind::NotDeleted => "the row is not deleted",
        ConditionKind::DeletedNow => "the statement deletes the row",
        ConditionKind::Deleted => "the row is deleted",
        ConditionKind::DeletedShown => "the row is deleted, and the repository asks for deleted rows",
        ConditionKind::Custom => "the condition in `using(…)` or `with_check(…)` is true",
        ConditionKind::FunctionOwner => "all rows: each SECURITY DEFINER function limits the rows itself",
        ConditionKind::System => {
            "the job recorded a reason, and the row belongs to the tenant in the context if a tenant is set"
        }
        ConditionKind::All => "all rows",
    }
}
