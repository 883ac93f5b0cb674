//! `context-key`, run as a process: keys are created, installed, rotated and listed, and never shown.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use tenant_runtime::{Error, SigningKey};
use tenant_tests::{TempDir, run};

use super::fixture::Fixture;
use crate::{command_line::CommandOutput, messages::assert_message};

/// Runs the program of the tenancy with signed contexts, with a text on its standard input.
pub(super) fn program(arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> CommandOutput {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signed-migrations"));
    command.args(arguments).env_remove("DATABASE_URL").envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    // Not every command reads it.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes text");
    let said = CommandOutput { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!said.err.contains("panicked at"), "{said:?}");
    said
}

/// Runs a command on the database of a fixture, as the superuser.
pub(super) fn on(fixture: &Fixture, arguments: &[&str], input: &str) -> CommandOutput {
    let url = fixture.database.admin_url();
    program(&[arguments, &["--database-url", &url]].concat(), input, &[])
}

pub(super) fn succeeds(said: CommandOutput) -> String {
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

/// Asserts that a command failed with the message of a situation, without the database that it announces first.
pub(super) fn fails_as(said: &CommandOutput, situation: &str) {
    fails(said, "error: ");
    let error = said.err.find("error: ").map_or("", |at| &said.err[at..]);
    assert_message(situation, error);
}

/// Asserts that a command failed with a message.
pub(super) fn fails(said: &CommandOutput, message: &str) {
    assert!(said.code == Some(1) && said.out.is_empty() && said.err.contains(message), "{message}: {said:?}");
}

#[test]
fn created_keys_differ_and_their_file_is_private_and_never_overwritten() {
    let create = |arguments: &[&str]| program(&[&["context-key", "create"], arguments].concat(), "", &[]);
    let keys: Vec<String> = (0..2).map(|_| succeeds(create(&["--number", "7"]))).collect();
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() == 67 && key.starts_with("7:")), "{keys:?}");
    assert!(keys[0].parse::<SigningKey>().is_ok());
    let folder = TempDir::new();
    let path = folder.path().join("key");
    let name = path.to_str().expect("a path of ASCII");
    let out = succeeds(create(&["--output", name]));
    let key = fs::read_to_string(&path).expect("written");
    assert!(key.parse::<SigningKey>().is_ok() && key.starts_with("1:") && !out.contains(key.trim()), "{out}");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    fails(&create(&["--output", name]), "a key is never overwritten");
    assert_eq!(fs::read_to_string(&path).expect("kept"), key);
    fails(&create(&["--output", "/nowhere/key"]), "create its folder first");
    assert_eq!(create(&["--number", "0"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_rotated_with_the_commands() {
    let fixture = Fixture::without_key().await;
    let url = fixture.database.url_of("shop_service");
    let keys: [String; 2] =
        ["1", "2"].map(|number| succeeds(program(&["context-key", "create", "--number", number], "", &[])));
    let [first, second]: [SigningKey; 2] = [0, 1].map(|place| keys[place].parse().expect("a key"));
    let connect = async |key: &SigningKey| {
        let options = tenant_tests::app_options().signing_key(key.clone());
        options.connect(&url).await.map(drop)
    };
    assert!(matches!(connect(&first).await, Err(Error::ContextNotSigned { .. })));
    assert_eq!(
        succeeds(on(&fixture, &["context-key", "list"], "")),
        "no context key is installed; apps cannot connect\n"
    );
    let installed = succeeds(on(&fixture, &["context-key", "install", "--key-file", "-"], &keys[0]));
    assert!(installed.starts_with("installed context key 1\n"), "{installed}");
    connect(&first).await.expect("key 1 is installed");
    let environment = [("SECOND", keys[1].as_str())];
    let admin = fixture.database.admin_url();
    let limited =
        ["--login", "shop_service", "--role", "clerk", "--role", "shop_no_tenant", "--not-after", "2999-12-31"];
    let install = ["context-key", "install", "--key-env", "SECOND", "--database-url", &admin];
    let said = program(&[&install[..], &limited].concat(), "", &environment);
    assert!(!format!("{said:?}").contains(&keys[1][2..20]), "the key was disclosed");
    succeeds(said);
    connect(&first).await.expect("both keys are valid");
    connect(&second).await.expect("both keys are valid");
    assert_eq!(
        succeeds(on(&fixture, &["context-key", "list"], "")),
        "key  state                       login         roles                       ends\n\
         0    seals, made by the database  all           all                         never\n\
         1    valid                       all           all                         never\n\
         2    valid                       shop_service  shop_clerk, shop_no_tenant  2999-12-31 00:00:00 UTC\n"
            .replace("key  state                       ", "key  state                        ")
            .replace("valid                       ", "valid                        ")
    );
    let ended = succeeds(on(&fixture, &["context-key", "end", "1"], ""));
    assert!(ended.starts_with("context key 1 ends at 20") && ended.contains(" UTC; "), "{ended}");
    assert!(matches!(connect(&first).await, Err(Error::ContextNotSigned { .. })));
    connect(&second).await.expect("key 2 is valid");
    let listed = succeeds(on(&fixture, &["context-key", "list"], ""));
    assert!(listed.contains("\n1    ended  "), "{listed}");
    succeeds(on(&fixture, &["context-key", "renew-seal"], ""));
    connect(&second).await.expect("the app's key is not changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_of_context_key_is_refused_and_changes_nothing() {
    let fixture = Fixture::create().await;
    let other = succeeds(program(&["context-key", "create", "--number", "2"], "", &[]));
    let install = |more: &[&str], input: &str| {
        on(&fixture, &[&["context-key", "install", "--key-file", "-"], more].concat(), input)
    };
    let same = other.replacen('2', "1", 1);
    fails_as(&install(&[], &same), "A context key is installed already");
    fails(&install(&[], "2:0f0f"), "the file `-` does not contain a context key");
    fails(&install(&["--login", "nobody_here"], &other), "`nobody_here` is not a login role");
    fails(&install(&["--role", "boss"], &other), "`boss` is not a role of this product\n  help: use `shop_clerk`, ");
    fails(&install(&["--not-after", "soon"], &other), "`soon` is not a time; nothing was changed");
    let none = on(&fixture, &["context-key", "install", "--key-file", "/nowhere/key"], "");
    fails_as(&none, "A context key is not in the file");
    let unset = on(&fixture, &["context-key", "install", "--key-env", "UNSET_KEY"], "");
    fails_as(&unset, "A context key is not in the environment variable");
    fails(&on(&fixture, &["context-key", "end", "9"], ""), "context key 9 is not installed");
    fails(&on(&fixture, &["context-key", "end", "1", "--at", "soon"], ""), "`soon` is not a time");
    // All users of the machine can read arguments.
    assert_eq!(on(&fixture, &["context-key", "install", other.trim()], "").code, Some(2));
    assert_eq!(on(&fixture, &["context-key", "install"], "").code, Some(2));
    assert_eq!(fixture.ask("SELECT string_agg(id::text, ' ' ORDER BY id) FROM shop.context_keys").await, "0 1");
    succeeds(install(&["--replace"], &same));
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_a_key_requires_an_administrator_and_keeps_it_out_of_the_servers_log() {
    let server = tokio::task::spawn_blocking(tenant_tests::dedicated_server).await.expect("it starts");
    let key = succeeds(program(&["context-key", "create"], "", &[]));
    let mut postgres = tenant_tests::connect(&server.admin_url()).await;
    let logged = "ALTER SYSTEM SET log_statement = 'all'; CREATE ROLE operator LOGIN CREATEROLE; CREATE DATABASE shop OWNER operator;
        CREATE ROLE stranger LOGIN";
    for statement in logged.split(';') {
        run(&mut postgres, statement).await.expect("a superuser can");
    }
    run(&mut postgres, "SELECT pg_reload_conf()").await.expect("a superuser can");
    let install = |login: &str| {
        let url = server.url(login, "shop");
        program(&["context-key", "install", "--key-file", "-", "--database-url", &url], &key, &[])
    };
    fails_as(&install("operator"), "A database has no signed contexts");
    let mut operator = tenant_tests::connect(&server.url("operator", "shop")).await;
    let migration = crate::golden::migration(&crate::golden::schema(&super::fixture::tables())).up;
    run(&mut operator, &format!("BEGIN; {migration}; COMMIT")).await.expect("it applies");
    run(&mut operator, "GRANT CONNECT ON DATABASE shop TO stranger").await.expect("the owner can");
    // The setting was read from the file by the sessions that began afterwards.
    fails_as(&install("operator"), "A context key would be logged by the server");
    let grant = "GRANT SET ON PARAMETER log_parameter_max_length TO operator, stranger";
    run(&mut postgres, grant).await.expect("a superuser can");
    fails_as(&install("stranger"), "A context key is installed by a login without privileges");
    succeeds(install("operator"));
    let said = program(
        &["context-key", "install", "--replace", "--key-file", "-", "--database-url", &server.url("postgres", "shop")],
        &key,
        &[],
    );
    succeeds(said);
    let log = fs::read_to_string(server.socket_dir().join("log")).expect("the log is a text");
    assert!(log.contains("set_context_key"), "statements are logged");
    assert!(!log.contains(&key[2..20]), "the key is in the log");
    let listed = program(&["context-key", "list", "--database-url", &server.url("operator", "shop")], "", &[]);
    assert!(succeeds(listed).contains("\n1    valid"));
}

#[test]
fn tenancy_without_signed_contexts_has_no_keys() {
    let said =
        crate::command_line::gen_migrations(&["context-key", "list", "--database-url", "postgres://x@127.0.0.1:1/y"]);
    fails_as(&said, "A tenancy has no signed contexts");
}
