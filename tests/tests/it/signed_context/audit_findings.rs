//! The audit of a database with signed contexts: clean with a bound login, and each change of the objects of signed contexts is
//! found and fixed.

use sqlx::PgConnection;
use tenant_runtime::{
    audit::{Report, audit},
    server::Server,
};
use tenant_tests::{connect, dedicated_server, run};

use super::{
    commands::{program, succeeds},
    fixture::tables,
};
use crate::golden;

const SHOP: &str = "00000000-0000-0000-0000-00000000000a";
const CLERK: &str = "00000000-0000-0000-0000-000000000001";

async fn report(admin: &mut PgConnection) -> Report {
    audit(admin, &golden::schema(&tables())).await.expect("an audit")
}

/// Starts a server with the tables, a shop, and a login that is bound to its clerk.
async fn start() -> (Server, PgConnection) {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &golden::migration(&golden::schema(&tables())).up).await.expect("it applies");
    let rows = format!(
        "INSERT INTO shop.shops (id, name) VALUES ('{SHOP}', 'ours');
         INSERT INTO shop.persons (id, email) VALUES ('{CLERK}', 'clerk@ours.example');
         INSERT INTO shop.employments (shop_id, person_id, job) VALUES ('{SHOP}', '{CLERK}', 'owner')"
    );
    run(&mut admin, &rows).await.expect("inserted");
    let clean = report(&mut admin).await;
    assert!(clean.is_clean(), "{clean}");
    let bind = ["bind-login", "bi", "--tenant", SHOP, "--user", CLERK, "--role", "clerk", "--no-password"];
    let said = program(&[&bind[..], &["--database-url", &server.admin_url()]].concat(), "", &[]);
    assert_eq!(said.err.matches("warning").count(), 0, "{said:?}");
    succeeds(said);
    let bound = report(&mut admin).await;
    assert!(bound.is_clean(), "{bound}");
    assert_eq!(bound.fingerprint, clean.fingerprint, "a deployed app accepts a database with another bound login");
    (server, admin)
}

/// Changes, each with the codes of its findings.
const CHANGES: [(&str, &[&str]); 21] = [
    ("ALTER SEQUENCE shop_auth.context_numbers CACHE 1", &["TA104"]),
    ("ALTER SEQUENCE shop_auth.context_numbers INCREMENT BY -1", &["TA104"]),
    ("ALTER SEQUENCE shop_auth.context_numbers CYCLE MAXVALUE 100", &["TA104"]),
    ("ALTER SEQUENCE shop_auth.context_numbers OWNER TO postgres", &["TA104"]),
    ("ALTER SEQUENCE shop_auth.context_numbers SET UNLOGGED", &["TA104"]),
    ("DROP SEQUENCE shop_auth.context_numbers", &["TA104"]),
    ("GRANT USAGE ON SEQUENCE shop_auth.context_numbers TO shop_clerk", &["TA111"]),
    ("GRANT SELECT ON SEQUENCE shop_auth.context_numbers TO PUBLIC", &["TA111"]),
    ("CREATE SEQUENCE shop_auth.others", &["TA119"]),
    ("GRANT SELECT ON shop.context_keys TO shop_clerk", &["TA111"]),
    ("ALTER TABLE shop.context_keys NO FORCE ROW LEVEL SECURITY", &["TA105"]),
    ("GRANT INSERT ON shop.bound_logins TO shop_clerk", &["TA111"]),
    ("DROP POLICY signed_context ON shop.suppliers", &["TA110"]),
    ("GRANT EXECUTE ON FUNCTION shop_auth.bind_login(text, text, uuid, uuid) TO shop_owner", &["TA111"]),
    ("ALTER ROLE bi INHERIT", &["TA233"]),
    ("ALTER ROLE bi CREATEDB", &["TA233"]),
    ("GRANT pg_monitor TO bi", &["TA230", "TA233"]),
    ("GRANT shop_owner TO bi", &["TA208", "TA233"]),
    ("GRANT shop_clerk TO bi WITH ADMIN OPTION", &["TA233"]),
    ("REVOKE shop_clerk FROM bi", &["TA233"]),
    ("CREATE ROLE friend LOGIN; GRANT bi TO friend", &["TA233"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_signed_contexts_and_bound_logins_are_found_and_fixed() {
    let (_server, mut admin) = start().await;
    let clean = report(&mut admin).await;
    assert!(clean.is_clean(), "{clean}");
    let mut wrong = Vec::new();
    for (change, wanted) in CHANGES {
        let clean = report(&mut admin).await;
        run(&mut admin, change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        let found = report(&mut admin).await;
        let mut codes: Vec<_> = found.failing().map(|finding| finding.code).collect();
        codes.sort_unstable();
        codes.dedup();
        if codes != wanted {
            wrong.push(format!("{change}: {found}"));
        }
        // Logins and their memberships are not part of the fingerprint.
        let is_in_fingerprint = !wanted.contains(&"TA233");
        if (found.fingerprint != clean.fingerprint) != is_in_fingerprint {
            wrong.push(format!("{change}: the fingerprint"));
        }
        for finding in found.failing() {
            if let Err(error) = run(&mut admin, &finding.fix).await {
                wrong.push(format!("{change}: {}: {error}", finding.fix));
                run(&mut admin, "ROLLBACK; RESET ROLE").await.expect("undone");
            }
        }
        let left = report(&mut admin).await;
        // A revoked privilege leaves an explicit list of privileges.
        if !left.is_clean() || left.fingerprint != clean.fingerprint && !wanted.contains(&"TA111") {
            wrong.push(format!("{change} is not fixed: {left}"));
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn binding_of_a_missing_login_or_of_the_app_is_found_and_fixed() {
    let (_server, mut admin) = start().await;
    // The function refuses it.
    let bind = |login: &str| {
        format!(
            "INSERT INTO shop.bound_logins (login, login_oid, role, tenant_id, user_id) VALUES ('{login}', '{login}'::regrole::oid, \
             'shop_clerk', '{SHOP}', '{CLERK}')"
        )
    };
    for (change, what) in [
        ("DROP OWNED BY bi; DROP ROLE bi".to_owned(), "the login role does not exist"),
        (bind("shop_service"), "it is a login role of the app"),
    ] {
        run(&mut admin, &change).await.expect("a superuser can");
        let found = report(&mut admin).await;
        let [finding] = found.failing().collect::<Vec<_>>()[..] else { panic!("{found}") };
        assert!(finding.code == "TA233" && finding.what.starts_with(what), "{found}");
        run(&mut admin, &finding.fix).await.expect("the fix");
        let left = report(&mut admin).await;
        assert!(left.is_clean(), "{left}");
    }
}
