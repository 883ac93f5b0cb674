//! What the check says of declarations that make no sense, in full, so that a person can read it as a newcomer would.
//!
//! `BLESS=1 cargo test -p tenant-tests --test it findings::` writes `golden/findings.txt` anew.

use std::{fmt::Write as _, fs};

use tenant_runtime::{
    Models, Tenancy as _,
    check::check,
    model::def::{ColumnDef, OnDelete, ReferenceDef, RoleDef, ScopeDef, SqlType, TableDef, TableName, TenancyDef},
    roles::Organizations,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/findings.txt");

/// A column that has nothing but a name and a type.
const fn column(name: &'static str, ty: SqlType) -> ColumnDef {
    ColumnDef {
        field: name,
        name,
        doc: "",
        ty,
        nullable: false,
        id: false,
        supplied: true,
        default: None,
        references: None,
        unique: false,
        index: false,
        check: None,
    }
}

const ID: ColumnDef = ColumnDef { id: true, supplied: false, ..column("id", SqlType::Uuid) };
const ORG: ColumnDef = ColumnDef { supplied: false, ..column("organization_id", SqlType::Uuid) };
const NAME: ColumnDef = column("name", SqlType::Text);
const TITLE: ColumnDef = column("title", SqlType::Text);
/// The shipped tenancy, to change one thing in.
const SHIPPED: TenancyDef = {
    let TenancyDef { schema, role_prefix, key, user, org_setting, user_setting, connection_limit, roles } =
        *Organizations::DEF;
    TenancyDef { schema, role_prefix, key, user, org_setting, user_setting, connection_limit, roles }
};

/// A table in which nothing is wrong.
fn projects() -> TableDef {
    TableDef {
        rust_name: "Project",
        file: "src/models.rs",
        line: 10,
        name: TableName { schema: "app", table: "projects" },
        doc: "",
        tenancy: Organizations::DEF,
        scope: ScopeDef::Tenant { column: "organization_id" },
        select: Some("viewer"),
        insert: Some("member"),
        update: Some("member"),
        delete: Some("admin"),
        columns: &[ID, ORG, NAME],
        uniques: &[],
        indexes: &[],
    }
}

/// Another one, with the given columns besides its key and its tenant.
fn tasks(columns: impl IntoIterator<Item = ColumnDef>) -> TableDef {
    TableDef {
        rust_name: "Task",
        line: 20,
        name: TableName { schema: "app", table: "tasks" },
        columns: leak([ID, ORG].into_iter().chain(columns).collect::<Vec<_>>()),
        ..projects()
    }
}

fn organizations() -> TableDef {
    TableDef {
        rust_name: "Organization",
        line: 30,
        name: TableName { schema: "app", table: "organizations" },
        scope: ScopeDef::Tenant { column: "id" },
        insert: None,
        delete: None,
        columns: &[ID, NAME],
        ..projects()
    }
}

/// A column of a task that refers to a table.
fn refers(name: &'static str, table: &'static str, on_delete: OnDelete) -> ColumnDef {
    let table = TableName { schema: "app", table };
    ColumnDef { references: Some(ReferenceDef { table, on_delete }), ..column(name, SqlType::Uuid) }
}

/// The projects, with a tenancy of their own.
fn of(tenancy: TenancyDef) -> Vec<TableDef> {
    vec![TableDef { tenancy: &leak(vec![tenancy])[0], ..projects() }]
}

fn leak<T>(items: Vec<T>) -> &'static [T] {
    items.leak()
}

const ROLES_WITH_SERVICE: &[RoleDef] =
    &[RoleDef { name: "viewer", includes: &[] }, RoleDef { name: "service", includes: &["viewer"] }];

/// Each case: what is wrong, and the declarations in which it is wrong.
fn cases() -> Vec<(&'static str, Vec<TableDef>)> {
    use OnDelete::{Cascade, Refuse, SetNull};
    let long = "a_table_whose_name_is_so_long_that_postgresql_would_cut_it_without_a_word";
    let global =
        |columns| TableDef { scope: ScopeDef::Global, columns, insert: None, update: None, delete: None, ..projects() };
    let nothing_to_write = TableDef { columns: &[ID, ORG], insert: None, delete: None, ..projects() };
    let nullable_org = || ColumnDef { nullable: true, ..ORG };
    vec![
        ("two structs are one table", vec![projects(), TableDef { rust_name: "Plan", line: 90, ..projects() }]),
        ("a table's name is too long", vec![TableDef { name: TableName { schema: "app", table: long }, ..projects() }]),
        ("a column's name is empty", vec![tasks([ColumnDef { name: "", ..TITLE }])]),
        (
            "a table is in a schema of PostgreSQL's",
            vec![TableDef { name: TableName { schema: "public", table: "projects" }, ..projects() }],
        ),
        ("a role writes what it cannot read", vec![TableDef { select: Some("admin"), ..projects() }]),
        (
            "nobody reads a table",
            vec![TableDef { select: None, insert: None, update: None, delete: None, ..projects() }],
        ),
        (
            "a role is none of the tenancy",
            vec![TableDef { select: Some("reader"), insert: Some("writer"), ..projects() }],
        ),
        ("a role may update, and there is nothing to update", vec![nothing_to_write]),
        (
            "a global table has writers",
            vec![TableDef { insert: Some("admin"), delete: Some("admin"), ..global(&[ID, NAME]) }],
        ),
        (
            "the tenant column may be NULL",
            vec![TableDef { columns: leak(vec![ID, nullable_org(), NAME]), ..projects() }],
        ),
        (
            "the tenant column is of another type",
            vec![TableDef { columns: leak(vec![ID, column("organization_id", SqlType::Int8), NAME]), ..projects() }],
        ),
        ("the tenant column is not there", vec![TableDef { columns: &[ID, NAME], ..projects() }]),
        ("there is no key", vec![TableDef { columns: &[ORG, NAME], ..projects() }]),
        ("there are two keys", vec![tasks([ColumnDef { id: true, ..TITLE }])]),
        (
            "the key may be NULL",
            vec![TableDef { columns: leak(vec![ColumnDef { nullable: true, ..ID }, ORG, NAME]), ..projects() }],
        ),
        ("two fields are one column", vec![tasks([TITLE, ColumnDef { field: "headline", ..TITLE }])]),
        ("a column has the name of a system column", vec![tasks([column("xmin", SqlType::Int8)])]),
        ("a default is no expression", vec![tasks([ColumnDef { default: Some("now(); DROP TABLE users"), ..TITLE }])]),
        ("a default is a text without quotes", vec![tasks([ColumnDef { default: Some("in progress"), ..TITLE }])]),
        ("a check is no expression", vec![tasks([ColumnDef { check: Some("length(title > 0"), ..TITLE }])]),
        ("a check ends in a comment", vec![tasks([ColumnDef { check: Some("title <> '' -- not empty"), ..TITLE }])]),
        ("a type is none", vec![tasks([column("price", SqlType::Custom("numeric(10, 2) NOT NULL"))])]),
        (
            "an unknown column is to be unique",
            vec![TableDef { uniques: &[&["organization_id", "nmae"]], ..projects() }],
        ),
        ("an unknown column is to be indexed", vec![TableDef { indexes: &[&["created_at"]], ..projects() }]),
        ("an index stands twice", vec![TableDef { indexes: &[&["name"], &["name"]], ..projects() }]),
        (
            "an index is of a type whose comparison may leak",
            vec![tasks([ColumnDef { index: true, ..column("tags", SqlType::Jsonb) }])],
        ),
        ("a reference is to a table that is not there", vec![tasks([refers("project_id", "projects", Refuse)])]),
        (
            "a reference is of another type",
            vec![projects(), tasks([ColumnDef { ty: SqlType::Int8, ..refers("project_id", "projects", Refuse) }])],
        ),
        (
            "a cascade goes beyond the rights of who deletes",
            vec![projects(), TableDef { delete: None, ..tasks([refers("project_id", "projects", Cascade)]) }],
        ),
        (
            "set_null on a column that takes no NULL",
            vec![projects(), tasks([refers("project_id", "projects", SetNull)])],
        ),
        ("a row names another tenant", vec![organizations(), tasks([refers("partner_id", "organizations", Refuse)])]),
        (
            "the tenant column names no tenant",
            vec![
                projects(),
                TableDef {
                    columns: leak(vec![ID, refers("organization_id", "projects", Refuse)]),
                    insert: None,
                    update: None,
                    ..tasks([])
                },
            ],
        ),
        (
            "a global table names a tenant's row",
            vec![
                projects(),
                TableDef {
                    rust_name: "Note",
                    name: TableName { schema: "app", table: "notes" },
                    ..global(leak(vec![ID, refers("project_id", "projects", Refuse)]))
                },
            ],
        ),
        (
            "structs of two tenancies",
            vec![
                projects(),
                TableDef { tenancy: &leak(vec![TenancyDef { role_prefix: "other_", ..SHIPPED }])[0], ..tasks([TITLE]) },
            ],
        ),
        ("a setting's name is none", of(TenancyDef { org_setting: "organization", ..SHIPPED })),
        ("a role prefix is none", of(TenancyDef { role_prefix: "My App ", ..SHIPPED })),
        ("a role has the name of the login", of(TenancyDef { roles: ROLES_WITH_SERVICE, ..SHIPPED })),
        (
            "several things are wrong at once",
            vec![
                TableDef { select: None, uniques: &[&["nmae"]], ..projects() },
                TableDef {
                    columns: leak(vec![ID, nullable_org(), ColumnDef { default: Some(""), ..TITLE }]),
                    ..tasks([])
                },
            ],
        ),
    ]
}

fn said(models: &Models) -> String {
    match check(models) {
        Err(findings) => findings.to_string(),
        Ok(checked) => format!("passed\n{}", checked.warnings),
    }
}

#[test]
fn the_findings_are_those_of_the_golden_file() {
    let mut text = String::new();
    let registries = [
        ("no model is registered, and no crate is named", Models::linked("acme-app", "", &[]).only([])),
        ("no model is registered, though a crate is named", Models::linked("acme-app", "", &["acme_models"]).only([])),
    ];
    for (title, models) in registries {
        let _ = write!(text, "== {title}\n\n{}\n\n", said(&models));
    }
    for (title, tables) in cases() {
        let models = tenant_runtime::models![].only(leak(tables));
        let _ = write!(text, "== {title}\n\n{}\n\n", said(&models));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(GOLDEN, &text).expect("the golden file is written");
    }
    let golden = fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(golden == text, "golden/findings.txt says otherwise; look at it after BLESS=1:\n{text}");
}

#[test]
fn the_tables_in_which_nothing_is_wrong_pass() {
    let tables = [organizations(), projects(), tasks([TITLE])];
    assert_eq!(said(&tenant_runtime::models![].only(leak(tables.into()))), "passed\n");
}

#[test]
fn every_finding_says_what_to_do() {
    for (title, tables) in cases() {
        let checked = check(&tenant_runtime::models![].only(leak(tables)));
        let findings = checked.map_or_else(|findings| findings, |checked| checked.warnings);
        assert!(!findings.as_slice().is_empty(), "{title}: nothing was found");
        let helped = findings.as_slice().iter().all(|finding| finding.help.len() > 10 && !finding.message.is_empty());
        assert!(helped, "{title}: {findings}");
    }
}
