//! Attacks on everything but rows: columns, privileges, roles, functions, views, partitions, statements that are kept.

use std::collections::BTreeSet;

use super::{
    VerifyError,
    oracle::{Expected, Outcome},
    principals::{NAMES, Principal},
    row_data,
    runner::{Probe, Runner},
};
use crate::{
    db::setting,
    ident::{literal, quoted},
    model::{
        def::{ScopeDef, TableDef},
        names,
        schema::Command,
    },
};

impl Runner<'_> {
    /// Names each column in each command, as each role; without rows, so that nothing but the privilege decides.
    pub(super) async fn columns(&mut self) -> Result<(), VerifyError> {
        let denied = Expected::Is(Outcome::Denied);
        let nothing = Expected::Is(Outcome::Rows(BTreeSet::new()));
        for acting in self.members(0).into_iter().chain(self.outsiders()) {
            let context = acting.context();
            for def in self.world.tables.clone() {
                let table = row_data::name(def.name);
                let expect = |may: bool| if may { nothing.clone() } else { denied.clone() };
                for column in def.columns {
                    let name = quoted(column.name);
                    let ty = self.type_of(def, column.name);
                    let commands = [
                        (Command::Select, format!("SELECT {name}::text FROM {table} WHERE false")),
                        (
                            Command::Insert,
                            format!(
                                "INSERT INTO {table} ({name}) OVERRIDING SYSTEM VALUE SELECT NULL::{ty} WHERE false"
                            ),
                        ),
                        (Command::Update, format!("UPDATE {table} SET {name} = DEFAULT WHERE false")),
                    ];
                    for (command, statement) in commands {
                        let expected = expect(self.reference(&context).may_use(def, command, column));
                        let about = Some((def.name, command));
                        self.probe(Probe { door: "naming a column", about, acting: &acting, statement, expected })
                            .await?;
                    }
                }
                let whole =
                    def.columns.iter().all(|column| self.reference(&context).may_use(def, Command::Select, column));
                let statement = format!("SELECT t::text FROM {table} AS t WHERE false");
                let about = Some((def.name, Command::Select));
                self.probe(Probe { door: "the whole row", about, acting: &acting, statement, expected: expect(whole) })
                    .await?;
                let deletes = self.reference(&context).may_delete(def);
                let statement = format!("DELETE FROM {table} WHERE false");
                let about = Some((def.name, Command::Delete));
                self.probe(Probe {
                    door: "DELETE of no row",
                    about,
                    acting: &acting,
                    statement,
                    expected: expect(deletes),
                })
                .await?;
            }
        }
        Ok(())
    }

    fn type_of(&self, def: &TableDef, column: &str) -> String {
        let tables = self.schema.tables().iter();
        let mut columns = tables
            .filter(|(name, _)| name.schema.as_str() == def.name.schema && name.table.as_str() == def.name.table)
            .flat_map(|(_, table)| &table.columns);
        columns
            .find(|other| other.name.as_str() == column)
            .map_or_else(|| "text".to_owned(), |column| column.ty.to_string())
    }

    /// The logins of the app, with the role for which it is where each role has its own.
    pub(super) fn logins(&self) -> Vec<(String, Option<&'static str>)> {
        let roles = self.tenancy.roles.iter().filter(|_| self.tenancy.login_per_role).map(|role| Some(role.name));
        [None].into_iter().chain(roles).map(|role| (self.tenancy.login(role), role)).collect()
    }

    /// Acts as the owner of the tables: FORCE holds it as well, and no policy is for it.
    pub(super) async fn owner(&mut self) -> Result<(), VerifyError> {
        let Some(owner) = self.schema.owner().map(|role| role.name.to_string()) else { return Ok(()) };
        let highest = self.cast.members(0).last().map(|(person, _)| person.key.clone());
        let none = Expected::Is(Outcome::Rows(BTreeSet::new()));
        for (tenant, user) in [(None, None), (Some(self.cast.tenants[0].clone()), highest)] {
            let acting = Principal { tenant, user, ..Principal::nobody(owner.clone(), None) };
            for def in self.world.tables.clone() {
                for name in [row_data::name(def.name)].into_iter().chain(self.children(def).await?) {
                    let (key, ours) = (Self::key(def, ""), self.ours(def));
                    let commands = [
                        (Command::Select, format!("SELECT {key} FROM {name} WHERE {ours}")),
                        (Command::Delete, format!("DELETE FROM {name} WHERE {ours} RETURNING {key}")),
                    ];
                    for (command, statement) in commands {
                        let probe = Probe {
                            door: "the owner of the table",
                            about: Some((def.name, command)),
                            acting: &acting,
                            statement,
                            expected: none.clone(),
                        };
                        self.probe(probe).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The partitions and other children of a table, as the database has them, quoted.
    async fn children(&mut self, def: &TableDef) -> Result<Vec<String>, VerifyError> {
        self.session.undo().await?;
        let asked = format!(
            "WITH RECURSIVE child AS (
                 SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = to_regclass({})
                 UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN child ON i.inhparent = child.inhrelid)
             SELECT format('%I.%I', n.nspname, c.relname) FROM child JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace ORDER BY 1",
            literal(&row_data::name(def.name))
        );
        Ok(self.session.rows(&asked).await?.into_iter().filter_map(|row| row.into_iter().next()?).collect())
    }

    /// Reads and writes partitions directly, where the policies of their table do not hold.
    pub(super) async fn partitions(&mut self) -> Result<(), VerifyError> {
        for def in self.world.tables.clone() {
            for name in self.children(def).await? {
                for acting in self.members(0).into_iter().chain(self.outsiders()) {
                    let commands = [
                        (Command::Select, format!("SELECT FROM {name} LIMIT 1")),
                        (Command::Insert, format!("INSERT INTO {name} SELECT * FROM {name} WHERE false")),
                        (Command::Delete, format!("DELETE FROM {name} WHERE false")),
                    ];
                    for (command, statement) in commands {
                        let about = Some((def.name, command));
                        let expected = Expected::Is(Outcome::Denied);
                        self.probe(Probe { door: "a partition itself", about, acting: &acting, statement, expected })
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks for privileges that nobody has. They are asked for and not used: TRUNCATE would lock the table.
    pub(super) async fn privileges(&mut self) -> Result<(), VerifyError> {
        let none = || Expected::Is(Outcome::Rows(BTreeSet::new()));
        let mut named = vec!["TRUNCATE", "REFERENCES", "TRIGGER"];
        if self.version().await?.as_str() >= "170000" {
            named.push("MAINTAIN");
        }
        let named = named.into_iter().map(literal).collect::<Vec<_>>().join(", ");
        let options =
            Command::ALL.map(|command| literal(&format!("{} WITH GRANT OPTION", command.keyword()))).join(", ");
        let acting_as: Vec<_> = self.members(0).into_iter().chain(self.outsiders()).collect();
        for acting in &acting_as {
            for def in self.world.tables.clone() {
                let statement = format!(
                    "SELECT p FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, unnest(ARRAY[{named}, {options}]) AS p
                         WHERE n.nspname = {} AND c.relname = {} AND CASE WHEN p ~ '^(SELECT|INSERT|UPDATE|REFERENCES)'
                         THEN has_any_column_privilege(c.oid, p) ELSE has_table_privilege(c.oid, p) END",
                    literal(def.name.schema),
                    literal(def.name.table)
                );
                let about = Some((def.name, Command::Select));
                let door = "asking for other privileges";
                self.probe(Probe { door, about, acting, statement, expected: none() }).await?;
            }
            let schemas = self.schema.tables().keys().map(|name| &name.schema);
            let schemas =
                schemas.chain(self.schema.functions().keys().map(|name| &name.schema)).collect::<BTreeSet<_>>();
            let schemas = schemas.into_iter().map(|schema| literal(schema.as_str())).collect::<Vec<_>>().join(", ");
            let statement = format!(
                "SELECT format('CREATE on schema %s', nspname) FROM pg_namespace
                     WHERE nspname IN ({schemas}, 'public') AND has_schema_privilege(oid, 'CREATE')
                 UNION ALL SELECT format('%s on database', p) FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS p
                     WHERE has_database_privilege(current_database(), p)"
            );
            let door = "making things";
            self.probe(Probe { door, about: None, acting, statement, expected: none() }).await?;
            // The statistics that ANALYZE keeps hold values of all tenants.
            let statement = format!("SELECT DISTINCT tablename::text FROM pg_stats WHERE schemaname IN ({schemas})");
            self.probe(Probe { door: "pg_stats", about: None, acting, statement, expected: none() }).await?;
        }
        Ok(())
    }

    /// Becomes each role of the cluster, as each login: the app's may be the visitor and the application_roles, or, where each of those has a
    /// login of its own, the visitor alone; that of jobs the system role.
    pub(super) async fn roles(&mut self) -> Result<(), VerifyError> {
        self.session.undo().await?;
        let asked = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname LIMIT 500";
        let all: Vec<String> =
            self.session.rows(asked).await?.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        // Since then, who may become a role may not become those that it includes.
        let exactly = self.version().await?.as_str() >= "160000";
        let tenancy = self.tenancy;
        let system = self.system(None);
        let may = |login: &str, of: Option<&str>, role: &str| {
            let tier = tenancy.roles.iter().map(|tier| tier.name).find(|name| tenancy.database_role(name) == role);
            let is_of_jobs = system.as_ref().filter(|system| system.session == login);
            role == login
                || match (is_of_jobs, of, tier) {
                    (Some(system), ..) => system.role.as_deref() == Some(role),
                    (None, None, None) => role == tenancy.database_role(names::NO_TENANT),
                    (None, None, Some(_)) => !tenancy.login_per_role,
                    (None, Some(own), Some(tier)) => own == tier || !exactly && tenancy.includes(own, tier),
                    (None, Some(_), None) => false,
                }
        };
        for (login, of) in self.logins().into_iter().chain(self.jobs().map(|jobs| (jobs, None))) {
            let acting = Principal::nobody(login.clone(), None);
            for role in &all {
                let outcome =
                    if may(&login, of, role) { Outcome::Rows([role.clone()].into()) } else { Outcome::Denied };
                let statement = format!("SET LOCAL ROLE {}; SELECT current_user::text", quoted(role));
                let expected = Expected::Is(outcome);
                self.probe(Probe { door: "SET ROLE", about: None, acting: &acting, statement, expected }).await?;
            }
        }
        Ok(())
    }

    async fn version(&mut self) -> Result<String, VerifyError> {
        self.session.undo().await?;
        let version = self.session.row("SELECT current_setting('server_version_num')").await?;
        Ok(version.into_iter().flatten().next().unwrap_or_default())
    }

    /// Asks which functions each role may call, in the schemas of the declaration.
    pub(super) async fn functions(&mut self) -> Result<(), VerifyError> {
        let functions = self.schema.functions();
        let Some(schema) = functions.keys().next().map(|name| name.schema.clone()) else { return Ok(()) };
        for acting in self.members(0).into_iter().chain(self.outsiders()) {
            let is = |role: &str| acting.role.as_deref() == Some(role);
            let includes = |granted: &str| {
                let declared = self
                    .tenancy
                    .roles
                    .iter()
                    .find(|role| format!("{}{}", self.tenancy.role_prefix, role.name) == granted);
                let tier = declared.zip(acting.tier());
                is(granted)
                    || tier.is_some_and(|(needed, role)| crate::matrix::may(self.tenancy, role, Some(needed.name)))
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
            self.probe(Probe { door: "calling functions", about: None, acting: &acting, statement, expected }).await?;
        }
        Ok(())
    }

    /// Reads every view, and every other relation that is not declared, for what stands in rows of the other tenant alone.
    pub(super) async fn views(&mut self) -> Result<(), VerifyError> {
        self.session.undo().await?;
        let declared: BTreeSet<_> = self.world.tables.iter().map(|def| row_data::name(def.name)).collect();
        let asked = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c
                         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     WHERE c.relkind IN ('v', 'm', 'f', 'r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                         AND NOT c.relispartition ORDER BY 1";
        let all = self.session.rows(asked).await?;
        let names: Vec<String> = all.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        let others: Vec<String> = names.into_iter().filter(|name| !declared.contains(name)).collect();
        // A mark is what text columns of the rows hold, or the tenant's key where it is long enough not to come by chance.
        let mark = format!("(prove-{}-[0-9]|{})", NAMES[1].to_lowercase(), self.cast.tenants[1]);
        for acting in self.members(0).into_iter().chain(self.outsiders()) {
            for name in &others {
                let readable = format!("SELECT has_any_column_privilege({}, 'SELECT')::text", literal(name));
                let found = self.session.attempt(&acting.sql(self.tenancy), &readable).await?;
                if found != Outcome::Rows(["true".to_owned()].into()) {
                    continue;
                }
                let statement = format!(
                    "SELECT (regexp_match(v::text, '{mark}'))[1] FROM {name} AS v WHERE v::text ~ '{mark}' LIMIT 5"
                );
                let found = Expected::Nothing;
                let door = "a view or a table that is not declared";
                self.probe(Probe { door, about: None, acting: &acting, statement, expected: found }).await?;
            }
        }
        Ok(())
    }

    /// Puts what is no key into the settings.
    pub(super) async fn malformed(&mut self) -> Result<(), VerifyError> {
        for acting in self.members(0) {
            for def in self.world.tables.clone() {
                // Where rows are everybody's, or nobody reads them, the context decides nothing.
                if def.scope == ScopeDef::Global {
                    continue;
                }
                for text in ["acme", "' OR true --", "%", "null", " ", "{}"] {
                    let tenant = Principal { tenant: Some(text.to_owned()), ..acting.clone() };
                    let user = Principal { user: Some(text.to_owned()), ..acting.clone() };
                    let contexts = [Some(tenant), self.world.membership().map(|_| user)];
                    for acting in contexts.into_iter().flatten() {
                        let statement =
                            format!("SELECT {} FROM {} LIMIT 10", Self::key(def, ""), row_data::name(def.name));
                        let about = Some((def.name, Command::Select));
                        let expected = Expected::Nothing;
                        self.probe(Probe { door: "a malformed context", about, acting: &acting, statement, expected })
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs statements that were prepared in one context in the others, by a plan that is kept.
    pub(super) async fn prepared(&mut self) -> Result<(), VerifyError> {
        let mut contexts = self.members(0);
        contexts.extend(self.members(1));
        contexts.reverse();
        let Some(highest) = contexts.first().cloned() else { return Ok(()) };
        for (at, def) in self.world.tables.clone().into_iter().enumerate() {
            let prepare = format!(
                "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE prove_{at} AS SELECT {} FROM {} WHERE {}; EXECUTE prove_{at}",
                Self::key(def, ""),
                row_data::name(def.name),
                self.ours(def)
            );
            let about = Some((def.name, Command::Select));
            for (round, acting) in [highest.clone()].iter().chain(&contexts).chain(&contexts).enumerate() {
                let expected = self.reference(&acting.context()).select(def);
                let statement = match round {
                    0 => prepare.clone(),
                    _ => format!("SET LOCAL plan_cache_mode = force_generic_plan; EXECUTE prove_{at}"),
                };
                self.probe(Probe { door: "a prepared statement", about, acting, statement, expected }).await?;
            }
            self.session.undo().await?;
            self.session.run(&format!("DEALLOCATE prove_{at}")).await?;
        }
        Ok(())
    }

    /// Changes the context within a savepoint and goes back: what was before holds again.
    pub(super) async fn savepoints(&mut self) -> Result<(), VerifyError> {
        for acting in self.members(0) {
            // The highest whom the login can become.
            let mut others = self.members(1).into_iter().filter(|other| other.session == acting.session);
            let Some(other) = others.next_back() else { return Ok(()) };
            for def in self.world.tables.clone() {
                let expected = self.reference(&acting.context()).select(def);
                let role = other.role.as_deref().unwrap_or_default();
                let org = setting(self.tenancy.tenant_setting);
                let statement = format!(
                    "SAVEPOINT inner_one; SET LOCAL ROLE {}; SET LOCAL {org} = {}; ROLLBACK TO inner_one; SELECT {} FROM {} WHERE {}",
                    quoted(role),
                    literal(other.tenant.as_deref().unwrap_or_default()),
                    Self::key(def, ""),
                    row_data::name(def.name),
                    self.ours(def)
                );
                let about = Some((def.name, Command::Select));
                self.probe(Probe { door: "a savepoint", about, acting: &acting, statement, expected }).await?;
            }
        }
        Ok(())
    }
}
