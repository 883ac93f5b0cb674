//! Property test: the database allows exactly what the declaration allows.
//!
//! Random declarations, rows and statements, for every role, tenant and user; PostgreSQL's answer is compared with
//! [`oracle`], a model computed from the declaration and not from the generated SQL.
//!
//! `TENANT_PROPERTY_SEED=7` repeats one declaration, `TENANT_PROPERTY_CASES=100000` runs more statements.

mod fixture;
mod migrations;
mod oracle;
mod policy_recursion;
mod random_changes;
pub(crate) mod random_declarations;
mod runner;
mod values;

use std::{collections::BTreeMap, env, fmt::Write as _};

use fixture::Fixture;
pub(super) use random_declarations::Random;

/// The default of `TENANT_PROPERTY_CASES`.
const CASES: usize = 20_000;
/// The maximum number of reported violations.
const MAX_REPORTED: usize = 5;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// A declaration, without its absent attributes.
fn short_declaration(world: &Fixture) -> String {
    let mut text = format!("{:?}", world.tenancy);
    for table in &world.tables {
        let whole = format!("{table:?}").replace(&format!("{:?}", world.tenancy), "…");
        let says_something = |part: &&str| ![": None", "\"\"", "[]", ": false"].iter().any(|end| part.ends_with(end));
        let _ = write!(text, "\n{}", whole.split(", ").filter(says_something).collect::<Vec<_>>().join(", "));
    }
    text
}

#[tokio::test]
async fn database_allows_exactly_the_declared_statements() {
    let server = tokio::task::spawn_blocking(tenant_tests::dedicated_server).await.expect("a server");
    let only = number("TENANT_PROPERTY_SEED");
    let wanted = number("TENANT_PROPERTY_CASES").map_or(CASES, |cases| usize::try_from(cases).expect("a size"));
    let (mut passed, mut refused, mut cases) = (0, BTreeMap::<String, usize>::new(), 0);
    let (mut told, mut kinds) = (String::new(), BTreeMap::<&str, usize>::new());
    for seed in only.map_or(1..=u64::MAX, |seed| seed..=seed) {
        let mut random = Random::new(seed);
        let world = Fixture::new(seed, &mut random);
        match runner::prepare(&server, seed, &world).await {
            Ok(mut connection) => {
                passed += 1;
                let tried = runner::attempts(&mut connection, &world, &mut random).await;
                cases += tried.len();
                for attempt in &tried {
                    *kinds.entry(attempt.found.kind()).or_default() += 1;
                }
                if let Some(wrong) = tried.iter().find(|attempt| attempt.found != attempt.expected) {
                    let _ = writeln!(told, "\nseed {seed}: {}\n{wrong}", short_declaration(&world));
                }
            }
            Err(runner::Untestable::Refused(why)) => *refused.entry(why).or_default() += 1,
            Err(runner::Untestable::Broken(why)) => {
                let _ = writeln!(
                    told,
                    "\nseed {seed}: {}\nthe check lets it pass, and then: {why}",
                    short_declaration(&world)
                );
            }
        }
        if cases >= wanted || told.matches("\nseed ").count() >= MAX_REPORTED {
            break;
        }
    }
    println!("{passed} declarations, {cases} statements, {kinds:?}; refused: {refused:#?}");
    assert!(told.is_empty(), "the database and the declaration differ\n{told}");
    assert!(only.is_some() || passed >= refused.values().sum::<usize>(), "the generator is poor: {refused:#?}");
    // A run in which every statement is allowed, or every one refused, tests nothing.
    assert!(only.is_some() || kinds.len() == 7, "{kinds:?}");
}
