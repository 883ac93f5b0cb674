//! A property: whatever is declared, the database allows what the declaration says, no more and no less.
//!
//! Random declarations, random rows, every role, tenant and user, random statements; what PostgreSQL answers is held
//! against [`reference`], a model that reads the declaration and nothing that was generated from it.
//!
//! `TENANT_PROPERTY_SEED=7` runs one declaration again, `TENANT_PROPERTY_CASES=100000` tries more statements.

mod evolve;
mod generate;
mod mutate;
mod reference;
mod run;
mod world;

use std::{collections::BTreeMap, env, fmt::Write as _};

pub(super) use generate::Random;
use world::World;

/// How many statements are tried where `TENANT_PROPERTY_CASES` says nothing.
const CASES: usize = 20_000;
/// How many differences are told.
const TOLD: usize = 5;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// A declaration, without what it leaves out.
fn brief(world: &World) -> String {
    let mut text = format!("{:?}", world.tenancy);
    for table in &world.tables {
        let whole = format!("{table:?}").replace(&format!("{:?}", world.tenancy), "…");
        let says_something = |part: &&str| ![": None", "\"\"", "[]", ": false"].iter().any(|end| part.ends_with(end));
        let _ = write!(text, "\n{}", whole.split(", ").filter(says_something).collect::<Vec<_>>().join(", "));
    }
    text
}

#[tokio::test]
async fn the_database_allows_what_the_declaration_says() {
    let server = tokio::task::spawn_blocking(tenant_tests::own_server).await.expect("a server");
    let only = number("TENANT_PROPERTY_SEED");
    let wanted = number("TENANT_PROPERTY_CASES").map_or(CASES, |cases| usize::try_from(cases).expect("a size"));
    let (mut passed, mut refused, mut cases) = (0, BTreeMap::<String, usize>::new(), 0);
    let (mut told, mut kinds) = (String::new(), BTreeMap::<&str, usize>::new());
    for seed in only.map_or(1..=u64::MAX, |seed| seed..=seed) {
        let mut random = Random::new(seed);
        let world = World::new(seed, &mut random);
        match run::prepare(&server, seed, &world).await {
            Ok(mut connection) => {
                passed += 1;
                let tried = run::attempts(&mut connection, &world, &mut random).await;
                cases += tried.len();
                for attempt in &tried {
                    *kinds.entry(attempt.found.kind()).or_default() += 1;
                }
                if let Some(wrong) = tried.iter().find(|attempt| attempt.found != attempt.expected) {
                    let _ = writeln!(told, "\nseed {seed}: {}\n{wrong}", brief(&world));
                }
            }
            Err(run::Unfit::Refused(why)) => *refused.entry(why).or_default() += 1,
            Err(run::Unfit::Broken(why)) => {
                let _ = writeln!(told, "\nseed {seed}: {}\nthe check lets it pass, and then: {why}", brief(&world));
            }
        }
        if cases >= wanted || told.matches("\nseed ").count() >= TOLD {
            break;
        }
    }
    println!("{passed} declarations, {cases} statements, {kinds:?}; refused: {refused:#?}");
    assert!(told.is_empty(), "the database and the declaration differ\n{told}");
    assert!(only.is_some() || passed >= refused.values().sum::<usize>(), "the generator is poor: {refused:#?}");
    // A run in which nothing was allowed, or nothing refused, would have shown nothing.
    assert!(only.is_some() || kinds.len() == 7, "{kinds:?}");
}
