//! Changes of a migrated database that `verify` must detect.

use tenant_runtime::{
    Models,
    server::Server,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{connect, dedicated_server, run};

use super::golden;

/// Starts a server with the migration of the models, on which `verify` finds no violation.
pub(super) async fn verified_server(models: &Models) -> Server {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let up = golden::migration(&golden::schema(models.tables())).up;
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("BEGIN; {up}; COMMIT")).await.expect("applied");
    let report = verify(&server.admin_url(), models, &VerifyOptions::default()).await.expect("a report");
    assert!(report.is_clean() && report.rows > 0, "{report}");
    server
}

/// Requires a violation after each of the changes.
pub(super) async fn assert_detected(server: &Server, models: &Models, changes: impl IntoIterator<Item: AsRef<str>>) {
    for sql in changes {
        let options = VerifyOptions::default().until_first_violation().after(sql.as_ref());
        let report = verify(&server.admin_url(), models, &options).await.expect("a report");
        assert!(!report.is_clean(), "{}", sql.as_ref());
    }
}
