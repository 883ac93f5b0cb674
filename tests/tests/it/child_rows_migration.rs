//! A snapshot from before child tables had a tenant column: the next migration adds it and fills it from the parents.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use tenant_runtime::{
    TenantTable,
    analyze::{Checked, check},
    audit::{Catalog, audit},
    model::{migration_hints::MigrationHints, schema::Schema},
    plan::{Risk, plan},
    roles::{Admin, Member, Viewer},
    snapshot::{self, Snapshot},
    sql::{self, Migration},
};
use tenant_tests::{ask, connect, dedicated_server, refusal, run};
use uuid::Uuid;

/// A task.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "admin")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
}

/// A comment on a task.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(parent = "task_id", select = "viewer", insert = "member", delete = "admin")]
struct Comment {
    id: Uuid,
    #[tenant(references = Task, on_delete = "cascade")]
    task_id: Uuid,
    #[tenant(unique)]
    slug: String,
}

const ORG: &str = "(SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid)";

/// Returns the schema as an earlier version of the generator derived it, from its snapshot: a table with `parent` had no tenant
/// column, and its policies looked up the tenant in the parent table.
fn earlier(schema: &Schema) -> Schema {
    let text = snapshot::to_text(&Snapshot { schema: schema.clone(), ..Snapshot::default() }).expect("written");
    let start = text.find("\"table\": \"comments\"").expect("the table");
    let (before, from) = text.split_at(start);
    let end = from.find("\"table\": \"tasks\"").expect("the next table");
    let (comments, after) = from.split_at(end);
    let is_hidden = |line: &&str| !line.contains("\"name\":\"organization_id\"") && !line.contains("_id_id_key");
    let comments = comments.lines().filter(is_hidden).map(|line| format!("{line}\n")).collect::<String>();
    let comments = comments.trim_end_matches('\n');
    let comments = comments
        .replace("comments_organization_id_", "comments_")
        .replace("\"organization_id\",", "")
        .replace(
            &format!("organization_id = {ORG}"),
            &format!("task_id IN (SELECT parent.id FROM app.tasks AS parent WHERE parent.organization_id = {ORG})"),
        )
        .replace("\"kind\":\"tenant\"", "\"kind\":\"parent_tenant\"")
        .replace(",\"organization_id\"]", "]")
        // The last one of a list.
        .replace("},\n      ]", "}\n      ]");
    let text = format!("{before}{comments}{after}");
    let checksum = text.rfind("\"checksum\": \"").expect("the checksum") + "\"checksum\": \"".len();
    let empty = format!("{}\"\n}}\n", &text[..checksum]);
    let text = format!("{}{}\"\n}}\n", &text[..checksum], snapshot::hash(&empty));
    snapshot::from_text(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).schema
}

fn checked() -> Checked {
    let models = tenant_runtime::models![].only([Task::TABLE, Comment::TABLE]);
    check(&models).unwrap_or_else(|findings| panic!("{findings}"))
}

async fn apply(connection: &mut PgConnection, files: impl IntoIterator<Item = (String, bool)>) {
    for (text, transaction) in files {
        let whole = if transaction { format!("BEGIN;\n{text}\nCOMMIT;") } else { text.clone() };
        run(connection, &whole).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

fn ups(migrations: &[Migration]) -> Vec<(String, bool)> {
    migrations.iter().map(|one| (one.up.clone(), one.transaction)).collect()
}

/// What a member of a tenant sees and can insert.
async fn seen(session: &mut PgConnection, tenant: u8, task: u8) -> (String, Result<u64, String>) {
    let key = |number: u8| format!("'00000000-0000-4000-8000-{number:012}'");
    let begin = format!("BEGIN; SET LOCAL ROLE app_member; SET LOCAL app.organization_id = {}", key(tenant));
    run(session, &begin).await.expect("the login can");
    let found = ask(session, "SELECT coalesce(string_agg(slug, ' ' ORDER BY slug), '') FROM app.comments").await;
    let insert = format!("INSERT INTO app.comments (task_id, slug) VALUES ({}, 'new')", key(task));
    let inserted = run(session, &insert).await.map_err(|error| refusal(error).0);
    run(session, "ROLLBACK").await.expect("rolled back");
    (found, inserted)
}

#[tokio::test]
async fn migration_fills_the_tenant_column_of_an_earlier_child_table() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut superuser = connect(&server.admin_url()).await;
    run(&mut superuser, "CREATE ROLE operator LOGIN CREATEROLE CREATEDB").await.expect("an administrator");
    run(&mut superuser, "CREATE DATABASE earlier OWNER operator").await.expect("a database");
    let mut operator = connect(&server.url("operator", "earlier")).await;
    let mut superuser = connect(&server.url("postgres", "earlier")).await;
    let Checked { schema: now, hints, .. } = checked();
    let before = earlier(&now);
    let first = plan(&Schema::default(), &before, &MigrationHints::default()).expect("a plan from nothing");
    apply(&mut operator, ups(&sql::migrations(&first))).await;
    let rows = "INSERT INTO app.tasks (id, organization_id)
                    SELECT format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid,
                        format('00000000-0000-4000-8000-%s', lpad((n / 10)::text, 12, '0'))::uuid FROM unnest('{10,11,20}'::int[]) AS n;
                INSERT INTO app.comments (task_id, slug) SELECT id, right(id::text, 2) FROM app.tasks";
    run(&mut superuser, rows).await.expect("rows of two tenants");
    let mut session = connect(&server.url("app_service", "earlier")).await;
    let at_first = (seen(&mut session, 1, 10).await, seen(&mut session, 1, 20).await);
    let at_first_catalog = Catalog::read(&mut superuser, &before).await.expect("read").to_string();

    let plan = plan(&before, &now, &hints).expect("a plan");
    // The values can be derived, so no data is lost, up or down.
    assert_eq!(plan.confirm(&BTreeSet::new()), Ok(()));
    assert!(plan.risk() < Risk::Destructive);
    let migrations = sql::migrations(&plan);
    assert!(migrations.iter().all(|one| !one.down.starts_with("-- tenant: ")), "{migrations:#?}");
    for one in &migrations {
        apply(&mut operator, [(one.up.clone(), one.transaction)]).await;
        // Between two files, each tenant sees and writes the same rows as before.
        assert_eq!(seen(&mut session, 1, 10).await, at_first.0, "{}", one.description);
        assert_eq!(seen(&mut session, 2, 20).await, ("20".to_owned(), Ok(1)), "{}", one.description);
    }
    let foreign = seen(&mut session, 1, 20).await;
    assert_eq!((at_first.1.1, foreign.1), (Err("42501".to_owned()), Err("23503".to_owned())));
    let equal = "SELECT bool_and(c.organization_id = t.organization_id)::text FROM app.comments AS c JOIN app.tasks AS t ON t.id = c.task_id";
    assert_eq!(ask(&mut superuser, equal).await, "true");
    // The audit also reports that the operator of this test can bypass the policies; drift has the codes TA1….
    let report = audit(&mut superuser, &now).await.expect("a report").to_string();
    assert!(!report.contains(" TA1"), "{report}");

    let downs = migrations.iter().rev().map(|one| (one.down.clone(), one.transaction));
    apply(&mut operator, downs).await;
    let at_last = (seen(&mut session, 1, 10).await, seen(&mut session, 1, 20).await);
    let at_last_catalog = Catalog::read(&mut superuser, &before).await.expect("read").to_string();
    assert_eq!((at_last.0, at_last.1.0, at_last_catalog), (at_first.0, at_first.1.0, at_first_catalog));
    // And once more: the rows have no values in the column until the migration fills them.
    apply(&mut operator, ups(&migrations)).await;
    assert_eq!(ask(&mut superuser, equal).await, "true");
}

#[tokio::test]
async fn migration_fails_if_the_parent_of_a_row_is_ambiguous() {
    // Without a foreign key, a key that is unique only within a tenant does not determine the tenant.
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut superuser = connect(&server.admin_url()).await;
    let Checked { schema: now, hints, .. } = checked();
    let before = earlier(&now);
    let first = plan(&Schema::default(), &before, &MigrationHints::default()).expect("a plan from nothing");
    apply(&mut superuser, ups(&sql::migrations(&first))).await;
    let rows = "ALTER TABLE app.comments DROP CONSTRAINT comments_task_id_fkey;
                ALTER TABLE app.comments ADD CONSTRAINT comments_task_id_fkey CHECK (true);
                ALTER TABLE app.tasks DROP CONSTRAINT tasks_pkey;
                INSERT INTO app.tasks (id, organization_id) SELECT ('00000000-0000-4000-8000-' || repeat('1', 12))::uuid, gen_random_uuid()
                    FROM generate_series(1, 2);
                INSERT INTO app.comments (task_id, slug) SELECT id, 'x' FROM app.tasks LIMIT 1";
    run(&mut superuser, rows).await.expect("a superuser can");
    let migrations = sql::migrations(&plan(&before, &now, &hints).expect("a plan"));
    let error = run(&mut superuser, &format!("BEGIN;\n{}\nCOMMIT;", migrations[0].up)).await.expect_err("two parents");
    assert_eq!(refusal(error).0, "21000");
}
