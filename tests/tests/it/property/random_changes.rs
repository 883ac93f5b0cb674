//! Random changes to a declaration, for the next version of a product.

use tenant_runtime::model::def::{
    CheckDef, ColumnDef, EnumDef, IndexDef, IndexKeyDef, IndexKindDef, IndexPartDef, LabelsDef, OnDelete, ReferenceDef,
    RoleDef, RuleDef, ScopeDef, SoftDeleteDef, SqlType, TableDef, TableName, TenancyDef, TimeoutsDef, UniqueScope,
};

use super::{
    oracle::row_id,
    random_declarations::{DELETION_TIME, Random, leak},
};

/// The tables of a version.
pub(super) type Tables = Vec<&'static TableDef>;

/// Generates the next version; the check or the plan may reject it.
pub(super) fn next(tenancy: &'static TenancyDef, tables: &Tables, random: &mut Random) -> Tables {
    let mut tables = tables.clone();
    for _ in 0..=random.below(4) {
        tables = match random.below(11) {
            10 => with_other_deletion(tables, random),
            0 => without_one(tables, random),
            1 => with_one_renamed(tables, random),
            2 => with_one_more(tables, random),
            3 => with_other_roles(tenancy, tables, random),
            4 => with_other_scope_of_rows(tables, random),
            _ => with_other_column(tables, random),
        };
    }
    tables
}

fn at(tables: &Tables, random: &mut Random) -> usize {
    random.below(tables.len())
}

fn is_plain(table: &TableDef) -> bool {
    table.name.table.starts_with('t') || table.name.table.starts_with('u') && table.name.table.len() == 2
}

fn without_one(mut tables: Tables, random: &mut Random) -> Tables {
    let place = at(&tables, random);
    let name = tables[place].name;
    let is_named = tables.iter().any(|table| {
        let refers = |column: &ColumnDef| column.references.is_some_and(|reference| reference.table == name);
        table.name != name && (table.columns.iter().any(refers) || table.scope == ScopeDef::Shared { through: name })
    });
    if !is_named && tables.len() > 1 {
        tables.remove(place);
    }
    tables
}

fn with_one_renamed(tables: Tables, random: &mut Random) -> Tables {
    let old = tables[at(&tables, random)].name;
    let new = TableName { table: leak(format!("u{}", old.table)), ..old };
    let named = |name: TableName| if name == old { new } else { name };
    let table = |table: &'static TableDef| {
        let column = |column: &'static ColumnDef| ColumnDef {
            references: column.references.map(|reference| ReferenceDef { table: named(reference.table), ..reference }),
            ..*column
        };
        leak(TableDef {
            name: named(table.name),
            renamed_from: if table.name == old { Some(old.table) } else { table.renamed_from },
            scope: match table.scope {
                ScopeDef::Shared { through } => ScopeDef::Shared { through: named(through) },
                other => other,
            },
            columns: table.columns.iter().map(column).collect::<Vec<_>>().leak(),
            ..*table
        })
    };
    tables.into_iter().map(table).collect()
}

/// A copy of an existing table, which may refer to it.
fn with_one_more(mut tables: Tables, random: &mut Random) -> Tables {
    let like = tables[at(&tables, random)];
    let name = TableName { table: "t9", ..like.name };
    if !is_plain(like) || tables.iter().any(|table| table.name == name) {
        return tables;
    }
    let mut columns: Vec<_> = like.columns.iter().map(|column| ColumnDef { ..*column }).collect();
    let refers = matches!(like.scope, ScopeDef::Tenant { .. }) && !columns.iter().any(|column| column.name == "link");
    if refers {
        let ty = like.columns.iter().find(|column| column.name == row_id(like)).expect("it has a key").ty;
        let references = Some(ReferenceDef::new(like.name, OnDelete::NoAction));
        columns.push(ColumnDef { references, ..ColumnDef::blank("link", ty, true) });
    }
    tables.push(leak(TableDef { name, rust_name: "t9", renamed_from: None, columns: columns.leak(), ..*like }));
    tables
}

fn with_other_roles(tenancy: &'static TenancyDef, mut tables: Tables, random: &mut Random) -> Tables {
    if random.chance(30) {
        let role = |role: &RoleDef| RoleDef { name: role.name, includes: role.includes, renamed_from: None };
        let mut roles: Vec<_> = tables[0].tenancy.roles.iter().map(role).collect();
        let lowest = leak([roles[0].name]);
        if roles.iter().all(|role| role.name != "extra") && random.chance(50) {
            roles.push(RoleDef { name: "extra", includes: lowest, renamed_from: None });
        } else if let Some(last) = roles.last_mut() {
            last.includes = lowest;
        }
        let more = random.chance(50);
        let tenancy = leak(TenancyDef {
            roles: roles.leak(),
            connection_limit: if more { 6 } else { 5 },
            login_per_role: more,
            timeouts: TimeoutsDef { lock: if random.chance(50) { 7 } else { 5 }, ..TimeoutsDef::SHIPPED },
            ..*tenancy
        });
        return tables.into_iter().map(|table| leak(TableDef { tenancy, ..*table })).collect();
    }
    let place = at(&tables, random);
    let table = tables[place];
    let names: Vec<_> = table.tenancy.roles.iter().map(|role| role.name).collect();
    let role = Some(random.pick(&names));
    let maybe = |random: &mut Random| role.filter(|_| random.chance(80));
    tables[place] = match random.below(6) {
        0 => leak(TableDef { select: role, ..*table }),
        1 => leak(TableDef { insert: maybe(random), ..*table }),
        2 => leak(TableDef { update: maybe(random), ..*table }),
        3 => leak(TableDef { delete: maybe(random), ..*table }),
        4 => leak(TableDef { update_own: maybe(random), ..*table }),
        _ => leak(TableDef { delete_own: maybe(random), ..*table }),
    };
    tables
}

/// Rules, owners and visibility: several policies at once.
fn with_other_scope_of_rows(mut tables: Tables, random: &mut Random) -> Tables {
    const RULES: &[RuleDef] = &[
        RuleDef { command: "update", check: false, condition: "n < 7" },
        RuleDef { command: "delete", check: false, condition: "n < 6" },
    ];
    let place = at(&tables, random);
    let table = tables[place];
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    const N: IndexPartDef = IndexPartDef::column("n");
    const B: IndexPartDef = IndexPartDef::column("b");
    const PLAIN: IndexDef<'_> = IndexDef::blank(IndexKindDef::Plain, &[N, B]);
    const UNIQUE: IndexDef<'_> = IndexDef::blank(IndexKindDef::UNIQUE, &[N, B]);
    const LOWER: IndexPartDef = IndexPartDef { key: IndexKeyDef::Expression("lower(b)"), ..B };
    const INDEXES: [&[IndexDef<'_>]; 5] = [
        &[],
        &[PLAIN, UNIQUE],
        &[
            IndexDef { parts: &[IndexPartDef { descending: true, ..N }, LOWER], ..PLAIN },
            IndexDef { include: &["id"], ..UNIQUE },
        ],
        &[
            IndexDef { condition: Some("n > 7 AND b IS NULL"), ..PLAIN },
            IndexDef { condition: Some("n = 1"), ..UNIQUE },
        ],
        &[IndexDef { method: Some("brin"), ..PLAIN }, IndexDef { parts: &[LOWER, N], name: Some("Lower b"), ..UNIQUE }],
    ];
    const CHECKS: [&[CheckDef]; 3] = [
        &[],
        &[CheckDef { name: None, condition: "n < 1000 OR b IS NOT NULL" }],
        &[CheckDef { name: Some("n and b"), condition: "(n IS NULL OR length(b) < 100)" }],
    ];
    tables[place] = match random.below(5) {
        4 if is_plain(table) && has("n") && has("b") => leak(TableDef { indexes: random.pick(&INDEXES), ..*table }),
        3 if is_plain(table) && has("n") && has("b") => leak(TableDef { checks: random.pick(&CHECKS), ..*table }),
        0 if is_plain(table) && table.columns.iter().any(|column| column.name == "n") => {
            leak(TableDef { rules: if table.rules.is_empty() { RULES } else { &[] }, ..*table })
        }
        1 => leak(TableDef { visibility: None, ..*table }),
        _ => leak(TableDef { visibility: None, owner: None, update_own: None, delete_own: None, ..*table }),
    };
    tables
}

/// Keeps deleted rows from now on, with these roles, or removes rows again; the column of the time is then dropped or kept.
fn with_other_deletion(mut tables: Tables, random: &mut Random) -> Tables {
    let place = at(&tables, random);
    let table = tables[place];
    let has_tenant = matches!(table.scope, ScopeDef::Tenant { .. } | ScopeDef::Parent { .. });
    if !is_plain(table) || !has_tenant || table.delete.is_none() {
        return tables;
    }
    let others = || table.columns.iter().filter(|column| column.name != DELETION_TIME.name);
    let mut columns: Vec<_> = others().map(|column| ColumnDef { ..*column }).collect();
    let role = table.update.or(table.delete).filter(|_| random.chance(70));
    let soft = SoftDeleteDef { column: DELETION_TIME.name, restore: role, purge: role.filter(|_| random.chance(60)) };
    let soft_delete = if table.soft_delete.is_none() || random.chance(40) { Some(soft) } else { None };
    match soft_delete {
        Some(_) => columns.push(DELETION_TIME),
        None if random.chance(50) => columns.push(ColumnDef { app_assigned: true, ..DELETION_TIME }),
        None => {}
    }
    tables[place] = leak(TableDef { soft_delete, columns: columns.leak(), ..*table });
    tables
}

fn with_other_column(mut tables: Tables, random: &mut Random) -> Tables {
    let place = at(&tables, random);
    let table = tables[place];
    if !is_plain(table) {
        return tables;
    }
    let mut columns: Vec<_> = table.columns.iter().map(|column| ColumnDef { ..*column }).collect();
    let free: Vec<usize> =
        (0..columns.len()).filter(|at| matches!(columns[*at].name, "a" | "b" | "n" | "more")).collect();
    let names: Vec<_> = table.tenancy.roles.iter().map(|role| role.name).collect();
    let role = random.pick(&names);
    if random.chance(25) {
        with_other_computed_column(&mut columns, random);
    } else if free.is_empty() || random.chance(20) {
        if columns.iter().all(|column| column.name != "more") {
            let default = random.pick(&[None, Some("7"), Some("length('four')")]);
            columns.push(ColumnDef {
                default,
                doc: "More.",
                ..ColumnDef::blank("more", SqlType::Int8, default.is_none())
            });
        }
    } else {
        let is_read = columns.iter().any(|column| column.generated.is_some());
        let chosen = random.pick(&free);
        let column = &mut columns[chosen];
        // Columns that a condition names are not renamed.
        let is_named = column.check.is_some()
            || !table.rules.is_empty()
            || !table.checks.is_empty()
            || !table.indexes.is_empty()
            || is_read;
        match random.below(10) {
            0 | 1 if is_named => {}
            0 => drop(columns.remove(chosen)),
            1 => {
                column.renamed_from = Some(column.name);
                column.name = leak(format!("{}_new", column.name));
                column.field = column.name;
            }
            2 => {
                column.ty = match column.ty {
                    SqlType::Int4 => SqlType::Int8,
                    SqlType::Text => SqlType::Custom("varchar(40)"),
                    SqlType::Custom(_) => SqlType::Text,
                    _ => SqlType::Int4,
                }
            }
            3 => column.nullable = !column.nullable,
            4 if column.ty == SqlType::Text => {
                column.default = if column.default.is_none() { Some("'z'") } else { None }
            }
            4 => column.default = if column.default.is_none() { Some("2") } else { None },
            5 => column.unique = if column.unique.is_none() { Some(UniqueScope::Tenant) } else { None },
            6 => column.index = !column.index,
            8 if column.ty == SqlType::Text => column.collation = column.collation.xor(Some("C")),
            7 if column.ty == SqlType::Text => {
                column.check = column.check.xor(Some("a <> 'no'")).filter(|_| column.name == "a")
            }
            7 => column.check = column.check.xor(Some("n < 100")).filter(|_| column.name == "n"),
            _ => column.select = column.select.xor(Some(role)),
        }
    }
    tables[place] = leak(TableDef { columns: columns.leak(), ..*table });
    tables
}

/// Adds, changes or removes a column that the database sets, or a column of an enum type.
fn with_other_computed_column(columns: &mut Vec<ColumnDef>, random: &mut Random) {
    const STATE: EnumDef = EnumDef { name: "state", labels: LabelsDef::of(&["open", "done"]) };
    let (name, changed) = match random.below(5) {
        0 => {
            let generated = Some(random.pick(&["upper(b)", "lower(b)"]));
            ("g", ColumnDef { generated, app_assigned: false, ..ColumnDef::blank("g", SqlType::Text, true) })
        }
        1 => {
            let generated = Some(random.pick(&["n + 1", "n * 2"]));
            ("twice", ColumnDef { generated, app_assigned: false, ..ColumnDef::blank("twice", SqlType::Int8, true) })
        }
        2 => {
            let updated_at = random.chance(70);
            let default = Some("now()").filter(|_| !updated_at);
            let seen = ColumnDef::blank("seen", SqlType::Timestamptz, false);
            ("seen", ColumnDef { updated_at, default, app_assigned: !updated_at, ..seen })
        }
        3 => {
            let counter = random.chance(70);
            let place = ColumnDef::blank("place", random.pick(&[SqlType::Int4, SqlType::Int8]), !counter);
            ("place", ColumnDef { counter, app_assigned: !counter, ..place })
        }
        _ => {
            let ty = random.pick(&[SqlType::Enum(STATE), SqlType::Labels(STATE.labels), SqlType::Text]);
            ("state", ColumnDef { default: Some("'open'"), ..ColumnDef::blank("state", ty, false) })
        }
    };
    let place = columns.iter().position(|column| column.name == name);
    match place {
        Some(place) if random.chance(40) => drop(columns.remove(place)),
        Some(place) => columns[place] = changed,
        None => columns.push(changed),
    }
}
