//! Properties of public types: Send and Sync, standard error types, and no secrets in Debug output.

use std::error::Error as StdError;

use tenant_examples::Project;
use tenant_runtime::{
    Cursor, Error, Filter, InvitationToken, MigrationError, Page, Savepoint, Scope, Session, SystemCtx, SystemDb,
    SystemTx, TenantCtx, TenantDb, TenantDbOptions, TenantTx, TextKeyError, UserCtx, UserScope,
    audit::AuditError,
    axum::{AuthState, Jwt, JwtError, Problem, Tenant, TokenError},
    roles::{Member, Organizations},
    server::{Server, ServerError},
    tenancy,
    testing::{TestDatabase, TestingError},
    verify::VerifyError,
};

tenancy! {
    /// A tenancy with a login role for each role.
    Clinics { key: i64, role_prefix: "clinic_", login_per_role: true, roles: { Staff, Doctor: Staff } }
}

#[test]
fn public_types_are_send_and_sync() {
    fn shared<T: Send + Sync>() {}
    shared::<(TenantDb, TenantDbOptions, Scope<Member>, TenantCtx<Member>, TenantTx<Member>, Savepoint<'_, Member>)>();
    shared::<(SystemDb<Organizations>, SystemCtx<Organizations>, SystemTx<Organizations>)>();
    shared::<(UserCtx<Organizations>, UserScope<Organizations>, Session<Organizations>, InvitationToken)>();
    shared::<(TenantCtx<Staff>, TenantCtx<Doctor>, Filter<Project>, Page<Project, Project>, Cursor<Project>)>();
    shared::<(AuthState<Organizations>, Jwt, Problem, Tenant<Member>, Server, TestDatabase)>();
}

#[test]
fn error_types_are_send_sync_and_static() {
    fn error<E: StdError + Send + Sync + 'static>() {}
    error::<Error>();
    error::<MigrationError>();
    error::<TextKeyError>();
    error::<JwtError>();
    error::<TokenError>();
    error::<AuditError>();
    error::<VerifyError>();
    error::<ServerError>();
    error::<TestingError>();
}

#[test]
fn debug_output_hides_passwords_and_tokens() {
    let url = |role: &str| Some(format!("postgres://clinic_{role}_service:hunter2@localhost/clinic"));
    let options = TenantDb::options().login_per_role::<Clinics>(url);
    let jwt = Jwt::new("issuer", "audience").hs256(b"hunter2 hunter2 hunter2 hunter2 hunter2").expect("a secret");
    let text = "0123456789abcdef".repeat(4);
    let token: InvitationToken = text.parse().expect("a token");
    let shown = format!("{options:?} {jwt:?} {token:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("0123456789") && token.to_string() == text, "{shown}");
}

#[tokio::test]
async fn connection_errors_hide_the_password() {
    for url in [
        "postgres://app_service:hunter2@127.0.0.1:1/acme",
        "postgres://app_service:hunter2@127.0.0.1:port/acme",
        "postgres://app_service:hunter2@/acme?sslmode=hunter",
        "app_service:hunter2@127.0.0.1/acme",
    ] {
        let error = TenantDb::connect(url).await.expect_err("no server listens there");
        let mut text = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(error) = source {
            text.push_str(&format!(" {error}"));
            source = error.source();
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}
