//! Mutants and drift of soft deletion: each is a violation for `verify`, or a finding of the audit.

use tenant_runtime::audit::audit;
use tenant_tests::{connect, dedicated_server, run};

use super::{
    audit::assert_reported_and_fixed,
    golden,
    mutants::{assert_detected, verified_server},
    soft_delete::models,
};

#[tokio::test]
async fn verify_detects_mutants_of_soft_deletion() {
    let server = verified_server(&models()).await;
    const ORG: &str = "organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid)";
    let mutants = [
        format!("ALTER POLICY select_viewer ON app.comments USING ({ORG})"),
        format!("ALTER POLICY update_own_member ON app.comments WITH CHECK ({ORG})"),
        format!("ALTER POLICY soft_delete_admin ON app.comments WITH CHECK ({ORG} AND deleted_at IS NOT NULL)"),
        format!(
            "ALTER POLICY soft_delete_own_member ON app.pages WITH CHECK ({ORG} AND deleted_at = transaction_timestamp())"
        ),
        "DROP POLICY soft_delete_admin ON app.comments".into(),
        "DROP POLICY soft_delete_own_member ON app.pages".into(),
        "ALTER POLICY soft_delete_admin ON app.pages TO app_member".into(),
        "ALTER POLICY read_deleted_admin ON app.pictures TO app_viewer".into(),
        format!("ALTER POLICY read_deleted_admin ON app.pictures USING ({ORG} AND removed_at IS NOT NULL)"),
        "DROP POLICY read_deleted_admin ON app.pictures".into(),
        "DROP POLICY restore_admin ON app.pictures".into(),
        "ALTER POLICY restore_admin ON app.pictures WITH CHECK (true)".into(),
        "ALTER POLICY restore_admin ON app.pictures TO app_member".into(),
        format!("ALTER POLICY purge_admin ON app.pages USING ({ORG})"),
        "ALTER POLICY purge_admin ON app.pages TO app_member; GRANT DELETE ON app.pages TO app_member".into(),
        "DROP POLICY purge_admin ON app.pictures".into(),
        "GRANT UPDATE (deleted_at) ON app.comments TO app_member".into(),
        "GRANT INSERT (deleted_at) ON app.pages TO app_member".into(),
        "REVOKE UPDATE (deleted_at) ON app.pages FROM app_member".into(),
        format!("CREATE POLICY more ON app.sections FOR SELECT TO app_viewer USING ({ORG})"),
        format!("CREATE POLICY more ON app.pictures FOR SELECT TO app_viewer USING ({ORG})"),
    ];
    assert_detected(&server, &models(), mutants).await;
}

#[tokio::test]
async fn drift_of_soft_deletion_is_reported_and_fixed() {
    let schema = golden::schema(models().tables());
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("applied");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    for (sql, expected) in [
        ("ALTER POLICY soft_delete_admin ON app.comments WITH CHECK (true)", "TA110"),
        ("ALTER POLICY read_deleted_admin ON app.pictures TO app_viewer", "TA110"),
        ("DROP POLICY purge_admin ON app.pages", "TA110"),
        ("ALTER POLICY restore_member ON app.pages USING (deleted_at IS NOT NULL)", "TA110"),
        ("GRANT UPDATE (deleted_at) ON app.comments TO app_member", "TA111"),
        ("ALTER TABLE app.pages ALTER COLUMN deleted_at SET DEFAULT now()", "TA107"),
    ] {
        assert_reported_and_fixed(&mut admin, &schema, sql, &[expected]).await;
    }
}
