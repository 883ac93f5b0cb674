//! The generator's findings on invalid declarations, with their full text in a golden file.
//!
//! `BLESS=1 cargo test -p tenant-tests --test it findings::` updates `golden/findings.txt`.

use std::{fmt::Write as _, fs};

use tenant_runtime::{
    Models,
    analyze::check,
    model::def::{ColumnDef, NO_ROLE, OnDelete, RoleDef, RuleDef, ScopeDef, SqlType, TableDef, TableName, TenancyDef},
};

use super::sample_declarations::{
    AUTHOR, ID, MEMBERS, NAME, ORG, ORG_IN_KEY, ROLE, SHIPPED, TITLE, USER, column, invitation_columns, invitations,
    leak, members, of, organizations, projects, refers, remarks, tasks, users, with_select_condition,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/findings.txt");

const ROLES_WITH_SERVICE: &[RoleDef] =
    &[RoleDef { name: "viewer", includes: &[] }, RoleDef { name: "service", includes: &["viewer"] }];

/// A case: its title and the invalid declarations.
type Case = (&'static str, Vec<TableDef>);

/// Each case: its title and the invalid declarations.
fn cases() -> Vec<Case> {
    [plain_cases(), row_cases(), member_cases(), condition_cases()].into_iter().flatten().collect()
}

fn plain_cases() -> Vec<Case> {
    use OnDelete::{Cascade, NoAction, SetNull};
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
        ("a reference is to a table that is not there", vec![tasks([refers("project_id", "projects", NoAction)])]),
        (
            "a reference is of another type",
            vec![projects(), tasks([ColumnDef { ty: SqlType::Int8, ..refers("project_id", "projects", NoAction) }])],
        ),
        (
            "a cascade goes beyond the rights of who deletes",
            vec![projects(), TableDef { delete: None, ..tasks([refers("project_id", "projects", Cascade)]) }],
        ),
        (
            "set_null on a column that takes no NULL",
            vec![projects(), tasks([refers("project_id", "projects", SetNull)])],
        ),
        ("a row names another tenant", vec![organizations(), tasks([refers("partner_id", "organizations", NoAction)])]),
        (
            "the tenant column names no tenant",
            vec![
                projects(),
                TableDef {
                    columns: leak(vec![ID, refers("organization_id", "projects", NoAction)]),
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
                    ..global(leak(vec![ID, refers("project_id", "projects", NoAction)]))
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
        ("a setting's name is none", of(TenancyDef { tenant_setting: "organization", ..SHIPPED })),
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

/// Owners, visibilities, parents, partitions, and columns with separate roles.
fn row_cases() -> Vec<Case> {
    use OnDelete::{Cascade, NoAction};
    let owned = |author: ColumnDef| TableDef { owner: Some("author_id"), ..tasks([author, TITLE]) };
    let in_partitions = |count, columns| TableDef { partitions: Some(count), columns, ..projects() };
    let of_project = || refers("project_id", "projects", Cascade);
    let restricted = |column: ColumnDef| TableDef { select: Some("member"), ..tasks([TITLE, column]) };
    vec![
        ("own rows, and nobody owns rows", vec![TableDef { delete_own: Some("member"), ..projects() }]),
        ("the owner is of another type", vec![owned(ColumnDef { ty: SqlType::Int8, ..AUTHOR })]),
        ("a visibility without an owner", {
            let seen = column("seen", SqlType::Labels(&["team", "private"]));
            vec![TableDef { visibility: Some("seen"), ..tasks([seen]) }]
        }),
        ("a visibility that shows nothing to the team", {
            let seen = column("seen", SqlType::Labels(&["all", "private"]));
            vec![TableDef { visibility: Some("seen"), owner: Some("author_id"), ..tasks([AUTHOR, seen]) }]
        }),
        (
            "a column is open to more roles than its table",
            vec![restricted(ColumnDef { select: Some("viewer"), ..column("salary", SqlType::Int8) })],
        ),
        (
            "a column that not everybody writes, and nothing else fills",
            vec![tasks([TITLE, ColumnDef { insert: Some("admin"), ..column("salary", SqlType::Int8) }])],
        ),
        ("a parent that is no reference", vec![projects(), remarks(column("project_id", SqlType::Uuid))]),
        (
            "a parent whose key is one within its tenant",
            vec![TableDef { columns: &[ID, ORG_IN_KEY, NAME], ..projects() }, remarks(of_project())],
        ),
        ("a parent that may be NULL", vec![projects(), remarks(ColumnDef { nullable: true, ..of_project() })]),
        (
            "a child that more roles read than its parent",
            vec![TableDef { select: Some("member"), ..projects() }, remarks(of_project())],
        ),
        (
            "a tenant's row names a child that is known by its parent",
            vec![projects(), remarks(of_project()), tasks([refers("remark_id", "remarks", NoAction)])],
        ),
        (
            "a child names a second row of the tenant",
            vec![projects(), tasks([TITLE]), {
                let columns = leak(vec![ID, of_project(), refers("task_id", "tasks", NoAction)]);
                TableDef { columns, ..remarks(of_project()) }
            }],
        ),
        ("one partition", vec![in_partitions(1, &[ID, ORG_IN_KEY, NAME])]),
        ("partitions, and the key does not hold the tenant", vec![in_partitions(4, &[ID, ORG, NAME])]),
    ]
}

/// The membership table, and rows that are visible through it.
fn member_cases() -> Vec<Case> {
    let other = TableName { schema: "app", table: "other_members" };
    const WITH_DEFINER: &[RoleDef] =
        &[RoleDef { name: "viewer", includes: &[] }, RoleDef { name: "definer", includes: &["viewer"] }];
    const WITH_LOGIN: &[RoleDef] =
        &[RoleDef { name: "viewer", includes: &[] }, RoleDef { name: "viewer_service", includes: &["viewer"] }];
    vec![
        (
            "two tables say who is a member",
            vec![
                members([USER, ROLE]),
                TableDef { name: other, rust_name: "Other", line: 45, ..members([USER, ROLE]) },
            ],
        ),
        (
            "members of no tenant",
            vec![TableDef { scope: ScopeDef::Parent { column: "user_id" }, ..members([USER, ROLE]) }],
        ),
        ("the member's column is not there", vec![members([ColumnDef { name: "usr_id", ..USER }, ROLE])]),
        ("the user is of another type than users are", vec![members([ColumnDef { ty: SqlType::Int8, ..USER }, ROLE])]),
        ("a user is a member twice", vec![members([ID, ColumnDef { id: false, ..USER }, ROLE])]),
        ("a member's role is any text", vec![members([USER, column("role", SqlType::Text)])]),
        (
            "a member's role is none of the tenancy",
            vec![members([USER, column("role", SqlType::Labels(&["viewer", "boss"]))])],
        ),
        ("several roles manage members", vec![TableDef { insert: Some("member"), ..members([USER, ROLE]) }]),
        (
            "users are seen through a table that is no membership table",
            vec![users(MEMBERS), { TableDef { membership: None, ..members([USER, ROLE]) } }],
        ),
        (
            "users that more roles read than the members",
            vec![users(MEMBERS), TableDef { select: Some("admin"), ..members([USER, ROLE]) }],
        ),
        (
            "the system role writes what it does not read",
            vec![
                TableDef { system: &["update", "delete"], ..projects() },
                TableDef { system: &["read"], ..tasks([TITLE]) },
            ],
        ),
        ("the system role writes members", vec![TableDef { system: &["select", "insert"], ..members([USER, ROLE]) }]),
        (
            "the system role reaches rows that are known by others, which it does not read",
            vec![
                projects(),
                TableDef { system: &["select"], ..remarks(refers("project_id", "projects", OnDelete::NoAction)) },
                TableDef { system: &["select"], ..users(MEMBERS) },
                members([USER, ROLE]),
            ],
        ),
        ("a table has the name of the one in which the system role says why", {
            let name = TableName { schema: "app", table: "system_access_log" };
            vec![TableDef { system: &["select"], name, ..projects() }]
        }),
        (
            "tenants that are founded, and users who sign up, of whom no membership tells",
            vec![
                TableDef { creator_role: Some("viewer"), ..projects() },
                TableDef { sign_up: true, ..users(MEMBERS) },
                members([USER, ROLE]),
            ],
        ),
        ("invitations without members", vec![invitations(invitation_columns())]),
        ("an invitation that anybody could take", {
            let [email, role, token, expires, _] = invitation_columns();
            let token = ColumnDef { select: None, ..token };
            let by = column("invited_by", SqlType::Text);
            let expires = ColumnDef { ty: SqlType::Timestamp, ..expires };
            let more = column("reason", SqlType::Text);
            vec![
                members([USER, ROLE]),
                TableDef { insert: Some("member"), ..invitations([email, role, token, expires, by, more]) },
            ]
        }),
        ("an invitation that names a column which is not there", vec![members([USER, ROLE]), invitations([ROLE])]),
        ("a role of the tenancy is one that the generator makes", of(TenancyDef { roles: WITH_DEFINER, ..SHIPPED })),
        (
            "a role of the tenancy has the name of another's login",
            of(TenancyDef { roles: WITH_LOGIN, login_per_role: true, ..SHIPPED }),
        ),
    ]
}

/// Conditions that are invalid in a policy.
fn condition_cases() -> Vec<Case> {
    vec![
        (
            "a condition reads a table that all tenants see",
            with_select_condition("name IN (SELECT c.name FROM app.countries AS c)"),
        ),
        (
            "a condition reads a table that is not there",
            with_select_condition("id IN (SELECT p.id FROM public.plans AS p)"),
        ),
        (
            "a condition names a table without its schema",
            with_select_condition("id IN (SELECT t.project_id FROM tasks AS t)"),
        ),
        (
            "a condition asks for what is not there",
            with_select_condition("NOT EXISTS (SELECT FROM app.tasks AS t WHERE t.project_id = projects.id)"),
        ),
        (
            "a condition asks for what is not there, in parentheses",
            with_select_condition("NOT (EXISTS (SELECT FROM app.tasks AS t WHERE t.project_id = projects.id))"),
        ),
        (
            "a condition asks for what is in no row",
            with_select_condition("id NOT IN (SELECT t.project_id FROM app.tasks AS t)"),
        ),
        (
            "a condition takes what is not there for a value",
            with_select_condition(
                "coalesce((SELECT false FROM app.tasks AS t WHERE t.project_id = projects.id LIMIT 1), true)",
            ),
        ),
        (
            "a condition joins what is not there",
            with_select_condition(
                "id IN (SELECT p.id FROM app.projects AS p LEFT JOIN app.tasks AS t ON false WHERE t.id IS NULL)",
            ),
        ),
        ("a condition asks what its reader may not read", {
            let mut tables = with_select_condition("id IN (SELECT t.project_id FROM app.tasks AS t)");
            tables[1].select = Some("admin");
            tables[1].insert = None;
            tables[1].update = None;
            tables
        }),
        ("a condition asks a column that nobody may read", {
            let mut tables =
                with_select_condition("id IN (SELECT t.project_id FROM app.tasks AS t WHERE secret = 'x')");
            let secret = ColumnDef { select: Some(NO_ROLE), ..column("secret", SqlType::Text) };
            tables[1] = tasks([refers("project_id", "projects", OnDelete::NoAction), secret]);
            tables
        }),
        ("an update hides its own row", {
            let mut tables = with_select_condition("deleted_at IS NULL");
            let deleted = ColumnDef { nullable: true, ..column("deleted_at", SqlType::Timestamptz) };
            tables[0].columns = leak(vec![ID, ORG, NAME, deleted]);
            tables
        }),
        ("an update gives away what its maker sees", {
            let mut tables = with_select_condition("author_id = caller()");
            tables[0].columns = leak(vec![ID, ORG, NAME, AUTHOR]);
            tables
        }),
        ("a condition calls what it likes", with_select_condition("pg_read_file('/etc/passwd') IS NULL")),
        ("a condition sets who acts", with_select_condition("set_config('app.organization_id', name, true) = ''")),
        ("a condition names the caller without parentheses", with_select_condition("id = caller")),
        ("a condition ends in a comment", with_select_condition("name <> '' -- not empty")),
        ("a condition ends its statement", with_select_condition("true); DROP TABLE app.projects; --")),
        ("a condition is none", with_select_condition("name =")),
    ]
}

fn findings_text(models: &Models) -> String {
    match check(models) {
        Err(findings) => findings.to_string(),
        Ok(checked) => format!("passed\n{}", checked.warnings),
    }
}

#[test]
fn findings_match_the_golden_file() {
    let mut text = String::new();
    let registries = [
        ("no model is registered, and no crate is named", Models::linked("acme-app", "", &[]).only([])),
        ("no model is registered, though a crate is named", Models::linked("acme-app", "", &["acme_models"]).only([])),
    ];
    for (title, models) in registries {
        let _ = write!(text, "== {title}\n\n{}\n\n", findings_text(&models));
    }
    for (title, tables) in cases() {
        let models = tenant_runtime::models![].only(leak(tables));
        let _ = write!(text, "== {title}\n\n{}\n\n", findings_text(&models));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(GOLDEN, &text).expect("the golden file is written");
    }
    let golden = fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(golden == text, "golden/findings.txt differs; review it after BLESS=1:\n{text}");
}

#[test]
fn valid_tables_have_no_findings() {
    let tables = [organizations(), projects(), tasks([TITLE]), members([USER, ROLE]), users(MEMBERS)];
    let remarks = remarks(refers("project_id", "projects", OnDelete::Cascade));
    let tables = tables.into_iter().chain([remarks]).collect();
    assert_eq!(findings_text(&tenant_runtime::models![].only(leak(tables))), "passed\n");
}

#[test]
fn valid_policy_conditions_have_no_findings() {
    let conditions = [
        "name <> '' AND length(name) < 100",
        "id = caller() OR lower(name) = 'public'",
        "id IN (SELECT t.project_id FROM app.tasks AS t WHERE t.id = CALLER ( ))",
        "EXISTS (SELECT FROM app.tasks AS t JOIN app.projects AS p ON p.id = t.project_id WHERE NOT (t.id = p.id))",
        "name = (SELECT 'x' FROM app.tasks AS t LIMIT 1)",
        "NOT (name = 'x') AND name IS NOT NULL",
    ];
    // Without an `update` role: that an update can hide its row is a separate finding.
    let read_only = |condition| {
        let mut tables = with_select_condition(condition);
        tables[0].update = None;
        findings_text(&tenant_runtime::models![].only(leak(tables)))
    };
    assert_eq!(conditions.map(read_only), [(); 6].map(|()| "passed\n".to_owned()));
}

#[test]
fn with_check_or_closed_column_resolves_hidden_update_finding() {
    let with = |condition, columns: Vec<ColumnDef>, check| {
        let mut tables = with_select_condition(condition);
        let check = RuleDef { command: "update", check: true, condition: check };
        tables[0].rules = leak(vec![tables[0].rules[0], check]);
        tables[0].columns = leak(columns);
        findings_text(&tenant_runtime::models![].only(leak(tables)))
    };
    let n = || ColumnDef { default: Some("1"), ..column("n", SqlType::Int4) };
    let passes = "passed\n".to_owned();
    let both = "n < 5 AND name <> ''";
    assert_eq!(with(both, vec![ID, ORG, NAME, n()], "id <> caller() AND (name <> '') AND n < 5"), passes);
    assert!(with(both, vec![ID, ORG, NAME, n()], "n < 5").contains("may update `name`"));
    let closed = ColumnDef { update: Some(NO_ROLE), ..n() };
    assert_eq!(with("n < 5", vec![ID, ORG, NAME, closed], "name <> ''"), passes);
}

#[test]
fn every_finding_has_a_help_text() {
    for (title, tables) in cases() {
        let checked = check(&tenant_runtime::models![].only(leak(tables)));
        let findings = checked.map_or_else(|findings| findings, |checked| checked.warnings);
        assert!(!findings.as_slice().is_empty(), "{title}: nothing was found");
        let helped = findings.as_slice().iter().all(|finding| finding.help.len() > 10 && !finding.message.is_empty());
        assert!(helped, "{title}: {findings}");
    }
}
