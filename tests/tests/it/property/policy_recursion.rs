//! Property test: the generator reports a recursion of policies exactly if PostgreSQL does.
//!
//! Random tables whose conditions read each other. A declaration with a finding has no SQL, so the SQL is generated with
//! conditions that read other tables, whose names are replaced afterwards. `TENANT_PROPERTY_SEED=7` repeats one declaration,
//! `TENANT_PROPERTY_PAIRS=1000` runs more.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use tenant_runtime::{
    analyze::check,
    model::{
        def::{OnDelete, RuleDef, TableDef, TableName},
        schema::Schema,
    },
    plan::plan,
    sql,
};
use tenant_tests::{ask, connect, dedicated_server, run};

use super::{super::sample_declarations as sample, Random, number};

/// The default of `TENANT_PROPERTY_PAIRS`.
const CASES: u64 = 60;

/// The tables that conditions can read; the first four have random conditions.
const TABLES: [&str; 6] = ["t0", "t1", "t2", "t3", "members", "users"];

/// The tables that take the place of `TABLES` while the SQL is generated.
const MIRRORS: [&str; 6] = ["mirror_0", "mirror_1", "mirror_2", "mirror_3", "mirror_4", "mirror_5"];

/// The attribute of each command, its keyword and a statement.
const COMMANDS: [(&str, &str, &str); 4] = [
    ("select", "SELECT", "SELECT FROM"),
    ("insert", "INSERT", "INSERT INTO"),
    ("update", "UPDATE", "UPDATE"),
    ("delete", "DELETE", "DELETE FROM"),
];

/// A random condition: the table, the command, whether it is a `with_check`, and the tables read.
type Reads = (usize, &'static str, bool, Vec<usize>);

/// How the tables belong to tenants, and what their conditions read.
#[derive(Debug)]
struct Case {
    parents: BTreeMap<usize, usize>,
    reads: Vec<Reads>,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let mut parents = BTreeMap::new();
        for child in 1..4 {
            if random.chance(25) {
                parents.insert(child, random.pick(&(0..child).collect::<Vec<_>>()));
            }
        }
        let mut reads = Vec::new();
        let mut add = |random: &mut Random, table, command, check, percent| {
            if random.chance(percent) {
                let more = usize::from(random.chance(25));
                reads.push((table, command, check, (0..=more).map(|_| random.below(TABLES.len())).collect()));
            }
        };
        for table in 0..4 {
            add(random, table, "select", false, 30);
            for (command, check) in [("insert", true), ("update", false), ("update", true), ("delete", false)] {
                add(random, table, command, check, 12);
            }
        }
        // A membership table can have a condition of `select` only.
        add(random, 4, "select", false, 20);
        Self { parents, reads }
    }

    /// The declaration, with conditions that read the given tables.
    fn tables(&self, read: [&str; 6]) -> Vec<TableDef> {
        let rules = |table: usize| {
            let own = self.reads.iter().filter(|(of, ..)| *of == table);
            let rules = own.map(|(_, command, check, targets)| {
                let exists = |target: &usize| format!("EXISTS (SELECT FROM app.{} AS read_{target})", read[*target]);
                let condition = targets.iter().map(exists).collect::<Vec<_>>().join(" AND ");
                RuleDef { command, check: *check, condition: condition.leak() }
            });
            sample::leak(rules.collect::<Vec<_>>())
        };
        let named = |at: usize| TableName { schema: "app", table: TABLES[at] };
        let plain = (0..4).map(|at| {
            let base = TableDef { delete: Some("member"), rules: rules(at), ..sample::projects() };
            let of_parent = || match self.parents.get(&at) {
                Some(parent) => {
                    let reference = sample::refers("parent_id", TABLES[*parent], OnDelete::Cascade);
                    sample::remarks(reference)
                }
                None => sample::projects(),
            };
            TableDef {
                rust_name: TABLES[at],
                name: named(at),
                rules: base.rules,
                delete: base.delete,
                insert: Some("member"),
                update: Some("member"),
                select: Some("viewer"),
                ..of_parent()
            }
        });
        let others = [
            TableDef { rules: rules(4), delete: Some("admin"), ..sample::members([sample::USER, sample::ROLE]) },
            sample::users(sample::MEMBERS),
        ];
        let mirrors = MIRRORS.map(|table| TableDef {
            rust_name: table,
            name: TableName { schema: "app", table },
            ..sample::projects()
        });
        plain.chain(others).chain(mirrors).collect()
    }

    /// The commands of which the generator says that PostgreSQL would reject them.
    fn reported(&self) -> BTreeSet<String> {
        let models = tenant_runtime::models![].only(sample::leak(self.tables(TABLES)));
        let findings = check(&models).map_or_else(|findings| findings, |checked| checked.warnings);
        let command = |message: &str| {
            let rest = message.strip_prefix("PostgreSQL would reject every ")?;
            Some(rest.split_once(" (infinite recursion")?.0.to_owned())
        };
        findings
            .as_slice()
            .iter()
            .map(|finding| command(&finding.message).unwrap_or_else(|| panic!("another finding: {finding}\n{self:?}")))
            .collect()
    }

    /// The commands that PostgreSQL rejects because of a recursion.
    async fn rejected(&self, connection: &mut PgConnection) -> BTreeSet<String> {
        let models = tenant_runtime::models![].only(sample::leak(self.tables(MIRRORS)));
        let schema = check(&models).unwrap_or_else(|findings| panic!("{findings}\n{self:?}")).schema;
        let plan = plan(&Schema::default(), &schema, &Default::default()).expect("a plan from nothing");
        let mut up = sql::migrations(&plan).remove(0).up;
        for (at, mirror) in MIRRORS.iter().enumerate() {
            up = up.replace(&format!("app.{mirror} AS read_{at}"), &format!("app.{} AS read_{at}", TABLES[at]));
        }
        run(connection, &format!("BEGIN; {up}")).await.unwrap_or_else(|error| panic!("{error}\n{self:?}"));
        let mut rejected = BTreeSet::new();
        run(connection, "SET LOCAL row_security = on; SET LOCAL ROLE app_admin").await.expect("the role");
        for table in TABLES {
            for (_, keyword, start) in COMMANDS {
                let end = match keyword {
                    "INSERT" => " DEFAULT VALUES",
                    "UPDATE" if table == "members" => " SET role = 'viewer'",
                    "UPDATE" if table.starts_with('t') && self.is_child(table) => " SET title = 'x'",
                    "UPDATE" => " SET name = 'x'",
                    _ => "",
                };
                let tried = format!("SELECT public.state_of('EXPLAIN {start} app.{table}{}')", end.replace('\'', "''"));
                match ask(connection, &tried).await.as_str() {
                    "42P17" => drop(rejected.insert(format!("{keyword} on `app.{table}`"))),
                    "ok" => {}
                    // The role has no privilege for the command, which is checked after the policies are expanded.
                    "42501" if ["members", "users"].contains(&table) => {}
                    state => panic!("{tried}: {state}"),
                }
            }
        }
        run(connection, "ROLLBACK").await.expect("rolled back");
        rejected
    }

    fn is_child(&self, table: &str) -> bool {
        self.parents.keys().any(|child| TABLES[*child] == table)
    }
}

#[tokio::test]
async fn policy_recursion_is_reported_exactly_if_postgresql_rejects_it() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut connection = connect(&server.admin_url()).await;
    let state_of = "CREATE FUNCTION public.state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
                    BEGIN EXECUTE statement; RETURN 'ok'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$";
    run(&mut connection, state_of).await.expect("a function");
    let only = number("TENANT_PROPERTY_SEED");
    let wanted = number("TENANT_PROPERTY_PAIRS").unwrap_or(CASES);
    let (mut recursive, mut wrong) = (0, Vec::new());
    for seed in only.map_or(1..=wanted, |seed| seed..=seed) {
        let case = Case::random(&mut Random::new(seed));
        let (reported, rejected) = (case.reported(), case.rejected(&mut connection).await);
        recursive += u64::from(!rejected.is_empty());
        // One finding may stand for several commands: a cycle is reported at one of its tables.
        if reported.is_empty() != rejected.is_empty() || !reported.is_subset(&rejected) {
            wrong.push(format!("seed {seed}: {case:?}\nreported: {reported:?}\nrejected: {rejected:?}"));
        }
    }
    println!("{recursive} of {wanted} declarations are recursive");
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(only.is_some() || (wanted / 5..wanted * 4 / 5).contains(&recursive), "{recursive} of {wanted}");
}
