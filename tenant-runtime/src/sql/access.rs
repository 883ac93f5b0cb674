//! The SQL of policies, triggers and grants.

use std::fmt::Write as _;

use super::columns;
use crate::{
    ident::literal,
    model::schema::{Command, Grant, Policy, Trigger, TriggerKind},
};

pub(super) fn create_policy(table: &str, policy: &Policy) -> String {
    let name = policy.name.quoted();
    let kind = if policy.is_restrictive() { "RESTRICTIVE" } else { "PERMISSIVE" };
    let command = policy.command().map_or("ALL", Command::keyword);
    let create = format!("CREATE POLICY {name} ON {table} AS {kind} FOR {command} TO {}", role(policy));
    create + &clauses(policy) + ";\n" + &comment(table, policy)
}

/// Changes a policy and its name in place, so that the policy exists at all times. Its kind does not change.
pub(super) fn alter_policy(table: &str, before: &Policy, after: &Policy) -> String {
    let mut out = String::new();
    if before.name != after.name {
        let (from, to) = (before.name.quoted(), after.name.quoted());
        let _ = writeln!(out, "ALTER POLICY {from} ON {table} RENAME TO {to};");
    }
    if !before.is_equivalent(after) {
        out.push_str(&alter(table, after, before.role != after.role));
    }
    if before.comment != after.comment {
        out.push_str(&comment(table, after));
    }
    out
}

/// Writes the clauses of a policy again, because PostgreSQL keeps an old name in their expressions.
pub(super) fn restate_policy(table: &str, policy: &Policy) -> String {
    format!(
        "-- Sets the same conditions again: after a rename, PostgreSQL keeps the old name in them.\n{}",
        alter(table, policy, false)
    )
}

fn alter(table: &str, policy: &Policy, with_role: bool) -> String {
    let mut out = format!("ALTER POLICY {} ON {table}", policy.name.quoted());
    if with_role {
        let _ = write!(out, "\n    TO {}", role(policy));
    }
    out + &clauses(policy) + ";\n"
}

fn clauses(policy: &Policy) -> String {
    let mut out = String::new();
    if let Some(using) = policy.using_sql() {
        let _ = write!(out, "\n    USING ({using})");
    }
    if let Some(check) = policy.with_check_sql() {
        let _ = write!(out, "\n    WITH CHECK ({check})");
    }
    out
}

pub(super) fn drop_policy(table: &str, policy: &Policy) -> String {
    format!("DROP POLICY {} ON {table};\n", policy.name.quoted())
}

fn role(policy: &Policy) -> String {
    policy.role.as_ref().map_or_else(|| "PUBLIC".to_owned(), |role| role.quoted().to_string())
}

fn comment(table: &str, policy: &Policy) -> String {
    format!("COMMENT ON POLICY {} ON {table} IS {};\n", policy.name.quoted(), literal(&policy.comment))
}

pub(super) fn create_trigger(table: &str, trigger: &Trigger) -> String {
    let (name, function) = (trigger.name.quoted(), trigger.function.quoted());
    match &trigger.kind {
        TriggerKind::AtCommit => format!(
            "CREATE CONSTRAINT TRIGGER {name} AFTER UPDATE OR DELETE ON {table} DEFERRABLE INITIALLY DEFERRED\n    \
             FOR EACH ROW EXECUTE FUNCTION {function}();\n"
        ),
        TriggerKind::BeforeUpdate => {
            format!("CREATE TRIGGER {name} BEFORE UPDATE ON {table}\n    FOR EACH ROW EXECUTE FUNCTION {function}();\n")
        }
        TriggerKind::BeforeInsert => {
            format!("CREATE TRIGGER {name} BEFORE INSERT ON {table}\n    FOR EACH ROW EXECUTE FUNCTION {function}();\n")
        }
        TriggerKind::EachChange { arguments } => {
            let arguments = arguments.iter().map(|text| literal(text)).collect::<Vec<_>>().join(", ");
            format!(
                "CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {table}\n    \
                 FOR EACH ROW EXECUTE FUNCTION {function}({arguments});\n"
            )
        }
    }
}

pub(super) fn drop_trigger(table: &str, trigger: &Trigger) -> String {
    format!("DROP TRIGGER {} ON {table};\n", trigger.name.quoted())
}

pub(super) fn grant(table: &str, grant: &Grant) -> String {
    format!("GRANT {} ON {table} TO {};\n", privilege(grant), grant.role.quoted())
}

pub(super) fn revoke(table: &str, grant: &Grant) -> String {
    format!("REVOKE {} ON {table} FROM {};\n", privilege(grant), grant.role.quoted())
}

fn privilege(grant: &Grant) -> String {
    let list = if grant.columns.is_empty() { String::new() } else { format!(" {}", columns(&grant.columns)) };
    format!("{}{list}", grant.command.keyword())
}
