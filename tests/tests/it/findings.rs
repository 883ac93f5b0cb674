//! The findings of the generator for invalid declarations; their full text is in a golden file.
//!
//! `BLESS=1 cargo test -p tenant-tests --test it findings::` updates `golden/findings.txt`.

use std::{fmt::Write as _, fs};

use tenant_runtime::{
    Models,
    analyze::check,
    model::def::{
        ColumnDef, IndexDef, IndexKindDef, IndexPartDef, LabelsDef, NO_ROLE, OnDelete, RoleDef, RuleDef, ScopeDef,
        SqlType, TableDef, TableName, TenancyDef,
    },
};

use super::{
    finding_cases::{Case, function_cases, recursion_cases, sql_cases, system_access_cases},
    key_finding_cases::key_cases,
    sample_declarations::{
        AUTHOR, ID, MEMBERS, NAME, ORG, ORG_IN_KEY, ROLE, ROLES_WITH_OWN, ROLES_WITH_SERVICE, SHIPPED, TITLE, USER,
        column, invitation_columns, invitations, leak, members, of, organizations, projects, refers, remarks, tasks,
        users, with_select_condition,
    },
    soft_delete_finding_cases::soft_delete_cases,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/findings.txt");

const UNKNOWN_IN_UNIQUE: IndexDef<'_> =
    IndexDef::blank(IndexKindDef::UNIQUE, &const { [IndexPartDef::column("nmae")] });

/// All cases.
fn cases() -> Vec<Case> {
    let cases = [plain_cases(), row_cases(), member_cases(), condition_cases(), key_cases(), sql_cases()].into_iter();
    let others = [function_cases(), recursion_cases(), system_access_cases(), soft_delete_cases()];
    cases.chain(others).flatten().collect()
}

fn plain_cases() -> Vec<Case> {
    use OnDelete::{Cascade, NoAction, SetNull};
    let long = "a_table_whose_name_is_so_long_that_postgresql_would_cut_it_without_a_word";
    let global =
        |columns| TableDef { scope: ScopeDef::Global, columns, insert: None, update: None, delete: None, ..projects() };
    let no_updatable_column = TableDef { columns: &[ID, ORG], insert: None, delete: None, ..projects() };
    let nullable_org = || ColumnDef { nullable: true, ..ORG };
    vec![
        (
            "two structs declare the same table",
            vec![projects(), TableDef { rust_name: "Plan", line: 90, ..projects() }],
        ),
        ("table name over 63 bytes", vec![TableDef { name: TableName { schema: "app", table: long }, ..projects() }]),
        ("empty column name", vec![tasks([ColumnDef { name: "", ..TITLE }])]),
        (
            "table in the schema public",
            vec![TableDef { name: TableName { schema: "public", table: "projects" }, ..projects() }],
        ),
        (
            "tenancy in the schema public",
            of(TenancyDef { schema: "public", ..SHIPPED })
                .into_iter()
                .map(|def| TableDef { name: TableName { schema: "public", ..def.name }, ..def })
                .collect(),
        ),
        ("write role without select", vec![TableDef { select: Some("admin"), ..projects() }]),
        (
            "table without a select role",
            vec![TableDef { select: None, insert: None, update: None, delete: None, ..projects() }],
        ),
        ("unknown role", vec![TableDef { select: Some("reader"), insert: Some("writer"), ..projects() }]),
        ("update role without an updatable column", vec![no_updatable_column]),
        (
            "write roles on a global table",
            vec![TableDef { insert: Some("admin"), delete: Some("admin"), ..global(&[ID, NAME]) }],
        ),
        ("nullable tenant column", vec![TableDef { columns: leak(vec![ID, nullable_org(), NAME]), ..projects() }]),
        (
            "tenant column with the wrong type",
            vec![TableDef { columns: leak(vec![ID, column("organization_id", SqlType::Int8), NAME]), ..projects() }],
        ),
        ("missing tenant column", vec![TableDef { columns: &[ID, NAME], ..projects() }]),
        ("no primary key", vec![TableDef { columns: &[ORG, NAME], ..projects() }]),
        (
            "nullable primary key",
            vec![TableDef { columns: leak(vec![ColumnDef { nullable: true, ..ID }, ORG, NAME]), ..projects() }],
        ),
        ("two fields with the same column name", vec![tasks([TITLE, ColumnDef { field: "headline", ..TITLE }])]),
        ("column with the name of a system column", vec![tasks([column("xmin", SqlType::Int8)])]),
        (
            "default contains a semicolon",
            vec![tasks([ColumnDef { default: Some("now(); DROP TABLE users"), ..TITLE }])],
        ),
        ("default is text without quotes", vec![tasks([ColumnDef { default: Some("in progress"), ..TITLE }])]),
        ("check with a syntax error", vec![tasks([ColumnDef { check: Some("length(title > 0"), ..TITLE }])]),
        ("check contains a comment", vec![tasks([ColumnDef { check: Some("title <> '' -- not empty"), ..TITLE }])]),
        ("sql_type with extra text", vec![tasks([column("price", SqlType::Custom("numeric(10, 2) NOT NULL"))])]),
        (
            "index on a type without a leakproof operator",
            vec![tasks([ColumnDef { index: true, ..column("tags", SqlType::Jsonb) }])],
        ),
        ("reference to an unregistered table", vec![tasks([refers("project_id", "projects", NoAction)])]),
        (
            "reference with the wrong type",
            vec![projects(), tasks([ColumnDef { ty: SqlType::Int8, ..refers("project_id", "projects", NoAction) }])],
        ),
        (
            "cascade to a table without delete privilege",
            vec![projects(), TableDef { delete: None, ..tasks([refers("project_id", "projects", Cascade)]) }],
        ),
        (
            "cascade to a table that the system role cannot delete from",
            vec![
                TableDef { system: &["select", "delete"], ..projects() },
                TableDef { system: &["select"], ..tasks([refers("project_id", "projects", Cascade)]) },
            ],
        ),
        ("set_null on a NOT NULL column", vec![projects(), tasks([refers("project_id", "projects", SetNull)])]),
        (
            "reference to the tenant table from another column",
            vec![organizations(), tasks([refers("partner_id", "organizations", NoAction)])],
        ),
        (
            "tenant column references a table other than the tenant table",
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
            "global table references a tenant table",
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
            "structs of different tenancies",
            vec![
                projects(),
                TableDef { tenancy: &leak(vec![TenancyDef { role_prefix: "other_", ..SHIPPED }])[0], ..tasks([TITLE]) },
            ],
        ),
        ("invalid setting name", of(TenancyDef { tenant_setting: "organization", ..SHIPPED })),
        ("invalid role prefix", of(TenancyDef { role_prefix: "My App ", ..SHIPPED })),
        ("role named like the login role", of(TenancyDef { roles: ROLES_WITH_SERVICE, ..SHIPPED })),
        ("two roles whose policies would have the same name", of(TenancyDef { roles: ROLES_WITH_OWN, ..SHIPPED })),
        (
            "several errors at once",
            vec![
                TableDef { select: None, indexes: leak(vec![UNKNOWN_IN_UNIQUE]), ..projects() },
                TableDef {
                    columns: leak(vec![ID, nullable_org(), ColumnDef { default: Some(""), ..TITLE }]),
                    ..tasks([])
                },
            ],
        ),
    ]
}

/// Owner, visibility and parent columns, partitions, and column roles.
fn row_cases() -> Vec<Case> {
    use OnDelete::Cascade;
    let owned = |author: ColumnDef| TableDef { owner: Some("author_id"), ..tasks([author, TITLE]) };
    let in_partitions = |count, columns| TableDef { partitions: Some(count), columns, ..projects() };
    let of_project = || refers("project_id", "projects", Cascade);
    let restricted = |column: ColumnDef| TableDef { select: Some("member"), ..tasks([TITLE, column]) };
    vec![
        ("delete_own without an owner column", vec![TableDef { delete_own: Some("member"), ..projects() }]),
        ("owner column with the wrong type", vec![owned(ColumnDef { ty: SqlType::Int8, ..AUTHOR })]),
        ("visibility without an owner column", {
            let seen = column("seen", SqlType::Labels(LabelsDef::of(&["team", "private"])));
            vec![TableDef { visibility: Some("seen"), ..tasks([seen]) }]
        }),
        ("visibility without the label team", {
            let seen = column("seen", SqlType::Labels(LabelsDef::of(&["all", "private"])));
            vec![TableDef { visibility: Some("seen"), owner: Some("author_id"), ..tasks([AUTHOR, seen]) }]
        }),
        (
            "column role lower than the table role",
            vec![restricted(ColumnDef { select: Some("viewer"), ..column("salary", SqlType::Int8) })],
        ),
        (
            "restricted insert column without a default",
            vec![tasks([TITLE, ColumnDef { insert: Some("admin"), ..column("salary", SqlType::Int8) }])],
        ),
        ("parent column without a reference", vec![projects(), remarks(column("project_id", SqlType::Uuid))]),
        ("parent without a tenant column", {
            let scope = ScopeDef::Parent { column: "project_id", tenant: "" };
            let global = TableDef {
                scope: ScopeDef::Global,
                insert: None,
                update: None,
                delete: None,
                columns: &[ID, NAME],
                ..projects()
            };
            vec![global, TableDef { scope, columns: leak(vec![ID, of_project(), TITLE]), ..remarks(of_project()) }]
        }),
        ("parent is the tenant", {
            let organization = refers("project_id", "organizations", Cascade);
            vec![organizations(), remarks(organization)]
        }),
        ("column with the name of the tenant column of a child", {
            let columns = leak(vec![ID, ORG, of_project(), column("organization_id", SqlType::Text)]);
            vec![projects(), TableDef { columns, ..remarks(of_project()) }]
        }),
        ("nullable parent column", vec![projects(), remarks(ColumnDef { nullable: true, ..of_project() })]),
        (
            "child readable by a role that cannot read the parent",
            vec![TableDef { select: Some("member"), ..projects() }, remarks(of_project())],
        ),
        (
            "partitioned table with a parent scope",
            vec![projects(), TableDef { partitions: Some(4), ..remarks(of_project()) }],
        ),
        ("one partition only", vec![in_partitions(1, &[ID, ORG_IN_KEY, NAME])]),
        ("partitions without the tenant column in the primary key", vec![in_partitions(4, &[ID, ORG, NAME])]),
    ]
}

/// Membership and invitation tables, shared tables, and system access.
fn member_cases() -> Vec<Case> {
    let other = TableName { schema: "app", table: "other_members" };
    const WITH_RESERVED: &[RoleDef] = &[
        RoleDef { name: "viewer", includes: &[], renamed_from: None },
        RoleDef { name: "function_owner", includes: &["viewer"], renamed_from: None },
    ];
    const WITH_LOGIN: &[RoleDef] = &[
        RoleDef { name: "viewer", includes: &[], renamed_from: None },
        RoleDef { name: "viewer_service", includes: &["viewer"], renamed_from: None },
    ];
    vec![
        (
            "two membership tables",
            vec![
                members([USER, ROLE]),
                TableDef { name: other, rust_name: "Other", line: 45, ..members([USER, ROLE]) },
            ],
        ),
        (
            "membership table without a tenant column",
            vec![TableDef {
                scope: ScopeDef::Parent { column: "user_id", tenant: "organization_id" },
                ..members([USER, ROLE])
            }],
        ),
        ("missing user column in the membership table", vec![members([ColumnDef { name: "usr_id", ..USER }, ROLE])]),
        ("membership user column with the wrong type", vec![members([ColumnDef { ty: SqlType::Int8, ..USER }, ROLE])]),
        ("membership table with another primary key", vec![members([ID, ColumnDef { id: false, ..USER }, ROLE])]),
        ("membership role column of type text", vec![members([USER, column("role", SqlType::Text)])]),
        (
            "membership role label that is not a role",
            vec![members([USER, column("role", SqlType::Labels(LabelsDef::of(&["viewer", "boss"])))])],
        ),
        ("several roles manage members", vec![TableDef { insert: Some("member"), ..members([USER, ROLE]) }]),
        (
            "shared through a table that is not the membership table",
            vec![users(MEMBERS), { TableDef { membership: None, ..members([USER, ROLE]) } }],
        ),
        (
            "user table readable by a role that cannot read the membership table",
            vec![users(MEMBERS), TableDef { select: Some("admin"), ..members([USER, ROLE]) }],
        ),
        (
            "system write command without select",
            vec![
                TableDef { system: &["update", "delete"], ..projects() },
                TableDef { system: &["read"], ..tasks([TITLE]) },
            ],
        ),
        (
            "system write command on the membership table",
            vec![TableDef { system: &["select", "insert"], ..members([USER, ROLE]) }],
        ),
        (
            "system access without select on the table that determines the tenant",
            vec![TableDef { system: &["select"], ..users(MEMBERS) }, members([USER, ROLE])],
        ),
        ("table named system_access_log", {
            let name = TableName { schema: "app", table: "system_access_log" };
            vec![TableDef { system: &["select"], name, ..projects() }]
        }),
        (
            "creator_role and sign_up without a reference from the membership table",
            vec![
                TableDef { creator_role: Some("viewer"), ..projects() },
                TableDef { sign_up: true, ..users(MEMBERS) },
                members([USER, ROLE]),
            ],
        ),
        ("invitation table without a membership table", vec![invitations(invitation_columns())]),
        ("invalid invitation columns and roles", {
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
        ("missing invitation columns", vec![members([USER, ROLE]), invitations([ROLE])]),
        ("reserved role name", of(TenancyDef { roles: WITH_RESERVED, ..SHIPPED })),
        (
            "role named like the login role of another role",
            of(TenancyDef { roles: WITH_LOGIN, login_per_role: true, ..SHIPPED }),
        ),
    ]
}

/// Invalid policy conditions.
fn condition_cases() -> Vec<Case> {
    vec![
        ("condition reads a global table", with_select_condition("name IN (SELECT c.name FROM app.countries AS c)")),
        ("condition reads an unknown table", with_select_condition("id IN (SELECT p.id FROM public.plans AS p)")),
        (
            "condition reads a table without its schema",
            with_select_condition("id IN (SELECT t.project_id FROM tasks AS t)"),
        ),
        (
            "condition with NOT EXISTS",
            with_select_condition("NOT EXISTS (SELECT FROM app.tasks AS t WHERE t.project_id = projects.id)"),
        ),
        (
            "condition with NOT (EXISTS …)",
            with_select_condition("NOT (EXISTS (SELECT FROM app.tasks AS t WHERE t.project_id = projects.id))"),
        ),
        ("condition with NOT IN", with_select_condition("id NOT IN (SELECT t.project_id FROM app.tasks AS t)")),
        (
            "condition with a default for a missing row",
            with_select_condition(
                "coalesce((SELECT false FROM app.tasks AS t WHERE t.project_id = projects.id LIMIT 1), true)",
            ),
        ),
        (
            "condition with an outer join",
            with_select_condition(
                "id IN (SELECT p.id FROM app.projects AS p LEFT JOIN app.tasks AS t ON false WHERE t.id IS NULL)",
            ),
        ),
        ("condition reads a table that the role cannot read", {
            let mut tables = with_select_condition("id IN (SELECT t.project_id FROM app.tasks AS t)");
            tables[1].select = Some("admin");
            tables[1].insert = None;
            tables[1].update = None;
            tables
        }),
        ("condition reads a column that no role can read", {
            let mut tables =
                with_select_condition("id IN (SELECT t.project_id FROM app.tasks AS t WHERE secret = 'x')");
            let secret = ColumnDef { select: Some(NO_ROLE), ..column("secret", SqlType::Text) };
            tables[1] = tasks([refers("project_id", "projects", OnDelete::NoAction), secret]);
            tables
        }),
        ("update can hide the updated row from all users", {
            let mut tables = with_select_condition("deleted_at IS NULL");
            let deleted = ColumnDef { nullable: true, ..column("deleted_at", SqlType::Timestamptz) };
            tables[0].columns = leak(vec![ID, ORG, NAME, deleted]);
            tables
        }),
        ("update can hide the updated row from the updating user", {
            let mut tables = with_select_condition("author_id = caller()");
            tables[0].columns = leak(vec![ID, ORG, NAME, AUTHOR]);
            tables
        }),
        (
            "condition calls a function that is not allowed",
            with_select_condition("pg_read_file('/etc/passwd') IS NULL"),
        ),
        ("condition calls set_config", with_select_condition("set_config('app.organization_id', name, true) = ''")),
        ("condition with caller but no parentheses", with_select_condition("id = caller")),
        ("condition contains a comment", with_select_condition("name <> '' -- not empty")),
        ("condition contains a semicolon", with_select_condition("true); DROP TABLE app.projects; --")),
        ("condition with a syntax error", with_select_condition("name =")),
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
        ("no registered model and no named crate", Models::linked("acme-app", "", &[]).only([])),
        ("no registered model in the named crate", Models::linked("acme-app", "", &["acme_models"]).only([])),
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
    assert!(golden == text, "golden/findings.txt differs; run with BLESS=1 and review the diff:\n{text}");
}

#[test]
fn valid_tables_have_no_findings() {
    let tables = [organizations(), projects(), tasks([TITLE]), members([USER, ROLE]), users(MEMBERS)];
    let remarks = remarks(refers("project_id", "projects", OnDelete::Cascade));
    let tables = tables.into_iter().chain([remarks]).collect();
    assert_eq!(findings_text(&tenant_runtime::models![].only(leak(tables))), "passed\n");
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
    assert!(with(both, vec![ID, ORG, NAME, n()], "n < 5").contains("can update `name`"));
    let closed = ColumnDef { update: Some(NO_ROLE), ..n() };
    assert_eq!(with("n < 5", vec![ID, ORG, NAME, closed], "name <> ''"), passes);
}

#[test]
fn every_finding_has_a_help_text() {
    for (title, tables) in cases() {
        let checked = check(&tenant_runtime::models![].only(leak(tables)));
        let findings = checked.map_or_else(|findings| findings, |checked| checked.warnings);
        assert!(!findings.as_slice().is_empty(), "{title}: no finding");
        let helped = findings.as_slice().iter().all(|finding| finding.help.len() > 10 && !finding.message.is_empty());
        assert!(helped, "{title}: {findings}");
    }
}
