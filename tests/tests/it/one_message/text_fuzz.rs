//! Constants in the text mean the same value under each client encoding and each setting that changes how strings are read.

use sqlx::{AssertSqlSafe, Row as _};
use tenant_examples::{NewProject, Project};
use tenant_runtime::Repository as _;
use tenant_tests::{connect, run};

use super::{App, long};
use crate::random::Random;

/// Returns the constant that the app's message contains between two marks.
fn constant(message: &str) -> &str {
    // After the constant of the name comes the NULL of the description.
    let (before, _) = message.rsplit_once("::pg_catalog.text, NULL").expect("the name's type");
    let start = before.rfind("::pg_catalog.uuid, ").expect("the tenant") + "::pg_catalog.uuid, ".len();
    &before[start..]
}

#[tokio::test]
async fn constants_mean_the_same_under_each_encoding_and_string_setting() {
    let app = App::direct(2).await;
    let scope = app.db.scope(&app.database.acme.as_member());
    let mut admin = app.database.admin().await;
    // The row records the message as the server received it.
    let sql = "CREATE FUNCTION public.record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.description := current_query(); RETURN NEW; END $$;
        CREATE TRIGGER record BEFORE INSERT ON app.projects FOR EACH ROW EXECUTE FUNCTION public.record()";
    run(&mut admin, sql).await.expect("a trigger");
    let rounds = if long() { 20_000 } else { 300 };
    let mut random = Random::new(99);
    let mut raw = connect(&app.database.app_url()).await;
    for round in 0..rounds {
        let name = hostile(&mut random);
        let new = NewProject { name: name.clone(), description: None, created_at: None };
        let project = Project::insert(&scope, new).await.expect("inserted");
        assert_eq!(project.name, name);
        let message = project.description.expect("the message");
        assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "not ASCII: {message}");
        let constant = constant(&message);
        let encoding = random.pick(&["UTF8", "SJIS", "GBK", "BIG5", "LATIN1", "SQL_ASCII"]);
        let conforming = random.pick(&["on", "off"]);
        let quote = random.pick(&["on", "off", "safe_encoding"]);
        let settings = format!(
            "SET client_encoding = '{encoding}'; SET standard_conforming_strings = {conforming}; SET backslash_quote = {quote}"
        );
        run(&mut raw, &settings).await.expect("the settings");
        let sql = format!("SELECT pg_catalog.encode(pg_catalog.convert_to({constant}::text, 'UTF8'), 'hex')");
        let found: String = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut raw).await.expect(constant).get(0);
        let expected: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected, "round {round}: {constant} with {settings}");
    }
}

/// Texts that would end a constant if they were written as they are, under some encoding or setting.
fn hostile(random: &mut Random) -> String {
    // In SJIS, GBK and BIG5, the second byte of a character can be a backslash or another ASCII character.
    const PARTS: [&str; 16] = [
        "'",
        "\\",
        "''",
        "\\'",
        "'; DROP TABLE app.projects; --",
        "E'",
        "$$",
        "\u{bf}'",
        "表",
        "ソ",
        "十",
        "功",
        "許",
        "\u{2019}",
        "\u{10ffff}",
        "\n",
    ];
    (0..1 + random.number(8))
        .map(|_| match random.number(3) {
            0 => char::from_u32(1 + random.number(0x10_ffff) as u32).unwrap_or('\u{fffd}').to_string(),
            _ => (random.pick(&PARTS)).to_owned(),
        })
        .collect()
}
