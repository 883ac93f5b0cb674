//! Benchmark of the policies on a million rows: `cargo bench -p tenant-tests --bench policies`.
//!
//! The generated policies and those of the two tutorials, compared with a condition written by hand on a table without RLS.
//! Each variant runs its statements on an open connection whose role and settings are already set, so that only the policies
//! differ.

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use sqlx::{Arguments as _, PgConnection, postgres::PgArguments};
use tenant_tests::{
    Database,
    benchmark::{
        chart::Chart,
        full_or_quick,
        measure::fastest_tenth,
        report::Report,
        requested,
        rows::{self, Place, Sizes},
    },
    connect, run, server,
};
use uuid::Uuid;

/// The rows that a bulk insert adds.
const INSERTED: u32 = 1_000;

/// The tables and policies of a variant.
struct Variant {
    label: &'static str,
    schema: &'static str,
    /// Whether the statements contain `organization_id = $1`, as by hand and in the statements of tenant-runtime. The
    /// tutorials leave the condition to the policies.
    names_tenant: bool,
    /// Whether `tasks` has a tenant column.
    has_tenant: bool,
}

const VARIANTS: [Variant; 4] = [
    Variant { label: "WHERE by hand, no RLS", schema: "by_hand", names_tenant: true, has_tenant: true },
    Variant { label: "tenant-runtime", schema: "app", names_tenant: true, has_tenant: true },
    Variant { label: "policies of tutorial A", schema: "guide_a", names_tenant: false, has_tenant: true },
    Variant { label: "policies of tutorial B", schema: "guide_b", names_tenant: false, has_tenant: false },
];

/// A statement, and whether it changes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Find,
    List,
    Count,
    CountByStatus,
    Join,
    Insert,
    Update,
    Delete,
}

impl Operation {
    const ALL: [Self; 8] = [
        Self::Find,
        Self::List,
        Self::Count,
        Self::CountByStatus,
        Self::Join,
        Self::Insert,
        Self::Update,
        Self::Delete,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Find => "row by key",
            Self::List => "list of 50",
            Self::Count => "count",
            Self::CountByStatus => "count by status",
            Self::Join => "join, 50 rows",
            Self::Insert => "insert of 1,000 rows",
            Self::Update => "update of a third",
            Self::Delete => "delete of a third",
        }
    }

    fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Delete)
    }

    /// Returns the statement of a variant with its values.
    fn statement(self, variant: &Variant, place: Place) -> (String, PgArguments) {
        let mut values = PgArguments::default();
        let mut bind = |id: Uuid| {
            values.add(id).expect("a value");
            values.len()
        };
        let Variant { schema, names_tenant, has_tenant, .. } = *variant;
        let tasks = format!("{schema}.tasks");
        if self == Self::Insert {
            let project = bind(place.project);
            let (column, value) =
                if has_tenant { ("organization_id, ", format!("${}, ", bind(place.org))) } else { ("", String::new()) };
            let sql = format!(
                "INSERT INTO {tasks} ({column}project_id, title) \
                 SELECT {value}$1, 'new ' || n FROM generate_series(1, {INSERTED}) n"
            );
            black_box(project);
            return (sql, values);
        }
        let mut condition = "true".to_owned();
        if names_tenant {
            let _ = write!(condition, " AND t.organization_id = ${}", bind(place.org));
        }
        let sql = match self {
            Self::Find => {
                let key = bind(place.task);
                format!("SELECT t.id, t.title, t.status FROM {tasks} t WHERE {condition} AND t.id = ${key}")
            }
            Self::List => {
                format!("SELECT t.id, t.title, t.status FROM {tasks} t WHERE {condition} ORDER BY t.id LIMIT 50")
            }
            Self::Count => format!("SELECT count(*) FROM {tasks} t WHERE {condition}"),
            Self::CountByStatus => {
                format!("SELECT t.status, count(*) FROM {tasks} t WHERE {condition} GROUP BY t.status")
            }
            Self::Join => {
                let of_tenant = if names_tenant { " AND p.organization_id = $1" } else { "" };
                format!(
                    "SELECT t.id, t.title, p.name FROM {tasks} t JOIN {schema}.projects p ON p.id = t.project_id{of_tenant} \
                     WHERE {condition} AND t.status = 'todo' ORDER BY t.id LIMIT 50"
                )
            }
            Self::Update => format!("UPDATE {tasks} t SET title = 'changed' WHERE {condition} AND t.status = 'done'"),
            Self::Delete => format!("DELETE FROM {tasks} t WHERE {condition} AND t.status = 'done'"),
            Self::Insert => unreachable!("above"),
        };
        (sql, values)
    }
}

#[tokio::main]
async fn main() {
    if !requested() {
        return;
    }
    let sizes = full_or_quick(
        Sizes { tenants: 1_000, tasks: 1_000_000, large: 1_000 },
        Sizes { tenants: 50, tasks: 5_000, large: 100 },
    );
    let database = Database::create().await;
    rows::fill(&database, sizes).await;
    for schema in ["by_hand", "guide_a"] {
        rows::copy(&database, schema).await;
        add_comments(&database, schema, "LIKE app.comments INCLUDING ALL").await;
    }
    rows::protect(&database, "guide_a", "app.organization_id").await;
    create_guide_b(&database).await;
    rows::analyze(&database).await;
    let place = rows::place(&mut database.admin().await, 7).await;
    let mut connections = [
        connect(&database.url_of("by_hand")).await,
        database.raw("app_member", place.org, place.user).await,
        session(&database, "guide_a", "SELECT set_config('app.organization_id', '{org}', false)", place).await,
        session(
            &database,
            "guide_b",
            "SELECT guide_b.set_current_user_id('{user}'), guide_b.set_current_organization_id('{org}')",
            place,
        )
        .await,
    ];
    let about = "The time of a statement under the policies, compared with `organization_id = $1` written by hand on a table \
        without RLS. The statements of tenant-runtime contain this condition as well; those of the tutorials leave it to the \
        policies, as the tutorials do. In tutorial A, the policies are `organization_id = current_setting(…)::uuid`. In \
        tutorial B, `tasks` has no tenant column; its policies are `project_id IN (SELECT …)` and functions in PL/pgSQL. \
        Indexes on the columns that tutorial B's policies read have been added.";
    let mut report = Report::new("policies", "Policies on a million rows", about);
    report.paragraph(&format!(
        "PostgreSQL {}; {} tenants, {} tasks. The fastest tenth in µs as seen by a client on the Unix socket, and its ratio \
         to the condition by hand. Writes are rolled back.",
        server().version(),
        sizes.tenants,
        sizes.tasks,
    ));
    let (mut table, mut groups) = (Vec::new(), Vec::new());
    for operation in Operation::ALL {
        let taken = measure(&mut connections, operation, place).await;
        let ratios: Vec<f64> = taken.iter().map(|time| time.as_secs_f64() / taken[0].as_secs_f64()).collect();
        let mut row = vec![operation.label().to_owned()];
        row.extend(taken.iter().zip(&ratios).map(|(time, ratio)| format!("{} · {ratio:.2}", time.as_micros())));
        table.push(row);
        // The bars of tutorial B would leave no room for the others.
        groups.push((operation.label().to_owned(), ratios[..3].iter().copied().map(Some).collect()));
    }
    let labels = VARIANTS.map(|variant| variant.label.to_owned());
    let head: Vec<String> = [String::new()].into_iter().chain(labels.clone()).collect();
    report.table(&head, &table);
    let title = "Time of a statement, relative to WHERE by hand without RLS".to_owned();
    report.chart("policies", Chart { title, series: labels[..3].to_vec(), groups, decimals: 2 });
    report.finish();
}

/// Measures an operation with each variant in turn.
async fn measure(connections: &mut [PgConnection; 4], operation: Operation, place: Place) -> Vec<Duration> {
    const WARM: usize = 7;
    let (rounds, most) = full_or_quick((200, Duration::from_secs(40)), (10, Duration::from_secs(2)));
    let mut taken = vec![Vec::new(); VARIANTS.len()];
    let start = Instant::now();
    for round in 0..rounds + WARM {
        for (n, variant) in VARIANTS.iter().enumerate() {
            let (sql, values) = operation.statement(variant, place);
            let connection = &mut connections[n];
            if operation.writes() {
                run(connection, "BEGIN").await.expect("begun");
            }
            let query = sqlx::query_with(sqlx::AssertSqlSafe(sql.as_str()), values);
            let start = Instant::now();
            let touched = if operation.writes() {
                query.execute(&mut *connection).await.expect(&sql).rows_affected()
            } else {
                query.fetch_all(&mut *connection).await.expect(&sql).len() as u64
            };
            let time = start.elapsed();
            if operation.writes() {
                run(connection, "ROLLBACK").await.expect("rolled back");
            }
            assert!(touched > 0, "{}: {sql}", variant.label);
            // The first runs fill the caches and lead to the plan that stays.
            if round >= WARM {
                taken[n].push(time);
            }
        }
        if start.elapsed() > most && round >= WARM + 5 {
            break;
        }
    }
    taken.into_iter().map(fastest_tenth).collect()
}

/// Opens a connection and sets its context with a statement of the tutorial.
async fn session(database: &Database, login: &str, sql: &str, place: Place) -> PgConnection {
    let mut connection = connect(&database.url_of(login)).await;
    let sql = sql.replace("{org}", &place.org.to_string()).replace("{user}", &place.user.to_string());
    run(&mut connection, &sql).await.expect("the context is set");
    connection
}

/// Adds comments, because deleting a task looks for them in the example's tables as well.
async fn add_comments(database: &Database, schema: &str, columns: &str) {
    let sql = format!(
        "CREATE TABLE {schema}.comments ({columns});
         ALTER TABLE {schema}.comments ADD FOREIGN KEY (task_id) REFERENCES {schema}.tasks (id) ON DELETE CASCADE;
         CREATE INDEX ON {schema}.comments (task_id)"
    );
    run(&mut database.admin().await, &sql).await.expect("comments");
}

/// Creates the tables, functions and policies of the second tutorial, in a schema, with the same rows.
async fn create_guide_b(database: &Database) {
    let functions = "
        CREATE FUNCTION guide_b.set_current_user_id(user_id uuid) RETURNS void AS $$
        BEGIN PERFORM set_config('app.current_user_id', user_id::text, false); END; $$ LANGUAGE plpgsql;
        CREATE FUNCTION guide_b.set_current_organization_id(org_id uuid) RETURNS void AS $$
        BEGIN PERFORM set_config('app.current_organization_id', org_id::text, false); END; $$ LANGUAGE plpgsql;
        CREATE FUNCTION guide_b.current_user_id() RETURNS uuid AS $$
        BEGIN RETURN nullif(current_setting('app.current_user_id', true), '')::uuid; END; $$ LANGUAGE plpgsql;
        CREATE FUNCTION guide_b.current_organization_id() RETURNS uuid AS $$
        BEGIN RETURN nullif(current_setting('app.current_organization_id', true), '')::uuid; END; $$ LANGUAGE plpgsql;
        CREATE FUNCTION guide_b.current_user_role() RETURNS text AS $$
        DECLARE user_role text;
        BEGIN
            SELECT role INTO user_role FROM guide_b.org_members
            WHERE organization_id = guide_b.current_organization_id() AND user_id = guide_b.current_user_id();
            RETURN user_role;
        END; $$ LANGUAGE plpgsql;
        CREATE FUNCTION guide_b.has_role(required_role text) RETURNS boolean AS $$
        DECLARE user_role text;
        BEGIN
            user_role := guide_b.current_user_role();
            RETURN CASE
                WHEN user_role = 'admin' THEN true
                WHEN user_role = 'member' AND required_role IN ('member', 'viewer') THEN true
                WHEN user_role = 'viewer' AND required_role = 'viewer' THEN true
                ELSE false
            END;
        END; $$ LANGUAGE plpgsql;";
    let sql = format!(
        "CREATE SCHEMA guide_b;
         CREATE ROLE guide_b LOGIN;
         CREATE TABLE guide_b.org_members (
             organization_id uuid REFERENCES app.organizations (id) ON DELETE CASCADE,
             user_id uuid REFERENCES app.users (id) ON DELETE CASCADE,
             role text NOT NULL CHECK (role IN ('admin', 'member', 'viewer')),
             created_at timestamptz DEFAULT now(),
             PRIMARY KEY (organization_id, user_id));
         CREATE TABLE guide_b.projects (
             id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
             organization_id uuid NOT NULL REFERENCES app.organizations (id) ON DELETE CASCADE,
             name text NOT NULL, description text, created_at timestamptz DEFAULT now());
         CREATE TABLE guide_b.tasks (
             id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
             project_id uuid NOT NULL REFERENCES guide_b.projects (id) ON DELETE CASCADE,
             title text NOT NULL, description text, status text DEFAULT 'todo',
             assigned_to uuid REFERENCES app.users (id) ON DELETE SET NULL,
             created_at timestamptz DEFAULT now());
         INSERT INTO guide_b.org_members SELECT * FROM app.org_members;
         INSERT INTO guide_b.projects SELECT id, organization_id, name, description, created_at FROM app.projects;
         INSERT INTO guide_b.tasks (id, project_id, title, description, status, assigned_to, created_at)
             SELECT id, project_id, title, description, status, assigned_to, created_at FROM app.tasks;
         CREATE INDEX ON guide_b.projects (organization_id);
         CREATE INDEX ON guide_b.tasks (project_id);
         {functions}
         ALTER TABLE guide_b.projects ENABLE ROW LEVEL SECURITY;
         ALTER TABLE guide_b.tasks ENABLE ROW LEVEL SECURITY;
         ALTER TABLE guide_b.org_members ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenant_isolation_policy ON guide_b.org_members
             FOR ALL USING (organization_id = guide_b.current_organization_id());
         CREATE POLICY projects_view_policy ON guide_b.projects
             FOR SELECT USING (organization_id = guide_b.current_organization_id());
         {tasks}
         GRANT USAGE ON SCHEMA guide_b TO guide_b;
         GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA guide_b TO guide_b;
         GRANT CONNECT ON DATABASE {name} TO guide_b",
        name = database.name(),
        // The tutorial writes the policies of projects, and says that those of tasks are similar.
        tasks = [
            ("view", "SELECT", "USING ({tenant})"),
            ("insert", "INSERT", "WITH CHECK ({tenant} AND guide_b.has_role('member'))"),
            ("update", "UPDATE", "USING ({tenant} AND guide_b.has_role('member'))"),
            ("delete", "DELETE", "USING ({tenant} AND guide_b.has_role('member'))"),
        ]
        .map(|(name, command, condition)| {
            let tenant = "project_id IN (SELECT id FROM guide_b.projects \
                          WHERE organization_id = guide_b.current_organization_id())";
            let condition = condition.replace("{tenant}", tenant);
            format!("CREATE POLICY tasks_{name}_policy ON guide_b.tasks FOR {command} {condition};")
        })
        .concat(),
    );
    run(&mut database.admin().await, &sql).await.expect("the second tutorial");
    let columns = "id uuid PRIMARY KEY DEFAULT gen_random_uuid(), task_id uuid NOT NULL, written_by uuid, body text";
    add_comments(database, "guide_b", columns).await;
}
