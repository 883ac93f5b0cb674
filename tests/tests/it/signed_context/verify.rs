//! `verify` with signed contexts.

use std::collections::BTreeMap;

use tenant_runtime::{
    model::def::{TableDef, TenancyDef},
    verify::{VerifyOptions, verify},
};
use tenant_tests::{connect, dedicated_server, run};

use crate::golden;

/// The tables of a golden case, in a tenancy with signed contexts.
fn signed(tables: Vec<&'static TableDef>) -> Vec<&'static TableDef> {
    let signed = |def: &'static TableDef| {
        let tenancy = &*Box::leak(Box::new(TenancyDef { signed_context: true, ..*def.tenancy }));
        &*Box::leak(Box::new(TableDef { tenancy, ..*def }))
    };
    tables.into_iter().map(signed).collect()
}

#[tokio::test]
async fn golden_cases_with_signed_contexts_verify_clean() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut wrong = BTreeMap::new();
    for (case, tables) in golden::cases() {
        let tables = signed(tables);
        let migration = golden::migration(&golden::schema(&tables)).up;
        let options = VerifyOptions::default().after(format!("{}{migration}", golden::prerequisites(case)));
        match verify(&server.admin_url(), &golden::models(&tables), &options).await {
            Ok(report) if report.is_clean() => println!("{case}: {} probes in {:?}", report.probes, report.elapsed),
            Ok(report) => drop(wrong.insert(case, report.to_string())),
            Err(error) => drop(wrong.insert(case, error.to_string())),
        }
    }
    for (case, report) in &wrong {
        println!("{case}: {report}");
    }
    assert!(wrong.is_empty());
}

/// A change of a function: its title, the function, and the parts of its definition with their replacements.
type Mutation = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Another table in the query of the key for seals, whose column `r` is not checked any more.
const KEYS: &str = "FROM shop.context_keys AS k";
const BOTH_KEYS: &str = "FROM shop.context_keys AS s,";
const EMPLOYMENTS: &str = "FROM shop.employments AS e, shop.context_keys AS k";

const FUNCTION_MUTATIONS: &[Mutation] = &[
    ("any key is accepted", "set_context", &[("k.id = p_key AND ", "")]),
    ("the key for seals signs", "set_context", &[(" AND k.id > 0", "")]),
    ("an ended key is accepted", "set_context", &[(" AND k.not_after > now()", "")]),
    ("the login of a key is not checked", "set_context", &[("k.login IS NULL OR k.login = session_user", "true")]),
    (
        "the roles of a key are not checked",
        "set_context",
        &[("k.roles IS NULL OR acting_role = ANY (k.roles)", "true")],
    ),
    ("a key without roles is for all", "set_context", &[("k.roles IS NULL", "COALESCE(k.roles, '{}') = '{}'")]),
    (
        "the signature lacks the role",
        "set_context",
        &[("length(acting_role), ':', acting_role, p_settings", "p_settings")],
    ),
    (
        "a signature for another role is accepted",
        "set_context",
        &[
            (BOTH_KEYS, "FROM unnest('{shop_clerk, shop_keeper, shop_owner}'::text[]) AS r, shop.context_keys AS s,"),
            ("length(acting_role), ':', acting_role, p_settings", "length(r), ':', r, p_settings"),
        ],
    ),
    ("a number can be used again", "set_context", &[("nextval(numbers)", "currval(numbers) + 1")]),
    (
        "a number is taken only with a valid signature",
        "set_context",
        &[
            ("nextval(numbers)", "currval(numbers) + 1"),
            (
                "    END IF;\nEND",
                "    END IF;\n    IF p_numbered THEN\n        PERFORM nextval(numbers);\n    END IF;\nEND",
            ),
        ],
    ),
    (
        "a number of the past is accepted",
        "set_context",
        &[
            (BOTH_KEYS, "FROM generate_series(0, 2) AS r, shop.context_keys AS s,"),
            ("int8send(number)", "int8send(number - r)"),
        ],
    ),
    ("the server process is not checked", "set_context", &[("|| int4send(pg_backend_pid())", "|| int4send(7)")]),
    (
        "a signature for a transaction is for every transaction",
        "set_context",
        &[("'T' || timestamptz_send(now())", "'T'")],
    ),
    ("upper case is accepted", "set_context", &[("= p_signature", "= lower(p_signature)")]),
    ("a part of the signature is enough", "set_context", &[("= p_signature", "LIKE p_signature || '%'")]),
    ("a signature is not required", "set_context", &[("= p_signature", "IS NOT NULL")]),
    ("NULL is accepted", "set_context", &[("= p_signature", "= p_signature IS NOT FALSE")]),
    ("more settings are ignored", "set_context", &[("cardinality(settings) <= 3", "true")]),
    (
        "another tenant is set",
        "set_context",
        &[(
            "set_config('shop.tenant_id', COALESCE(settings[1], '')",
            "set_config('shop.tenant_id', COALESCE(settings[2], '')",
        )],
    ),
    (
        "the seal is for any role",
        "is_context_signed",
        &[
            (KEYS, "FROM unnest('{shop_clerk, shop_keeper, shop_owner}'::text[]) AS r, shop.context_keys AS k"),
            ("length(p_role), ':', p_role", "length(r), ':', r"),
        ],
    ),
    (
        "the seal is for any tenant",
        "is_context_signed",
        &[
            (KEYS, EMPLOYMENTS),
            (
                "length(current_setting('shop.tenant_id', true)), ':', current_setting('shop.tenant_id', true)",
                "'36:', e.shop_id",
            ),
        ],
    ),
    (
        "the seal is for any user",
        "is_context_signed",
        &[
            (KEYS, EMPLOYMENTS),
            (
                "length(current_setting('shop.user_id', true)), ':', current_setting('shop.user_id', true)",
                "'36:', e.person_id",
            ),
        ],
    ),
    (
        "the seal is for any access ID",
        "is_context_signed",
        &[
            (
                KEYS,
                "FROM (SELECT id::text FROM shop.system_access_log UNION ALL SELECT '') AS a (id), shop.context_keys AS k",
            ),
            (
                "length(current_setting('shop.system_access', true)), ':', current_setting('shop.system_access', true)",
                "length(a.id), ':', a.id",
            ),
        ],
    ),
    (
        "the seal is for every transaction of a day",
        "is_context_signed",
        &[
            (KEYS, "FROM unnest(ARRAY[now(), now() - interval '1 day']) AS r, shop.context_keys AS k"),
            ("timestamptz_send(now())", "timestamptz_send(r)"),
        ],
    ),
    ("any seal is accepted", "is_context_signed", &[("'hex') = seal", "'hex') <> ''")]),
    (
        "an empty seal is accepted",
        "is_context_signed",
        &[("IF seal <> '' THEN", "IF COALESCE(seal, '') = '' THEN RETURN true; END IF; IF seal <> '' THEN")],
    ),
    ("a part of the seal is enough", "is_context_signed", &[("'hex') = seal", "'hex') LIKE seal || '%'")]),
    (
        "a context that is not signed is no error",
        "is_context_signed",
        &[("IF NOT pg_has_role", "IF false AND NOT pg_has_role")],
    ),
    (
        "any login is bound",
        "is_context_signed",
        &[(
            "b.login = session_user AND b.login_oid = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = session_user)",
            "true",
        )],
    ),
    ("a login is bound to any role", "is_context_signed", &[(" AND b.role = p_role", "")]),
    (
        "a login is bound to any tenant",
        "is_context_signed",
        &[("b.tenant_id = NULLIF(current_setting('shop.tenant_id', true), '')::uuid AND ", "")],
    ),
    (
        "a login is bound to any user",
        "is_context_signed",
        &[(" AND b.user_id = NULLIF(current_setting('shop.user_id', true), '')::uuid", "")],
    ),
    (
        "a bound login needs no user",
        "is_context_signed",
        &[(
            "b.user_id = NULLIF(current_setting('shop.user_id', true), '')::uuid",
            "b.user_id = COALESCE(NULLIF(current_setting('shop.user_id', true), '')::uuid, b.user_id)",
        )],
    ),
    ("the tenant is not checked", "authorized_tenant_id", &[("NOT shop_auth.is_context_signed(p_role)", "false")]),
    (
        "the role of the statement is not checked",
        "authorized_tenant_id",
        &[("is_context_signed(p_role)", "is_context_signed(current_setting('role'))")],
    ),
    (
        "the user is not checked",
        "context_user_id",
        &[("CASE WHEN shop_auth.is_context_signed(current_setting('role')) THEN", "CASE WHEN true THEN")],
    ),
    (
        "jobs are not checked",
        "is_system_context",
        &[("NOT shop_auth.is_context_signed(current_setting('role'))", "false")],
    ),
];

/// The functions that begin with the check of the signature.
const GUARDED: [&str; 9] = [
    "accept_invitation",
    "add_member",
    "begin_system_access",
    "change_member",
    "create_tenant",
    "invite",
    "my_tenants",
    "remove_member",
    "sign_up",
];

const MUTATIONS: &[(&str, &str)] = &[
    ("the plan does not contain the role", "ALTER FUNCTION shop_auth.statement_role() STABLE"),
    ("owners read the keys", "GRANT SELECT (id) ON shop.context_keys TO shop_owner"),
    (
        "the login reads the keys",
        "GRANT USAGE ON SCHEMA shop TO shop_service; GRANT SELECT ON shop.context_keys TO shop_service",
    ),
    ("RLS of the keys is not forced", "ALTER TABLE shop.context_keys NO FORCE ROW LEVEL SECURITY"),
    ("RLS of the bound logins is not forced", "ALTER TABLE shop.bound_logins NO FORCE ROW LEVEL SECURITY"),
    ("owners bind logins", "GRANT EXECUTE ON FUNCTION shop_auth.bind_login TO shop_owner"),
    ("owners install keys", "GRANT EXECUTE ON FUNCTION shop_auth.set_context_key TO shop_owner"),
    ("jobs end keys", "GRANT EXECUTE ON FUNCTION shop_auth.end_context_key TO shop_system"),
    ("clerks take numbers", "GRANT USAGE ON SEQUENCE shop_auth.context_numbers TO shop_clerk"),
    ("clerks read numbers", "GRANT SELECT ON SEQUENCE shop_auth.context_numbers TO shop_clerk"),
    ("clerks cannot sign", "REVOKE EXECUTE ON FUNCTION shop_auth.set_context FROM shop_clerk"),
    ("a global table needs no signature", "DROP POLICY signed_context ON shop.suppliers"),
    (
        "a policy checks the setting only",
        "ALTER POLICY tenant_isolation ON shop.items USING (shop_id = (SELECT NULLIF(current_setting('shop.tenant_id', true), '')::uuid))",
    ),
];

/// Returns the statements that replace parts of a function; they fail if a part is missing.
fn mutated(function: &str, pieces: &[(&str, &str)]) -> String {
    let replace = |(piece, instead): &(&str, &str)| {
        format!(
            "ASSERT strpos(made, $t${piece}$t$) > 0, $t$the function does not contain {piece}$t$;
             made := replace(made, $t${piece}$t$, $t${instead}$t$);"
        )
    };
    format!(
        "DO $do$ DECLARE made text := pg_get_functiondef('shop_auth.{function}'::regproc); BEGIN {} EXECUTE made; END $do$",
        pieces.iter().map(replace).collect::<String>()
    )
}

#[tokio::test]
async fn verify_detects_two_conditions_that_are_evaluated_one_after_the_other() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let tables = golden::cases().into_iter().find(|(case, _)| *case == "hash_partitions").expect("the case").1;
    let tables = signed(tables);
    let migration = golden::migration(&golden::schema(&tables)).up;
    // One condition for the signature and one for the tenant: a statement can change the tenant between the two.
    let two = "ALTER POLICY tenant_isolation ON app.measurements
                   USING (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
               ALTER POLICY select_viewer ON app.measurements
                   USING (organization_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
               CREATE POLICY signed_context ON app.measurements AS RESTRICTIVE
                   USING ((SELECT app_auth.is_context_signed(app_auth.statement_role())))";
    let options = VerifyOptions::default().after(format!("{migration}; RESET ROLE; {two}"));
    let report = verify(&server.admin_url(), &golden::models(&tables), &options).await.expect("a report");
    let wanted = ("change of a setting within a statement", "rows of another tenant are accessible");
    let found = report.violations.iter().find(|violation| (violation.technique.as_str(), violation.meaning) == wanted);
    assert!(found.is_some(), "{report}");
}

#[tokio::test]
async fn verify_detects_every_mutation_of_signed_contexts() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let url = server.admin_url();
    let (_, tables) = golden::cases().into_iter().find(|(case, _)| *case == "signed_context").expect("the case");
    let migration = golden::migration(&golden::schema(&tables)).up;
    let mut admin = connect(&url).await;
    run(&mut admin, &format!("BEGIN; {migration}; COMMIT")).await.expect("it applies");
    let functions = FUNCTION_MUTATIONS.iter().map(|(what, function, pieces)| (*what, mutated(function, pieces)));
    let signed = "NOT shop_auth.is_context_signed(current_setting('role')) OR ";
    let unchecked = GUARDED.map(|function| (function, mutated(function, &[(signed, "")])));
    let of_roles = GUARDED.iter().filter(|function| ["my_tenants", "create_tenant", "sign_up"].contains(function));
    let of_roles = of_roles.map(|function| (*function, mutated(function, &[("NOT IN ('shop_no_tenant')", "= ''")])));
    let others = MUTATIONS.iter().map(|(what, sql)| (*what, (*sql).to_owned()));
    let mutants: Vec<_> = functions.chain(unchecked).chain(of_roles).chain(others).collect();
    let (mut told, mut alive) = (Vec::new(), Vec::new());
    for (what, statements) in &mutants {
        let options = VerifyOptions::default().until_first_violation().after(statements.as_str());
        let report = verify(&url, &golden::models(&tables), &options).await;
        let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
        match report.violations.first() {
            Some(first) => told.push(format!("{what:60} {}: {}", first.technique, first.meaning)),
            None => alive.push(*what),
        }
    }
    println!("{} mutants\n{}", mutants.len(), told.join("\n"));
    assert_eq!(alive, Vec::<&str>::new());
}
