//! The declarations of a version, as the derive would write them.

use tenant_runtime::model::def::{
    ColumnDef, LabelsDef, MembershipDef, OnDelete, ReferenceDef, RoleDef, RuleDef, ScopeDef, SqlType, TableDef,
    TableName, TenancyDef, UniqueScope,
};

use super::{
    super::random_declarations::leak,
    expressions::{condition, default_sql},
    model::{Column, Kind, Label, Part, Scope, Table, Version},
};

/// Returns the tables of a version; `before` is the version that its backfills read.
pub(super) fn declaration(prefix: &'static str, before: Option<&Version>, version: &Version) -> Vec<&'static TableDef> {
    let role = |(at, role): (usize, &Label)| RoleDef {
        name: role.text,
        includes: at.checked_sub(1).map_or(&[][..], |below| leak([version.roles[below].text])),
        renamed_from: role.renamed_from,
    };
    let roles: Vec<_> = version.roles.iter().enumerate().map(role).collect();
    let roles = roles.leak();
    let tenancy = leak(TenancyDef { role_prefix: prefix, roles, connection_limit: 5, ..TenancyDef::blank() });
    let tables = version.tables.iter();
    tables.map(|table| declared(tenancy, before.and_then(|old| old.table(table.id)), table, version)).collect()
}

fn named(table: &'static str) -> TableName {
    TableName { schema: "app", table }
}

fn declared(tenancy: &'static TenancyDef, old: Option<&Table>, table: &Table, version: &Version) -> &'static TableDef {
    let name = |part: Part| table.part(part).expect("the scope has its column").name;
    let scope = match table.scope {
        Scope::Tenant | Scope::Members => ScopeDef::Tenant { column: name(Part::Tenant) },
        Scope::Parent => {
            let parent = table.parent().expect("the table has a parent");
            let tenant = version.tenant_of_parent(table).expect("the parent has a tenant").name;
            ScopeDef::Parent { column: name(Part::Parent(parent)), tenant }
        }
        Scope::Global => ScopeDef::Global,
    };
    let is_members = table.scope == Scope::Members;
    // The derive copies the tenant column of the parent.
    let tenant = version.tenant_of_parent(table).map(|tenant| ColumnDef {
        app_assigned: false,
        renamed_from: tenant.renamed_from,
        ..ColumnDef::blank(tenant.name, SqlType::Uuid, false)
    });
    let columns = table.columns.iter().map(|column| column_def(column, old, table, version)).chain(tenant);
    let [lowest, middle, highest] = [0, 1, version.roles.len() - 1].map(|at| version.roles[at].text);
    let writes = |role: &'static str| if table.scope == Scope::Global { None } else { Some(role) };
    let rules = table.rule.iter().flat_map(|rule| {
        let condition = condition(rule.template, table.column(rule.column).expect("the rule's column").name);
        let using = RuleDef { command: rule.command, check: false, condition };
        // An update that hides its row is refused.
        let check = RuleDef { command: "update", check: true, condition };
        [Some(using), (rule.command == "select").then_some(check)]
    });
    leak(TableDef {
        rust_name: table.name,
        name: named(table.name),
        scope,
        membership: is_members.then(|| MembershipDef { user: name(Part::User), role: name(Part::Role) }),
        rules: rules.flatten().collect::<Vec<_>>().leak(),
        renamed_from: table.renamed_from,
        select: Some(lowest),
        insert: writes(if is_members { highest } else { middle }),
        update: writes(if is_members { highest } else { middle }),
        delete: writes(highest),
        columns: columns.collect::<Vec<_>>().leak(),
        ..TableDef::blank(tenancy)
    })
}

fn column_def(column: &Column, old: Option<&Table>, table: &Table, version: &Version) -> ColumnDef {
    let ty = match (column.part, column.kind) {
        (_, Kind::Integer) => SqlType::Int4,
        (_, Kind::Bigint) => SqlType::Int8,
        (_, Kind::Text) => SqlType::Text,
        (_, Kind::Varchar) => SqlType::Custom("varchar(60)"),
        (_, Kind::Date) => SqlType::Date,
        (_, Kind::Boolean) => SqlType::Bool,
        (_, Kind::Uuid) => SqlType::Uuid,
        (part, Kind::Labels) => SqlType::Labels(labels_def(column, part == Part::Role)),
    };
    let target = |id: usize| {
        let table = named(version.table(id).expect("the referenced table").name);
        ReferenceDef::new(table, OnDelete::NoAction)
    };
    ColumnDef {
        id: column.part == Part::Key
            || table.scope == Scope::Members && matches!(column.part, Part::Tenant | Part::User),
        app_assigned: column.part != Part::Key && column.part != Part::Tenant,
        renamed_from: column.renamed_from,
        backfill: column.backfill.as_ref().map(|backfill| backfill.sql(old, table)),
        default: column.default.map(|value| default_sql(column.kind, value)),
        references: match column.part {
            Part::Link(id) | Part::Parent(id) => Some(target(id)),
            _ => None,
        },
        unique: column.unique.then_some(UniqueScope::Tenant),
        index: column.index,
        sensitive: column.sensitive,
        check: column.check.map(|template| condition(template, column.name)),
        ..ColumnDef::blank(column.name, ty, column.nullable)
    }
}

/// The labels of a column; a role is renamed in the tenancy.
fn labels_def(column: &Column, is_role: bool) -> LabelsDef {
    let renamed = column.labels.iter().filter(|_| !is_role);
    let renamed: Vec<_> = renamed.filter_map(|label| Some((label.text, label.renamed_from?))).collect();
    let replaced = column.replaced.iter().filter_map(|gone| Some((gone.text, column.text_of(gone.into)?)));
    LabelsDef {
        labels: column.labels.iter().map(|label| label.text).collect::<Vec<_>>().leak(),
        renamed: renamed.leak(),
        replaced: replaced.collect::<Vec<_>>().leak(),
    }
}
