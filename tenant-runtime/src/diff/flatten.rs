//! Flattens a schema into individual objects that can be compared.

use std::sync::Arc;

use super::object::{KeyKind, Membership, SchemaObject};
use crate::{
    ident::Ident,
    model::{
        def::TimeoutsDef,
        schema::{Function, QualifiedName, Role, RoleKind, Schema, Table},
    },
};

/// Lists the objects of a schema in the order in which they can be created. A table is one object.
pub(super) fn items(schema: &Schema) -> Vec<SchemaObject> {
    // Destructures by name, so that adding a field to the model is a compile error here.
    let Schema {
        product: _,
        roles,
        external_roles,
        pgaudit,
        schemas,
        extensions,
        enums,
        context_settings: _,
        functions,
        sequences: _,
        tables,
        renames: _,
    } = schema;
    let mut items =
        if *external_roles { vec![SchemaObject::RequiredRoles { roles: roles.clone() }] } else { Vec::new() };
    if !external_roles {
        items.extend(of_roles(schema));
    }
    items.extend(schema.logins().map(|login| SchemaObject::Database { login: login.name.clone() }));
    for login in schema.logins().filter(|_| !external_roles) {
        let timeouts = login.kind.login().map(|(_, timeouts)| timeouts);
        items.extend(timeouts.map(|timeouts| SchemaObject::Timeouts { login: login.name.clone(), timeouts }));
    }
    items.extend(pgaudit.iter().map(|classes| SchemaObject::Pgaudit { classes: classes.clone() }));
    let extension_schema =
        |name: &Ident| SchemaObject::ExtensionSchema { name: name.clone(), users: extension_users(schema) };
    items.extend(schema.extension_schemas().into_iter().map(extension_schema));
    items.extend(
        extensions.iter().map(|(name, home)| SchemaObject::Extension { name: name.clone(), schema: home.clone() }),
    );
    if let (Some(function_owner), Some((name, _))) = (schema.function_owner(), functions.first_key_value()) {
        items.extend(of_functions(schema, &function_owner.name, &name.schema));
    }
    if let Some(owner) = schema.owner() {
        let owner = || owner.name.clone();
        items.extend(schemas.iter().map(|name| SchemaObject::Schema { name: name.clone(), owner: owner() }));
        items.push(SchemaObject::Defaults { creator: owner(), types: true });
        for name in schemas {
            let users = lowest_roles(schema).chain(schema.function_owner()).chain(schema.system());
            let usage =
                |role: &Role| SchemaObject::Usage { schema: name.clone(), owner: owner(), role: role.name.clone() };
            items.extend(users.map(usage));
        }
        items.extend(enums.iter().map(|(name, ty)| SchemaObject::Enum { name: name.clone(), ty: ty.clone() }));
    }
    let table = |(name, table): (&QualifiedName, &Arc<Table>)| SchemaObject::Table {
        name: name.clone(),
        table: Arc::clone(table),
    };
    items.extend(tables.iter().map(table));
    items
}

/// Lists the roles that use extensions: all roles except the login roles.
pub(crate) fn extension_users(schema: &Schema) -> Vec<Ident> {
    schema.roles.iter().filter(|role| role.kind.login().is_none()).map(|role| role.name.clone()).collect()
}

/// Lists the roles and their memberships.
pub(crate) fn of_roles(schema: &Schema) -> Vec<SchemaObject> {
    let roles = schema.roles.iter().map(|role| item_of_role(role, &schema.product));
    roles.chain(memberships(&schema.roles).into_iter().map(SchemaObject::Membership)).collect()
}

/// A role without its memberships and its timeouts, which are separate objects.
fn item_of_role(role: &Role, product: &str) -> SchemaObject {
    let kind = match &role.kind {
        RoleKind::Application { .. } => RoleKind::Application { includes: Vec::new() },
        RoleKind::Login { connection_limit, .. } => {
            RoleKind::Login { connection_limit: *connection_limit, timeouts: TimeoutsDef::SHIPPED }
        }
        RoleKind::RoleLogin { application_role, connection_limit, .. } => RoleKind::RoleLogin {
            application_role: application_role.clone(),
            connection_limit: *connection_limit,
            timeouts: TimeoutsDef::SHIPPED,
        },
        RoleKind::SystemLogin { connection_limit, .. } => {
            RoleKind::SystemLogin { connection_limit: *connection_limit, timeouts: TimeoutsDef::SHIPPED }
        }
        other => other.clone(),
    };
    SchemaObject::Role { role: Role { name: role.name.clone(), kind }, product: product.to_owned() }
}

/// The memberships of the roles: an application role inherits from the roles that it includes, and a login role can run
/// `SET ROLE` to the roles that it serves.
pub(crate) fn memberships(roles: &[Role]) -> Vec<Membership> {
    let mut memberships = Vec::new();
    for role in roles {
        let mut belongs = |to: &Ident, inherits| {
            memberships.push(Membership { role: to.clone(), member: role.name.clone(), inherits });
        };
        if let RoleKind::Application { includes } = &role.kind {
            includes.iter().for_each(|below| belongs(below, true));
        }
        role.kind.becomes(roles).for_each(|becomes| belongs(&becomes.name, false));
    }
    memberships
}

fn of_functions(schema: &Schema, function_owner: &Ident, home: &Ident) -> Vec<SchemaObject> {
    let owner = || function_owner.clone();
    let mut items = vec![
        SchemaObject::Schema { name: home.clone(), owner: owner() },
        SchemaObject::Defaults { creator: owner(), types: false },
    ];
    let users = lowest_roles(schema).chain(schema.no_tenant()).chain(schema.system()).chain(schema.owner());
    items.extend(users.map(|role| SchemaObject::Usage {
        schema: home.clone(),
        owner: owner(),
        role: role.name.clone(),
    }));
    let sequence = |name: &QualifiedName| SchemaObject::Sequence { name: name.clone(), owner: owner() };
    items.extend(schema.sequences.iter().map(sequence));
    let function = |(name, function): (&QualifiedName, &Function)| SchemaObject::Function {
        name: name.clone(),
        owner: owner(),
        function: function.clone(),
    };
    items.extend(schema.functions.iter().map(function));
    items
}

/// Returns the application roles that include no other role. Every other application role inherits from one of them.
fn lowest_roles(schema: &Schema) -> impl Iterator<Item = &Role> {
    schema
        .application_roles()
        .filter(|role| matches!(&role.kind, RoleKind::Application { includes } if includes.is_empty()))
}

/// Lists the EXECUTE grants of a function.
pub(super) fn callers(name: &QualifiedName, owner: &Ident, function: &Function) -> Vec<SchemaObject> {
    let arguments: Vec<_> = function.arguments.iter().map(|(_, ty)| ty.clone()).collect();
    let caller = |role: &Ident| SchemaObject::Execute {
        name: name.clone(),
        owner: owner.clone(),
        arguments: arguments.clone(),
        role: role.clone(),
    };
    function.execute.iter().map(caller).collect()
}

/// Lists the parts of a table, except its grants, which are compared column by column.
pub(crate) fn parts(name: &QualifiedName, table: &Table) -> Vec<SchemaObject> {
    // The scope is contained in the policies and keys that are derived from it.
    let Table {
        comment,
        scope: _,
        columns,
        primary_key,
        uniques,
        checks,
        foreign_keys,
        indexes,
        policies,
        grants: _,
        triggers,
        partitions,
    } = table;
    let table = || name.clone();
    let key = |kind| move |key: &_| SchemaObject::Key { table: name.clone(), kind, key: Clone::clone(key) };
    let mut parts = vec![
        SchemaObject::Comment { table: table(), comment: comment.clone() },
        SchemaObject::Partitions { table: table(), count: *partitions },
    ];
    parts.extend(columns.iter().map(|column| SchemaObject::Column { table: table(), column: column.clone() }));
    parts.push(key(KeyKind::Primary)(primary_key));
    parts.extend(uniques.iter().map(key(KeyKind::Unique)));
    parts.extend(checks.iter().map(|check| SchemaObject::Check { table: table(), check: check.clone() }));
    let foreign_key =
        |key: &_| SchemaObject::ForeignKey { table: table(), key: Clone::clone(key), partitions: *partitions };
    parts.extend(foreign_keys.iter().map(foreign_key));
    parts.extend(indexes.iter().map(|index| SchemaObject::Index { table: table(), index: index.clone() }));
    parts.extend(policies.iter().map(|policy| SchemaObject::Policy { table: table(), policy: policy.clone() }));
    parts.extend(triggers.iter().map(|trigger| SchemaObject::Trigger { table: table(), trigger: trigger.clone() }));
    parts
}
