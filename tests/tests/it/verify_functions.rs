//! `verify` calls each function as a principal who is entitled to it, and reports a function that cannot succeed.

use std::collections::BTreeSet;

use tenant_runtime::{
    TenantEnum, TenantTable,
    analyze::check,
    model::def::{ColumnDef, SqlType, TableDef},
    roles::{Admin, Viewer},
    server::Server,
    verify::{Report, VerifyOptions, verify},
};
use tenant_tests::dedicated_server;
use uuid::Uuid;

use super::{golden, sample_declarations::leak, verify_mutations::replace_in_function};

/// A tenant, with a name that no generated text satisfies where a test adds its check.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "id", select = "viewer", creator_role = "admin")]
struct Shop {
    /// The key.
    id: Uuid,
    /// The name.
    name: String,
}

/// A user.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(global, visible_through = Clerk, select = "viewer", sign_up)]
struct Account {
    /// The key.
    id: Uuid,
    /// The address.
    email: String,
}

/// The roles.
#[derive(Debug, Clone, Copy, TenantEnum)]
enum ClerkRole {
    /// Reads.
    Viewer,
    /// Writes.
    Member,
    /// Manages.
    Admin,
}

/// A member.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "shop_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "account_id", role = "role"))]
struct Clerk {
    /// The shop.
    #[tenant(id, references = Shop, on_delete = "cascade")]
    shop_id: Uuid,
    /// The account.
    #[tenant(id, references = Account)]
    account_id: Uuid,
    /// The role.
    role: ClerkRole,
}

/// An invitation.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "shop_id", select = "admin", insert = "admin", delete = "admin")]
#[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
struct Letter {
    /// The key.
    id: Uuid,
    /// The shop.
    #[tenant(references = Shop, on_delete = "cascade")]
    shop_id: Uuid,
    /// The address.
    email: String,
    /// The role.
    role: ClerkRole,
    /// The hash of the token.
    #[tenant(select = "none")]
    token_hash: Vec<u8>,
    /// The time at which it expires.
    expires_at: sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>,
    /// The inviting user.
    invited_by: Uuid,
}

const TABLES: [&TableDef; 4] = [Shop::TABLE, Account::TABLE, Clerk::TABLE, Letter::TABLE];

/// The functions that someone calls.
const FUNCTIONS: [&str; 7] =
    ["create_tenant", "sign_up", "add_member", "change_member", "remove_member", "invite", "accept_invitation"];

async fn report(server: &Server, tables: &[&'static TableDef], more: &str, options: VerifyOptions) -> Report {
    let up = golden::migration(&golden::schema(tables)).up;
    // In the transaction of the verification, which is rolled back.
    let options = options.after(format!("{up}; {more}"));
    verify(&server.admin_url(), &golden::models(tables), &options).await.expect("a report")
}

/// The functions that are reported as unable to succeed.
fn unable(report: &Report) -> BTreeSet<String> {
    let violations = report.violations.iter().filter(|violation| violation.meaning == "an allowed function call fails");
    let name = |text: &str| text.split_once('(').map(|(name, _)| name.replace('"', "").replace("app_auth.", ""));
    violations.filter_map(|violation| name(&violation.expected)).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn functions_of_a_migrated_database_succeed() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let report = report(&server, &TABLES, "", VerifyOptions::default()).await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn default_that_violates_a_check_is_reported_as_a_function_that_cannot_succeed() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let state = ColumnDef {
        default: Some("'draft'"),
        check: Some("state IN ('open', 'closed')"),
        ..ColumnDef::blank("state", SqlType::Text, false)
    };
    let expected = [
        (Shop::TABLE, names(&["create_tenant"])),
        (Account::TABLE, names(&["sign_up"])),
        (Clerk::TABLE, names(&["create_tenant", "add_member", "accept_invitation"])),
        (Letter::TABLE, names(&["invite"])),
    ];
    for (changed, functions) in expected {
        let with_state = |def: &'static TableDef| {
            let columns: Vec<_> = def.columns.iter().map(|column| ColumnDef { ..*column }).collect();
            let columns =
                columns.into_iter().chain((def.name == changed.name).then_some(ColumnDef { ..state })).collect();
            &*Box::leak(Box::new(TableDef { columns: leak::<ColumnDef>(columns), ..*def }))
        };
        let report = report(&server, &TABLES.map(with_state), "", VerifyOptions::default()).await;
        assert_eq!(unable(&report), functions, "{}: {report}", changed.name);
        let text = report.to_string();
        assert!(text.contains("violates check constraint") && text.contains("_state_check"), "{text}");
    }
}

#[tokio::test]
async fn function_that_raises_or_has_no_effect_is_reported() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    for function in FUNCTIONS {
        let raises = replace_in_function(function, "\nBEGIN\n", "\nBEGIN\n RAISE unique_violation;\n");
        let report = report(&server, &TABLES, &raises, VerifyOptions::default()).await;
        assert_eq!(unable(&report), names(&[function]), "{report}");
    }
    let mutants = [
        (
            "create_tenant",
            "INSERT INTO app.clerks (shop_id, account_id, role) VALUES (new_tenant_id, caller, 'admin');",
            "",
            "",
        ),
        ("change_member", "UPDATE app.clerks AS m SET role = p_role", "PERFORM FROM app.clerks AS m", ""),
        ("remove_member", "DELETE FROM app.clerks AS m", "PERFORM FROM app.clerks AS m", ""),
        ("sign_up", "RETURN new_user_id", "RETURN gen_random_uuid()", ""),
        ("sign_up", "", "", "REVOKE EXECUTE ON FUNCTION app_auth.sign_up FROM app_no_tenant"),
        ("create_tenant", "", "", "ALTER TABLE app.shops ALTER COLUMN id DROP DEFAULT"),
    ];
    for (function, piece, instead, statement) in mutants {
        let mutation = match piece {
            "" => statement.to_owned(),
            piece => replace_in_function(function, piece, instead),
        };
        let report = report(&server, &TABLES, &mutation, VerifyOptions::default()).await;
        assert_eq!(unable(&report), names(&[function]), "{mutation}: {report}");
    }
}

#[tokio::test]
async fn given_values_are_the_arguments_of_functions() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let name =
        ColumnDef { check: Some("name ~ '^[0-9]{4}-[A-Z]{3}$'"), ..ColumnDef::blank("name", SqlType::Text, false) };
    let columns = leak(vec![ColumnDef { ..Shop::TABLE.columns[0] }, name]);
    let shops = &*Box::leak(Box::new(TableDef { columns, ..*Shop::TABLE }));
    let tables = [shops, Account::TABLE, Clerk::TABLE, Letter::TABLE];
    let options = VerifyOptions::default().values("app.shops", "name", ["1234-ABC"]);
    let clean = report(&server, &tables, "", options.clone()).await;
    assert!(clean.is_clean(), "{clean}");
    let broken = replace_in_function("create_tenant", "\nBEGIN\n", "\nBEGIN\n RAISE 'no';\n");
    let broken = report(&server, &tables, &broken, options).await.to_string();
    for words in ["app_auth.create_tenant(p_name text) succeeds", "no (SQLSTATE P0001)", "'1234-ABC'"] {
        assert!(broken.contains(words), "{words}: {broken}");
    }
}

#[tokio::test]
async fn server_error_in_a_statement_of_verify_names_the_statement() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let options = VerifyOptions::default().after("SELECT 1; ALTER TABLE app.absent ADD COLUMN x text");
    let error =
        verify(&server.admin_url(), &golden::models(&TABLES), &options).await.expect_err("no table").to_string();
    assert!(error.contains("ALTER TABLE app.absent ADD COLUMN x text") && error.contains("help: "), "{error}");
    // A policy that PostgreSQL rejects is a violation, and the prepared statement that could not be created is no error.
    let recursion = "ALTER POLICY select_admin ON app.letters USING (EXISTS (SELECT FROM app.letters))";
    let report = report(&server, &TABLES, recursion, VerifyOptions::default()).await.to_string();
    assert!(report.contains("infinite recursion detected in policy for relation \"letters\""), "{report}");
    assert!(check(&golden::models(&TABLES)).is_ok());
}
