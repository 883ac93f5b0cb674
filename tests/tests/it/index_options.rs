//! Options of unique constraints, indexes and exclusion constraints: what they compare, drift and its fixes, and `verify`.

use sqlx::postgres::types::PgRange;
use tenant_runtime::{
    Error, Repository as _, TenantCtx, TenantTable,
    audit::audit,
    roles::Member,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{app_options, connect, dedicated_server, run};
use uuid::Uuid;

use super::{
    audit::assert_reported_and_fixed,
    golden::{
        self,
        exclusion_constraints::{Booking, NewBooking},
        unique_and_index_options::{Domain, DomainChanges, NewDomain, Organization},
    },
};

const BOOKINGS: &str = "exclusion_constraints";

#[tokio::test]
async fn verify_generates_rows_for_unique_indexes_and_exclusion_constraints() {
    for (tables, before) in
        [(&[Organization::TABLE, Domain::TABLE][..], ""), (&[Booking::TABLE][..], golden::prerequisites(BOOKINGS))]
    {
        let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
        let sql = format!("{before}{}", golden::migration(&golden::schema(tables)).up);
        let options = VerifyOptions::default().after(sql);
        let report = verify(&server.admin_url(), &golden::models(tables), &options).await.expect("a report");
        assert!(report.is_clean() && report.rows > 0, "{report}");
    }
}

#[tokio::test]
async fn an_index_without_the_tenant_column_is_a_violation() {
    for (tables, before, mutant) in [
        (
            &[Organization::TABLE, Domain::TABLE][..],
            "",
            "DROP INDEX app.domains_organization_id_label_key;
             CREATE UNIQUE INDEX domains_organization_id_label_key ON app.domains (label) WHERE retired_at IS NULL",
        ),
        (
            &[Organization::TABLE, Domain::TABLE][..],
            "",
            "DROP INDEX app.\"one external ID\";
             CREATE UNIQUE INDEX \"one external ID\" ON app.domains (external_id) INCLUDE (label) NULLS NOT DISTINCT",
        ),
        (
            &[Booking::TABLE][..],
            golden::prerequisites(BOOKINGS),
            "ALTER TABLE app.bookings DROP CONSTRAINT bookings_organization_id_room_during_excl,
             ADD CONSTRAINT bookings_organization_id_room_during_excl
                 EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (NOT cancelled)",
        ),
    ] {
        let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
        let sql = format!("{before}{};\n{mutant}", golden::migration(&golden::schema(tables)).up);
        let options = VerifyOptions::default().after(sql);
        let report = verify(&server.admin_url(), &golden::models(tables), &options).await.expect("a report");
        assert!(!report.is_clean(), "not found: {mutant}\n{report}");
    }
}

#[tokio::test]
async fn drift_of_index_options_is_reported_and_fixed() {
    let schema = golden::schema(&[Organization::TABLE, Domain::TABLE, Booking::TABLE]);
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("{}BEGIN; {}; COMMIT", golden::prerequisites(BOOKINGS), golden::migration(&schema).up))
        .await
        .expect("applied");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    let label = "domains_organization_id_label_key";
    let again = |columns: &str| format!("DROP INDEX app.{label}; CREATE UNIQUE INDEX {label} ON app.domains {columns}");
    let booking = "bookings_organization_id_room_during_excl";
    let exclude = |rest: &str| {
        format!(
            "ALTER TABLE app.bookings DROP CONSTRAINT {booking}, ADD CONSTRAINT {booking} EXCLUDE USING gist {rest}"
        )
    };
    let all = "organization_id WITH =, room WITH =, during WITH";
    for (code, sql) in [
        ("TA109", again("(organization_id, label)")),
        ("TA109", again("(label) WHERE retired_at IS NULL")),
        ("TA109", again("(organization_id, label) WHERE retired_at IS NOT NULL")),
        ("TA109", again("(organization_id, label) NULLS NOT DISTINCT WHERE retired_at IS NULL")),
        ("TA109", again("(organization_id, label) INCLUDE (host) WHERE retired_at IS NULL")),
        ("TA109", again("(organization_id, lower(label)) WHERE retired_at IS NULL")),
        ("TA109", again("(organization_id, label COLLATE \"C\") WHERE retired_at IS NULL")),
        ("TA109", again("(organization_id, label text_pattern_ops) WHERE retired_at IS NULL")),
        ("TA109", again("(organization_id, label DESC) WHERE retired_at IS NULL")),
        ("TA109", "DROP INDEX app.domains_tags; CREATE INDEX domains_tags ON app.domains (tags)".to_owned()),
        ("TA108", "ALTER TABLE app.domains DROP CONSTRAINT domains_host_port_key".to_owned()),
        ("TA108", format!("ALTER TABLE app.bookings DROP CONSTRAINT {booking}")),
        ("TA108", exclude(&format!("({all} &&)"))),
        ("TA108", exclude(&format!("({all} =) WHERE (NOT cancelled)"))),
        ("TA108", exclude("(room WITH =, during WITH &&) WHERE (NOT cancelled)")),
    ] {
        assert_reported_and_fixed(&mut admin, &schema, &sql, &[code]).await;
    }
}

fn domain(host: &str, label: &str, external_id: Option<i64>) -> NewDomain {
    NewDomain {
        host: host.to_owned(),
        port: 443,
        label: label.to_owned(),
        token: host.to_owned(),
        external_id,
        tags: Vec::new(),
        created_at: None,
        retired_at: None,
    }
}

fn violates(outcome: Result<Domain, Error>, name: &str) {
    match outcome {
        Err(Error::UniqueViolation { constraint, .. }) if constraint == name => {}
        other => panic!("expected a violation of {name}: {other:?}"),
    }
}

#[tokio::test]
async fn unique_values_are_compared_within_the_tenant_or_among_all_tenants_as_declared() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    let [acme, globex, user] = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let schema = golden::schema(&[Organization::TABLE, Domain::TABLE]);
    let rows = format!("INSERT INTO app.organizations VALUES ('{acme}', 'acme', 'A'), ('{globex}', 'globex', 'A')");
    run(&mut admin, &format!("{};\n{rows}", golden::migration(&schema).up)).await.expect("applied");
    let same_slug = format!("INSERT INTO app.organizations VALUES ('{user}', 'acme', 'C')");
    let refused = run(&mut admin, &same_slug).await.expect_err("the slug is taken").to_string();
    assert!(refused.contains("organizations_slug_key"), "{refused}");

    let db = app_options().connect(&server.url("app_service", "postgres")).await.expect("connected");
    let (acme, globex) =
        (TenantCtx::<Member>::assume_authorized(acme, user), TenantCtx::assume_authorized(globex, user));
    let (acme, globex) = (db.scope(&acme), db.scope::<Member>(&globex));
    let first = Domain::insert(&acme, domain("a.example", "Main", Some(1))).await.expect("inserted");
    // The label and the external ID are unique within the tenant.
    Domain::insert(&globex, domain("b.example", "Main", Some(1))).await.expect("another tenant has the label");
    violates(Domain::insert(&acme, domain("c.example", "MAIN", Some(2))).await, "domains_label_key");
    violates(Domain::insert(&acme, domain("c.example", "Other", Some(1))).await, "one external ID");
    // NULL counts as a value.
    Domain::insert(&acme, domain("d.example", "Fourth", None)).await.expect("the first without an ID");
    violates(Domain::insert(&acme, domain("e.example", "Fifth", None)).await, "one external ID");
    // The host with its port and the token are unique among all tenants.
    violates(
        Domain::insert(&globex, NewDomain { token: "t".to_owned(), ..domain("a.example", "X", Some(3)) }).await,
        "domains_host_port_key",
    );
    violates(
        Domain::insert(&globex, NewDomain { host: "h".to_owned(), ..domain("a.example", "X", Some(3)) }).await,
        "domains_token_key",
    );
    // A row outside the condition of an index is not compared.
    let retired = DomainChanges { retired_at: Some(Some(first.created_at)), ..DomainChanges::default() };
    Domain::update(&acme, first.id, retired).await.expect("retired");
    let second = Domain::insert(&acme, domain("f.example", "main", Some(2))).await.expect("the label is free again");
    // An upsert finds the row by the columns of a unique index without a condition.
    let changed = domain("g.example", "Third", Some(2));
    let changed = Domain::upsert(&acme, changed, Domain::BY_EXTERNAL_ID).await.expect("the row has changed");
    assert_eq!((changed.id, changed.label.as_str()), (second.id, "Third"));
}

#[tokio::test]
async fn an_exclusion_constraint_compares_the_rows_of_a_tenant() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    let sql = golden::migration(&golden::schema(&[Booking::TABLE])).up;
    run(&mut admin, &format!("{}{sql}", golden::prerequisites(BOOKINGS))).await.expect("applied");
    let db = app_options().connect(&server.url("app_service", "postgres")).await.expect("connected");
    let user = Uuid::new_v4();
    let [acme, globex] = [(); 2].map(|()| TenantCtx::<Member>::assume_authorized(Uuid::new_v4(), user));
    let booking = |from: i32, to: i32, title: &str| NewBooking {
        room: 1,
        title: title.to_owned(),
        during: PgRange::from(from..to),
        cancelled: None,
    };
    let (acme, globex) = (db.scope(&acme), db.scope(&globex));
    Booking::insert(&acme, booking(1, 5, "a")).await.expect("booked");
    Booking::insert(&globex, booking(1, 5, "a")).await.expect("another tenant's room");
    Booking::insert(&acme, booking(5, 6, "a")).await.expect("afterwards");
    let overlapping = Booking::insert(&acme, booking(4, 7, "b")).await;
    assert!(matches!(overlapping, Err(Error::UniqueViolation { .. })), "{overlapping:?}");
    let cancelled = NewBooking { cancelled: Some(true), ..booking(4, 7, "b") };
    Booking::insert(&acme, cancelled).await.expect("cancelled bookings are not compared");
}
