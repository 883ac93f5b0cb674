//! axum requests: which get 401, 403 and 404, JWT verification, and responses that reveal nothing about the database.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderName, Method, Request, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tenant_examples::{NewProject, OrgMember, Project};
use tenant_runtime::{
    Error, Repository as _, TenantDb, UserScope,
    axum::{AuthState, Jwt, Problem, Tenant, TokenError, TokenVerifier},
    roles::{Admin, Member, Organizations, Viewer},
};
use tenant_tests::{Database, Tenant as Seed, connect, dedicated_server, migrate};
use tower::ServiceExt as _;
use uuid::Uuid;

pub(super) const SECRET: &[u8] = b"a secret of this test, which is long enough";
pub(super) const ISSUER: &str = "https://id.acme.example";
pub(super) const AUDIENCE: &str = "tracker";
/// A time in the far future.
const EXPIRES: u64 = 32_503_680_000;

// The app ------------------------------------------------------------------------------------------------------------

async fn names(tenant: Tenant<Viewer>) -> Result<String, Problem> {
    let mut tx = tenant.begin().await?;
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM app.projects").fetch_all(&mut tx).await?;
    Ok(names.join(","))
}

async fn page(tenant: Tenant<Viewer>, Path((_, cursor)): Path<(Uuid, String)>) -> Result<String, Problem> {
    let page = Project::list(&tenant).after(cursor.parse()?).page().await?;
    Ok(page.rows.len().to_string())
}

async fn show(tenant: Tenant<Viewer>, Path((_, id)): Path<(Uuid, Uuid)>) -> Result<String, Problem> {
    Ok(Project::get(&tenant, id).await?.name)
}

async fn add(tenant: Tenant<Member>, name: String) -> Result<StatusCode, Problem> {
    Project::insert(&tenant, NewProject { name, description: None, created_at: None }).await?;
    Ok(StatusCode::CREATED)
}

async fn remove(tenant: Tenant<Admin>, Path((_, id)): Path<(Uuid, Uuid)>) -> Result<(), Problem> {
    Ok(Project::delete(&tenant, id).await?)
}

/// A mistake of the app: a statement that no role can run, or one on a table that does not exist.
async fn run_statement(tenant: Tenant<Member>, State(sql): State<&'static str>) -> Result<(), Problem> {
    let mut tx = tenant.begin().await?;
    sqlx::query(sql).execute(&mut tx).await?;
    Ok(())
}

async fn my_tenants(visit: UserScope<Organizations>) -> Result<String, Problem> {
    Ok(visit.tenants::<OrgMember>().await?.len().to_string())
}

#[derive(Clone)]
struct App {
    gate: AuthState<Organizations>,
    sql: &'static str,
}

impl axum::extract::FromRef<App> for AuthState<Organizations> {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

impl axum::extract::FromRef<App> for &'static str {
    fn from_ref(app: &App) -> Self {
        app.sql
    }
}

fn app_with(gate: AuthState<Organizations>, sql: &'static str) -> Router {
    Router::new()
        .route("/orgs/{org}/projects", get(names).post(add))
        .route("/orgs/{org}/projects/{id}", get(show).delete(remove))
        .route("/orgs/{org}/projects/after/{cursor}", get(page))
        .route("/orgs/{org}/broken", post(run_statement))
        .route("/projects", get(names))
        .route("/me", get(my_tenants))
        .with_state(App { gate, sql })
}

fn app(db: TenantDb) -> Router {
    app_with(AuthState::new::<OrgMember>(db, tokens()), "SELECT 1")
}

pub(super) fn tokens() -> Jwt {
    Jwt::new(ISSUER, AUDIENCE).hs256(SECRET).expect("a long secret")
}

pub(super) fn claims(user: impl ToString) -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": EXPIRES, "sub": user.to_string() })
}

fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).expect("a token")
}

// Requests -----------------------------------------------------------------------------------------------------------

struct TestResponse {
    status: StatusCode,
    challenge: Option<String>,
    kind: Option<String>,
    body: String,
}

async fn ask(app: &Router, request: Request<Body>) -> TestResponse {
    let response = app.clone().oneshot(request).await.into_response();
    let (parts, body) = response.into_parts();
    let header = |name: HeaderName| parts.headers.get(name).map(|value| value.to_str().expect("a text").to_owned());
    let body = to_bytes(body, 100_000).await.expect("a body");
    TestResponse {
        status: parts.status,
        challenge: header(header::WWW_AUTHENTICATE),
        kind: header(header::CONTENT_TYPE),
        body: String::from_utf8(body.to_vec()).expect("a text"),
    }
}

fn request(method: Method, path: &str, token: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::from("named")).expect("a request")
}

async fn send(app: &Router, method: Method, path: &str, user: Uuid) -> TestResponse {
    ask(app, request(method, path, &signed(&claims(user)))).await
}

#[tokio::test]
async fn insufficient_role_gets_403() {
    let database = Database::create().await;
    let (app, acme) = (app(database.app().await), database.acme);
    let projects = format!("/orgs/{}/projects", acme.id);
    let project = format!("{projects}/{}", acme.project);
    let mut seen = Vec::new();
    for user in [acme.viewer, acme.member, acme.admin] {
        let shown = send(&app, Method::GET, &project, user).await;
        assert_eq!((shown.status, shown.body.as_str()), (StatusCode::OK, "first"));
        seen.push(send(&app, Method::POST, &projects, user).await.status.as_u16());
        seen.push(send(&app, Method::DELETE, &project, user).await.status.as_u16());
    }
    assert_eq!(seen, [403, 403, 201, 403, 201, 200]);
    assert_eq!(send(&app, Method::GET, "/me", acme.viewer).await.body, "1");
}

#[tokio::test]
async fn foreign_missing_and_malformed_tenant_ids_all_get_the_same_404() {
    let database = Database::create().await;
    let (app, acme, globex) = (app(database.app().await), database.acme, database.globex);
    let mut answers = Vec::new();
    for org in [
        globex.id.to_string(),
        Uuid::new_v4().to_string(),
        "'; DROP TABLE app.users; --".replace(' ', "%20"),
        "%ff".into(),
    ] {
        for (method, path) in [(Method::GET, "/projects"), (Method::POST, "/projects")] {
            let answer = send(&app, method, &format!("/orgs/{org}{path}"), acme.admin).await;
            answers.push((answer.status, answer.kind, answer.body));
        }
        let path = format!("/orgs/{org}/projects/{}", globex.project);
        let answer = send(&app, Method::DELETE, &path, acme.admin).await;
        answers.push((answer.status, answer.kind, answer.body));
    }
    // A row of another member of the same tenant.
    for id in [globex.project, Uuid::new_v4()] {
        for method in [Method::GET, Method::DELETE] {
            let answer = send(&app, method, &format!("/orgs/{}/projects/{id}", acme.id), acme.admin).await;
            answers.push((answer.status, answer.kind, answer.body));
        }
    }
    let expected = json!({
        "type": "about:blank", "title": "Not Found", "status": 404,
        "detail": "not found, or not accessible to you",
    });
    assert_eq!(serde_json::from_str::<Value>(&answers[0].2).expect("JSON"), expected);
    assert_eq!(answers[0].1.as_deref(), Some("application/problem+json"));
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn missing_or_invalid_jwt_gets_401() {
    let database = Database::create().await;
    let (app, acme) = (app(database.app().await), database.acme);
    let path = format!("/orgs/{}/projects", acme.id);
    let good = claims(acme.admin);
    let with = |claim: &str, value: Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        signed(&claims)
    };
    let without = |claim: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(claim);
        signed(&claims)
    };
    let by = |algorithm, secret: &[u8]| {
        encode(&Header::new(algorithm), &good, &EncodingKey::from_secret(secret)).expect("a token")
    };
    let parts: Vec<String> = signed(&good).split('.').map(str::to_owned).collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let extended = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
    let bad = [
        ("garbage", "garbage".to_owned()),
        ("no algorithm and no signature", format!("{none}.{}.", parts[1])),
        ("no algorithm", format!("{none}.{}.{}", parts[1], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another secret", by(Algorithm::HS256, b"another secret of this test, which is as long")),
        ("another algorithm", by(Algorithm::HS512, SECRET)),
        ("an extension", encode(&extended, &good, &EncodingKey::from_secret(SECRET)).expect("a token")),
        ("expired", with("exp", json!(1))),
        ("expires in words", with("exp", json!("never"))),
        ("expires never", without("exp")),
        ("not yet", with("nbf", json!(EXPIRES))),
        ("another issuer", with("iss", json!("https://id.globex.example"))),
        ("no issuer", without("iss")),
        ("another audience", with("aud", json!("elsewhere"))),
        ("no audience", without("aud")),
        ("no user", without("sub")),
        ("a user ID that is not a key", with("sub", json!("'; RESET ROLE"))),
    ];
    for (case, token) in bad {
        let answer = ask(&app, request(Method::GET, &path, &token)).await;
        let told = (answer.status, answer.challenge.as_deref());
        assert_eq!(told, (StatusCode::UNAUTHORIZED, Some("Bearer error=\"invalid_token\"")), "{case}");
        assert!(!answer.body.contains("signature") && !answer.body.contains("expired"), "{case}: {}", answer.body);
    }
    assert_eq!(ask(&app, request(Method::GET, &path, &signed(&good))).await.status, StatusCode::OK);

    let token = format!("Bearer {}", signed(&good));
    let headers: [&[&str]; 5] = [&[], &["Bearer "], &["Basic YTpi"], &[&token[7..]], &[&token, &token]];
    for values in headers {
        let mut request = Request::builder().uri(&path);
        for value in values {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let answer = ask(&app, request.body(Body::empty()).expect("a request")).await;
        let told = (answer.status, answer.challenge.as_deref());
        assert_eq!(told, (StatusCode::UNAUTHORIZED, Some("Bearer")), "{values:?}");
    }
    assert_eq!(ask(&app, request(Method::GET, "/me", "garbage")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn error_responses_do_not_reveal_the_database() {
    let database = Database::create().await;
    let acme = database.acme;
    let statements = [
        (403, "DELETE FROM app.projects"),
        (403, "SELECT salary FROM app.employees"),
        (500, "SELECT nonsense FROM app.projects"),
        (500, "COMMIT"),
        (
            409,
            "INSERT INTO app.tasks (organization_id, project_id, title) SELECT organization_id, id, 'x' FROM app.tasks",
        ),
        (422, "INSERT INTO app.projects (organization_id, name) SELECT organization_id, NULL FROM app.projects"),
        (422, "SELECT 'x'::integer"),
        (503, "SELECT pg_sleep(5)"),
    ];
    let hurried = tenant_tests::app_options().statement_timeout(std::time::Duration::from_millis(500));
    let db = hurried.connect(&database.app_url()).await.expect("connects");
    let mut seen = Vec::new();
    for (_, sql) in statements {
        let app = app_with(AuthState::new::<OrgMember>(db.clone(), tokens()), sql);
        let answer = send(&app, Method::POST, &format!("/orgs/{}/broken", acme.id), acme.member).await;
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(body["status"], answer.status.as_u16());
        let telling =
            ["app.", "app_", "project", "task", "salary", "SELECT", "constraint", "policy", "column", "nonsense"];
        let told: Vec<&str> = telling.into_iter().filter(|word| answer.body.contains(word)).collect();
        assert_eq!(told, Vec::<&str>::new(), "{sql}: {}", answer.body);
        seen.push((answer.status.as_u16(), sql));
    }
    assert_eq!(seen, statements);
}

#[tokio::test]
async fn malformed_cursor_gets_400() {
    let database = Database::create().await;
    let (app, acme) = (app(database.app().await), database.acme);
    let path = format!("/orgs/{}/projects/after/nonsense", acme.id);
    assert_eq!(send(&app, Method::GET, &path, acme.viewer).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn unavailable_database_gets_503() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let url = server.url("app_service", "postgres");
    migrate(&server.admin_url()).await;
    let seed = Seed::new();
    let mut admin = connect(&server.admin_url()).await;
    seed.seed(&mut admin, "acme").await;
    drop(admin);
    let app = app(tenant_tests::app_options().connect(&url).await.expect("connects"));
    let path = format!("/orgs/{}/projects", seed.id);
    let up = send(&app, Method::GET, &path, seed.viewer).await.status;
    tokio::task::spawn_blocking(move || drop(server)).await.expect("it stops");
    let down = send(&app, Method::GET, &path, seed.viewer).await;
    assert_eq!((up, down.status), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert!(!down.body.contains("connect") && !down.body.contains('/'), "{}", down.body);
    // A request without a token gets that error first.
    assert_eq!(ask(&app, request(Method::GET, &path, "garbage")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tenant_id_can_be_read_from_a_header() {
    let database = Database::create().await;
    let (acme, globex) = (database.acme, database.globex);
    let name = HeaderName::from_static("x-organization");
    let app = app_with(AuthState::by_header::<OrgMember>(database.app().await, tokens(), name.clone()), "SELECT 1");
    let (own, other) = (acme.id.to_string(), globex.id.to_string());
    let cases: [(&[&str], u16); 5] =
        [(&[&own], 200), (&[&other], 404), (&["nonsense"], 400), (&[], 400), (&[&own, &own], 400)];
    for (values, status) in cases {
        let mut request = request(Method::GET, "/projects", &signed(&claims(acme.viewer)));
        for value in values {
            request.headers_mut().append(&name, value.parse().expect("a header"));
        }
        assert_eq!(ask(&app, request).await.status.as_u16(), status, "{values:?}");
    }
    let path_gate = app_with(AuthState::new::<OrgMember>(database.app().await, tokens()), "SELECT 1");
    let forgotten = send(&path_gate, Method::GET, "/projects", acme.viewer).await;
    assert_eq!(forgotten.status, StatusCode::INTERNAL_SERVER_ERROR, "the route names no organization");
}

#[tokio::test]
async fn unavailable_token_verifier_gets_503() {
    struct UnavailableVerifier;
    impl TokenVerifier<Organizations> for UnavailableVerifier {
        async fn verify(&self, _: &str) -> Result<Uuid, TokenError> {
            Err(TokenError::unavailable("the store of sessions does not answer"))
        }
    }
    let database = Database::create().await;
    let app = app_with(AuthState::new::<OrgMember>(database.app().await, UnavailableVerifier), "SELECT 1");
    let answer = ask(&app, request(Method::GET, "/me", "x")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.body.contains("sessions"));
}

#[test]
fn every_error_maps_to_an_http_status() {
    let table = || "app.projects".to_owned();
    let cases = [
        (404, Error::NotFound { table: table() }),
        (404, Error::NotAMember),
        (403, Error::InsufficientRole { role: "viewer", required: "admin" }),
        (409, Error::UniqueViolation { table: table(), constraint: "c".into() }),
        (409, Error::LastManager),
        (400, Error::FilterTooDeep { table: table(), limit: 100 }),
        (400, Error::InvalidCursor { table: table(), reason: "it was changed" }),
        (422, Error::CheckViolation { table: table(), constraint: "c".into() }),
        (401, Error::Unauthenticated { operation: "x" }),
        (
            503,
            Error::PoolTimeout {
                role: "app_viewer",
                waited: std::time::Duration::from_secs(1),
                open: 1,
                max: 1,
                login: "app_service".to_owned(),
                connection_limit: None,
            },
        ),
        (500, Error::Aborted),
        (500, Error::UnsafeLogin { login: "x".into(), findings: vec![] }),
        (503, Error::Database(sqlx::Error::PoolClosed)),
        (500, Error::Database(sqlx::Error::WorkerCrashed)),
    ];
    for (status, error) in cases {
        let text = error.to_string();
        assert_eq!(Problem::from(error).status().as_u16(), status, "{text}");
    }
}
