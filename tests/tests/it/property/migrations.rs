//! Property test of migrations: a migrated catalog equals a fresh one, and reverting restores the original.
//!
//! Between any two statements of a migration, no role sees a row or has a privilege that it has neither before nor after it.
//! `TENANT_PROPERTY_SEED=7` repeats one pair of versions, `TENANT_PROPERTY_PAIRS=1000` runs more.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use tenant_runtime::{
    analyze::{Checked, check},
    audit::Catalog,
    model::schema::Schema,
    plan::plan,
    sql::{self, Migration},
};
use tenant_tests::{connect, dedicated_server, run};

use super::{
    fixture::Fixture,
    number,
    random_changes::{self, Tables},
    random_declarations::Random,
    runner::insert_rows,
};

/// The default of `TENANT_PROPERTY_PAIRS`.
const PAIRS: u64 = 300;

fn checked(tables: &Tables) -> Option<Checked> {
    check(&tenant_runtime::models![].only(tables.iter().copied())).ok()
}

fn from_nothing(schema: &Schema) -> Migration {
    sql::migrations(&plan(&Schema::default(), schema, &Default::default()).expect("a plan from nothing")).remove(0)
}

/// A database in each of two clusters, since roles belong to the cluster.
struct Databases {
    changed: PgConnection,
    fresh: PgConnection,
}

#[tokio::test]
async fn migration_and_revert_match_fresh_schemas_without_privilege_windows() {
    let servers = tokio::task::spawn_blocking(|| [dedicated_server(), dedicated_server()]).await.expect("two servers");
    let mut databases =
        Databases { changed: connect(&servers[0].admin_url()).await, fresh: connect(&servers[1].admin_url()).await };
    run(&mut databases.changed, PROBE).await.expect("the probe");
    let only = number("TENANT_PROPERTY_SEED");
    let wanted = number("TENANT_PROPERTY_PAIRS").unwrap_or(PAIRS);
    let (mut pairs, mut walked, mut statements) = (0, 0, 0);
    let mut left_out = BTreeMap::<&str, usize>::new();
    let mut wrong = Vec::new();
    for seed in only.map_or(1..=u64::MAX, |seed| seed..=seed) {
        let mut random = Random::new(seed);
        let world = Fixture::with_unique_names(seed, &mut random);
        match pair(&mut databases, &world, &mut random).await {
            Ok(Some(steps)) => {
                pairs += 1;
                walked += u64::from(steps > 0);
                statements += steps;
            }
            Ok(None) => *left_out.entry("refused").or_default() += 1,
            Err(why) => wrong.push(format!("seed {seed}: {why}")),
        }
        if pairs >= wanted || wrong.len() >= 3 {
            break;
        }
    }
    println!(
        "{pairs} pairs, {walked} of them with rows, {statements} statements between which was looked; left out: {left_out:?}"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(only.is_some() || walked * 4 > pairs, "too few migrations ran over rows");
}

/// Tries one pair; returns the number of states that were checked between statements, or `None` if there is nothing to try.
async fn pair(databases: &mut Databases, world: &Fixture, random: &mut Random) -> Result<Option<usize>, String> {
    let Some(before) = checked(&world.tables) else { return Ok(None) };
    let next = random_changes::next(world.tenancy, &world.tables, random);
    let Some(after) = checked(&next) else { return Ok(None) };
    let Ok(plan) = plan(&before.schema, &after.schema, &after.hints) else { return Ok(None) };
    let again = tenant_runtime::plan::plan(&after.schema, &after.schema, &after.hints);
    if !again.is_ok_and(|plan| plan.is_empty()) {
        return Err("the same schema twice leaves something to do".to_owned());
    }
    let migrations = sql::migrations(&plan);
    if migrations.is_empty() {
        return Ok(None);
    }
    let (first, last) = (from_nothing(&before.schema), from_nothing(&after.schema));
    apply(&mut databases.changed, &first.up, true).await?;
    let at_first = catalog(&mut databases.changed, &before.schema).await;
    for one in &migrations {
        apply(&mut databases.changed, &one.up, one.transaction).await?;
    }
    let evolved = catalog(&mut databases.changed, &after.schema).await;
    for one in migrations.iter().rev() {
        apply(&mut databases.changed, &one.down, one.transaction).await?;
    }
    let at_last = catalog(&mut databases.changed, &before.schema).await;
    apply(&mut databases.fresh, &last.up, true).await?;
    let at_once = catalog(&mut databases.fresh, &after.schema).await;
    apply(&mut databases.fresh, &last.down, true).await?;
    let same = same("up", &evolved, &at_once).and(same("down", &at_last, &at_first));
    let looked = match same {
        Ok(()) => migrate_with_checks(&mut databases.changed, world, &migrations).await,
        Err(why) => Err(why),
    };
    apply(&mut databases.changed, "RESET ALL", false).await?;
    let gone = clean(&mut databases.changed, world).await;
    let told = |why: String| {
        let files = migrations.iter().map(|one| format!("-- {}\n{}", one.description, one.up)).collect::<String>();
        format!("{why}\n{files}")
    };
    looked.and_then(|looked| gone.map(|()| Some(looked))).map_err(told)
}

async fn apply(connection: &mut PgConnection, text: &str, transaction: bool) -> Result<(), String> {
    let whole = if transaction { format!("BEGIN;\n{text}\nCOMMIT;") } else { text.to_owned() };
    match run(connection, &whole).await {
        Ok(_) => Ok(()),
        Err(error) => {
            run(connection, "ROLLBACK").await.expect("rolled back");
            Err(format!("{error}\n{text}"))
        }
    }
}

/// The catalog without the names of sequences, which the server assigns and a rename keeps.
async fn catalog(connection: &mut PgConnection, schema: &Schema) -> BTreeSet<String> {
    let text = Catalog::read(connection, schema).await.expect("it can be read").to_string();
    let lines =
        text.lines().map(|line| match line.strip_prefix("sequence ").and_then(|line| line.split_once(" of=")) {
            Some((_, rest)) => format!("sequence of={rest}"),
            None => line.to_owned(),
        });
    lines.collect()
}

fn same(what: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<(), String> {
    let list = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join("\n");
    let (odd, missing) = (list(found, wanted), list(wanted, found));
    if odd.is_empty() && missing.is_empty() { Ok(()) } else { Err(format!("{what}: odd\n{odd}\nmissing\n{missing}")) }
}

/// Removes the objects of a pair.
async fn clean(connection: &mut PgConnection, world: &Fixture) -> Result<(), String> {
    let (schema, prefix) = (world.tenancy.schema, world.tenancy.role_prefix);
    let text = format!(
        "DROP SCHEMA IF EXISTS {schema}, {schema}_auth CASCADE;
         DO $$ DECLARE name text; BEGIN
             FOR name IN SELECT rolname FROM pg_roles WHERE starts_with(rolname, '{prefix}') LOOP
                 EXECUTE format('DROP OWNED BY %I CASCADE', name); EXECUTE format('DROP ROLE %I', name);
             END LOOP;
         END $$;"
    );
    apply(connection, &text, true).await
}

/// Migrates up again with rows present, and checks access between every two statements. Rows can stop a migration; that is not an error.
async fn migrate_with_checks(
    connection: &mut PgConnection,
    world: &Fixture,
    migrations: &[Migration],
) -> Result<usize, String> {
    if run(connection, &insert_rows(world)).await.is_err() {
        return Ok(0);
    }
    let mut seen = vec![observe_access(connection, world).await?];
    for one in migrations {
        let statements = statements(&one.up);
        if one.transaction {
            run(connection, "BEGIN").await.expect("begun");
        }
        for statement in statements {
            if run(connection, &statement).await.is_err() {
                run(connection, "ROLLBACK").await.expect("rolled back");
                return Ok(0);
            }
            seen.push(observe_access(connection, world).await.map_err(|why| format!("{why} after {statement}"))?);
        }
        if one.transaction {
            run(connection, "COMMIT").await.expect("committed");
        }
    }
    let (Some(before), Some(after)) = (seen.first(), seen.last()) else { return Ok(0) };
    for (step, now) in seen.iter().enumerate() {
        let more = |than: &BTreeSet<String>| now.difference(than).cloned().collect::<Vec<_>>();
        let (more_than_before, more_than_after) = (more(before), more(after));
        let both: Vec<_> = more_than_before.iter().filter(|fact| more_than_after.contains(fact)).collect();
        if !both.is_empty() {
            return Err(format!("after statement {step} a role has more access than before and after: {both:?}"));
        }
    }
    Ok(seen.len())
}

/// Splits a generated file: a statement ends at a line end outside a function body.
pub(super) fn statements(text: &str) -> Vec<String> {
    let (mut statements, mut statement, mut body) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines().filter(|line| !line.starts_with("--")) {
        statement += line;
        statement.push('\n');
        let tags: Vec<_> = line.split_whitespace().filter(|word| word.len() > 1 && word.starts_with('$')).collect();
        for tag in tags.into_iter().map(|tag| tag.trim_end_matches(';')) {
            body = match body {
                Some(open) if open == tag => None,
                None => Some(tag.to_owned()),
                open => open,
            };
        }
        if body.is_none() && line.ends_with(';') {
            statements.push(std::mem::take(&mut statement));
        }
    }
    statements
}

/// The privileges and the visible rows of each role, in each tenant and as each of a few users.
async fn observe_access(connection: &mut PgConnection, world: &Fixture) -> Result<BTreeSet<String>, String> {
    let def = world.tenancy;
    let list = |values: &[String]| values.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>().join(", ");
    let users = [world.users[0].clone(), world.users[world.users.len() - 2].clone()];
    let sql = format!(
        "SELECT fact FROM public.seen('{}', '{}', '{}', '{}', ARRAY[{}], ARRAY[{}]) AS fact",
        def.schema,
        def.role_prefix,
        def.tenant_setting,
        def.user_setting,
        list(&world.tenants),
        list(&users)
    );
    // The settings of the check are reset, inside a migration's transaction or outside one.
    let settings = "RESET ROLE; SET LOCAL row_security = on";
    let outside = run(connection, &format!("SAVEPOINT look; {settings}")).await.is_err();
    if outside {
        run(connection, &format!("BEGIN; {settings}")).await.expect("begun");
    }
    let facts: Result<Vec<String>, _> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *connection).await;
    run(connection, if outside { "ROLLBACK" } else { "ROLLBACK TO look; RELEASE look" }).await.expect("taken back");
    facts.map(|facts| facts.into_iter().collect()).map_err(|error| error.to_string())
}

/// Tables and columns are identified by number, which a rename does not change.
const PROBE: &str = "
CREATE FUNCTION public.seen(of text, prefix text, org text, person text, tenants text[], users text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $probe$
DECLARE
    role name; target record; tenant text; who text; fact text;
BEGIN
    FOR role IN SELECT r.rolname FROM pg_roles AS r WHERE starts_with(r.rolname, prefix) AND NOT r.rolcanlogin
        AND r.rolname NOT IN (prefix || 'schema_owner', prefix || 'function_owner') LOOP
        FOR target IN
            SELECT c.oid, format('%I.%I', of, c.relname) AS name, k.attname AS key
            FROM pg_class AS c
            JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
            JOIN pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = i.indkey[i.indnkeyatts - 1]
            WHERE c.relnamespace = to_regnamespace(of) AND c.relkind IN ('r', 'p')
        LOOP
            RETURN QUERY SELECT format('%s %s on %s.%s', role, p, target.oid, a.attnum)
                FROM pg_attribute AS a, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS p
                WHERE a.attrelid = target.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND has_column_privilege(role, target.oid, a.attnum, p);
            IF has_table_privilege(role, target.oid, 'DELETE') THEN
                RETURN NEXT format('%s DELETE on %s', role, target.oid);
            END IF;
            IF NOT has_column_privilege(role, target.oid, target.key, 'SELECT') THEN
                CONTINUE;
            END IF;
            PERFORM set_config('role', role, true);
            FOREACH tenant IN ARRAY tenants LOOP
                FOREACH who IN ARRAY users LOOP
                    PERFORM set_config(org, tenant, true), set_config(person, who, true);
                    BEGIN
                        FOR fact IN EXECUTE format('SELECT %I::text FROM %s', target.key, target.name) LOOP
                            RETURN NEXT format('%s in %s as %s sees %s of %s', role, tenant, who, fact, target.oid);
                        END LOOP;
                    EXCEPTION WHEN insufficient_privilege OR undefined_column OR undefined_table OR undefined_function THEN
                        NULL;
                    END;
                END LOOP;
            END LOOP;
            PERFORM set_config('role', 'none', true);
        END LOOP;
    END LOOP;
END
$probe$";
