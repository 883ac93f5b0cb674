//! A web app that uses the models: `cargo run -p tenant-examples --example tracker`.
//!
//! It starts a temporary PostgreSQL, applies the migrations, signs up three users, creates two organizations, and prints
//! requests to try with `curl`. It deletes everything when it ends.

use std::{
    error::Error,
    io::{self, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{delete, get},
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tenant_examples::{
    Change, Invitation, MemberRole, NewOrganization, NewProject, NewUser, OrgMember, Organization, Project,
    ProjectChanges, User,
};
use tenant_runtime::{
    Migrations, Result, UserCtx, UserScope,
    axum::{AuthState, Jwt, Problem, Tenant},
    prelude::*,
    roles::{Admin, Member, Organizations, Viewer},
    server::{Server, ServerOptions},
};
use tokio::net::TcpListener;
use uuid::Uuid;

// The app: the type of a handler's argument determines the required role. ----------------------------------------------

/// The organizations of the signed-in user; this request has no tenant.
async fn mine(visit: UserScope<Organizations>) -> Result<Json<Value>, Problem> {
    let mine = visit.tenants::<OrgMember>().await?;
    let mine = mine.into_iter().map(|(org, role)| json!({ "organization": org, "role": format!("{role:?}") }));
    Ok(Json(mine.collect()))
}

async fn list(tenant: Tenant<Viewer>) -> Result<Json<Value>, Problem> {
    let projects = Project::list(&tenant).order(Project::CREATED_AT.desc()).limit(100).await?;
    Ok(Json(projects.iter().map(as_json).collect()))
}

async fn add(tenant: Tenant<Member>, name: String) -> Result<(StatusCode, Json<Value>), Problem> {
    let project = Project::insert(&tenant, NewProject { name, description: None, created_at: None }).await?;
    Ok((StatusCode::CREATED, Json(as_json(&project))))
}

async fn rename(
    tenant: Tenant<Member>,
    Path((_, id)): Path<(Uuid, Uuid)>,
    name: String,
) -> Result<Json<Value>, Problem> {
    let changes = ProjectChanges { name: Some(name), ..ProjectChanges::default() };
    Ok(Json(as_json(&Project::update(&tenant, id, changes).await?)))
}

async fn remove(tenant: Tenant<Admin>, Path((_, id)): Path<(Uuid, Uuid)>) -> Result<StatusCode, Problem> {
    Project::delete(&tenant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The change log, which a trigger writes and only admins can read.
async fn changes(tenant: Tenant<Admin>) -> Result<Json<Value>, Problem> {
    let changes = Change::list(&tenant).order(Change::ID.desc()).limit(20).await?;
    let told = changes.iter().map(|change| {
        json!({ "user": change.user_id, "table": change.table_name, "command": change.command,
                "before": change.before, "after": change.after })
    });
    Ok(Json(told.collect()))
}

fn as_json(project: &Project) -> Value {
    json!({ "id": project.id, "name": project.name })
}

fn app(gate: AuthState<Organizations>) -> Router {
    Router::new()
        .route("/organizations", get(mine))
        .route("/orgs/{org}/projects", get(list).post(add))
        .route("/orgs/{org}/projects/{id}", delete(remove).patch(rename))
        .route("/orgs/{org}/changes", get(changes))
        .with_state(gate)
}

// Demo data. -----------------------------------------------------------------------------------------------------------

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "tracker";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = ServerOptions { fetch: true, ..ServerOptions::default() };
    let server = tokio::task::spawn_blocking(move || Server::start(&options)).await??;
    let migrations = Migrations::from_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).await?;
    migrations.apply(&server.admin_url(), &mut |_| {}).await?;
    let db = TenantDb::connect(&server.url("app_service", "postgres")).await?;

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    // A random secret for this run; a real app uses the keys of its identity provider, with `Jwt::jwks`.
    let secret = Uuid::new_v4().simple().to_string();
    let told = people(&db, &secret, &format!("http://{}", listener.local_addr()?)).await?;
    writeln!(io::stdout(), "{} has the example's tables. In another terminal:\n\n{told}", server.origin())?;

    let gate = AuthState::new::<OrgMember>(db, Jwt::new(ISSUER, AUDIENCE).hs256(secret.as_bytes())?);
    let ended = async {
        // Without this signal, the app runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, app(gate)).with_graceful_shutdown(ended).await?;
    Ok(())
}

/// Signs up users as an app would, and returns the requests to try.
async fn people(db: &TenantDb, secret: &str, url: &str) -> Result<String, Box<dyn Error>> {
    let [ann, bob, eve] = [sign_up(db, "ann").await?, sign_up(db, "bob").await?, sign_up(db, "eve").await?];
    let acme = found(db, ann, "Acme").await?;
    found(db, eve, "Globex").await?;
    let ann_in_acme =
        db.user_scope(&UserCtx::<Organizations>::assume_authenticated(ann)).session::<OrgMember>(acme).await?;
    // Ann invites Bob; the app would mail the token to his address.
    let (admin, day) = (ann_in_acme.require::<Admin>()?, Duration::from_secs(86_400));
    let token_for_bob = Invitation::invite(&db.scope(&admin), "bob@example.com", MemberRole::Viewer, day).await?;
    let scope = db.user_scope(&UserCtx::<Organizations>::assume_authenticated(bob));
    scope.accept::<Invitation>(&token_for_bob).await?;
    let [ann, bob, eve] = [token(ann, secret)?, token(bob, secret)?, token(eve, secret)?];
    Ok(format!(
        "  URL={url} ACME={acme}
  ANN='Authorization: Bearer {ann}'
  BOB='Authorization: Bearer {bob}'
  EVE='Authorization: Bearer {eve}'

  curl -H \"$ANN\" $URL/organizations                                # Ann is an admin of Acme
  curl -H \"$ANN\" -d Bridge $URL/orgs/$ACME/projects                # adds a project
  curl -H \"$BOB\" $URL/orgs/$ACME/projects                          # Bob, a viewer there, sees it
  curl -H \"$BOB\" -d Tunnel $URL/orgs/$ACME/projects                # 403: and may not add one
  curl -H \"$EVE\" $URL/orgs/$ACME/projects                          # 404: Eve is an admin, but of Globex
  curl $URL/orgs/$ACME/projects                                    # 401: and who is this?
  curl -H \"$ANN\" $URL/orgs/$ACME/changes                           # who did what

ctrl-c ends it, and takes the database with it"
    ))
}

async fn sign_up(db: &TenantDb, name: &str) -> Result<Uuid> {
    let email = format!("{name}@example.com");
    let new = NewUser { email, full_name: None, password_hash: None };
    db.user_scope(&UserCtx::<Organizations>::anonymous()).sign_up::<User>(new).await
}

async fn found(db: &TenantDb, user: Uuid, name: &str) -> Result<Uuid> {
    let new = NewOrganization { name: name.into() };
    db.user_scope(&UserCtx::<Organizations>::assume_authenticated(user)).create_tenant::<Organization>(new).await
}

fn token(user: Uuid, secret: &str) -> Result<String, Box<dyn Error>> {
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_secs(3600);
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": expires.as_secs(), "sub": user });
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))?)
}
