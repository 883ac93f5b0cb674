//! Check constraints over several columns: rows that `verify` generates, errors of the app, drift and its fixes.

use tenant_runtime::{
    TenantTable,
    audit::audit,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{connect, dedicated_server, run};

use super::{
    audit::assert_reported_and_fixed,
    golden::{
        self,
        check_constraints::{Agreement, Booking},
    },
};

#[tokio::test]
async fn verify_generates_rows_that_satisfy_checks_over_several_columns() {
    let tables = [Booking::TABLE, Agreement::TABLE];
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let options = VerifyOptions::default().after(golden::migration(&golden::schema(&tables)).up);
    let report = verify(&server.admin_url(), &golden::models(&tables), &options).await.expect("a report");
    assert!(report.is_clean() && report.rows > 0, "{report}");
}

#[tokio::test]
async fn rows_that_violate_a_check_over_several_columns_are_refused_by_its_name() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &golden::migration(&golden::schema(&[Booking::TABLE, Agreement::TABLE])).up)
        .await
        .expect("applied");
    let org = "'00000000-0000-0000-0000-000000000001'";
    let booking = |values: &str| {
        format!(
            "INSERT INTO app.bookings (org, kind, starts_at, ends_at, seats, \"order\", cents) VALUES ({org}, {values})"
        )
    };
    let agreement = "beginning_of_the_period_of_notice, end_of_the_trial_period";
    for (sql, constraint) in [
        (booking("'free', '2001-01-01', '2001-01-02', 2, NULL, NULL"), None),
        (booking("'paid', '2001-01-01', '2001-01-02', NULL, 2, 100"), None),
        (booking("'free', '2001-01-02', '2001-01-01', 2, NULL, NULL"), Some("bookings_starts_at_ends_at_check")),
        (booking("'paid', '2001-01-01', '2001-01-02', 2, NULL, NULL"), Some("bookings_kind_cents_check")),
        (booking("'free', '2001-01-01', '2001-01-02', 2, 3, NULL"), Some("seats or order")),
        (booking("'free', '2001-01-01', '2001-01-02', NULL, NULL, NULL"), Some("seats or order")),
        (
            format!(
                "INSERT INTO app.agreements (id, org, {agreement}) VALUES ({org}, {org}, '2001-01-01', '2001-01-01')"
            ),
            Some("agreements_beginning_of_the_period_of_notice_end_of_th_2958887d"),
        ),
    ] {
        let outcome = run(&mut admin, &sql).await.map_err(|error| error.to_string());
        match (outcome, constraint) {
            (Ok(_), None) => {}
            (Err(error), Some(name)) if error.contains(&format!("\"{name}\"")) => {}
            (outcome, _) => panic!("{sql}: {outcome:?}, expected {constraint:?}"),
        }
    }
}

#[tokio::test]
async fn drift_of_a_check_over_several_columns_is_reported_and_fixed() {
    let schema = golden::schema(&[Booking::TABLE, Agreement::TABLE]);
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("applied");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    let dates = "bookings_starts_at_ends_at_check";
    for sql in [
        format!("ALTER TABLE app.bookings DROP CONSTRAINT {dates}"),
        format!(
            "ALTER TABLE app.bookings DROP CONSTRAINT {dates}, ADD CONSTRAINT {dates} CHECK (starts_at <= ends_at)"
        ),
        format!(
            "ALTER TABLE app.bookings DROP CONSTRAINT {dates}, ADD CONSTRAINT {dates} CHECK (starts_at < ends_at) NOT VALID"
        ),
        "ALTER TABLE app.bookings RENAME CONSTRAINT \"seats or order\" TO either".to_owned(),
        "ALTER TABLE app.bookings ADD CONSTRAINT more CHECK (seats > cents)".to_owned(),
    ] {
        assert_reported_and_fixed(&mut admin, &schema, &sql, &["TA108"]).await;
    }
}
