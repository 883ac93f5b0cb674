//! `verify` with signed contexts.

use std::collections::BTreeMap;

use tenant_runtime::{
    model::def::{TableDef, TenancyDef},
    verify::{VerifyOptions, verify},
};
use tenant_tests::dedicated_server;

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
        let options = VerifyOptions::default().after(migration);
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
