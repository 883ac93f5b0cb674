//! Takes a schema apart into things that can be compared one by one.

use super::item::{Item, KeyKind, Membership};
use crate::{
    ident::Ident,
    model::{
        def::TimeoutsDef,
        schema::{Function, QualifiedName, Role, RoleKind, Schema, Table},
    },
};

/// Lists what a schema consists of, in the order in which it can be made: a table as a whole.
pub(super) fn items(schema: &Schema) -> Vec<Item> {
    // Taken apart by name, so that a field which is added to the model is not forgotten here.
    let Schema { product: _, roles, external_roles, pgaudit, schemas, functions, tables } = schema;
    let mut items = if *external_roles { vec![Item::RequiredRoles { roles: roles.clone() }] } else { Vec::new() };
    if !external_roles {
        items.extend(of_roles(schema));
    }
    items.extend(schema.logins().map(|login| Item::Database { login: login.name.clone() }));
    for login in schema.logins().filter(|_| !external_roles) {
        let timeouts = login.kind.login().map(|(_, timeouts)| timeouts);
        items.extend(timeouts.map(|timeouts| Item::Timeouts { login: login.name.clone(), timeouts }));
    }
    items.extend(pgaudit.iter().map(|classes| Item::Pgaudit { classes: classes.clone() }));
    if let (Some(definer), Some((name, _))) = (schema.definer(), functions.first_key_value()) {
        items.extend(of_functions(schema, &definer.name, &name.schema));
    }
    if let Some(owner) = schema.owner() {
        let owner = || owner.name.clone();
        items.extend(schemas.iter().map(|name| Item::Schema { name: name.clone(), owner: owner() }));
        items.push(Item::Defaults { creator: owner(), types: true });
        for name in schemas {
            let users = lowest_tiers(schema).chain(schema.definer()).chain(schema.system());
            let usage = |role: &Role| Item::Usage { schema: name.clone(), owner: owner(), role: role.name.clone() };
            items.extend(users.map(usage));
        }
    }
    let table =
        |(name, table): (&QualifiedName, &Table)| Item::Table { name: name.clone(), table: table.clone().into() };
    items.extend(tables.iter().map(table));
    items
}

/// Lists the roles, and who belongs to whom.
pub(crate) fn of_roles(schema: &Schema) -> Vec<Item> {
    let roles = schema.roles.iter().map(|role| item_of_role(role, &schema.product));
    roles.chain(memberships(&schema.roles).into_iter().map(Item::Membership)).collect()
}

/// A role without its memberships and its timeouts, which are compared by themselves.
fn item_of_role(role: &Role, product: &str) -> Item {
    let kind = match &role.kind {
        RoleKind::Tier { .. } => RoleKind::Tier { includes: Vec::new() },
        RoleKind::Login { connection_limit, .. } => {
            RoleKind::Login { connection_limit: *connection_limit, timeouts: TimeoutsDef::SHIPPED }
        }
        RoleKind::TierLogin { tier, connection_limit, .. } => RoleKind::TierLogin {
            tier: tier.clone(),
            connection_limit: *connection_limit,
            timeouts: TimeoutsDef::SHIPPED,
        },
        RoleKind::SystemLogin { connection_limit, .. } => {
            RoleKind::SystemLogin { connection_limit: *connection_limit, timeouts: TimeoutsDef::SHIPPED }
        }
        other => other.clone(),
    };
    Item::Role { role: Role { name: role.name.clone(), kind }, product: product.to_owned() }
}

/// Who belongs to whom: a tier has the rights of those that it includes, and a login may become those that it serves.
pub(crate) fn memberships(roles: &[Role]) -> Vec<Membership> {
    let mut memberships = Vec::new();
    for role in roles {
        let mut belongs = |to: &Ident, inherits| {
            memberships.push(Membership { role: to.clone(), member: role.name.clone(), inherits });
        };
        if let RoleKind::Tier { includes } = &role.kind {
            includes.iter().for_each(|below| belongs(below, true));
        }
        role.kind.becomes(roles).for_each(|becomes| belongs(&becomes.name, false));
    }
    memberships
}

fn of_functions(schema: &Schema, definer: &Ident, home: &Ident) -> Vec<Item> {
    let owner = || definer.clone();
    let mut items =
        vec![Item::Schema { name: home.clone(), owner: owner() }, Item::Defaults { creator: owner(), types: false }];
    let users = lowest_tiers(schema).chain(schema.visitor()).chain(schema.system()).chain(schema.owner());
    items.extend(users.map(|role| Item::Usage { schema: home.clone(), owner: owner(), role: role.name.clone() }));
    let function = |(name, function): (&QualifiedName, &Function)| Item::Function {
        name: name.clone(),
        owner: owner(),
        function: function.clone(),
    };
    items.extend(schema.functions.iter().map(function));
    items
}

/// The tiers that include no other; what they get, all get.
fn lowest_tiers(schema: &Schema) -> impl Iterator<Item = &Role> {
    schema.tiers().filter(|role| matches!(&role.kind, RoleKind::Tier { includes } if includes.is_empty()))
}

/// Lists who may call a function.
pub(super) fn callers(name: &QualifiedName, owner: &Ident, function: &Function) -> Vec<Item> {
    let arguments: Vec<_> = function.arguments.iter().map(|(_, ty)| ty.clone()).collect();
    let caller = |role: &Ident| Item::Execute {
        name: name.clone(),
        owner: owner.clone(),
        arguments: arguments.clone(),
        role: role.clone(),
    };
    function.execute.iter().map(caller).collect()
}

/// Lists what a table consists of, but for its grants, which are compared column by column.
pub(crate) fn parts(name: &QualifiedName, table: &Table) -> Vec<Item> {
    // The scope is in the policies and the keys that follow from it.
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
    let key = |kind| move |key: &_| Item::Key { table: name.clone(), kind, key: Clone::clone(key) };
    let mut parts = vec![
        Item::Comment { table: table(), comment: comment.clone() },
        Item::Partitions { table: table(), count: *partitions },
    ];
    parts.extend(columns.iter().map(|column| Item::Column { table: table(), column: column.clone() }));
    parts.push(key(KeyKind::Primary)(primary_key));
    parts.extend(uniques.iter().map(key(KeyKind::Unique)));
    parts.extend(checks.iter().map(|check| Item::Check { table: table(), check: check.clone() }));
    let foreign_key = |key: &_| Item::ForeignKey { table: table(), key: Clone::clone(key), partitions: *partitions };
    parts.extend(foreign_keys.iter().map(foreign_key));
    parts.extend(indexes.iter().map(key(KeyKind::Index)));
    parts.extend(policies.iter().map(|policy| Item::Policy { table: table(), policy: policy.clone() }));
    parts.extend(triggers.iter().map(|trigger| Item::Trigger { table: table(), trigger: trigger.clone() }));
    parts
}
