//! The tables of the keys and of the bound logins.

use super::SignedContext;
use crate::{
    ident::Ident,
    model::{
        names,
        schema::{Check, Column, ColumnDefault, Command, Expression, Grant, Key, Policy, QualifiedName, Scope, Table},
    },
};

impl SignedContext<'_> {
    pub(super) fn tables(&self) -> Vec<(QualifiedName, Table)> {
        let bound = self.has_members.then(|| (names::BOUND_LOGINS, self.bound_logins()));
        let tables = [(names::CONTEXT_KEYS, self.context_keys())].into_iter().chain(bound);
        tables.map(|(name, table)| (self.table(name), table)).collect()
    }

    fn context_keys(&self) -> Table {
        let key = |name: &str, comment: &str| Column { sensitive: true, ..column(name, "bytea", comment) };
        let columns = vec![
            column(
                "id",
                "smallint",
                "Number of the key, which the app sends with a signature; 0 is the key for seals.",
            ),
            key("inner_block", "Inner block of HMAC-SHA256: the key, padded with zeros to 64 bytes, XOR 0x36."),
            key("outer_block", "Outer block of HMAC-SHA256: the key, padded with zeros to 64 bytes, XOR 0x5c."),
            Column {
                nullable: true,
                ..column("login", "text", "The only login role for which the key is valid; NULL: all.")
            },
            Column {
                nullable: true,
                ..column("roles", "text[]", "The only database roles for which the key is valid; NULL: all.")
            },
            Column {
                default: Some(ColumnDefault::Expression(Expression::trusted("'infinity'"))),
                ..column("not_after", "timestamptz", "Time at which the key ends.")
            },
        ];
        let checks = [
            ("id", "id >= 0"),
            ("inner_block", "octet_length(inner_block) = 64"),
            ("outer_block", "octet_length(outer_block) = 64"),
        ];
        let commands = [Command::Select, Command::Insert, Command::Update];
        self.internal_table(
            names::CONTEXT_KEYS,
            "Keys with which the app signs contexts, and the key with which the database seals them. Only functions read them; leave the \
             table out of dumps.",
            columns,
            &checks,
            &commands,
        )
    }

    fn bound_logins(&self) -> Table {
        let columns = vec![
            column("login", "text", "Login role."),
            column(
                "login_oid",
                "oid",
                "OID of the login role: a role that is created later under this name is not bound.",
            ),
            column("role", "text", "Database role that the login assumes."),
            column("tenant_id", &self.tenancy.key_type.to_string(), "Tenant of the login."),
            column("user_id", &self.tenancy.user_type.to_string(), "User as whom the login acts."),
        ];
        let commands = Command::ALL;
        self.internal_table(
            names::BOUND_LOGINS,
            "Login roles that are bound to a tenant, a user and a role, for SQL that is not the app's.",
            columns,
            &[],
            &commands,
        )
    }

    /// Creates a table that only the functions use. The first column is the primary key.
    fn internal_table(
        &self,
        name: &str,
        comment: &str,
        columns: Vec<Column>,
        checks: &[(&str, &str)],
        commands: &[Command],
    ) -> Table {
        let owner = &self.tenancy.function_owner;
        let all: Vec<Ident> = columns.iter().map(|column| column.name.clone()).collect();
        let granted = |command: Command| match command {
            Command::Delete => Vec::new(),
            Command::Update => all[1..].to_vec(),
            Command::Select | Command::Insert => all.clone(),
        };
        let schema = names::auth_schema(self.tenancy.def.schema);
        let policy = |command: &Command| {
            let comment = format!("Lets the functions in {schema} {} rows.", command.keyword());
            Policy::of_function_owner(*command, owner, comment)
        };
        let check = |(of, condition): &(&str, &str)| Check {
            name: Ident::derived([name, of, "check"]),
            condition: Expression::trusted(*condition),
            labels: None,
        };
        Table {
            comment: comment.to_owned(),
            scope: Scope::Global,
            primary_key: Key { name: Ident::derived([name, "pkey"]), columns: vec![all[0].clone()] },
            uniques: Vec::new(),
            checks: checks.iter().map(check).collect(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            policies: commands.iter().map(policy).collect(),
            grants: commands
                .iter()
                .map(|command| Grant { command: *command, columns: granted(*command), role: owner.clone() })
                .collect(),
            triggers: Vec::new(),
            partitions: None,
            columns,
        }
    }
}

fn column(name: &str, ty: &str, comment: &str) -> Column {
    Column { comment: comment.to_owned(), ..Column::new(Ident::derived([name]), Expression::trusted(ty)) }
}
