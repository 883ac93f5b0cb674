//! The first version of a product, and its rows.

use super::{
    super::random_declarations::Random,
    expressions::{Condition, constant, literal, template, value},
    model::{Column, Kind, Label, Part, Row, Rows, Scope, Table, Version},
};

/// The names of columns: words of SQL among them.
pub(super) const COLUMN_NAMES: [&str; 22] = [
    "end",
    "not",
    "true",
    "select",
    "year",
    "from",
    "order",
    "user",
    "case",
    "when",
    "name",
    "title",
    "note",
    "amount",
    "first_name",
    "last_name",
    "a",
    "b",
    "c",
    "position",
    "value",
    "substring",
];
/// The names of tables.
pub(super) const TABLE_NAMES: [&str; 9] =
    ["notes", "tasks", "cards", "logs", "order", "user", "boxes", "persons", "values"];

/// The texts of labels.
pub(super) const LABEL_TEXTS: [&str; 10] =
    ["open", "done", "end", "it's", "in progress", "back\\slash", "NULL", "select", "Open", "CASE x END"];
/// The names of roles.
pub(super) const ROLE_NAMES: [&str; 7] = ["viewer", "member", "admin", "editor", "guest", "manager", "lead"];

const TENANTS: usize = 3;
const USERS: usize = 4;

/// Returns a name that a table does not use.
pub(super) fn free_name(table: &Table, random: &mut Random) -> &'static str {
    let free: Vec<_> = COLUMN_NAMES.into_iter().filter(|name| table.named(name).is_none()).collect();
    random.pick(&free)
}

pub(super) fn free_table_name(version: &Version, random: &mut Random) -> &'static str {
    let is_free = |name: &&str| version.tables.iter().all(|table| table.name != *name);
    let free: Vec<_> = TABLE_NAMES.into_iter().filter(is_free).collect();
    random.pick(&free)
}

pub(super) fn version(random: &mut Random) -> Version {
    let mut version = Version { tables: Vec::new(), roles: Vec::new(), next: 0 };
    version.roles = ROLE_NAMES[..3].iter().map(|name| label(version.fresh(), name)).collect();
    if random.chance(40) {
        let id = version.fresh();
        let mut table = Table { scope: Scope::Members, ..blank(id, "members", Scope::Members) };
        for (part, name, kind) in
            [(Part::Tenant, "org", Kind::Uuid), (Part::User, "user_id", Kind::Uuid), (Part::Role, "role", Kind::Labels)]
        {
            table.columns.push(Column { part, ..Column::plain(version.fresh(), name, kind) });
        }
        version.tables.push(table);
        version.share_roles();
    }
    for _ in 0..2 + random.below(3) {
        let table = table(&mut version, random);
        version.tables.push(table);
    }
    version
}

pub(super) fn label(id: usize, text: &'static str) -> Label {
    Label { id, text, renamed_from: None }
}

fn blank(id: usize, name: &'static str, scope: Scope) -> Table {
    Table { id, name, renamed_from: None, scope, rule: None, columns: Vec::new(), swapped: None }
}

/// Returns a new table, which can reference the existing ones.
pub(super) fn table(version: &mut Version, random: &mut Random) -> Table {
    let parents: Vec<_> =
        version.tables.iter().filter(|table| table.scope == Scope::Tenant).map(|one| one.id).collect();
    let scope = match random.below(100) {
        0..10 => Scope::Global,
        10..25 if !parents.is_empty() => Scope::Parent,
        _ => Scope::Tenant,
    };
    let name = free_table_name(version, random);
    let mut table = blank(version.fresh(), name, scope);
    table.columns.push(Column { part: Part::Key, ..Column::plain(version.fresh(), "id", Kind::Uuid) });
    if scope == Scope::Tenant {
        table.columns.push(Column { part: Part::Tenant, ..Column::plain(version.fresh(), "org", Kind::Uuid) });
    }
    if scope == Scope::Parent {
        let part = Part::Parent(random.pick(&parents));
        table.columns.push(Column { part, ..Column::plain(version.fresh(), "parent", Kind::Uuid) });
    }
    if scope == Scope::Tenant && !parents.is_empty() && random.chance(50) {
        let part = Part::Link(random.pick(&parents));
        let nullable = random.chance(50);
        table.columns.push(Column { part, nullable, ..Column::plain(version.fresh(), "link", Kind::Uuid) });
    }
    for _ in 0..2 + random.below(4) {
        let (id, name) = (version.fresh(), free_name(&table, random));
        table.columns.push(column(id, name, random));
    }
    if random.chance(35) && scope == Scope::Tenant {
        table.rule = Some(rule(&table, random));
    }
    table
}

/// Returns a condition on one of the plain columns of a table.
pub(super) fn rule(table: &Table, random: &mut Random) -> Condition {
    let plain: Vec<_> = table.columns.iter().filter(|column| column.part == Part::Plain).collect();
    let column = random.pick(&plain);
    let command = random.pick(&["select", "update", "delete"]);
    Condition { command, column: column.id, template: template(column.kind, random) }
}

pub(super) fn column(id: usize, name: &'static str, random: &mut Random) -> Column {
    let kind = random.pick(&[
        Kind::Integer,
        Kind::Integer,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Varchar,
        Kind::Date,
        Kind::Boolean,
        Kind::Bigint,
        Kind::Labels,
        Kind::Labels,
    ]);
    let mut blank = Column::plain(id, name, kind);
    if kind == Kind::Labels {
        // The identities of labels are unique within their column.
        blank.labels =
            (0..2 + random.below(3)).map(|at| label(at, LABEL_TEXTS[(id + at) % LABEL_TEXTS.len()])).collect();
        if random.chance(30) {
            // A text that can become an enum.
            (blank.kind, blank.was_enum) = (Kind::Text, false);
        }
    }
    let unique = kind.is_number() && random.chance(7);
    Column {
        nullable: random.chance(50),
        // A default that fills several rows would not be unique.
        default: (!unique && random.chance(35)).then(|| constant(&blank, random)),
        check: random.chance(35).then(|| template(kind, random)),
        unique,
        index: random.chance(7),
        ..blank
    }
}

fn key(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Returns random rows of several tenants for a version.
pub(super) fn rows(version: &Version, random: &mut Random) -> Rows {
    let mut rows = Rows::new();
    // The tenant of each key.
    let mut tenants: Vec<(usize, String, usize)> = Vec::new();
    for table in &version.tables {
        let mut of_table = Vec::new();
        for tenant in 0..if table.scope == Scope::Global { 1 } else { TENANTS } {
            for number in 0..if table.scope == Scope::Members { USERS } else { 1 + random.below(3) } {
                let id = value(Kind::Uuid, &[], random);
                let referenced = |id: usize, random: &mut Random| {
                    let keys: Vec<_> = tenants.iter().filter(|(table, _, of)| *table == id && *of == tenant).collect();
                    random.pick(&keys).1.clone()
                };
                let mut row = Row::new();
                for column in &table.columns {
                    let value = match column.part {
                        _ if column.nullable && random.chance(35) => None,
                        Part::Key => Some(id.clone()),
                        Part::Tenant => Some(key(tenant + 1)),
                        Part::User => Some(key(10 + number)),
                        Part::Link(of) | Part::Parent(of) => Some(referenced(of, random)),
                        Part::Plain | Part::Role => Some(value(column.first_kind, &column.labels, random)),
                    };
                    row.insert(column.id, value);
                }
                tenants.push((table.id, id, tenant));
                of_table.push(row);
            }
        }
        rows.insert(table.id, of_table);
    }
    rows
}

/// Returns the statements that insert the rows.
pub(super) fn inserts(version: &Version, rows: &Rows) -> String {
    let mut text = String::new();
    for table in &version.tables {
        let tenant = version.tenant_of_parent(table);
        let names: Vec<_> = table.columns.iter().chain(tenant).map(|column| format!("\"{}\"", column.name)).collect();
        for row in &rows[&table.id] {
            let tenant = tenant.map(|_| literal(&version.tenant_of_row(rows, table, row)));
            let values: Vec<_> = table.columns.iter().map(|column| literal(&row[&column.id])).chain(tenant).collect();
            let (names, values) = (names.join(", "), values.join(", "));
            text += &format!("INSERT INTO app.\"{}\" ({names}) VALUES ({values});\n", table.name);
        }
    }
    text
}
