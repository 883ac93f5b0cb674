//! Benchmark of signed contexts, compared with the same app without signatures:
//! `cargo bench -p tenant-tests --bench signed_context`.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use tenant_runtime::{
    Models, SigningKey, TenantDb, analyze::check, model::migration_hints::MigrationHints, models, plan::plan, sql,
};
use tenant_tests::{
    Database,
    benchmark::{full_or_quick, measure::fastest_tenth, report::Report, requested, tables::Network},
    run, server,
};
use uuid::Uuid;

/// Declares an app with organizations, members and projects.
macro_rules! app {
    ($app:ident, $schema:literal, $prefix:literal, $signed:literal) => {
        #[expect(dead_code, reason = "the requests read no fields")]
        mod $app {
            use tenant_runtime::{Repository as _, TenantCtx, TenantDb, TenantEnum, TenantTable, tenancy};
            use uuid::Uuid;

            use super::Request;

            tenancy! {
                pub Apps {
                    key: Uuid,
                    schema: $schema,
                    role_prefix: $prefix,
                    signed_context: $signed,
                    roles: { Viewer, Member: Viewer },
                }
            }

            #[derive(Debug, TenantTable)]
            #[tenant(org = "id", select = "viewer")]
            pub struct Organization {
                pub id: Uuid,
                pub name: String,
            }

            #[derive(Debug, Clone, Copy, TenantEnum)]
            pub enum Job {
                Viewer,
                Member,
            }

            #[derive(Debug, TenantTable)]
            #[tenant(org = "organization_id", select = "viewer")]
            #[tenant(membership(user = "user_id", role = "job"))]
            pub struct OrgMember {
                #[tenant(id, references = Organization)]
                pub organization_id: Uuid,
                #[tenant(id)]
                pub user_id: Uuid,
                pub job: Job,
            }

            #[derive(Debug, TenantTable)]
            #[tenant(org = "organization_id", select = "viewer", insert = "member")]
            pub struct Project {
                pub id: Uuid,
                pub organization_id: Uuid,
                pub size: i64,
            }

            pub(super) const TABLES: [&tenant_runtime::model::def::TableDef; 3] =
                [Organization::TABLE, OrgMember::TABLE, Project::TABLE];

            pub(super) async fn send(db: &TenantDb, request: Request, organization: Uuid, user: Uuid, project: Uuid) {
                let ctx: TenantCtx<Member> = TenantCtx::assume_authorized(organization, user);
                match request {
                    Request::Get => {
                        let _ = Project::get(&db.scope(&ctx), project).await.expect("reads");
                    }
                    Request::List => {
                        let _ = Project::list(&db.scope(&ctx)).limit(50).await.expect("lists");
                    }
                    Request::Insert => {
                        let _ = Project::insert(&db.scope(&ctx), NewProject { size: 1 }).await.expect("inserts");
                    }
                    Request::Transaction => {
                        let mut tx = db.begin(&ctx).await.expect("begins");
                        Project::get(&mut tx, project).await.expect("reads");
                        Project::count(&mut tx).await.expect("counts");
                        Project::insert(tx.then_commit(), NewProject { size: 1 }).await.expect("inserts");
                    }
                    Request::CustomSql => {
                        let mut tx = db.begin(&ctx).await.expect("begins");
                        let sql = concat!("SELECT size FROM ", $schema, ".projects WHERE id = $1");
                        let size: i64 = sqlx::query_scalar(sql).bind(project).fetch_one(&mut tx).await.expect("reads");
                        assert_eq!(size, 1);
                        tx.commit().await.expect("commits");
                    }
                }
            }
        }
    };
}

app!(unsigned, "plain", "plain_", false);
app!(signed, "signed", "signed_", true);

#[derive(Debug, Clone, Copy)]
enum Request {
    Get,
    List,
    Insert,
    Transaction,
    CustomSql,
}

const REQUESTS: [(Request, &str); 5] = [
    (Request::Get, "row by key"),
    (Request::List, "fifty rows"),
    (Request::Insert, "insert"),
    (Request::Transaction, "transaction: row by key, count, insert"),
    (Request::CustomSql, "transaction with one custom statement"),
];

/// The rows of an app.
#[derive(Debug, Clone, Copy)]
struct Rows {
    organization: Uuid,
    user: Uuid,
    project: Uuid,
}

async fn create(database: &Database, models: &Models, schema: &str) -> Rows {
    let checked = check(models).unwrap_or_else(|findings| panic!("{findings}"));
    let plan = plan(&Default::default(), &checked.schema, &MigrationHints::default()).expect("a plan");
    let rows = Rows { organization: Uuid::new_v4(), user: Uuid::new_v4(), project: Uuid::new_v4() };
    let Rows { organization, user, project } = rows;
    let mut admin = database.admin().await;
    run(&mut admin, &sql::migrations(&plan)[0].up).await.expect("it applies");
    let count = full_or_quick(1000, 100);
    let sql = format!(
        "INSERT INTO {schema}.organizations SELECT gen_random_uuid(), 'other' FROM generate_series(1, {count});
         INSERT INTO {schema}.organizations VALUES ('{organization}', 'own');
         INSERT INTO {schema}.org_members SELECT id, gen_random_uuid(), 'member' FROM {schema}.organizations;
         INSERT INTO {schema}.org_members VALUES ('{organization}', '{user}', 'member');
         INSERT INTO {schema}.projects SELECT gen_random_uuid(), id, 1 FROM {schema}.organizations, generate_series(1, 100);
         INSERT INTO {schema}.projects VALUES ('{project}', '{organization}', 1);
         ANALYZE"
    );
    run(&mut admin, &sql).await.expect("rows");
    rows
}

type Call = Box<dyn Fn(Request) -> Pin<Box<dyn Future<Output = ()> + Send>>>;

#[tokio::main]
async fn main() {
    if !requested() {
        return;
    }
    let database = Database::empty().await;
    let plain = create(&database, &models![].only(unsigned::TABLES), "plain").await;
    let own = create(&database, &models![].only(signed::TABLES), "signed").await;
    let install = "SET ROLE signed_schema_owner;
        SELECT signed_auth.set_context_key(1::int2, decode(repeat('07', 32), 'hex'), NULL, NULL, NULL); RESET ROLE";
    run(&mut database.admin().await, install).await.expect("a key");
    let about = "The latency of an app's requests with one task and four connections, with `signed_context: true` divided by the \
        same app without it. Both have a membership table that each statement checks.";
    let mut report = Report::new("signed_context", "Signed contexts", about);
    report.paragraph(&format!(
        "PostgreSQL {}; 1,000 tenants with 100 projects each. The fastest tenth of the calls in µs. Delays are added by a proxy to \
         each round trip; 0 ms is the server's Unix socket without a proxy.",
        server().version()
    ));
    let mut rows = Vec::new();
    for delay in [0, 500] {
        let network = Network::new(&database, Duration::from_micros(delay));
        let options = || TenantDb::options().max_connections(4);
        let without = options().connect(&network.url("plain_service", &database)).await.expect("connects");
        let key = SigningKey::new(1, &[7; 32]).expect("a key");
        let with =
            options().signing_key(key).connect(&network.url("signed_service", &database)).await.expect("connects");
        let calls: [Call; 2] = [
            Box::new(move |request| {
                let db = without.clone();
                Box::pin(
                    async move { unsigned::send(&db, request, plain.organization, plain.user, plain.project).await },
                )
            }),
            Box::new(move |request| {
                let db = with.clone();
                Box::pin(async move { signed::send(&db, request, own.organization, own.user, own.project).await })
            }),
        ];
        for (request, label) in REQUESTS {
            let rounds = full_or_quick(2000, 50);
            let mut taken = [Vec::new(), Vec::new()];
            for round in 0..rounds + 20 {
                for n in [round % 2, 1 - round % 2] {
                    let start = Instant::now();
                    calls[n](request).await;
                    if round >= 20 {
                        taken[n].push(start.elapsed());
                    }
                }
            }
            let [without, with] = taken.map(fastest_tenth);
            rows.push(vec![
                format!("{label}, {} ms", delay as f64 / 1000.0),
                without.as_micros().to_string(),
                with.as_micros().to_string(),
                format!("{:.2}", with.as_secs_f64() / without.as_secs_f64()),
            ]);
        }
    }
    let head = ["request", "without signatures", "signed", "ratio"].map(str::to_owned);
    report.table(&head, &rows);
    report.finish();
}
