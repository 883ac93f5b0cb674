//! Generated sequences of statements in a signed transaction of a clerk, as SQL that is injected into it can run them. None
//! reads a row of another tenant, of another user or of a higher role, and none changes one. The same sequences on a database
//! that accepts every context find rows (the control).
//!
//! `TENANT_FUZZ_SEED=7` sets the seed, and `TENANT_TEST_LONG=1` runs 100,000 sequences instead of 20,000.

use std::fmt::Write as _;

use futures_util::StreamExt as _;
use sqlx::Row as _;
use tenant_tests::run;
use uuid::Uuid;

use super::fixture::{Fixture, set_context, settings};
use crate::random::Random;

/// The connections that run sequences at once.
const WORKERS: u64 = 4;

const ROLES: [&str; 9] = [
    "shop_clerk",
    "shop_keeper",
    "shop_owner",
    "shop_no_tenant",
    "shop_system",
    "shop_schema_owner",
    "shop_function_owner",
    "postgres",
    "none",
];

/// What a sequence is generated from.
struct Generator<'a> {
    random: Random,
    fixture: &'a Fixture,
    /// Calls that set a context, with signatures that were used or that are for another connection.
    calls: Vec<String>,
}

/// Text that our clerk cannot read: of the other shop, in private items of others, the cost of an item, a supplier, and the change log.
fn is_foreign(text: &str) -> bool {
    let secrets = ["theirs", "keeper private", "owner private", "4711000000004711", "supplier", "shop.items"];
    secrets.iter().any(|secret| text.contains(secret))
}

impl Generator<'_> {
    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.random.below(from.len())]
    }

    fn id(&mut self) -> Uuid {
        let (ours, theirs) = (self.fixture.ours, self.fixture.theirs);
        let all = [theirs.id, theirs.owner, theirs.clerk, ours.owner, ours.keeper, ours.clerk, ours.id, Uuid::nil()];
        self.random.pick(&all)
    }

    /// A setting, and a value for it as an SQL expression.
    fn setting(&mut self) -> (&'static str, String) {
        let (ours, theirs) = (self.fixture.ours, self.fixture.theirs);
        match self.random.below(8) {
            0 | 1 => ("shop.tenant_id", format!("'{}'", self.random.pick(&[theirs.id, theirs.id, ours.id]))),
            2 | 3 => {
                let users = [theirs.owner, theirs.clerk, ours.owner, ours.keeper, ours.clerk];
                ("shop.user_id", format!("'{}'", self.random.pick(&users)))
            }
            4 => ("role", format!("'{}'", self.role())),
            5 => ("shop.system_access", format!("'{}'", self.id())),
            6 => ("shop.context_seal", self.pick(&["''", "'x'", "repeat('0', 64)", "NULL"]).to_owned()),
            _ => {
                let settings = [
                    "row_security",
                    "search_path",
                    "session_replication_role",
                    "transaction_read_only",
                    "plan_cache_mode",
                ];
                let name = self.random.pick(&settings);
                (name, self.pick(&["'off'", "'on'", "'pg_temp, shop'", "'replica'", "'force_generic_plan'"]).to_owned())
            }
        }
    }

    /// An expression that changes a setting when it is evaluated, and is true.
    fn change(&mut self) -> String {
        let (name, value) = self.setting();
        let local = self.random.chance(70);
        format!("(set_config('{name}', {value}, {local}) IS NOT NULL OR true)")
    }

    /// Mostly a table that a clerk can read: a statement that fails ends its sequence.
    fn table(&mut self) -> &'static str {
        let others = ["changes", "offers", "suppliers", "system_access_log", "context_keys", "bound_logins"];
        let readable = ["items", "items", "items", "shops", "persons", "employments", "labels"];
        if self.random.chance(5) { self.random.pick(&others) } else { self.random.pick(&readable) }
    }

    fn role(&mut self) -> &'static str {
        if self.random.chance(15) { self.random.pick(&ROLES) } else { self.random.pick(&ROLES[..3]) }
    }

    fn read(&mut self) -> String {
        let (table, other, change) = (self.table(), self.table(), self.change());
        let column = match table {
            "items" => self.pick(&["name", "name || cost", "concat_ws(' ', id, name, placed_by)"]),
            _ => "t::text",
        };
        match self.random.below(12) {
            0..=3 => format!("SELECT {column} FROM shop.{table} AS t"),
            4 => format!("SELECT {column} FROM shop.{table} AS t WHERE {change}"),
            5 => format!("SELECT {change}, {column} FROM shop.{table} AS t"),
            6 => format!("SELECT {column} FROM (SELECT {change}) AS s, shop.{table} AS t"),
            7 => format!("SELECT {column} FROM shop.{table} AS t ORDER BY {change}, 1"),
            8 => format!(
                "SELECT {column} FROM shop.{table} AS t WHERE EXISTS (SELECT FROM shop.{other} AS o WHERE {change})"
            ),
            9 => format!(
                "SELECT {column} FROM shop.{table} AS t WHERE NOT EXISTS (SELECT FROM shop.{other} AS o WHERE {change} IS NULL)"
            ),
            10 => format!(
                "WITH s AS MATERIALIZED (SELECT {change} AS x) SELECT {column} FROM s CROSS JOIN shop.{table} AS t"
            ),
            _ => format!(
                "SELECT {column} FROM shop.{table} AS t CROSS JOIN LATERAL (SELECT {change} WHERE t IS NOT NULL) AS s"
            ),
        }
    }

    fn write(&mut self) -> String {
        let (id, other, change) = (self.id(), self.id(), self.change());
        match self.random.below(10) {
            0 => "UPDATE shop.items SET name = 'attacked' RETURNING name".to_owned(),
            1 => format!("UPDATE shop.items SET shop_id = '{id}' WHERE {change}"),
            2 => format!("DELETE FROM shop.items WHERE {change} RETURNING name"),
            3 => format!("INSERT INTO shop.items (shop_id, placed_by, name) VALUES ('{id}', '{other}', 'attack')"),
            4 => format!(
                "INSERT INTO shop.items (shop_id, placed_by, name) SELECT '{id}', '{other}', 'attack' WHERE {change}"
            ),
            5 => format!("UPDATE shop.employments SET job = 'owner' WHERE person_id = '{id}'"),
            6 => format!("INSERT INTO shop.employments (shop_id, person_id, job) VALUES ('{id}', '{other}', 'owner')"),
            7 => "UPDATE shop.shops SET name = 'attacked'".to_owned(),
            8 => "INSERT INTO shop.suppliers (name) VALUES ('attack')".to_owned(),
            _ => format!(
                "DELETE FROM shop.labels AS l USING shop.items AS i WHERE l.item_id = i.id AND i.shop_id = '{id}'"
            ),
        }
    }

    fn call(&mut self) -> String {
        let (id, other) = (self.id(), self.id());
        match self.random.below(16) {
            0 => "SELECT * FROM shop_auth.my_tenants()".to_owned(),
            1 => "SELECT shop_auth.authorized_tenant_id(current_setting('role'))".to_owned(),
            2 => "SELECT shop_auth.create_tenant('attack')".to_owned(),
            3 => format!("SELECT shop_auth.sign_up('{id}@attack')"),
            4 => format!("SELECT shop_auth.add_member('{id}', 'owner')"),
            5 => format!("SELECT shop_auth.change_member('{id}', 'owner')"),
            6 => {
                // Not the clerk's own ID: members may leave the shop.
                let (ours, theirs) = (self.fixture.ours, self.fixture.theirs);
                let others = [theirs.owner, theirs.clerk, ours.owner, ours.keeper];
                format!("SELECT shop_auth.remove_member('{}')", self.random.pick(&others))
            }
            7 => "SELECT shop_auth.invite('a@b', 'owner', '\\x00', 60)".to_owned(),
            8 => "SELECT shop_auth.accept_invitation('\\x00')".to_owned(),
            9 => "SELECT shop_auth.begin_system_access('an attack of a clerk')".to_owned(),
            10 => "SELECT shop_auth.is_context_signed(current_setting('role')), shop_auth.context_user_id()".to_owned(),
            11 => "SELECT * FROM shop_auth.context_challenge()".to_owned(),
            12 => format!("SELECT shop_auth.bind_login(session_user, 'shop_owner', '{id}', '{other}')"),
            13 => "SELECT shop_auth.set_context_key(2::int2, '\\x00', NULL, NULL, NULL)".to_owned(),
            _ => {
                let at = self.random.below(self.calls.len());
                let call = self.calls[at].clone();
                match self.random.below(4) {
                    0 => call.replace(", true)", ", false)"),
                    1 => call.replace(&self.fixture.ours.id.to_string(), &self.fixture.theirs.id.to_string()),
                    2 => call.replace(&self.fixture.ours.clerk.to_string(), &self.fixture.ours.owner.to_string()),
                    _ => call,
                }
            }
        }
    }

    /// A command that changes the transaction, the role, the settings or the session. `begun` is the SQL before it: a command that
    /// needs a savepoint, a cursor or a prepared statement follows the one that makes it.
    fn control(&mut self, begun: &str) -> String {
        let (name, value) = self.setting();
        let value = if value == "NULL" || value.contains('(') { "DEFAULT".to_owned() } else { value };
        let of = |word: &str, then: &str| if begun.contains(word) { then.to_owned() } else { String::new() };
        match self.random.below(22) {
            0..=4 => {
                let (ours, theirs) = (self.fixture.ours, self.fixture.theirs);
                let people =
                    [(theirs, "clerk"), (theirs, "keeper"), (theirs, "owner"), (ours, "keeper"), (ours, "owner")];
                let (shop, job) = self.random.pick(&people);
                let user =
                    shop.people().into_iter().find(|(_, role)| *role == job).map(|(user, _)| user).expect("a person");
                let role = if self.random.chance(50) { format!("shop_{job}") } else { self.role().to_owned() };
                format!(
                    "SET LOCAL shop.tenant_id = '{}'; SET LOCAL shop.user_id = '{user}'; SET LOCAL ROLE {role}",
                    shop.id
                )
            }
            5..=6 => format!("SET LOCAL {name} = {value}"),
            7 => format!("SET {name} = {value}"),
            8 => format!("SET LOCAL ROLE {}", self.role()),
            9 => "RESET ALL".to_owned(),
            10 => "SET SESSION AUTHORIZATION DEFAULT".to_owned(),
            11 => "SAVEPOINT s".to_owned(),
            12 => of("SAVEPOINT s", "ROLLBACK TO s"),
            13 => format!("COMMIT; BEGIN; SET LOCAL ROLE {}", self.role()),
            14 => format!("ROLLBACK; BEGIN; SET LOCAL ROLE {}", self.role()),
            15 => format!("DO $$ BEGIN PERFORM {}; END $$", self.change()),
            16 => format!(
                "DO $$ BEGIN BEGIN PERFORM {}; RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$",
                self.change()
            ),
            17 if !begun.contains("PREPARE p") => format!("PREPARE p AS {}", self.read()),
            17 | 18 => of("PREPARE p", "EXECUTE p"),
            19 if !begun.contains("DECLARE c") => format!("DECLARE c CURSOR FOR {}", self.read()),
            19 => of("DECLARE c", "FETCH 1 FROM c; FETCH ALL FROM c"),
            // A statement that begins with a higher role, and continues with that of the context.
            20 => {
                let (higher, read) = (self.random.pick(&["shop_keeper", "shop_owner"]), self.read());
                match self.random.below(3) {
                    0 => format!(
                        "SET LOCAL ROLE {higher}; DECLARE d NO SCROLL CURSOR FOR {read}; SET LOCAL ROLE shop_clerk; FETCH ALL FROM d; CLOSE d"
                    ),
                    1 => format!(
                        "SET LOCAL ROLE {higher}; WITH s AS MATERIALIZED (SELECT set_config('role', 'shop_clerk', true) AS r) \
                         SELECT q.* FROM s CROSS JOIN LATERAL ({read}) AS q WHERE s.r <> ''"
                    ),
                    _ => format!(
                        "SET LOCAL ROLE {higher}; UPDATE shop.items SET name = 'attacked' WHERE id >= \
                         (SELECT length(set_config('role', 'shop_clerk', true)) * 0) RETURNING name || cost; SET LOCAL ROLE shop_clerk"
                    ),
                }
            }
            _ => "SELECT set_config('attack.seal', current_setting('shop.context_seal', true), false), \
                  set_config('shop.context_seal', current_setting('attack.seal', true), true)"
                .to_owned(),
        }
    }

    fn sequence(&mut self) -> String {
        let mut sql = String::new();
        for _ in 0..=self.random.below(7) {
            let statement = match self.random.below(20) {
                0..=9 => self.control(&sql),
                10..=16 => self.read(),
                17..=18 => self.write(),
                _ => self.call(),
            };
            let _ = write!(sql, "{statement}; ");
        }
        let end = if self.random.chance(50) { "; COMMIT" } else { "" };
        sql + &self.read() + end
    }
}

/// The rows that no sequence may change: all but the items that our clerk placed, the labels of visible items, and the log of these
/// changes.
const ROWS: &str = "SELECT concat_ws(' ',
    (SELECT 'items ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.items AS t WHERE placed_by <> $1 OR shop_id <> $2),
    (SELECT 'employments ' || md5(string_agg(t::text, ',' ORDER BY t::text)) FROM shop.employments AS t),
    (SELECT 'shops ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.shops AS t),
    (SELECT 'persons ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.persons AS t),
    (SELECT 'suppliers ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.suppliers AS t),
    (SELECT 'labels ' || md5(string_agg(t::text, ',' ORDER BY t.id)) FROM shop.labels AS t JOIN shop.items AS i ON i.id = t.item_id WHERE i.shop_id <> $2 OR i.shelf = 'private' AND i.placed_by <> $1),
    (SELECT 'offers ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.offers AS t),
    (SELECT 'system_access_log ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.system_access_log AS t),
    (SELECT 'changes ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.changes AS t WHERE user_id IS DISTINCT FROM $1 OR shop_id <> $2),
    (SELECT 'context_keys ' || md5(string_agg(t::text, ',' ORDER BY id)) FROM shop.context_keys AS t),
    (SELECT 'bound_logins ' || md5(string_agg(t::text, ',')) FROM shop.bound_logins AS t))";

/// What the sequences of a worker found.
#[derive(Debug, Default)]
struct Found {
    read: Vec<String>,
    changed: Vec<String>,
    /// The number of rows that the sequences read.
    rows: u64,
    /// The number of statements that ended.
    ended: u64,
}

/// Runs sequences in transactions of our clerk.
async fn worker(fixture: &Fixture, seed: u64, sequences: u64, signed: bool) -> Found {
    let (ours, theirs) = (fixture.ours, fixture.theirs);
    let mut raw = fixture.raw("shop_service").await;
    let mut other = fixture.raw("shop_service").await;
    let mut found = Found::default();
    let mut generator = Generator { random: Random::new(seed), fixture, calls: Vec::new() };
    let before = rows(fixture).await;
    let mut since = Vec::new();
    for number in 0..sequences {
        if number % 50 == 0 {
            // A signature for their owner on another connection, which was never used, and one for our own.
            let challenge = other.challenge("shop_owner").await;
            let foreign = settings(theirs.id, theirs.owner);
            let own = settings(ours.id, ours.clerk);
            generator.calls = vec![
                set_context(&other.sign("shop_owner", &foreign, &challenge, true).await, &foreign, true),
                set_context(&other.sign("shop_clerk", &own, &challenge, true).await, &own, true),
                set_context(&"0".repeat(64), &foreign, true),
            ];
        }
        let challenge = raw.challenge("shop_clerk").await;
        let own = settings(ours.id, ours.clerk);
        let call = set_context(&raw.sign("shop_clerk", &own, &challenge, true).await, &own, true);
        generator.calls.truncate(3);
        generator.calls.push(call.clone());
        let attack = generator.sequence();
        let sql = format!("SET LOCAL ROLE shop_clerk; {call}; BEGIN; {attack}");
        let mut results = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_many(&mut raw.connection);
        while let Some(result) = results.next().await {
            match result {
                Ok(sqlx::Either::Left(_)) => found.ended += 1,
                Ok(sqlx::Either::Right(row)) => {
                    found.rows += 1;
                    let texts =
                        (0..row.len()).filter_map(|at| row.try_get_unchecked::<Option<String>, _>(at).ok().flatten());
                    if let Some(text) = texts.into_iter().find(|text| is_foreign(text)) {
                        found.read.push(format!("{text}: {attack}"));
                    }
                }
                Err(_) => break,
            }
        }
        drop(results);
        since.push(attack);
        raw.run("ROLLBACK").await.expect("ends");
        raw.run("DISCARD ALL").await.expect("resets");
        if signed && (number % 200 == 199 || number + 1 == sequences) {
            if rows(fixture).await != before {
                let now = rows(fixture).await;
                found.changed.push(format!("{before}\n{now}\n{}", since.join("\n")));
                break;
            }
            since.clear();
        }
    }
    found
}

async fn rows(fixture: &Fixture) -> String {
    let mut admin = fixture.database.admin().await;
    sqlx::query_scalar(ROWS).bind(fixture.ours.clerk).bind(fixture.ours.id).fetch_one(&mut admin).await.expect("reads")
}

async fn all(fixture: &Fixture, seed: u64, sequences: u64, signed: bool) -> Found {
    let workers =
        (0..WORKERS).map(|worker_of| worker(fixture, seed * WORKERS + worker_of, sequences / WORKERS, signed));
    let mut all = Found::default();
    for found in futures_util::future::join_all(workers).await {
        all.read.extend(found.read);
        all.changed.extend(found.changed);
        all.rows += found.rows;
        all.ended += found.ended;
    }
    all
}

#[tokio::test]
async fn generated_sequences_stay_in_their_tenant_user_and_role() {
    let seed = std::env::var("TENANT_FUZZ_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let sequences = if std::env::var_os("TENANT_TEST_LONG").is_some() { 100_000 } else { 20_000 };
    let fixture = Fixture::create().await;
    let found = all(&fixture, seed, sequences, true).await;
    eprintln!("{sequences} sequences, {} statements that ended, {} rows", found.ended, found.rows);
    assert_eq!(found.read, Vec::<String>::new());
    assert!(found.changed.is_empty(), "{}", found.changed.join("\n\n"));
    assert!(found.rows > sequences / 2, "the sequences read only {} rows", found.rows);
    // The control: a database that accepts every context.
    let open =
        "CREATE OR REPLACE FUNCTION shop_auth.is_context_signed(p_role text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN true; END $$";
    run(&mut fixture.database.admin().await, open).await.expect("a superuser can");
    let before = rows(&fixture).await;
    let control = all(&fixture, seed, 1000, false).await;
    eprintln!("control: {} of 1000 sequences read foreign rows", control.read.len());
    assert!(control.read.len() > 20, "the control found only {} rows", control.read.len());
    assert_ne!(rows(&fixture).await, before, "the control changed nothing");
}
