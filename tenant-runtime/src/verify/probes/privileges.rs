//! Probes of privileges: columns, roles, functions, views, partitions, the owner, and statements that outlive a context.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    db::setting,
    ident::{literal, quoted},
    model::{
        def::{ScopeDef, TableDef},
        names,
        schema::Command,
    },
    verify::{
        VerifyError,
        outcome::{Expected, Outcome},
        principals::{NAMES, Principal},
        probe::Probe,
        row_data,
        runner::Runner,
    },
};

impl Runner<'_> {
    /// Uses each column in each command as each role, without rows, so that the outcome depends only on the privilege.
    pub(in crate::verify) async fn columns(&mut self) -> Result<(), VerifyError> {
        let denied = Expected::Is(Outcome::Denied);
        let nothing = Expected::Is(Outcome::Rows(BTreeSet::new()));
        for principal in self.members(0).into_iter().chain(self.outsiders()) {
            let context = principal.context();
            for def in self.fixture.tables.clone() {
                let oracle = self.oracle(&context);
                let table = row_data::name(def.name);
                let probe = |technique, command, statement, may: bool| {
                    let expected = if may { nothing.clone() } else { denied.clone() };
                    Probe::new(technique, (def.name, command), &principal, statement, expected)
                };
                let types = self.types(def);
                let mut probes = Vec::new();
                for column in def.columns {
                    let name = quoted(column.name);
                    let ty = types.get(column.name).map_or("text", String::as_str);
                    // Only DEFAULT can be inserted into a generated column, also by a role with the privilege.
                    let insert = match column.generated {
                        None => format!("({name}) OVERRIDING SYSTEM VALUE SELECT NULL::{ty} WHERE false"),
                        Some(_) => format!("({name}) VALUES (DEFAULT)"),
                    };
                    let commands = [
                        (Command::Select, format!("SELECT {name}::text FROM {table} WHERE false")),
                        (Command::Insert, format!("INSERT INTO {table} {insert}")),
                        (Command::Update, format!("UPDATE {table} SET {name} = DEFAULT WHERE false")),
                    ];
                    for (command, statement) in commands {
                        let may = oracle.has_column_privilege(def, command, column);
                        probes.push(probe("column reference", command, statement, may));
                    }
                }
                let may = def.columns.iter().all(|column| oracle.has_column_privilege(def, Command::Select, column));
                let statement = format!("SELECT t::text FROM {table} AS t WHERE false");
                probes.push(probe("whole-row reference", Command::Select, statement, may));
                let may = oracle.has_delete_privilege(def);
                let statement = format!("DELETE FROM {table} WHERE false");
                probes.push(probe("DELETE without rows", Command::Delete, statement, may));
                self.probe_all(probes).await?;
            }
        }
        Ok(())
    }

    /// Returns the SQL types of a table's columns.
    fn types(&self, def: &TableDef) -> BTreeMap<&str, String> {
        let columns = self.row_factory.table(def).into_iter().flat_map(|table| &table.columns);
        columns.map(|column| (column.name.as_str(), column.ty.to_string())).collect()
    }

    /// Returns the app's logins, each with its role if roles have separate logins.
    pub(in crate::verify) fn logins(&self) -> Vec<(String, Option<&'static str>)> {
        let roles = self.tenancy.roles.iter().filter(|_| self.tenancy.login_per_role).map(|role| Some(role.name));
        [None].into_iter().chain(roles).map(|role| (self.tenancy.login(role), role)).collect()
    }

    /// Reads and deletes as the table owner, to which RLS applies because it is forced.
    pub(in crate::verify) async fn owner(&mut self) -> Result<(), VerifyError> {
        let Some(owner) = self.schema.owner().map(|role| role.name.to_string()) else { return Ok(()) };
        let highest = self.principals.members(0).last().map(|(person, _)| person.key.clone());
        let none = Expected::Is(Outcome::Rows(BTreeSet::new()));
        for (tenant, user) in [(None, None), (Some(self.principals.tenants[0].clone()), highest)] {
            let principal = Principal { tenant, user, ..Principal::without_context(owner.clone(), None) };
            let mut probes = Vec::new();
            for def in &self.fixture.tables {
                let parent = row_data::name(def.name);
                for name in [&parent].into_iter().chain(self.children.get(&parent).into_iter().flatten()) {
                    let (key, ours) = (Self::key(def, ""), self.is_test_row(def));
                    let commands = [
                        (Command::Select, format!("SELECT {key} FROM {name} WHERE {ours}")),
                        (Command::Delete, format!("DELETE FROM {name} WHERE {ours} RETURNING {key}")),
                    ];
                    probes.extend(commands.map(|(command, statement)| {
                        Probe::new("table owner", (def.name, command), &principal, statement, none.clone())
                    }));
                }
            }
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    /// Reads and writes partitions directly, to which the partitioned table's policies do not apply.
    pub(in crate::verify) async fn partitions(&mut self) -> Result<(), VerifyError> {
        for principal in self.members(0).into_iter().chain(self.outsiders()) {
            let mut probes = Vec::new();
            for def in &self.fixture.tables {
                // An INSERT of generated values would fail before privileges are checked.
                let columns = def.columns.iter().filter(|column| column.generated.is_none());
                let columns = columns.map(|column| quoted(column.name).to_string()).collect::<Vec<_>>().join(", ");
                for name in self.children.get(&row_data::name(def.name)).into_iter().flatten() {
                    let commands = [
                        (Command::Select, format!("SELECT FROM {name} LIMIT 1")),
                        (
                            Command::Insert,
                            format!("INSERT INTO {name} ({columns}) SELECT {columns} FROM {name} WHERE false"),
                        ),
                        (Command::Delete, format!("DELETE FROM {name} WHERE false")),
                    ];
                    probes.extend(commands.map(|(command, statement)| {
                        let denied = Expected::Is(Outcome::Denied);
                        let technique = "direct access to a partition";
                        Probe::new(technique, (def.name, command), &principal, statement, denied)
                    }));
                }
            }
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    /// Queries the privileges that no role is allowed to have. The probes do not use these
    /// privileges, because TRUNCATE would lock the table.
    pub(in crate::verify) async fn privileges(&mut self) -> Result<(), VerifyError> {
        let none = || Expected::Is(Outcome::Rows(BTreeSet::new()));
        let mut named = vec!["TRUNCATE", "REFERENCES", "TRIGGER"];
        if self.version().await?.as_str() >= "170000" {
            named.push("MAINTAIN");
        }
        let named = named.into_iter().map(literal).collect::<Vec<_>>().join(", ");
        let options =
            Command::ALL.map(|command| literal(&format!("{} WITH GRANT OPTION", command.keyword()))).join(", ");
        let schemas = self.schema.tables().keys().map(|name| &name.schema);
        let schemas = schemas.chain(self.schema.functions().keys().map(|name| &name.schema)).collect::<BTreeSet<_>>();
        let schemas = schemas.into_iter().map(|schema| literal(schema.as_str())).collect::<Vec<_>>().join(", ");
        let acting_as: Vec<_> = self.members(0).into_iter().chain(self.outsiders()).collect();
        for principal in &acting_as {
            let mut probes = Vec::new();
            for def in &self.fixture.tables {
                let statement = format!(
                    "SELECT p FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, unnest(ARRAY[{named}, {options}]) AS p
                         WHERE n.nspname = {} AND c.relname = {} AND CASE WHEN p ~ '^(SELECT|INSERT|UPDATE|REFERENCES)'
                         THEN has_any_column_privilege(c.oid, p) ELSE has_table_privilege(c.oid, p) END",
                    literal(def.name.schema),
                    literal(def.name.table)
                );
                probes.push(Probe::new("other privileges", (def.name, Command::Select), principal, statement, none()));
            }
            let statement = format!(
                "SELECT format('CREATE on schema %s', nspname) FROM pg_namespace
                     WHERE nspname IN ({schemas}, 'public') AND has_schema_privilege(oid, 'CREATE')
                 UNION ALL SELECT format('%s on database', p) FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS p
                     WHERE has_database_privilege(current_database(), p)"
            );
            probes.push(Probe::of_database("CREATE privileges", principal, statement, none()));
            // The statistics of ANALYZE contain values of all tenants.
            let statement = format!("SELECT DISTINCT tablename::text FROM pg_stats WHERE schemaname IN ({schemas})");
            probes.push(Probe::of_database("pg_stats", principal, statement, none()));
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    /// Runs SET ROLE to each role of the server as each login. The app's login can assume the no-tenant role and the
    /// application roles, or only the no-tenant role if each role has a login; the jobs login can assume the system
    /// role.
    pub(in crate::verify) async fn roles(&mut self) -> Result<(), VerifyError> {
        self.session.undo().await?;
        let asked = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname LIMIT 500";
        let all: Vec<String> =
            self.session.rows(asked).await?.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        // Since PostgreSQL 16, the ability to SET ROLE is not inherited through an included role.
        let exactly = self.version().await?.as_str() >= "160000";
        let tenancy = self.tenancy;
        let system = self.system(None);
        let may = |login: &str, of: Option<&str>, role: &str| {
            let named = tenancy.roles.iter().map(|role| role.name).find(|name| tenancy.database_role(name) == role);
            let is_of_jobs = system.as_ref().filter(|system| system.session == login);
            role == login
                || match (is_of_jobs, of, named) {
                    (Some(system), ..) => system.role.as_deref() == Some(role),
                    (None, None, None) => role == tenancy.database_role(names::NO_TENANT),
                    (None, None, Some(_)) => !tenancy.login_per_role,
                    (None, Some(own), Some(named)) => own == named || !exactly && tenancy.includes(own, named),
                    (None, Some(_), None) => false,
                }
        };
        for (login, of) in self.logins().into_iter().chain(self.jobs().map(|jobs| (jobs, None))) {
            let principal = Principal::without_context(login.clone(), None);
            for role in &all {
                let outcome =
                    if may(&login, of, role) { Outcome::Rows([role.clone()].into()) } else { Outcome::Denied };
                let statement = format!("SET LOCAL ROLE {}; SELECT current_user::text", quoted(role));
                let expected = Expected::Is(outcome);
                self.probe(Probe::of_database("SET ROLE", &principal, statement, expected)).await?;
            }
        }
        Ok(())
    }

    async fn version(&mut self) -> Result<String, VerifyError> {
        self.session.undo().await?;
        let version = self.session.row("SELECT current_setting('server_version_num')").await?;
        Ok(version.into_iter().flatten().next().unwrap_or_default())
    }

    /// Queries which of the product's functions each role can execute.
    pub(in crate::verify) async fn functions(&mut self) -> Result<(), VerifyError> {
        let functions = self.schema.functions();
        let Some(schema) = functions.keys().next().map(|name| name.schema.clone()) else { return Ok(()) };
        for principal in self.members(0).into_iter().chain(self.outsiders()) {
            let is = |role: &str| principal.role.as_deref() == Some(role);
            let includes = |granted: &str| {
                let declared = self
                    .tenancy
                    .roles
                    .iter()
                    .find(|role| format!("{}{}", self.tenancy.role_prefix, role.name) == granted);
                let pair = declared.zip(principal.member_role());
                is(granted)
                    || pair.is_some_and(|(needed, role)| crate::matrix::may(self.tenancy, role, Some(needed.name)))
            };
            let may =
                functions.iter().filter(|(_, function)| function.execute.iter().any(|role| includes(role.as_str())));
            let expected = may.map(|(name, _)| name.table.to_string()).collect();
            let statement = format!(
                "SELECT proname::text FROM pg_proc WHERE pronamespace = to_regnamespace({}) AND has_function_privilege(oid, 'EXECUTE')
                     AND has_schema_privilege(pronamespace, 'USAGE')",
                literal(&schema.quoted().to_string())
            );
            let expected = Expected::Is(Outcome::Rows(expected));
            self.probe(Probe::of_database("EXECUTE privileges", &principal, statement, expected)).await?;
        }
        Ok(())
    }

    /// Reads every view and every other undeclared relation, and searches for values of the other tenant.
    pub(in crate::verify) async fn views(&mut self) -> Result<(), VerifyError> {
        self.session.undo().await?;
        let declared: BTreeSet<_> = self.fixture.tables.iter().map(|def| row_data::name(def.name)).collect();
        let asked = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
                         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     WHERE c.relkind IN ('v', 'm', 'f', 'r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                         AND NOT c.relispartition ORDER BY 1";
        let all = self.session.rows(asked).await?;
        let names: Vec<String> = all.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        let others: Vec<String> = names.into_iter().filter(|name| !declared.contains(name)).collect();
        // Matches the mark in text columns, or the tenant's key.
        let mark = format!("(verify-{}-[0-9]|{})", NAMES[1].to_lowercase(), self.principals.tenants[1]);
        for principal in self.members(0).into_iter().chain(self.outsiders()) {
            for name in &others {
                let readable = format!("SELECT has_any_column_privilege({}, 'SELECT')::text", literal(name));
                let found = self.session.attempt(&self.context_sql(&principal), &readable).await?;
                if found != Outcome::Rows(["true".to_owned()].into()) {
                    continue;
                }
                let statement = format!(
                    "SELECT (regexp_match(v::text, '{mark}'))[1] FROM {name} AS v WHERE v::text ~ '{mark}' LIMIT 5"
                );
                let technique = "undeclared view or table";
                self.probe(Probe::of_database(technique, &principal, statement, Expected::Nothing)).await?;
            }
        }
        Ok(())
    }

    /// Sets the context to malformed keys.
    pub(in crate::verify) async fn malformed(&mut self) -> Result<(), VerifyError> {
        for principal in self.members(0) {
            for text in ["acme", "' OR true --", "%", "null", " ", "{}"] {
                let tenant = Principal { tenant: Some(text.to_owned()), ..principal.clone() };
                let user = Principal { user: Some(text.to_owned()), ..principal.clone() };
                for principal in [Some(tenant), self.fixture.membership().map(|_| user)].into_iter().flatten() {
                    // Access to global rows does not depend on the context.
                    let tables = self.fixture.tables.iter().filter(|def| def.scope != ScopeDef::Global);
                    let probes = tables.map(|def| {
                        let statement =
                            format!("SELECT {} FROM {} LIMIT 10", Self::key(def, ""), row_data::name(def.name));
                        let about = (def.name, Command::Select);
                        Probe::new("malformed context", about, &principal, statement, Expected::Nothing)
                    });
                    let probes = probes.collect();
                    self.probe_all(probes).await?;
                }
            }
        }
        Ok(())
    }

    /// Prepares a statement in one context and runs it in the other contexts, with a cached generic plan.
    pub(in crate::verify) async fn prepared(&mut self) -> Result<(), VerifyError> {
        let mut contexts = self.members(0);
        contexts.extend(self.members(1));
        contexts.reverse();
        let Some(highest) = contexts.first().cloned() else { return Ok(()) };
        for (at, def) in self.fixture.tables.clone().into_iter().enumerate() {
            let prepare = format!(
                "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE verify_{at} AS SELECT {} FROM {} WHERE {}; EXECUTE verify_{at}",
                Self::key(def, ""),
                row_data::name(def.name),
                self.is_test_row(def)
            );
            let about = (def.name, Command::Select);
            for (round, principal) in [highest.clone()].iter().chain(&contexts).chain(&contexts).enumerate() {
                let expected = self.oracle(&principal.context()).select(def);
                let statement = match round {
                    0 => prepare.clone(),
                    _ => format!("SET LOCAL plan_cache_mode = force_generic_plan; EXECUTE verify_{at}"),
                };
                self.probe(Probe::new("prepared statement", about, principal, statement, expected)).await?;
            }
            self.session.undo().await?;
            // The prepared statement does not exist if PREPARE failed, which is a violation.
            let _ = self.session.try_rows(&format!("DEALLOCATE verify_{at}")).await?;
            self.session.undo().await?;
        }
        Ok(())
    }

    /// Changes the context in a savepoint and rolls back, after which the earlier context must apply again.
    pub(in crate::verify) async fn savepoints(&mut self) -> Result<(), VerifyError> {
        for principal in self.members(0) {
            // The highest role that the login can assume.
            let mut others = self.members(1).into_iter().filter(|other| other.session == principal.session);
            let Some(other) = others.next_back() else { return Ok(()) };
            for def in self.fixture.tables.clone() {
                let expected = self.oracle(&principal.context()).select(def);
                let role = other.role.as_deref().unwrap_or_default();
                let org = setting(self.tenancy.tenant_setting);
                let statement = format!(
                    "SAVEPOINT inner_one; SET LOCAL ROLE {}; SET LOCAL {org} = {}; ROLLBACK TO inner_one; SELECT {} FROM {} WHERE {}",
                    quoted(role),
                    literal(other.tenant.as_deref().unwrap_or_default()),
                    Self::key(def, ""),
                    row_data::name(def.name),
                    self.is_test_row(def)
                );
                let about = (def.name, Command::Select);
                self.probe(Probe::new("ROLLBACK TO SAVEPOINT", about, &principal, statement, expected)).await?;
            }
        }
        Ok(())
    }
}
