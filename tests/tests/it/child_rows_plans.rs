//! Plans of statements on child rows, with 100,000 parents in the tenant: they read a few rows, by indexes.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _, types::Json};
use tenant_runtime::TenantTable as _;
use tenant_tests::{Database, connect, run};
use uuid::Uuid;

use super::{
    child_rows::{Board, Card, Change, Remark},
    data::database_of,
};

/// Adds the nodes of a plan.
fn nodes<'p>(plan: &'p Value, found: &mut Vec<&'p Value>) {
    found.push(plan);
    plan["Plans"].as_array().into_iter().flatten().for_each(|below| nodes(below, found));
}

/// Runs a statement and rolls it back; returns its plan.
async fn plan(session: &mut PgConnection, statement: &str) -> Json<Value> {
    run(session, "BEGIN").await.expect("begun");
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}");
    let row = session.fetch_one(AssertSqlSafe(explain)).await.expect(statement);
    run(session, "ROLLBACK").await.expect("rolled back");
    row.get(0)
}

/// Returns what a statement reads beyond a few rows and pages.
async fn excess(session: &mut PgConnection, statement: &str) -> Vec<String> {
    // The first run also reads the catalog.
    plan(session, statement).await;
    let plans = plan(session, statement).await;
    let number = |node: &Value, key: &str| node[key].as_f64().unwrap_or_default();
    let mut all = Vec::new();
    nodes(&plans[0]["Plan"], &mut all);
    let mut found = Vec::new();
    for node in all {
        let (loops, kind) = (number(node, "Actual Loops"), node["Node Type"].as_str().unwrap_or_default());
        let rows = loops * (number(node, "Actual Rows") + number(node, "Rows Removed by Filter"));
        if rows > 20.0 || kind == "Seq Scan" && loops > 0.0 {
            found.push(format!("{statement}: {kind} of {}, {rows} rows", node["Relation Name"]));
        }
    }
    let pages = number(&plans[0]["Plan"], "Shared Hit Blocks") + number(&plans[0]["Plan"], "Shared Read Blocks");
    // Each of ten rows can have two lookups of a parent, in an index and in its table.
    if pages > 150.0 {
        found.push(format!("{statement}: {pages} pages"));
    }
    found
}

/// A key that the statements below write as `md5('…')::uuid`.
fn key(name: &str) -> String {
    format!("md5('{name}')::uuid")
}

/// The statements on the children of a parent, as the repository and as SQL of the app write them.
fn statements(table: &str, tenant: &str, parent: &str, insert: &str) -> Vec<String> {
    let (of_parent, child) = (format!("{parent} = {}", key("parent 5")), key("child 5"));
    vec![
        format!("INSERT INTO {table} {insert} RETURNING id"),
        format!("SELECT id FROM {table} WHERE {tenant} AND {of_parent}"),
        format!("SELECT id FROM {table} WHERE {of_parent}"),
        format!("SELECT count(*) FROM {table} WHERE {tenant} AND {of_parent}"),
        format!("SELECT id FROM {table} WHERE {tenant} AND id = {child}"),
        format!("SELECT id FROM {table} WHERE {tenant} ORDER BY id LIMIT 10"),
        format!("DELETE FROM {table} WHERE {tenant} AND id = {child}"),
    ]
}

#[tokio::test]
async fn statements_on_children_of_visible_parents_read_few_rows() {
    let database = Database::create().await;
    let (acme, globex) = (&database.acme, &database.globex);
    let mut admin = database.admin().await;
    let fill = |org: Uuid, project: Uuid, user: Uuid, first: u32, last: u32| {
        format!(
            "INSERT INTO app.tasks (id, organization_id, project_id, title)
                 SELECT md5('parent ' || n)::uuid, '{org}', '{project}', 'x' FROM generate_series({first}, {last}) AS n;
             INSERT INTO app.comments (id, organization_id, task_id, written_by, body)
                 SELECT md5('child ' || n)::uuid, '{org}', md5('parent ' || n)::uuid, '{user}', 'x'
                 FROM generate_series({first}, {last}) AS n;"
        )
    };
    let sql = format!(
        "SET session_replication_role = replica; {} {} SET session_replication_role = origin",
        fill(acme.id, acme.project, acme.member, 1, 100_000),
        fill(globex.id, globex.project, globex.member, 100_001, 120_000)
    );
    run(&mut admin, &sql).await.expect("a superuser can");
    run(&mut admin, "VACUUM ANALYZE app.tasks, app.comments").await.expect("a superuser can");
    let mut session = database.raw("app_member", acme.id, acme.member).await;
    let tenant = format!("organization_id = '{}'", acme.id);
    let insert = format!("(task_id, written_by, body) VALUES ({}, '{}', 'x')", key("parent 5"), acme.member);
    let mut found = Vec::new();
    for statement in statements("app.comments", &tenant, "task_id", &insert) {
        found.extend(excess(&mut session, &statement).await);
    }
    // The rules detect a statement that reads the tenant's rows.
    let whole = format!("SELECT count(*) FROM app.comments WHERE {tenant}");
    assert_eq!(found, Vec::<String>::new());
    assert_ne!(excess(&mut session, &whole).await, Vec::<String>::new());
}

#[tokio::test]
async fn statements_on_children_of_parents_with_conditions_read_few_rows() {
    let database = database_of([Board::TABLE, Card::TABLE, Remark::TABLE, Change::TABLE]).await;
    let mut admin = database.admin().await;
    let firm = "md5('firm ' || CASE WHEN n <= 100000 THEN 0 ELSE n % 20 END)::uuid";
    let sql = format!(
        "SET session_replication_role = replica;
         CREATE TEMPORARY TABLE keys AS
             SELECT {firm} AS firm, md5('parent ' || n)::uuid AS parent, md5('child ' || n)::uuid AS child, n
             FROM generate_series(1, 120000) AS n;
         INSERT INTO app.boards (id, firm_id, created_by, seen)
             SELECT parent, firm, md5('user')::uuid, CASE n % 10 WHEN 0 THEN 'private' ELSE 'team' END FROM keys;
         INSERT INTO app.cards (id, firm_id, board_id, slug, text) SELECT child, firm, parent, n::text, 'x' FROM keys;
         INSERT INTO app.remarks (firm_id, card_id, body) SELECT firm, child, 'x' FROM keys;
         SET session_replication_role = origin"
    );
    run(&mut admin, &sql).await.expect("a superuser can");
    run(&mut admin, "VACUUM ANALYZE app.boards, app.cards, app.remarks").await.expect("a superuser can");
    let mut session = connect(&database.url_of("firm_service")).await;
    let context = "SELECT set_config('firm.firm_id', md5('firm 0')::uuid::text, false),
                       set_config('firm.user_id', md5('other')::uuid::text, false), set_config('role', 'firm_writer', false)";
    run(&mut session, context).await.expect("the login can");
    let tenant = format!("firm_id = {}", key("firm 0"));
    let card = format!("(board_id, slug, text) VALUES ({}, 'new', 'x')", key("parent 5"));
    let remark = format!("(card_id, body) VALUES ({}, 'x')", key("child 5"));
    let cards = statements("app.cards", &tenant, "board_id", &card);
    let remarks = statements("app.remarks", &tenant, "card_id", &remark).into_iter();
    // The keys of remarks are numbers.
    let remarks = remarks.map(|sql| sql.replace("card_id = md5('parent", "card_id = md5('child"));
    let remarks = remarks.map(|sql| sql.replace(&format!(" id = {}", key("child 5")), " id = 5"));
    let mut found = Vec::new();
    for statement in cards.into_iter().chain(remarks) {
        found.extend(excess(&mut session, &statement).await);
    }
    assert_eq!(found, Vec::<String>::new());
}
