//! Rows of many tenants, in the example's tables and in copies of them.

use sqlx::PgConnection;
use uuid::Uuid;

use super::full_or_quick;
use crate::{Database, ask, run};

/// How many rows a benchmark creates.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The number of tenants.
    pub tenants: u32,
    /// The number of tasks of all tenants.
    pub tasks: u32,
    /// The number of tasks of the first tenant; the others share the rest evenly.
    pub large: u32,
}

impl Sizes {
    /// Returns the sizes for the requests of an app.
    #[must_use]
    pub fn of_requests() -> Self {
        full_or_quick(
            Self { tenants: 1_000, tasks: 100_000, large: 10_000 },
            Self { tenants: 40, tasks: 4_000, large: 400 },
        )
    }
}

/// A tenant with a member, a project and one of its tasks.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The organization.
    pub org: Uuid,
    /// A member of the organization.
    pub user: Uuid,
    /// The project of all tasks.
    pub project: Uuid,
    /// One of the tasks.
    pub task: Uuid,
}

/// Fills the example's tables. The rows of the tenants are mixed, as if they had been inserted over time.
pub async fn fill(database: &Database, sizes: Sizes) {
    let Sizes { tenants, tasks, large } = sizes;
    let others = tenants - 1;
    let sql = format!(
        "SET session_replication_role = replica; -- The generated rows need no checks of foreign keys.
         INSERT INTO app.organizations (id, name) SELECT md5('org' || n)::uuid, 'tenant ' || n FROM generate_series(1, {tenants}) n;
         INSERT INTO app.users (id, email) SELECT md5('user' || n)::uuid, n || '@example' FROM generate_series(1, {tenants}) n;
         INSERT INTO app.org_members (organization_id, user_id, role)
             SELECT md5('org' || n)::uuid, md5('user' || n)::uuid, 'member' FROM generate_series(1, {tenants}) n;
         INSERT INTO app.projects (id, organization_id, name)
             SELECT md5('project' || n)::uuid, md5('org' || n)::uuid, 'project ' || n FROM generate_series(1, {tenants}) n;
         INSERT INTO app.tasks (id, organization_id, project_id, title, status)
             SELECT CASE WHEN i = first THEN md5('task' || n)::uuid ELSE md5('task' || n || '-' || i)::uuid END,
                    md5('org' || n)::uuid, md5('project' || n)::uuid, 'task ' || i,
                    (ARRAY['todo', 'in_progress', 'done'])[1 + (i / {tenants}) % 3]
             FROM (SELECT i, CASE WHEN i <= {large} THEN 1 ELSE 2 + (i - {large} - 1) % {others} END AS n,
                          CASE WHEN i <= {large} THEN 1 ELSE {large} + 1 + (i - {large} - 1) % {others} END AS first
                   FROM generate_series(1, {tasks}) i) AS numbered
             ORDER BY md5(i::text);
         RESET session_replication_role",
    );
    run(&mut database.admin().await, &sql).await.expect("rows");
}

/// Reads the keys of a tenant that [`fill`] has created; the first one is number 1.
pub async fn place(admin: &mut PgConnection, tenant: u32) -> Place {
    let [mut org, mut user, mut project, mut task] = [Uuid::nil(); 4];
    for (kind, id) in [("org", &mut org), ("user", &mut user), ("project", &mut project), ("task", &mut task)] {
        let text = ask(admin, &format!("SELECT md5('{kind}{tenant}')::uuid::text")).await;
        *id = text.parse().expect("a UUID");
    }
    Place { org, user, project, task }
}

/// Copies projects and tasks with their keys and indexes into a schema without RLS, for a new login with all privileges
/// on them. The schema and the login have the same name.
pub async fn copy(database: &Database, schema: &str) {
    let sql = format!(
        "CREATE SCHEMA {schema};
         CREATE TABLE {schema}.projects (LIKE app.projects INCLUDING ALL);
         INSERT INTO {schema}.projects SELECT * FROM app.projects;
         CREATE TABLE {schema}.tasks (LIKE app.tasks INCLUDING ALL);
         INSERT INTO {schema}.tasks SELECT * FROM app.tasks;
         ALTER TABLE {schema}.tasks ADD FOREIGN KEY (organization_id) REFERENCES app.organizations (id) ON DELETE CASCADE;
         ALTER TABLE {schema}.tasks ADD FOREIGN KEY (project_id) REFERENCES {schema}.projects (id) ON DELETE CASCADE;
         CREATE ROLE {schema} LOGIN;
         GRANT USAGE ON SCHEMA {schema} TO {schema};
         GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {schema};
         GRANT CONNECT ON DATABASE {name} TO {schema}",
        name = database.name(),
    );
    run(&mut database.admin().await, &sql).await.expect("a copy");
}

/// Enables RLS on a copy with the policy of the first tutorial, which reads the tenant from a setting.
pub async fn protect(database: &Database, schema: &str, setting: &str) {
    let condition = format!("organization_id = current_setting('{setting}')::uuid");
    let mut admin = database.admin().await;
    for table in ["projects", "tasks"] {
        let sql = format!(
            "ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY;
             ALTER TABLE {schema}.{table} FORCE ROW LEVEL SECURITY;
             CREATE POLICY tenant_isolation ON {schema}.{table} USING ({condition}) WITH CHECK ({condition})"
        );
        run(&mut admin, &sql).await.expect("a policy");
    }
}

/// Collects statistics and sets the visibility of the rows, so that no measurement does this.
pub async fn analyze(database: &Database) {
    let mut admin = database.admin().await;
    for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
        run(&mut admin, sql).await.expect("analyzed");
    }
}
