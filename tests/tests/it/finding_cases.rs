//! Declarations whose functions could never succeed, and whose policies read their own table again.

use tenant_runtime::{
    analyze::check,
    model::def::{
        CheckDef, ColumnDef, EnumDef, ExtensionDef, IndexDef, IndexKeyDef, IndexKindDef, IndexPartDef, LabelsDef,
        NO_ROLE, OnDelete, RuleDef, ScopeDef, SqlType, SystemAccessDef, TableDef, TableName, TenancyDef, UniqueScope,
    },
};

use super::sample_declarations::{
    AUTHOR, ID, MEMBERS, NAME, ORG, ORG_IN_KEY, ROLE, SHIPPED, TITLE, USER, column, invitation_columns, invitations,
    leak, members, of, organizations, projects, refers, remarks, tasks, users, with_select_condition,
};

/// A title and invalid declarations.
pub(super) type Case = (&'static str, Vec<TableDef>);

/// Expressions that PostgreSQL would reject when the migration runs, or at the first INSERT.
fn expression_cases() -> Vec<Case> {
    let with = |column: ColumnDef| vec![projects(), tasks([column])];
    let state =
        ColumnDef { default: Some("'opne'"), ..column("state", SqlType::Labels(LabelsDef::of(&["open", "closed"]))) };
    let key_only = TableDef {
        scope: ScopeDef::Global,
        insert: None,
        update: None,
        delete: None,
        system: &["select", "insert", "update"],
        columns: &[ID],
        ..projects()
    };
    vec![
        ("check reads an unknown column", with(ColumnDef { check: Some("length(titel) > 0"), ..TITLE })),
        ("check reads a column of another table", with(ColumnDef { check: Some("projects.title <> ''"), ..TITLE })),
        ("default reads a column", with(ColumnDef { default: Some("organization_id::text"), ..TITLE })),
        ("default without quotes", with(ColumnDef { default: Some("todo"), ..TITLE })),
        ("default is not a label", with(state)),
        ("check with a NUL character", with(ColumnDef { check: Some("title <> '\0'"), ..TITLE })),
        ("system access to a table with a key only", vec![key_only]),
        ("serial as a type", with(column("number", SqlType::Custom(" BIGSERIAL ")))),
        (
            "sensitive tenant column",
            vec![TableDef { columns: &[ID, ColumnDef { sensitive: true, ..ORG }, NAME], ..projects() }],
        ),
    ]
    .into_iter()
    .chain(check_cases())
    .chain(index_cases())
    .chain(computed_column_cases())
    .collect()
}

/// Unique constraints and indexes that PostgreSQL would reject, or that no query can use.
fn index_cases() -> Vec<Case> {
    const NAME: IndexPartDef = IndexPartDef::column("name");
    const PLAIN: IndexDef<'_> = IndexDef::blank(IndexKindDef::Plain, &[NAME]);
    const UNIQUE: IndexDef<'_> = IndexDef::blank(IndexKindDef::UNIQUE, &[NAME]);
    const EXCLUSION: IndexDef<'_> = IndexDef::blank(IndexKindDef::Exclusion, &[NAME]);
    const GLOBAL: IndexKindDef = IndexKindDef::Unique { scope: UniqueScope::Global, nulls_not_distinct: false };
    let with = |index: IndexDef<'static>| vec![TableDef { indexes: leak(vec![index]), ..projects() }];
    let on = |index: IndexDef<'static>, part| with(IndexDef { parts: leak(vec![part]), ..index });
    let expression = |text| IndexPartDef { key: IndexKeyDef::Expression(text), ..NAME };
    const NMAE: IndexPartDef = IndexPartDef::column("nmae");
    let partitioned = TableDef { columns: &[ID, ORG_IN_KEY, super::sample_declarations::NAME], ..projects() };
    vec![
        ("unknown column in unique", on(UNIQUE, NMAE)),
        ("unknown column in index", on(PLAIN, NMAE)),
        ("duplicate index", vec![TableDef { indexes: leak(vec![PLAIN; 2]), ..projects() }]),
        ("condition of an index with a syntax error", with(IndexDef { condition: Some("name IS"), ..UNIQUE })),
        ("condition of an index reads an unknown column", with(IndexDef { condition: Some("nmae <> ''"), ..UNIQUE })),
        (
            "condition of an index contains a subquery",
            with(IndexDef { condition: Some("id IN (SELECT id FROM app.tasks)"), ..UNIQUE }),
        ),
        ("condition of an index calls caller", with(IndexDef { condition: Some("id = caller()"), ..UNIQUE })),
        ("expression of an index contains a semicolon", on(UNIQUE, expression("lower(name); DROP TABLE app.projects"))),
        ("expression of an index without a schema", on(UNIQUE, expression("unaccent(name)"))),
        ("index on an expression", on(PLAIN, expression("lower(name)"))),
        ("index with a method without leakproof operators", with(IndexDef { method: Some("gin"), ..PLAIN })),
        ("unique index with another method", with(IndexDef { method: Some("hash"), ..UNIQUE })),
        (
            "order in an index without an order",
            on(IndexDef { method: Some("brin"), ..PLAIN }, IndexPartDef { descending: true, ..NAME }),
        ),
        (
            "included columns in an index that has none",
            with(IndexDef { method: Some("gin"), include: &["id"], ..PLAIN }),
        ),
        ("index includes an unknown column", with(IndexDef { include: &["nmae"], ..PLAIN })),
        ("index has an invalid name", with(IndexDef { name: Some(""), ..PLAIN })),
        ("invalid operator class", on(PLAIN, IndexPartDef { operator_class: Some("public."), ..NAME })),
        ("invalid operator", on(EXCLUSION, IndexPartDef { operator: Some("=) WHERE (true"), ..NAME })),
        ("exclusion constraint without its extension", on(EXCLUSION, IndexPartDef { operator: Some("="), ..NAME })),
        ("operator that starts a comment", on(EXCLUSION, IndexPartDef { operator: Some("--"), ..NAME })),
        (
            "global unique key of a partitioned table",
            vec![TableDef {
                partitions: Some(2),
                indexes: leak(vec![IndexDef { kind: GLOBAL, ..UNIQUE }]),
                ..partitioned
            }],
        ),
        (
            "two indexes have the same derived name",
            vec![TableDef {
                indexes: leak(vec![UNIQUE, IndexDef { condition: Some("name <> ''"), ..UNIQUE }]),
                ..projects()
            }],
        ),
    ]
}

/// Check constraints of a struct, and conditions that no check constraint can have.
fn check_cases() -> Vec<Case> {
    let with = |checks: &[(Option<&'static str>, &'static str)]| {
        let checks = checks.iter().map(|(name, condition)| CheckDef { name: *name, condition }).collect();
        vec![TableDef { checks: leak(checks), ..projects() }]
    };
    let of_field = |check| vec![projects(), tasks([ColumnDef { check: Some(check), ..TITLE }])];
    vec![
        ("check of a struct with a syntax error", with(&[(None, "name <")])),
        ("check of a struct contains a semicolon", with(&[(None, "name <> ''; DROP TABLE app.projects")])),
        ("check of a struct reads an unknown column", with(&[(None, "length(nmae) > 0 OR id IS NULL")])),
        ("check of a struct reads no column", with(&[(Some("always"), "1 < 2")])),
        ("check of a struct contains a subquery", with(&[(None, "id = ANY (ARRAY(SELECT id FROM app.projects))")])),
        ("check of a struct calls caller", with(&[(None, "name <> caller()::text")])),
        ("check of a struct calls a function without a schema", with(&[(None, "unaccent(name) <> id::text")])),
        ("check of a struct has an invalid name", with(&[(Some(""), "name <> id::text")])),
        ("two checks have the same derived name", with(&[(None, "name > id::text"), (None, "name < upper(id::text)")])),
        ("two checks have the same given name", with(&[(Some("same"), "name > 'a'"), (Some("same"), "name < 'b'")])),
        ("check has the name of the primary key", with(&[(Some("projects_pkey"), "name > 'a'")])),
        ("check of a field contains a subquery", of_field("title IN (SELECT name FROM app.projects)")),
        ("check of a field calls caller", of_field("title <> caller()::text")),
    ]
}

/// Columns that the database sets, and collations.
fn computed_column_cases() -> Vec<Case> {
    const GENERATED: ColumnDef = ColumnDef { generated: Some("lower(title)"), app_assigned: false, ..NAME };
    const COUNTER: ColumnDef =
        ColumnDef { counter: true, app_assigned: false, ..ColumnDef::blank("number", SqlType::Int8, false) };
    let with = |columns: Vec<ColumnDef>| {
        let all = [TITLE].into_iter().chain(columns).collect::<Vec<_>>();
        vec![projects(), tasks(all)]
    };
    let generated = |text| with(vec![ColumnDef { generated: Some(text), ..GENERATED }]);
    let collated = |collation| with(vec![ColumnDef { collation: Some(collation), ..column("label", SqlType::Text) }]);
    let time = |ty| ColumnDef { updated_at: true, app_assigned: false, ..column("updated_at", ty) };
    let reference = || refers("project_id", "projects", OnDelete::NoAction);
    let secret = |select| ColumnDef { select: Some(select), nullable: true, ..column("secret", SqlType::Text) };
    vec![
        ("generated column with a syntax error", generated("lower(")),
        ("generated column contains a subquery", generated("(SELECT name FROM app.projects)")),
        ("generated column calls caller", generated("caller()::text")),
        ("generated column reads an unknown column", generated("lower(titel)")),
        ("generated column calls a function without a schema", generated("unaccent(title)")),
        ("generated column reads itself", generated("name || title")),
        ("generated column reads a generated column", {
            with(vec![GENERATED, ColumnDef { generated: Some("upper(name)"), ..column("loud", SqlType::Text) }])
        }),
        ("generated column reveals a column with a role", {
            with(vec![secret("admin"), ColumnDef { generated: Some("md5(secret)"), nullable: true, ..GENERATED }])
        }),
        ("generated column reveals a column that no role can read", {
            with(vec![secret(NO_ROLE), ColumnDef { generated: Some("secret <> ''"), nullable: true, ..GENERATED }])
        }),
        ("statistics of a generated column reveal a sensitive column", {
            with(vec![
                ColumnDef { sensitive: true, ..column("diagnosis", SqlType::Text) },
                ColumnDef { generated: Some("lower(diagnosis)"), ..GENERATED },
            ])
        }),
        ("generated column has a default", with(vec![ColumnDef { default: Some("'x'"), ..GENERATED }])),
        ("generated key", {
            let id = ColumnDef { generated: Some("gen_random_uuid()"), ..ID };
            vec![TableDef { columns: leak(vec![id, ORG, NAME]), ..projects() }]
        }),
        ("generated reference", {
            with(vec![ColumnDef { generated: Some("id"), app_assigned: false, ..reference() }])
        }),
        ("updated_at on a text", with(vec![time(SqlType::Text)])),
        ("updated_at on a nullable column", with(vec![ColumnDef { nullable: true, ..time(SqlType::Timestamptz) }])),
        ("counter on a text", with(vec![ColumnDef { ty: SqlType::Text, ..COUNTER }])),
        ("counter on a nullable column", with(vec![ColumnDef { nullable: true, ..COUNTER }])),
        ("counter with a default", with(vec![ColumnDef { default: Some("0"), ..COUNTER }])),
        ("counter with a backfill", with(vec![ColumnDef { backfill: Some("0"), ..COUNTER }])),
        (
            "counter that is unique across tenants",
            with(vec![ColumnDef { unique: Some(UniqueScope::Global), ..COUNTER }]),
        ),
        ("counter of a global table", {
            let columns = leak(vec![ID, COUNTER]);
            vec![TableDef { scope: ScopeDef::Global, columns, insert: None, update: None, delete: None, ..projects() }]
        }),
        ("counter of the membership table", vec![organizations(), users(MEMBERS), members([USER, ROLE, COUNTER])]),
        ("counters with one name", {
            let plain = ColumnDef { name: "b_c", field: "b_c", ..COUNTER };
            let other = ColumnDef { name: "c", field: "c", ..COUNTER };
            let table = |table: &'static str, column| TableDef {
                name: TableName { schema: "app", table },
                columns: leak(vec![ID, ORG, NAME, column]),
                ..projects()
            };
            vec![table("a", plain), table("a_b", other)]
        }),
        ("table with the name of a counter's table", {
            let name = TableName { schema: "app", table: "tasks_number_counter" };
            vec![projects(), tasks([TITLE, COUNTER]), TableDef { name, rust_name: "Other", ..projects() }]
        }),
        ("collation of a number", with(vec![ColumnDef { collation: Some("C"), ..column("size", SqlType::Int4) }])),
        ("collation without a name", collated("app.")),
        ("default collation", collated("default")),
        ("collation of the tenant column", {
            vec![TableDef { columns: leak(vec![ID, ColumnDef { collation: Some("C"), ..ORG }, NAME]), ..projects() }]
        }),
        ("collations of a reference and its target differ", {
            let id = ColumnDef { ty: SqlType::Text, collation: Some("C"), app_assigned: true, ..ID };
            let reference = ColumnDef { ty: SqlType::Text, ..reference() };
            vec![TableDef { columns: leak(vec![id, ORG, NAME]), ..projects() }, tasks([reference])]
        }),
        ("update can hide the updated row through a generated column", {
            let mut tables = with_select_condition("slug <> 'x'");
            let slug =
                ColumnDef { generated: Some("lower(name)"), app_assigned: false, ..column("slug", SqlType::Text) };
            tables[0].columns = leak(vec![ID, ORG, NAME, slug]);
            tables
        }),
    ]
}

/// Limits of cross-tenant access that cannot be met, or with which a valid record could be deleted.
pub(super) fn system_access_cases() -> Vec<Case> {
    let of = |system_access| of(TenancyDef { system_access, ..SHIPPED });
    let shipped = SystemAccessDef::SHIPPED;
    vec![
        ("invalid limits of cross-tenant access", of(SystemAccessDef { timeout: 59, reason_length: 0, ..shipped })),
        (
            "records of cross-tenant access can be deleted before they expire",
            of(SystemAccessDef { timeout: 86_401, retention_days: 1, ..shipped }),
        ),
    ]
}

/// Functions that could never succeed.
pub(super) fn function_cases() -> Vec<Case> {
    const TEXT: TenancyDef = TenancyDef { key: SqlType::Text, ..SHIPPED };
    let of_tenants = |tenants: TableDef| {
        let org =
            ColumnDef { ty: tenants.columns[0].ty, ..refers("organization_id", "organizations", OnDelete::Cascade) };
        let org = ColumnDef { id: true, app_assigned: false, ..org };
        let mut members = TableDef { tenancy: tenants.tenancy, ..members([]) };
        members.columns = leak(vec![org, USER, ROLE]);
        vec![TableDef { creator_role: Some("admin"), ..tenants }, members]
    };
    let text_id = ColumnDef { ty: SqlType::Text, ..ID };
    let with_users = |users: TableDef| {
        let user = ColumnDef { id: true, ..refers("user_id", "users", OnDelete::Cascade) };
        vec![TableDef { sign_up: true, ..users }, members([user, ROLE])]
    };
    let author = ColumnDef { app_assigned: false, ..AUTHOR };
    vec![
        ("create_tenant leaves out a text key without a default", {
            of_tenants(TableDef { tenancy: &TEXT, columns: leak(vec![text_id, NAME]), ..organizations() })
        }),
        ("create_tenant leaves out a key that inserts take from the context", {
            of_tenants(TableDef { insert: Some("admin"), ..organizations() })
        }),
        ("create_tenant leaves out an owner column", {
            let columns = leak(vec![ID, NAME, ColumnDef { app_assigned: false, ..AUTHOR }]);
            of_tenants(TableDef { owner: Some("author_id"), columns, ..organizations() })
        }),
        ("creator_role is not a label of the membership role", {
            let mut tables = of_tenants(organizations());
            let role = column("role", SqlType::Labels(LabelsDef::of(&["viewer", "member"])));
            tables[1].columns = leak(vec![
                ColumnDef {
                    id: true,
                    app_assigned: false,
                    ..refers("organization_id", "organizations", OnDelete::Cascade)
                },
                USER,
                role,
            ]);
            tables
        }),
        ("sign_up leaves out a required column", {
            with_users(TableDef { columns: leak(vec![ID, NAME, author]), ..users(MEMBERS) })
        }),
        ("invite leaves out a text key without a default", {
            let columns = [ColumnDef { ty: SqlType::Text, ..ID }, ORG].into_iter().chain(invitation_columns());
            let email = column("email", SqlType::Text);
            let users = TableDef { columns: leak(vec![ID, NAME, email]), ..users(MEMBERS) };
            let user = ColumnDef { id: true, ..refers("user_id", "users", OnDelete::Cascade) };
            let invitations = TableDef { columns: leak(columns.collect()), ..invitations([]) };
            vec![users, members([user, ROLE]), invitations]
        }),
    ]
}

/// Conditions, extensions, and types of extensions.
pub(super) fn sql_cases() -> Vec<Case> {
    expression_cases().into_iter().chain(extension_cases()).collect()
}

/// Extensions, and types of extensions.
fn extension_cases() -> Vec<Case> {
    let declared = |extensions: &[(&'static str, &'static str)]| {
        let extensions = extensions.iter().map(|(name, schema)| ExtensionDef { name, schema });
        of(TenancyDef { extensions: leak(extensions.collect()), ..SHIPPED })
    };
    let typed = |ty| vec![projects(), tasks([column("email", SqlType::Custom(ty))])];
    vec![
        ("extension in the schema of the tables", declared(&[("citext", "app")])),
        ("extension in a schema of PostgreSQL", declared(&[("citext", "pg_catalog")])),
        (
            "extension declared twice, and without a name",
            declared(&[("citext", "ext"), ("citext", "ext"), ("", "ext")]),
        ),
        ("two enums with one type name, which is also that of a table", {
            let of = |labels| SqlType::Enum(EnumDef { name: "tasks", labels: LabelsDef::of(labels) });
            vec![projects(), tasks([column("state", of(&["a"])), column("level", of(&["b"]))])]
        }),
        ("type of an extension that is not declared", typed("public.citext")),
        ("array of a type of an extension that is not declared", typed("\"Ext\".ltree[]")),
    ]
}

/// Tables with conditions: each on a command of a table.
fn with_conditions(
    mut tables: Vec<TableDef>,
    conditions: &[(usize, &'static str, bool, &'static str)],
) -> Vec<TableDef> {
    for (at, table) in tables.iter_mut().enumerate() {
        let own = conditions.iter().filter(|(of, ..)| *of == at);
        let own = own.map(|(_, command, check, condition)| RuleDef { command, check: *check, condition });
        table.rules = leak(own.collect());
    }
    tables
}

/// Projects, tasks, and remarks on projects.
fn related() -> Vec<TableDef> {
    let project = || refers("project_id", "projects", OnDelete::Cascade);
    vec![projects(), tasks([project()]), remarks(project())]
}

const PROJECT_HAS_TASK: &str = "EXISTS (SELECT FROM app.tasks AS t WHERE t.project_id = projects.id)";
const TASK_HAS_PROJECT: &str = "project_id IN (SELECT p.id FROM app.projects AS p)";

/// Policies that read their own table again.
pub(super) fn recursion_cases() -> Vec<Case> {
    let read_only =
        |tables: Vec<TableDef>| tables.into_iter().map(|table| TableDef { update: None, ..table }).collect();
    let own = "EXISTS (SELECT FROM app.projects AS p WHERE p.name = 'x')";
    vec![
        ("condition reads its own table", read_only(with_conditions(related(), &[(0, "select", false, own)]))),
        ("condition of an insert reads its own table", with_conditions(related(), &[(0, "insert", true, own)])),
        (
            "conditions of two tables read each other",
            read_only(with_conditions(
                related(),
                &[(0, "select", false, PROJECT_HAS_TASK), (1, "select", false, TASK_HAS_PROJECT)],
            )),
        ),
        (
            "condition of an update reads a table whose select condition reads it",
            with_conditions(
                related(),
                &[(0, "update", false, PROJECT_HAS_TASK), (1, "select", false, TASK_HAS_PROJECT)],
            )
            .into_iter()
            .map(|table| TableDef { update: table.update.filter(|_| table.rust_name == "Project"), ..table })
            .collect(),
        ),
        ("condition of a parent reads its children", {
            let condition = "EXISTS (SELECT FROM app.remarks AS r WHERE r.project_id = projects.id)";
            read_only(with_conditions(related(), &[(0, "select", false, condition)]))
        }),
        ("condition of the membership table reads the users", {
            let condition = "user_id IN (SELECT u.id FROM app.users AS u)";
            with_conditions(vec![members([USER, ROLE]), users(MEMBERS)], &[(0, "select", false, condition)])
        }),
    ]
}

#[test]
fn conditions_that_do_not_lead_back_to_their_table_have_no_findings() {
    let remark = "EXISTS (SELECT FROM app.remarks AS r WHERE r.project_id = tasks.project_id)";
    let task = "id IN (SELECT t.project_id FROM app.tasks AS t, app.tasks AS other WHERE other.id = t.id)";
    let cases: [&[_]; 4] = [
        // Two paths to one table.
        &[(1, "select", false, remark), (2, "select", false, "EXISTS (SELECT FROM app.projects AS p)")],
        // The SELECT policies of both tables read no table.
        &[(0, "insert", true, task), (1, "insert", true, TASK_HAS_PROJECT)],
        &[(0, "update", false, PROJECT_HAS_TASK), (1, "update", true, TASK_HAS_PROJECT)],
        // The projects have no condition for the command of their role.
        &[(0, "delete", false, PROJECT_HAS_TASK), (2, "select", false, TASK_HAS_PROJECT)],
    ];
    for conditions in cases {
        let mut tables = with_conditions(related(), conditions);
        // Without `update`: an update that can hide the updated row is a separate finding.
        for at in conditions.iter().filter(|(_, command, ..)| *command == "select").map(|(at, ..)| *at) {
            tables[at].update = None;
        }
        assert!(has_no_finding(tables), "{conditions:?}");
    }
}

/// Whether declarations are valid and cause no warning.
fn has_no_finding(tables: Vec<TableDef>) -> bool {
    check(&tenant_runtime::models![].only(leak(tables))).is_ok_and(|checked| checked.warnings.as_slice().is_empty())
}

#[test]
fn valid_policy_conditions_have_no_findings() {
    let conditions = [
        "name <> '' AND length(name) < 100",
        "id = caller() OR lower(name) = 'public'",
        "id IN (SELECT t.project_id FROM app.tasks AS t WHERE t.id = CALLER ( ))",
        "EXISTS (SELECT FROM app.tasks AS t JOIN app.tasks AS p ON p.id = t.project_id WHERE NOT (t.id = p.id))",
        "name = (SELECT 'x' FROM app.tasks AS t LIMIT 1)",
        "NOT (name = 'x') AND name IS NOT NULL",
    ];
    // Without `update`: an update that can hide the updated row is a separate finding.
    let read_only = |condition| {
        let mut tables = with_select_condition(condition);
        tables[0].update = None;
        has_no_finding(tables)
    };
    let refused: Vec<_> = conditions.into_iter().filter(|condition| !read_only(condition)).collect();
    assert_eq!(refused, Vec::<&str>::new());
}
