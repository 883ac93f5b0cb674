//! Random tenancies and table declarations.

use tenant_runtime::{
    model::def::{
        ColumnDef, EnumDef, LabelsDef, MembershipDef, NO_ROLE, OnDelete, ReferenceDef, RoleDef, RuleDef, ScopeDef,
        SoftDeleteDef, SqlType, TableDef, TableName, TenancyDef,
    },
    roles::Organizations,
    tenant::Tenancy as _,
};

use super::oracle::{CONDITIONS, includes, row_id};
pub(crate) use crate::random::Random;

impl Random {
    /// A role that includes another; sometimes one that does not, which the check may reject.
    fn role(&mut self, tenancy: &TenancyDef, below: Option<&str>) -> &'static str {
        let strict = !self.chance(2);
        let fits = |role: &&RoleDef| !strict || below.is_none_or(|below| includes(tenancy, role.name, below));
        let roles: Vec<_> = tenancy.roles.iter().filter(fits).map(|role| role.name).collect();
        self.pick(&roles)
    }

    fn maybe_role(&mut self, percent: usize, tenancy: &TenancyDef, below: Option<&str>) -> Option<&'static str> {
        self.chance(percent).then(|| self.role(tenancy, below))
    }
}

pub(crate) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Generates a tenancy and its tables: often the shipped tenancy.
pub(super) fn declaration(seed: u64, random: &mut Random) -> (&'static TenancyDef, Vec<&'static TableDef>) {
    let tenancy = if random.chance(40) { Organizations::DEF } else { random_tenancy(seed, random) };
    (tenancy, tables(tenancy, random))
}

/// Generates a tenancy that is unique to its seed, and its tables.
pub(super) fn uniquely_named_declaration(
    seed: u64,
    random: &mut Random,
) -> (&'static TenancyDef, Vec<&'static TableDef>) {
    let tenancy = leak(TenancyDef { login_per_role: seed.is_multiple_of(3), ..*random_tenancy(seed, random) });
    (tenancy, tables(tenancy, random))
}

fn random_tenancy(seed: u64, random: &mut Random) -> &'static TenancyDef {
    let role = |name, includes| RoleDef { name, includes, renamed_from: None };
    let roles = match random.below(4) {
        0 => vec![role("low", &[][..]), role("top", &["low"])],
        1 => vec![role("low", &[]), role("mid", &["low"]), role("top", &["mid"])],
        2 => vec![role("low", &[]), role("mid", &["low"]), role("high", &["mid"]), role("top", &["high"])],
        _ => vec![role("low", &[]), role("left", &["low"]), role("right", &["low"]), role("top", &["left", "right"])],
    };
    let name = |end: &str| &**leak(format!("p{seed}{end}"));
    leak(TenancyDef {
        schema: name(""),
        role_prefix: name("_"),
        key: random.pick(&[SqlType::Uuid, SqlType::Int8]),
        user: random.pick(&[SqlType::Uuid, SqlType::Int8]),
        tenant_setting: name(".tenant"),
        user_setting: name(".person"),
        connection_limit: 5,
        roles: roles.leak(),
        ..TenancyDef::blank()
    })
}

fn tables(tenancy: &'static TenancyDef, random: &mut Random) -> Vec<&'static TableDef> {
    let mut tables: Vec<&'static TableDef> = Vec::new();
    let is_gated = random.chance(60);
    let lowest = || Some(tenancy.roles[0].name);
    let named = |table| TableName { schema: tenancy.schema, table };
    let blank = |table: &'static str| TableDef { rust_name: table, name: named(table), ..TableDef::blank(tenancy) };
    if random.chance(60) {
        let name = ColumnDef::blank("name", SqlType::Text, true);
        let id = ColumnDef { id: true, app_assigned: false, ..ColumnDef::blank("id", tenancy.key, false) };
        tables.push(leak(TableDef {
            scope: ScopeDef::Tenant { column: "id" },
            select: lowest(),
            insert: random.maybe_role(30, tenancy, None),
            update: random.maybe_role(60, tenancy, None),
            delete: random.maybe_role(if is_gated { 0 } else { 40 }, tenancy, None),
            creator_role: random.maybe_role(if is_gated { 30 } else { 0 }, tenancy, None),
            columns: vec![id, name].leak(),
            ..blank("roots")
        }));
    }
    if random.chance(50) {
        let is_shared = is_gated && random.chance(70);
        tables.push(leak(TableDef {
            scope: if is_shared { ScopeDef::Shared { through: named("members") } } else { ScopeDef::Global },
            select: random.maybe_role(95, tenancy, None),
            sign_up: is_gated && random.chance(30),
            columns: vec![
                ColumnDef { id: true, ..ColumnDef::blank("id", tenancy.user, false) },
                ColumnDef {
                    select: random.maybe_role(20, tenancy, None),
                    ..ColumnDef::blank("a", SqlType::Text, true)
                },
            ]
            .leak(),
            ..blank("users")
        }));
    }
    if is_gated {
        tables.push(membership(tenancy, &tables, blank("members"), random));
    }
    // The same action for all: if a deletion both cascades and is refused, the result depends on the order of the constraints.
    let of_root = random.pick(&[OnDelete::NoAction, OnDelete::Cascade]);
    for name in &["t0", "t1", "t2", "t3"][..=random.below(4)] {
        tables.push(plain(tenancy, &tables, of_root, blank(name), random));
    }
    tables
}

fn reference(tables: &[&'static TableDef], name: &str, on_delete: OnDelete) -> Option<ReferenceDef> {
    let table = tables.iter().find(|table| table.name.table == name)?.name;
    Some(ReferenceDef::new(table, on_delete))
}

fn membership(
    tenancy: &'static TenancyDef,
    tables: &[&'static TableDef],
    blank: TableDef,
    random: &mut Random,
) -> &'static TableDef {
    let labels = tenancy.roles.iter().map(|role| role.name).collect::<Vec<_>>().leak();
    let org = ColumnDef {
        id: true,
        references: reference(tables, "roots", OnDelete::NoAction),
        ..ColumnDef::blank("org", tenancy.key, false)
    };
    let user = ColumnDef {
        id: true,
        references: reference(tables, "users", OnDelete::NoAction),
        ..ColumnDef::blank("user_id", tenancy.user, false)
    };
    let role = ColumnDef {
        select: random.maybe_role(20, tenancy, None),
        ..ColumnDef::blank("role", labelled("member_role", labels, random.chance(30)), false)
    };
    let select = if random.chance(70) { tenancy.roles[0].name } else { random.role(tenancy, None) };
    let manager = random.maybe_role(70, tenancy, Some(select));
    leak(TableDef {
        scope: ScopeDef::Tenant { column: "org" },
        membership: Some(MembershipDef { user: "user_id", role: "role" }),
        select: Some(select),
        insert: manager,
        update: manager,
        delete: manager,
        columns: vec![org, user, role].leak(),
        ..blank
    })
}

fn plain(
    tenancy: &'static TenancyDef,
    tables: &[&'static TableDef],
    of_root: OnDelete,
    blank: TableDef,
    random: &mut Random,
) -> &'static TableDef {
    let is_parent = |table: &&&TableDef| {
        table.tenant_column().is_some_and(|tenant| tenant != row_id(table)) && table.membership.is_none()
    };
    let parents: Vec<_> = tables.iter().filter(is_parent).collect();
    let parent = if parents.is_empty() { None } else { Some(*random.pick(&parents)) };
    let scope = match (random.below(100), parent) {
        (0..15, _) => ScopeDef::Global,
        (15..45, Some(_)) => ScopeDef::Parent { column: "parent", tenant: "org" },
        _ => ScopeDef::Tenant { column: "org" },
    };
    let parent = parent.filter(|_| matches!(scope, ScopeDef::Parent { .. }));
    let is_of_tenant = matches!(scope, ScopeDef::Tenant { .. });
    let has_tenant = scope != ScopeDef::Global;
    let select = random.role(tenancy, parent.and_then(|parent| parent.select));
    let writes = if scope == ScopeDef::Global { 1 } else { 70 };
    let has_owner = random.chance(60);
    let owned = if has_owner && scope != ScopeDef::Global { 45 } else { 0 };
    let [insert, update, delete] = [(); 3].map(|()| random.maybe_role(writes, tenancy, Some(select)));
    let [update_own, delete_own] = [(); 2].map(|()| random.maybe_role(owned, tenancy, Some(select)));
    let is_partitioned = is_of_tenant && random.chance(12);
    let has_composite_key = is_partitioned || is_of_tenant && random.chance(12);
    let action = |random: &mut Random| random.pick(&[OnDelete::NoAction, OnDelete::NoAction, OnDelete::Cascade]);

    let mut columns = Vec::new();
    let ty = random.pick(&[SqlType::Uuid, SqlType::Int8]);
    let app_assigned = has_composite_key || random.chance(30);
    columns.push(ColumnDef { id: true, app_assigned, ..ColumnDef::blank("id", ty, false) });
    if is_of_tenant {
        let references = reference(tables, "roots", of_root).filter(|_| random.chance(70));
        let select = random.maybe_role(3, tenancy, Some(select));
        let id = has_composite_key;
        columns.push(ColumnDef { id, references, select, ..ColumnDef::blank("org", tenancy.key, false) });
    }
    let mut of_parent = None;
    if let Some(parent) = parent {
        columns.push(ColumnDef { app_assigned: false, ..ColumnDef::blank("org", tenancy.key, false) });
        let on_delete = if parent.name.table == "roots" { of_root } else { action(random) };
        of_parent = Some((parent.name, on_delete));
        let references = Some(ReferenceDef::new(parent.name, on_delete));
        columns.push(ColumnDef { references, ..ColumnDef::blank("parent", key_type(parent), false) });
    }
    if has_owner {
        let members = reference(tables, "members", OnDelete::NoAction).filter(|_| has_tenant && random.chance(30));
        let nullable = random.chance(15);
        columns.push(ColumnDef { references: members, ..ColumnDef::blank("owner_id", tenancy.user, nullable) });
    }
    let visibility = (has_owner && random.chance(60)).then_some("visibility");
    let own_roles = |column: ColumnDef, random: &mut Random| {
        let default = column.default.filter(|_| random.chance(50));
        let may_be_left_out = column.nullable || default.is_some();
        ColumnDef {
            select: if random.chance(5) { Some(NO_ROLE) } else { random.maybe_role(20, tenancy, Some(select)) },
            insert: insert.filter(|_| may_be_left_out).and_then(|insert| random.maybe_role(30, tenancy, Some(insert))),
            update: match random.chance(5) {
                true => Some(NO_ROLE),
                false => update.and_then(|update| random.maybe_role(20, tenancy, Some(update))),
            },
            default,
            app_assigned: !column.nullable || random.chance(85),
            ..column
        }
    };
    // All columns of one enum type have the same labels, so each table can have either form.
    let is_native = random.chance(30);
    if let Some(name) = visibility {
        let ty = labelled("sharing", &["team", "private"], is_native);
        let column = ColumnDef { default: Some("'team'"), ..ColumnDef::blank(name, ty, random.chance(10)) };
        columns.push(own_roles(column, random));
    }
    let n = ColumnDef { default: Some("1"), ..ColumnDef::blank("n", SqlType::Int4, false) };
    columns.push(own_roles(n, random));
    columns.push(own_roles(ColumnDef::blank("a", SqlType::Text, false), random));
    let collation = random.pick(&[None, None, Some("C")]);
    let b = own_roles(ColumnDef { collation, ..ColumnDef::blank("b", SqlType::Text, true) }, random);
    if random.chance(30) {
        let generated = ColumnDef {
            app_assigned: false,
            generated: Some("upper(b)"),
            ..ColumnDef::blank("g", SqlType::Text, true)
        };
        columns.push(ColumnDef { select: b.select, ..generated });
    }
    columns.push(b);
    if random.chance(30) {
        let seen = ColumnDef::blank("seen", SqlType::Timestamptz, false);
        let select = random.maybe_role(20, tenancy, Some(select));
        columns.push(ColumnDef { app_assigned: false, updated_at: true, select, ..seen });
    }
    let soft_delete = (has_tenant && (delete.is_some() || delete_own.is_some()) && random.chance(35))
        .then(|| soft_delete(tenancy, select, [update, update_own], random));
    if soft_delete.is_some() {
        columns.push(DELETION_TIME);
    }
    if has_tenant && random.chance(25) {
        let ty = random.pick(&[SqlType::Int4, SqlType::Int8]);
        let select = random.maybe_role(20, tenancy, Some(select));
        columns.push(ColumnDef { app_assigned: false, counter: true, select, ..ColumnDef::blank("place", ty, false) });
    }
    // A table with a tenant column may refer to others, and any table to tables without a tenant.
    let may_link = |table: &&&TableDef| match table.tenant_column() {
        Some(column) => has_tenant && column != "id",
        None => true,
    };
    let targets: Vec<_> = tables.iter().filter(may_link).collect();
    if !targets.is_empty() && random.chance(60) {
        let (target, nullable) = (random.pick(&targets), random.chance(50));
        let on_delete = if nullable && random.chance(50) { OnDelete::SetNull } else { action(random) };
        // With different actions of two references to one row, the order of the constraints decides the outcome of its deletion.
        let on_delete = of_parent.filter(|(parent, _)| *parent == target.name).map_or(on_delete, |(_, action)| action);
        let references = Some(ReferenceDef::new(target.name, on_delete));
        let link = ColumnDef { references, ..ColumnDef::blank("link", key_type(target), nullable) };
        columns.push(own_roles(link, random));
    }
    let mut rules = Vec::new();
    for (command, check) in
        [("select", false), ("insert", true), ("update", false), ("update", true), ("delete", false)]
    {
        // An update that can hide its row is expected to fail.
        let is_hidden = check && rules.iter().any(|rule: &RuleDef| rule.command == "select") && random.chance(90);
        if random.chance(8) || command == "update" && is_hidden {
            let condition = CONDITIONS[random.below(CONDITIONS.len())].sql;
            rules.push(RuleDef { command, check, condition });
        }
    }
    leak(TableDef {
        scope,
        owner: has_owner.then_some("owner_id"),
        visibility,
        rules: rules.leak(),
        partitions: is_partitioned.then_some(2),
        select: Some(select),
        insert,
        update,
        delete,
        update_own,
        delete_own,
        soft_delete,
        columns: columns.leak(),
        ..blank
    })
}

/// The column of tables that keep deleted rows.
pub(super) const DELETION_TIME: ColumnDef =
    ColumnDef { app_assigned: false, ..ColumnDef::blank("gone", SqlType::Timestamptz, true) };

fn soft_delete(
    tenancy: &TenancyDef,
    select: &str,
    [update, update_own]: [Option<&'static str>; 2],
    random: &mut Random,
) -> SoftDeleteDef {
    // A role that restores rows of all users must be able to update them.
    let below = if update_own.is_some() { update } else { Some(select) };
    let restore = below.and_then(|below| random.maybe_role(75, tenancy, Some(below)));
    let restore = restore.filter(|role| includes(tenancy, role, select));
    let purge = restore.and_then(|restore| random.maybe_role(70, tenancy, Some(restore)));
    SoftDeleteDef { column: DELETION_TIME.name, restore, purge }
}

/// A type with these labels: text with a check constraint, or an enum type.
fn labelled(name: &'static str, labels: &'static [&'static str], is_native: bool) -> SqlType {
    let labels = LabelsDef::of(labels);
    if is_native { SqlType::Enum(EnumDef { name, labels }) } else { SqlType::Labels(labels) }
}

fn key_type(table: &TableDef) -> SqlType {
    let id = row_id(table);
    table.columns.iter().find(|column| column.name == id).expect("it has a key").ty
}
