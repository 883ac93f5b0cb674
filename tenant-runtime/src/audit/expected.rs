//! The expected catalog, derived only from the declared schema and not from the generated SQL.

use serde_json::{Value, json};

use super::{
    canonical::{Canonical, has_only_columns},
    catalog::{Catalog, Name, Object, State},
};
use crate::{
    ident::Ident,
    model::{
        column_property::ColumnProperty,
        schema::{
            Column, Deferral, ForeignKey, ForeignKeyAction, Function, Index, Key, OnUpdate, Policy, QualifiedName,
            Returns, Role, RoleKind, Schema, Table, TriggerKind, Volatility,
        },
    },
    sql::part::{PGAUDIT, SEQUENCE_CACHE, timeout_settings},
};

/// The first server version in which each membership has options.
const HAS_OPTIONS: u32 = 160_000;

impl Catalog {
    /// Returns the expected catalog for this server version, with expressions in the server's form.
    pub(super) fn expected(schema: &Schema, canonical: &Canonical, version: u32) -> Self {
        let mut facts = Facts { catalog: Self::default(), canonical, version };
        for role in schema.roles() {
            facts.role(schema, role);
        }
        facts.logins(schema);
        facts.schemas(schema);
        if let Some(classes) = &schema.pgaudit {
            let object = Object::Setting { role: None, here: true, name: PGAUDIT.to_owned() };
            facts.add(object, json!({ "value": classes.as_str() }));
        }
        for (name, home) in &schema.extensions {
            let properties = json!({ "schema": home.as_str(), "roles_without_usage": [] });
            facts.add(Object::Extension(name.to_string()), properties);
        }
        facts.enums(schema);
        for name in &schema.sequences {
            facts.sequence(schema, name);
        }
        for (name, function) in schema.functions() {
            facts.function(schema, name, function);
        }
        if let Some(owner) = schema.owner() {
            for (name, table) in schema.tables() {
                facts.table(&owner.name, name, table);
            }
        }
        facts.catalog
    }
}

/// The properties that are types or expressions.
const EXPRESSIONS: [&str; 6] = ["type", "collation", "default", "condition", "using", "check"];

impl Catalog {
    /// Removes expressions that the server rejected, which are reported separately.
    pub(super) fn leave_out(&mut self, refused: &[(Object, String)]) {
        for (object, _) in refused {
            if let Some(state) = self.facts.get_mut(object) {
                state.retain(|property, _| !EXPRESSIONS.contains(&property.as_str()));
            }
        }
    }
}

struct Facts<'c> {
    catalog: Catalog,
    canonical: &'c Canonical,
    version: u32,
}

/// Converts a JSON object to properties.
fn state(value: Value) -> State {
    match value {
        Value::Object(properties) => properties.into_iter().collect(),
        _ => State::new(),
    }
}

/// A comment; `None` if it is empty.
fn comment(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl Facts<'_> {
    fn add(&mut self, object: Object, properties: Value) {
        self.catalog.facts.insert(object, state(properties));
    }

    fn privilege(&mut self, on: &Object, privilege: &str, to: &Ident) {
        let (on, privilege, to) = (Box::new(on.clone()), privilege.to_owned(), Some(to.to_string()));
        let properties = json!({ "grantable": false, "granted_by_others": [] });
        self.add(Object::Privilege { on, privilege, to }, properties);
    }

    fn role(&mut self, schema: &Schema, role: &Role) {
        let (login, limit) = match role.kind.login() {
            Some((connections, _)) => (true, i32::from(connections)),
            None => (false, -1),
        };
        let mut properties = json!({
            "login": login, "inherit": !login, "superuser": false, "bypass_rls": false, "create_role": false,
            "create_db": false, "replication": false, "connection_limit": limit,
        });
        // Externally managed roles have no product comment, and their settings are not declared.
        if !schema.external_roles {
            properties["product"] = json!(schema.product());
            self.timeouts(role);
        }
        self.add(Object::Role(role.name.to_string()), properties);
        if let RoleKind::Application { includes } = &role.kind {
            for below in includes {
                self.membership(below, &role.name, true);
            }
        }
    }

    fn timeouts(&mut self, role: &Role) {
        let Some((_, timeouts)) = role.kind.login() else { return };
        for (name, seconds) in timeout_settings(timeouts) {
            let object = Object::Setting { role: Some(role.name.to_string()), here: true, name: name.to_owned() };
            self.add(object, json!({ "value": format!("{seconds}s") }));
        }
    }

    fn membership(&mut self, role: &Ident, member: &Ident, inherits: bool) {
        let object = Object::Membership { role: role.to_string(), member: member.to_string() };
        let properties = match self.version {
            HAS_OPTIONS.. => json!({ "admin": false, "inherit": inherits, "set": !inherits }),
            // In earlier versions, a member could always run SET ROLE, and inherited privileges if
            // it had the attribute INHERIT.
            _ => json!({ "admin": false }),
        };
        self.add(object, properties);
    }

    /// Adds the login roles: CONNECT, and membership in the roles that they can assume.
    fn logins(&mut self, schema: &Schema) {
        for login in schema.logins() {
            for role in login.kind.becomes(schema.roles()) {
                self.membership(&role.name, &login.name, false);
            }
            self.privilege(&Object::Database, "CONNECT", &login.name);
        }
    }

    fn schemas(&mut self, schema: &Schema) {
        let Some(owner) = schema.owner() else { return };
        let lowest: Vec<_> = schema
            .application_roles()
            .filter(|role| matches!(&role.kind, RoleKind::Application { includes } if includes.is_empty()))
            .collect();
        for name in schema.schemas() {
            let object = Object::Schema(name.to_string());
            self.add(object.clone(), json!({ "owner": owner.name.as_str() }));
            for role in lowest.iter().copied().chain(schema.function_owner()).chain(schema.system()) {
                self.privilege(&object, "USAGE", &role.name);
            }
        }
        // Other roles have no privileges on new objects of the owners; the function owner creates no types.
        if let (Some(function_owner), Some((name, _))) = (schema.function_owner(), schema.functions().first_key_value())
        {
            let object = Object::Schema(name.schema.to_string());
            self.add(object.clone(), json!({ "owner": function_owner.name.as_str() }));
            for role in lowest.iter().copied().chain(schema.no_tenant()).chain(schema.system()).chain([owner]) {
                self.privilege(&object, "USAGE", &role.name);
            }
            let types = Object::DefaultPrivilege {
                by: function_owner.name.to_string(),
                schema: None,
                on: "TYPES".to_owned(),
                privilege: "USAGE".to_owned(),
                to: None,
            };
            self.add(types, json!({ "grantable": false }));
        }
    }

    fn enums(&mut self, schema: &Schema) {
        let Some(owner) = schema.owner() else { return };
        for (name, ty) in &schema.enums {
            let object = Object::Type(name.into());
            self.add(object.clone(), json!({ "owner": owner.name.as_str(), "labels": ty.labels }));
            for role in &ty.users {
                self.privilege(&object, "USAGE", role);
            }
        }
    }

    fn sequence(&mut self, schema: &Schema, name: &QualifiedName) {
        let properties = json!({
            "owner": schema.function_owner().map(|role| role.name.as_str()), "of": null, "type": "bigint", "start": 1,
            "increment": 1, "minimum": 1, "maximum": i64::MAX, "cache": SEQUENCE_CACHE, "cycle": false, "persistence": "p",
        });
        self.add(Object::Sequence(name.into()), properties);
    }

    fn function(&mut self, schema: &Schema, name: &QualifiedName, function: &Function) {
        let ty = |ty| self.canonical.ty(ty);
        let returns = match &function.returns {
            Returns::Void => json!("void"),
            Returns::Trigger | Returns::NewRow => json!("trigger"),
            Returns::Value(value) => json!(ty(value)),
            Returns::Rows(columns) => {
                columns.iter().map(|(name, column)| json!(["t", name.as_str(), ty(column)])).collect()
            }
        };
        let arguments: Vec<String> = function.arguments.iter().map(|(_, argument)| ty(argument)).collect();
        let names: Vec<_> = function.arguments.iter().map(|(name, _)| name.as_str()).collect();
        let (volatility, parallel) = match function.volatility {
            Volatility::Immutable => ("IMMUTABLE", "SAFE"),
            Volatility::Stable => ("STABLE", "SAFE"),
            Volatility::Volatile => ("VOLATILE", "UNSAFE"),
        };
        let settings = function.settings().into_iter().map(|(name, value)| format!("{name}={value}"));
        let properties = json!({
            "kind": "function", "owner": schema.function_owner().map(|role| role.name.as_str()), "language": "plpgsql",
            "arguments": names, "returns": returns, "security_definer": function.is_security_definer(), "leakproof": false,
            "volatility": volatility, "parallel": parallel, "strict": false, "defaults": 0, "support": null,
            "settings": settings.collect::<Vec<_>>(), "body": function.body.trim(),
            "comment": comment(&function.comment),
        });
        let object = Object::Function(name.into(), arguments);
        for role in &function.execute {
            self.privilege(&object, "EXECUTE", role);
        }
        self.add(object, properties);
    }

    fn table(&mut self, owner: &Ident, name: &QualifiedName, table: &Table) {
        let own = Name::from(name);
        let partitioned = table.tenant_column().filter(|_| table.partitions.is_some());
        let own_part = json!({
            "kind": if partitioned.is_some() { "partitioned table" } else { "table" },
            "partitioned_by": partitioned.map(|column| ["hash", column.as_str()]),
            "comment": comment(&table.comment),
        });
        self.add(Object::Relation(own.clone()), relation(owner, own_part));
        let count = table.partitions.unwrap_or(0);
        for remainder in 0..count {
            let part = Ident::derived([name.table.as_str(), &format!("p{remainder}")]);
            let own_part = json!({
                "parents": [[own.schema, own.name]],
                "partition": format!("FOR VALUES WITH (modulus {count}, remainder {remainder})"),
            });
            let part = Name { schema: own.schema.clone(), name: part.to_string() };
            self.add(Object::Relation(part), relation(owner, own_part));
        }
        for column in &table.columns {
            self.column(&own, column);
        }
        self.key(&own, "primary key", &table.primary_key);
        for key in &table.uniques {
            self.key(&own, "unique", key);
        }
        for check in &table.checks {
            let object = Object::Constraint(own.clone(), check.name.to_string());
            let condition = self.canonical.text(&object, "condition").map(ToOwned::to_owned);
            self.add(object, constraint("check", json!({ "condition": condition })));
        }
        for key in &table.foreign_keys {
            self.foreign_key(&own, key);
        }
        for index in &table.indexes {
            self.index(&own, index);
        }
        for policy in &table.policies {
            self.policy(&own, policy);
        }
        for trigger in &table.triggers {
            const ROW: i32 = 1;
            const BEFORE: i32 = 2;
            const UPDATE: i32 = 16;
            const INSERT: i32 = 4;
            const DELETE_OR_UPDATE: i32 = 8 + 16;
            let (events, at_commit, arguments) = match &trigger.kind {
                TriggerKind::AtCommit => (ROW + DELETE_OR_UPDATE, true, &[][..]),
                TriggerKind::BeforeUpdate => (ROW + BEFORE + UPDATE, false, &[][..]),
                TriggerKind::BeforeInsert => (ROW + BEFORE + INSERT, false, &[][..]),
                TriggerKind::EachChange { arguments } => (ROW + INSERT + DELETE_OR_UPDATE, false, arguments.as_slice()),
            };
            let properties = json!({
                "function": [trigger.function.schema.as_str(), trigger.function.table.as_str()],
                "events": events, "constraint": at_commit, "deferred": at_commit, "enabled": "O", "conditional": false,
                "arguments": arguments.iter().map(|text| escaped(text)).collect::<String>(),
            });
            self.add(Object::Trigger(own.clone(), trigger.name.to_string()), properties);
        }
        for grant in &table.grants {
            let relation = Object::Relation(own.clone());
            let columns = grant.columns.iter().map(|column| Object::Column(own.clone(), column.to_string()));
            let on: Vec<_> = if grant.columns.is_empty() { vec![relation] } else { columns.collect() };
            for object in on {
                self.privilege(&object, grant.command.keyword(), &grant.role);
            }
        }
    }

    fn column(&mut self, table: &Name, column: &Column) {
        let object = Object::Column(table.clone(), column.name.to_string());
        let mut properties = json!({});
        for property in ColumnProperty::ALL {
            match property {
                ColumnProperty::Type => {
                    properties["type"] = json!(self.canonical.text(&object, "type"));
                    let collation = self.canonical.text(&object, "collation");
                    let collation = collation.and_then(|text| serde_json::from_str::<Value>(text).ok());
                    properties["collation"] = json!(collation);
                }
                ColumnProperty::Sensitive => {
                    properties["sensitive"] = json!(column.sensitive);
                    if column.sensitive {
                        properties["expression_statistics"] = json!([]);
                    }
                }
                ColumnProperty::Default => {
                    properties["default"] = json!(self.canonical.text(&object, "default"));
                    properties["identity"] = json!(column.is_identity().then_some("a"));
                    properties["generated"] = json!(column.generated().map(|_| "s"));
                }
                ColumnProperty::Comment => properties["comment"] = json!(comment(&column.comment)),
                ColumnProperty::Nullable => properties["not_null"] = json!(!column.nullable),
            }
        }
        self.add(object, properties);
    }

    fn key(&mut self, table: &Name, kind: &str, key: &Key) {
        let columns: Vec<_> = key.columns.iter().map(Ident::as_str).collect();
        let properties = constraint(kind, json!({ "columns": columns, "index": index_shape(&key.columns, true) }));
        self.add(Object::Constraint(table.clone(), key.name.to_string()), properties);
    }

    fn index(&mut self, table: &Name, index: &Index) {
        let object = Object::of_index(table, index);
        let properties = match index.plain_columns().filter(|_| has_only_columns(index)) {
            Some(columns) => state(with(index_shape(columns, false), json!({ "predicate": null }))),
            None => self.canonical.index(&object),
        };
        self.catalog.facts.insert(object, properties);
    }

    fn foreign_key(&mut self, table: &Name, key: &ForeignKey) {
        let names = |columns: &[Ident]| columns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut own = json!({
            "columns": names(&key.columns), "target": [key.target.schema.as_str(), key.target.table.as_str()],
            "target_columns": names(&key.target_columns), "match": "s",
            "on_update": match key.on_update {
                OnUpdate::NoAction => "a",
                OnUpdate::Cascade => "c",
            },
            "deferrable": key.deferral != Deferral::NotDeferrable, "deferred": key.deferral == Deferral::InitiallyDeferred,
        });
        let (action, set) = match &key.on_delete {
            ForeignKeyAction::NoAction => ("a", None),
            ForeignKeyAction::Cascade => ("c", None),
            ForeignKeyAction::SetNull(columns) => ("n", Some(columns)),
        };
        own["on_delete"] = json!(action);
        if let Some(columns) = set {
            own["on_delete_set"] = json!(names(columns));
        }
        self.add(Object::Constraint(table.clone(), key.name.to_string()), constraint("foreign key", own));
    }

    fn policy(&mut self, table: &Name, policy: &Policy) {
        let object = Object::Policy(table.clone(), policy.name.to_string());
        let properties = json!({
            "permissive": !policy.is_restrictive(), "command": policy.command().map_or("ALL", |command| command.keyword()),
            "roles": [policy.role.as_ref().map(Ident::as_str)],
            "using": self.canonical.text(&object, "using"), "check": self.canonical.text(&object, "check"),
            "comment": comment(&policy.comment),
        });
        self.add(object, properties);
    }
}

/// The default properties of tables and partitions, overridden by the given properties.
fn relation(owner: &Ident, own: Value) -> Value {
    let all = json!({
        "kind": "table", "owner": owner.as_str(), "owner_has_all": true, "row_security": true, "forced": true,
        "logged": true, "security_invoker": false, "partitioned_by": null, "partition": null, "parents": [], "triggers_enabled": true,
        "comment": null,
    });
    with(all, own)
}

/// The default properties of constraints, overridden by the given properties.
fn constraint(kind: &str, own: Value) -> Value {
    let all = json!({
        "kind": kind, "deferrable": false, "valid": true, "enforced": true, "temporal": false, "inherited": true,
    });
    with(all, own)
}

/// Returns the properties `all`, overridden by the properties `own`.
fn with(mut all: Value, own: Value) -> Value {
    if let (Value::Object(all), Value::Object(own)) = (&mut all, own) {
        all.extend(own);
    }
    all
}

/// The shape of a B-tree index on columns.
fn index_shape<'a>(columns: impl IntoIterator<Item = &'a Ident>, unique: bool) -> Value {
    let columns: Vec<_> = columns.into_iter().map(Ident::as_str).collect();
    json!({
        "method": "btree", "unique": unique, "columns": columns, "included": 0, "nulls_distinct": true,
        "usable": true, "options": [],
    })
}

/// Writes a trigger argument in the server's escape format, with the NUL that terminates the argument.
fn escaped(argument: &str) -> String {
    let bytes = argument.bytes().map(|byte| match byte {
        b'\\' => "\\\\".to_owned(),
        0x80.. => format!("\\{byte:03o}"),
        byte => char::from(byte).to_string(),
    });
    bytes.chain(["\\000".to_owned()]).collect()
}
