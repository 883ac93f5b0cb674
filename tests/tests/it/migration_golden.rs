//! Golden tests of model changes: each `golden/evolve/*.rs` holds two versions of some structs, and below them the generated
//! migrations.
//!
//! `BLESS=1 cargo test -p tenant-tests migration_golden` updates them. Each case is applied to a server and reverted.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use sqlx::PgConnection;
use tenant_runtime::{
    TenantTable as _,
    analyze::{Checked, check},
    audit::Catalog,
    model::{def::TableDef, migration_hints::MigrationHints, schema::Schema},
    plan::{Plan, Refusals, plan},
    server::Server,
    sql::{self, Migration},
};
use tenant_tests::{ask, connect, run};

/// Two versions of a product.
struct Case {
    name: &'static str,
    before: Vec<&'static TableDef>,
    after: Vec<&'static TableDef>,
}

macro_rules! cases {
    ($($case:ident: $($old:ident)* => $($new:ident)*;)*) => {
        $(
            #[expect(dead_code, reason = "the structs exist only for the SQL generated from them")]
            #[allow(clippy::duplicated_attributes, reason = "several indexes have the same column or condition")]
            mod $case {
                include!(concat!("../../golden/evolve/", stringify!($case), ".rs"));
            }
        )*

        fn cases() -> Vec<Case> {
            vec![$(Case {
                name: stringify!($case),
                before: vec![$($case::v1::$old::TABLE),*],
                after: vec![$($case::v2::$new::TABLE),*],
            }),*]
        }
    };
}

cases! {
    add_column: Note => Note;
    add_not_null_column: Note => Note;
    add_table: Project => Project Task;
    backfill: Note => Note;
    soft_delete: Note Mark Task Draft => Note Mark Task Draft;
    split_column: Person => Person;
    renamed_in_backfill: Person => Person;
    global_to_tenant: Rate => Rate;
    change_key_type: Work => Work;
    change_column_types: Note => Note;
    column_privileges: Note => Note;
    comments: Note => Note;
    defaults: Ticket => Ticket;
    drop_column: Note => Note;
    drop_table: Team Person => Team;
    unsupported_type_change: Note => Note;
    applied_renamed_from: Note => Note;
    enum_labels: Note => Note;
    role_inheritance: Chart Invoice => Chart Invoice;
    login_per_role: Score => Score;
    ambiguous_column_rename: Note => Note;
    ambiguous_table_rename: Memo => Letter;
    auth_functions: Club Person ClubMember => Club Person ClubMember;
    add_membership_table: Club Person => Club Person ClubMember;
    add_invitation_table: Person ClubMember => Person ClubMember ClubInvitation;
    sign_contexts: Page Font => Page Font;
    system_access_limits: Page => Page;
    move_table: Offer => Offer;
    drop_membership_table: TeamMember Note => Note;
    nullability: Note => Note;
    single_login: Song => Song;
    change_one_policy: Note => Note;
    change_roles: Note => Note;
    reused_policy_name: Story => Story;
    add_owner: Note => Note;
    partitioned_table: Event => Happening;
    foreign_keys: Project => Project;
    parent_to_org: Task Comment Attachment => Task Comment Attachment;
    rename_parent: Task Comment Reaction => Job Remark Reaction;
    rename_column: Note => Note;
    rename_table: Work Page => Project Page;
    repartition: Event => Event;
    swap_columns: Note => Note;
    swap_tables: Plan Task Note => Task Plan Remark Note;
    replace_dropped_column: Note => Note;
    rename_labels: Note => Note;
    remove_label: Note => Note;
    text_to_enum: Note => Note;
    rename_role: Staff Page => Staff Page;
    required_with_default: Note => Note;
    uniques_and_indexes: Note => Note;
    index_options: Note => Note;
    check_constraints: Event => Event;
    extensions: Paper => Paper;
    native_labels: Note => Note;
    text_to_native: Note => Note;
    native_refused: Note => Note;
    label_arrays: Note => Note;
    sensitive_columns: Patient Reading => Patient Reading;
    counters: Bill Ticket Order Note Pair Draft => Invoice Ticket Order Note Pair;
    counter_of_new_tenant: Rate => Rate;
    updated_at: Note => Note;
    generated_columns: Note => Note;
    generated_from_filled: Note => Note;
    collations: Note => Note;
    foreign_key_properties: Topic Post Visit => Topic Post Visit;
    composite_key_columns: Ad Note Visit => Ad Note Visit;
    composite_references: Ad Note Click => Ad Note Click;
    referenced_keys: Ad Site Click => Ad Site Click;
}

impl Case {
    fn path(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/evolve").join(self.name).with_extension("rs")
    }

    fn schemas(&self) -> (Schema, Checked) {
        let check = |tables: &[&'static TableDef]| {
            check(&tenant_runtime::models![].only(tables.iter().copied()))
                .unwrap_or_else(|findings| panic!("{}: {findings}", self.name))
        };
        (check(&self.before).schema, check(&self.after))
    }

    fn plan(&self) -> Result<Plan, Refusals> {
        let (before, after) = self.schemas();
        plan(&before, &after.schema, &after.hints)
    }

    /// The printed output, and the files.
    fn rendered(&self) -> String {
        let mut out = String::new();
        let plan = match self.plan() {
            Ok(plan) => plan,
            Err(refusals) => return format!("{refusals}\n"),
        };
        if let Err(unconfirmed) = plan.confirm(&BTreeSet::new()) {
            let _ = writeln!(out, "error: {unconfirmed}\n");
        }
        for change in plan.changes() {
            let _ = writeln!(out, "{change}");
        }
        for note in plan.steps().iter().filter_map(|step| plan.note(&step.action)) {
            let _ = writeln!(out, "{note}");
        }
        if plan.is_empty() {
            out.push_str("nothing to do\n");
        }
        for (number, Migration { description, up, down, .. }) in (2..).zip(sql::migrations(&plan)) {
            for (direction, text) in [("up", up), ("down", down)] {
                let line = format!("{number:04}_{description}.{direction}.sql ");
                let _ = write!(out, "\n== {line:=<100}\n{text}");
            }
        }
        out
    }
}

/// The separator between the structs and the output; everything below it is written by the test.
const BELOW: &str = "\n/*\n";

#[test]
fn migration_output_matches_the_golden_files() {
    let mut wrong = Vec::new();
    for case in cases() {
        let text = fs::read_to_string(case.path()).expect("the case");
        let structs = text.split(BELOW).next().expect("a part").trim_end();
        let wanted = format!("{structs}\n{BELOW}{}*/\n", case.rendered());
        if std::env::var_os("BLESS").is_some() {
            fs::write(case.path(), wanted).expect("written");
        } else if text != wanted {
            wrong.push(case.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} differ; `BLESS=1` writes them anew, then look at `git diff`");
}

#[test]
fn unchanged_schema_plans_nothing() {
    for case in cases() {
        let (before, after) = case.schemas();
        for schema in [&before, &after.schema] {
            assert!(plan(schema, schema, &after.hints).expect("a plan").is_empty(), "{}", case.name);
        }
    }
}

/// Runs files as sqlx does: each in a transaction, unless marked otherwise.
async fn apply(connection: &mut PgConnection, files: impl IntoIterator<Item = (String, bool)>) {
    for (text, transaction) in files {
        let whole = if transaction { format!("BEGIN;\n{text}\nCOMMIT;") } else { text.clone() };
        if let Err(error) = run(connection, &whole).await {
            panic!("{error}\n{text}");
        }
    }
}

/// The catalog without the names of sequences, which the server assigns and a rename keeps.
async fn catalog(connection: &mut PgConnection, schema: &Schema) -> String {
    let text = Catalog::read(connection, schema).await.expect("it can be read").to_string();
    let lines =
        text.lines().map(|line| match line.strip_prefix("sequence ").and_then(|line| line.split_once(" of=")) {
            Some((_, rest)) => format!("sequence of={rest}"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn migrated_catalog_equals_fresh_catalog_and_revert_restores_it() {
    // Roles belong to the cluster, so the directly created schema is in another one.
    let servers = tokio::task::spawn_blocking(|| [tenant_tests::dedicated_server(), tenant_tests::dedicated_server()]);
    let servers = servers.await.expect("two servers");
    for server in &servers {
        let mut admin = connect(&server.admin_url()).await;
        // An administrator as on a hosted server: not a superuser.
        run(&mut admin, "CREATE ROLE operator LOGIN CREATEROLE CREATEDB").await.expect("an administrator");
    }
    for case in cases() {
        let Ok(plan) = case.plan() else { continue };
        let (before, after) = case.schemas();
        let after = after.schema;
        let [mut changed, mut fresh] = [database(&servers[0], case.name).await, database(&servers[1], case.name).await];
        apply(&mut changed, first(&before)).await;
        let at_first = catalog(&mut changed, &before).await;
        let migrations = sql::migrations(&plan);
        apply(&mut changed, migrations.iter().map(|one| (one.up.clone(), one.transaction))).await;
        let evolved = catalog(&mut changed, &after).await;
        apply(&mut changed, migrations.iter().rev().map(|one| (one.down.clone(), one.transaction))).await;
        let at_last = catalog(&mut changed, &before).await;
        apply(&mut fresh, first(&after)).await;
        assert_same_facts(case.name, "up", &evolved, &catalog(&mut fresh, &after).await);
        // Labels of enum types cannot be removed.
        if !migrations.iter().any(|one| one.down.starts_with(sql::CANNOT_BE_UNDONE)) {
            assert_same_facts(case.name, "down", &at_last, &at_first);
        }
        // The roles are dropped, so that the next case begins without them.
        for (connection, schema) in [(&mut changed, &before), (&mut fresh, &after)] {
            apply(connection, down_files(schema)).await;
        }
    }
}

async fn database(server: &Server, name: &str) -> PgConnection {
    let mut operator = connect(&server.url("operator", "postgres")).await;
    run(&mut operator, &format!("CREATE DATABASE evolve_{name}")).await.expect("a database");
    let mut connection = connect(&server.url("operator", &format!("evolve_{name}"))).await;
    run(&mut connection, "CREATE EXTENSION btree_gist").await.expect("a trusted extension");
    connection
}

fn from_nothing(schema: &Schema) -> Vec<Migration> {
    sql::migrations(&plan(&Schema::default(), schema, &MigrationHints::default()).expect("a plan"))
}

fn first(schema: &Schema) -> Vec<(String, bool)> {
    from_nothing(schema).into_iter().map(|one| (one.up, one.transaction)).collect()
}

fn down_files(schema: &Schema) -> Vec<(String, bool)> {
    from_nothing(schema).into_iter().map(|one| (one.down, one.transaction)).collect()
}

/// Compares fact by fact, so that a failure can be read.
fn assert_same_facts(case: &str, what: &str, found: &str, wanted: &str) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (found, wanted) = (lines(found), lines(wanted));
    let list = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n");
    let (odd, missing) = (list(&found, &wanted), list(&wanted, &found));
    assert!(odd.is_empty() && missing.is_empty(), "{case}, {what}: odd\n{odd}\nmissing\n{missing}");
}

/// A case with its first version applied to a server, where the superuser can insert rows.
pub(super) struct StartedCase {
    pub(super) server: Server,
    operator: PgConnection,
    pub(super) superuser: PgConnection,
    pub(super) migrations: Vec<Migration>,
    pub(super) after: Schema,
}

pub(super) async fn start_case(name: &str) -> StartedCase {
    let server = tokio::task::spawn_blocking(tenant_tests::dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, "CREATE ROLE operator LOGIN CREATEROLE CREATEDB").await.expect("an administrator");
    let case = cases().into_iter().find(|case| case.name == name).expect("a case");
    let mut operator = database(&server, name).await;
    apply(&mut operator, first(&case.schemas().0)).await;
    let superuser = connect(&server.url("postgres", &format!("evolve_{name}"))).await;
    let migrations = sql::migrations(&case.plan().expect("a plan"));
    StartedCase { server, operator, superuser, migrations, after: case.schemas().1.schema }
}

impl StartedCase {
    /// Runs the migrations as the administrator; returns the code and the place of the error that stopped them.
    pub(super) async fn migrate(&mut self, from: usize) -> Option<(usize, String)> {
        for (at, one) in self.migrations.iter().enumerate().skip(from) {
            let whole = if one.transaction { format!("BEGIN;\n{}\nCOMMIT;", one.up) } else { one.up.clone() };
            if let Err(error) = run(&mut self.operator, &whole).await {
                let code = tenant_tests::refusal(error).0;
                run(&mut self.operator, "ROLLBACK").await.expect("rolled back");
                return Some((at, code));
            }
        }
        None
    }

    /// Runs the down files as the administrator.
    pub(super) async fn revert(&mut self) {
        apply(&mut self.operator, self.migrations.iter().rev().map(|one| (one.down.clone(), one.transaction))).await;
    }
}

const ORG: &str = "'00000000-0000-4000-8000-000000000001'";

#[tokio::test]
async fn dangling_row_fails_foreign_key_validation_under_force_rls() {
    let mut begun = start_case("foreign_keys").await;
    let dangling = format!("INSERT INTO app.projects (org, template) VALUES ({ORG}, gen_random_uuid())");
    run(&mut begun.superuser, &dangling).await.expect("a dangling row");
    let last = begun.migrations.len() - 1;
    assert_eq!(begun.migrate(0).await, Some((last, "23503".to_owned())));
    let valid = "SELECT convalidated::text FROM pg_constraint WHERE conname = 'projects_org_template_fkey'";
    assert_eq!(ask(&mut begun.superuser, valid).await, "false");
    run(&mut begun.superuser, "UPDATE app.projects SET template = NULL").await.expect("mended");
    assert_eq!(begun.migrate(last).await, None);
    let forced = "SELECT (convalidated AND relforcerowsecurity)::text FROM pg_constraint, pg_class
                  WHERE conname = 'projects_org_template_fkey' AND pg_class.oid = conrelid";
    assert_eq!(ask(&mut begun.superuser, forced).await, "true");
}

#[tokio::test]
async fn backfill_updates_rows_of_every_tenant() {
    let mut begun = start_case("backfill").await;
    let rows = format!("INSERT INTO app.notes (org, title) VALUES ({ORG}, 'One'), (gen_random_uuid(), 'Two')");
    run(&mut begun.superuser, &rows).await.expect("rows of two tenants");
    assert_eq!(begun.migrate(0).await, None);
    let filled = "SELECT string_agg(slug || ' ' || topic, ', ' ORDER BY slug) FROM app.notes";
    assert_eq!(ask(&mut begun.superuser, filled).await, "one none, two none");
}

#[tokio::test]
async fn nulls_are_replaced_by_the_backfill_or_else_the_default() {
    let mut begun = start_case("required_with_default").await;
    let rows = format!(
        "INSERT INTO app.notes (org, title, topic, amount) VALUES ({ORG}, 'Abc', 'x', 5), (gen_random_uuid(), NULL, NULL, NULL)"
    );
    run(&mut begun.superuser, &rows).await.expect("rows of two tenants");
    assert_eq!(begun.migrate(0).await, None);
    // The new column `size` has a default too, but existing rows get its backfill.
    let filled = "SELECT string_agg(concat_ws('|', title, topic, amount, size), ', ' ORDER BY title) FROM app.notes";
    assert_eq!(ask(&mut begun.superuser, filled).await, "Abc|x|5|3, untitled|untitled|8|8");
}

#[tokio::test]
async fn split_column_keeps_its_values_and_force_rls() {
    let mut begun = start_case("split_column").await;
    let rows =
        format!("INSERT INTO app.persons (org, name) VALUES ({ORG}, 'Ada Lovelace'), (gen_random_uuid(), 'Bo Li')");
    run(&mut begun.superuser, &rows).await.expect("rows of two tenants");
    assert_eq!(begun.migrate(0).await, None);
    let split = "SELECT string_agg(first || '|' || last, ', ' ORDER BY first) FROM app.persons";
    assert_eq!(ask(&mut begun.superuser, split).await, "Ada|Lovelace, Bo|Li");
    let left = "SELECT concat(relforcerowsecurity, EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'name'))
                FROM pg_class AS c WHERE oid = 'app.persons'::regclass";
    assert_eq!(ask(&mut begun.superuser, left).await, "tf");
}

#[tokio::test]
async fn null_value_fails_the_not_null_migration() {
    let mut begun = start_case("nullability").await;
    run(&mut begun.superuser, &format!("INSERT INTO app.notes (org, title) VALUES ({ORG}, 'One')"))
        .await
        .expect("a row");
    // Everything is in one transaction, so nothing is left that would refuse an update of the row.
    assert_eq!((begun.migrations.len(), begun.migrate(0).await), (1, Some((0, "23502".to_owned()))));
}
