//! Plans of generated statements: tenant indexes, no function calls per row, pruned partitions, parallel plans.
//!
//! With auto_explain, the server logs the plan of each statement that the repository calls cause, also of those inside
//! functions and triggers. Where the server lacks auto_explain, the tests print SKIPPED and pass.

mod calls;
mod exceptions;
mod fixture;
mod log;
mod rules;

use tenant_tests::run;

use self::{
    exceptions::EXCEPTIONS,
    fixture::{Fixture, Form},
    log::Recorder,
    rules::{Catalog, Rule, Violation, check_parallel},
};

/// Runs the calls whose names begin with a text, and returns the violations of the rules.
async fn violations(fixture: &Fixture, form: Form, settings: &[&str], only: Option<&'static str>) -> Vec<Violation> {
    let db = fixture.app(form, settings).await;
    let mut superuser = fixture.admin().await;
    let catalog = Catalog::read(&mut superuser).await;
    let [large, small] = fixture.tenants().await;
    let mut log = Recorder::new(fixture, form, only);
    let mut found = Vec::new();
    if form == Form::Parallel {
        calls::run_reads(&db, &large, &mut log).await;
        for call in &log.calls {
            found.extend(check_parallel(call, &mut superuser).await);
        }
    } else {
        let jobs = fixture.jobs(form).await;
        for tenant in [large, small] {
            calls::run_all(&db, &tenant, &mut log).await;
            calls::run_jobs(&jobs, &tenant, &mut log).await;
        }
        found.extend(log.calls.iter().flat_map(|call| catalog.check(call)));
    }
    assert!(!log.calls.is_empty(), "no call is named {only:?}");
    db.close().await;
    found
}

fn described(violations: &[&Violation]) -> String {
    violations.iter().map(|v| format!("{:?}: {}, {:?}: {}\n", v.rule, v.call, v.form, v.what)).collect()
}

#[tokio::test]
async fn plans_of_generated_statements_meet_the_rules() {
    let Some(fixture) = Fixture::lock().await else { return };
    let mut found = Vec::new();
    for form in [Form::Constants, Form::Bound, Form::Generic, Form::Parallel] {
        found.extend(violations(&fixture, form, &[], None).await);
    }
    let unknown: Vec<_> = found.iter().filter(|v| !EXCEPTIONS.iter().any(|known| known.is_of(v))).collect();
    assert!(unknown.is_empty(), "{}", described(&unknown));
    for exception in &EXCEPTIONS {
        assert!(found.iter().any(|v| exception.is_of(v)), "no longer occurs: {exception:?}");
    }
}

/// A change after which a rule is violated.
struct Mutant {
    rule: Rule,
    form: Form,
    /// The start of the names of the calls to run.
    calls: &'static str,
    change: &'static str,
    undo: &'static str,
    settings: &'static [&'static str],
}

const MUTANT: Mutant = Mutant {
    rule: Rule::TenantIndex,
    form: Form::Constants,
    calls: "Employee::list",
    change: "",
    undo: "ALTER POLICY tenant_isolation ON app.employees
        USING (organization_id = (SELECT app_auth.authorized_tenant_id()))",
    settings: &[],
};

const MUTANTS: [Mutant; 9] = [
    // The index that begins with the tenant column is missing.
    Mutant {
        calls: "Change::count",
        change: "ALTER TABLE app.changes DROP CONSTRAINT changes_organization_id_id_key",
        undo: "ALTER TABLE app.changes ADD CONSTRAINT changes_organization_id_id_key UNIQUE (organization_id, id)",
        ..MUTANT
    },
    // The planner uses no index.
    Mutant {
        calls: "Task::count",
        settings: &["enable_indexscan = off", "enable_indexonlyscan = off", "enable_bitmapscan = off"],
        undo: "",
        ..MUTANT
    },
    // The policy calls a function without a sub-select.
    Mutant {
        rule: Rule::NoCallPerRow,
        form: Form::Bound,
        calls: "Employee::count",
        change: "ALTER POLICY tenant_isolation ON app.employees
            USING (organization_id IS NOT DISTINCT FROM app_auth.authorized_tenant_id())",
        ..MUTANT
    },
    // The same in the sub-select of EXISTS.
    Mutant {
        rule: Rule::NoCallPerRow,
        calls: "Employee::exists",
        change: "ALTER POLICY tenant_isolation ON app.employees
            USING (organization_id IS NOT DISTINCT FROM app_auth.authorized_tenant_id())",
        ..MUTANT
    },
    // The policy reads a setting for each row.
    Mutant {
        rule: Rule::NoCallPerRow,
        change: "ALTER POLICY tenant_isolation ON app.employees
            USING (organization_id::text = current_setting('app.organization_id'))",
        ..MUTANT
    },
    // The sub-select depends on the row.
    Mutant {
        rule: Rule::OncePerUse,
        change: "ALTER POLICY tenant_isolation ON app.employees
            USING (organization_id = (SELECT app_auth.authorized_tenant_id() WHERE organization_id IS NOT NULL))",
        ..MUTANT
    },
    // The policy contains the sub-select twice.
    Mutant {
        rule: Rule::OncePerUse,
        form: Form::Bound,
        change: "ALTER POLICY tenant_isolation ON app.employees
            USING (organization_id = (SELECT app_auth.authorized_tenant_id())
                AND (SELECT app_auth.authorized_tenant_id()) IS NOT NULL)",
        ..MUTANT
    },
    // The planner does not exclude the partitions of other tenants.
    Mutant {
        rule: Rule::Pruning,
        calls: "Event::count",
        undo: "",
        settings: &["enable_partition_pruning = off"],
        ..MUTANT
    },
    // A function of the policies cannot run in a parallel worker.
    Mutant {
        rule: Rule::Parallel,
        form: Form::Parallel,
        calls: "Task::count",
        change: "ALTER FUNCTION app_auth.authorized_tenant_id() PARALLEL UNSAFE",
        undo: "ALTER FUNCTION app_auth.authorized_tenant_id() PARALLEL SAFE",
        ..MUTANT
    },
];

#[tokio::test]
async fn each_rule_detects_a_change_that_violates_it() {
    let Some(fixture) = Fixture::lock().await else { return };
    let mut superuser = fixture.admin().await;
    for Mutant { rule, form, calls, change, undo, settings } in MUTANTS {
        run(&mut superuser, change).await.expect(change);
        let found = violations(&fixture, form, settings, Some(calls)).await;
        run(&mut superuser, undo).await.expect(undo);
        let unknown: Vec<_> = found.iter().filter(|v| !EXCEPTIONS.iter().any(|known| known.is_of(v))).collect();
        assert!(unknown.iter().any(|v| v.rule == rule), "{rule:?}: {change}{settings:?}\n{}", described(&unknown));
    }
}
