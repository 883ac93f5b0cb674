//! The pages of the stable codes: every code has one, and its example matches the output of the tools.
//!
//! `BLESS=1 cargo test -p tenant-tests --test it -- codes::` updates printed examples, titles and the index.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tenant_examples::Project;
use tenant_runtime::{
    Models, TenantTable as _,
    analyze::check,
    audit::{Baseline, Finding, RULES, Report, audit},
    migrate::{folder::Folder, generate::generate},
    model::{
        def::{TableDef, TenancyDef},
        schema::Schema,
    },
};
use tenant_tests::{
    Database, TABLES, TempDir, ask, connect, dedicated_server, example_migrations_dir, migrate, refusal, run,
};

use super::{
    codes_examples::{CASES, SUBSCRIPTION, VENDOR},
    command_line::{CommandOutput, gen_migrations, on},
    sample_declarations::{SHIPPED, leak, of},
    signed_context::fixture::Fixture,
};

/// The sections of every page, in order.
const SECTIONS: [&str; 5] = ["Problem", "Example", "Fix", "When to accept it", "Related codes"];

/// The heading of the index; everything below it is written by the test.
const INDEX: &str = "## All codes\n";

/// The parts of the index, each with the prefix of its codes.
const KINDS: [(&str, &str); 5] = [
    ("Audit: differences between database and declaration", "TA1"),
    ("Audit: ways to bypass the policies", "TA2"),
    ("Migrations: data loss", "TM1"),
    ("Migrations: warnings", "TM2"),
    ("Errors of generated functions", "TT"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

fn path(code: &str) -> PathBuf {
    root().join("tenant-runtime/codes").join(code).with_extension("md")
}

fn pages() -> BTreeMap<String, String> {
    let files = fs::read_dir(root().join("tenant-runtime/codes")).expect("the pages").map(|file| file.expect("a file"));
    let codes = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".md")?.to_owned()));
    codes.filter(|code| code != "README").map(|code| (code.clone(), read(&path(&code)))).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn title<'p>(code: &str, page: &'p str) -> &'p str {
    let first = page.lines().next().unwrap_or_default();
    first.strip_prefix(&format!("# {code}: ")).unwrap_or_else(|| panic!("{code}: the first line is `{first}`"))
}

fn section<'p>(page: &'p str, name: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("no section {name}: {page}"));
    rest.split("\n## ").next().expect("a part")
}

/// Returns the first block of code in a language.
fn block<'p>(section: &'p str, language: &str) -> Option<&'p str> {
    let (_, rest) = section.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("\n```").expect("the block ends").0)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks lines that are longer than a terminal of 80 columns.
fn wrapped(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut out = " ".repeat(indent);
        for word in line.split_whitespace() {
            if !out.trim().is_empty() && out.chars().count() + 1 + word.chars().count() > 80 {
                lines.push(std::mem::replace(&mut out, " ".repeat(indent + 4)));
            }
            let space = if out.trim().is_empty() { "" } else { " " };
            out = format!("{out}{space}{word}");
        }
        lines.push(out);
    }
    lines.join("\n")
}

/// Compares the example of a page with the printed output, or updates the page if `BLESS` is set.
fn shows(code: &str, old: &str, printed: &str, language: &str, wrong: &mut Vec<String>) {
    if words(old) == words(printed) {
        return;
    }
    if env::var_os("BLESS").is_none() {
        return wrong.push(format!("{code} shows\n{old}\nbut this is printed:\n{printed}"));
    }
    let new = if language == "text" { wrapped(printed) } else { printed.to_owned() };
    let page = read(&path(code));
    let (old, new) = [old, &new].map(|text| format!("```{language}\n{text}\n```")).into();
    fs::write(path(code), page.replacen(&old, &new, 1)).expect("written");
}

/// The codes in the sources of tenant-runtime, without comments and without the table of the pages.
fn codes_in_sources() -> BTreeSet<String> {
    fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match entry.extension().and_then(|extension| extension.to_str()) {
                None => collect(&entry, codes),
                Some("rs" | "sql") if !entry.ends_with("src/codes.rs") => {
                    let text = read(&entry);
                    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                    let words = code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
                    codes.extend(words.filter(|word| is_code(word)).map(str::to_owned));
                }
                Some(_) => {}
            }
        }
    }
    let mut codes = BTreeSet::new();
    collect(&root().join("tenant-runtime/src"), &mut codes);
    codes
}

fn is_code(word: &str) -> bool {
    let (kind, number) = word.split_at_checked(2).unwrap_or_default();
    ["TA", "TM", "TT"].contains(&kind) && number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn every_code_in_the_sources_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = pages().into_keys().collect();
    assert_eq!(codes_in_sources(), pages);
}

#[test]
fn pages_of_audit_codes_have_the_title_and_severity_of_their_rule() {
    let pages = pages();
    let pages = pages.iter().filter(|(code, _)| code.starts_with("TA"));
    let shown: Vec<_> = pages
        .map(|(code, page)| {
            let severity = page.lines().nth(2).and_then(|line| line.strip_prefix("Severity: ")?.split('.').next());
            (code.as_str(), title(code, page), severity.unwrap_or_default().to_owned())
        })
        .collect();
    let rules: Vec<_> = RULES.iter().map(|rule| (rule.code, rule.title, rule.severity.to_string())).collect();
    assert_eq!(shown, rules);
}

#[test]
fn pages_have_the_same_sections_and_fit_a_terminal() {
    let mut wrong = Vec::new();
    let pages = pages();
    for (code, page) in &pages {
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        if sections != SECTIONS {
            wrong.push(format!("{code}: the sections are {sections:?}"));
        }
        let empty = SECTIONS.iter().filter(|name| section(page, name).trim().is_empty());
        wrong.extend(empty.map(|name| format!("{code}: `{name}` is empty")));
        if !(20..=45).contains(&page.lines().count()) {
            wrong.push(format!("{code}: {} lines", page.lines().count()));
        }
        let related = section(page, "Related codes");
        let named: Vec<&str> = related.lines().filter_map(|line| line.get(3..8)).collect();
        let list: String = named.iter().map(|code| link(code, pages.get(*code).map_or("", |page| page))).collect();
        if related.trim() == list.trim() {
            continue;
        }
        match env::var_os("BLESS") {
            // Another test may have written the page since it was read.
            Some(_) => fs::write(path(code), read(&path(code)).replace(related, &list)).expect("written"),
            None => wrong.push(format!("{code}: its related codes are\n{list}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn link(code: &str, page: &str) -> String {
    format!("- [{code}]({code}.md): {}\n", title(code, page))
}

#[test]
fn the_index_lists_every_page() {
    let readme = read(&path("README"));
    let (head, index) = readme.split_once(INDEX).expect("the index");
    let list = |(title, kind): &(&str, &str)| {
        let pages = pages();
        let items = pages.iter().filter(|(code, _)| code.starts_with(kind)).map(|(code, page)| link(code, page));
        format!("\n### {title}\n\n{}", items.collect::<String>())
    };
    let wanted: String = KINDS.iter().map(list).collect();
    if index != wanted && env::var_os("BLESS").is_some() {
        fs::write(path("README"), format!("{head}{INDEX}{wanted}")).expect("written");
    } else {
        assert_eq!(index, wanted);
    }
}

#[test]
fn explain_prints_the_page_of_a_code_in_any_letter_case() {
    for (code, page) in pages() {
        let said = gen_migrations(&["explain", &code.to_lowercase()]).expect_success();
        let named = codes_in_sources().into_iter().map(|code| (format!("[{code}]({code}.md)"), code));
        let text = named.fold(page, |text, (link, code)| text.replace(&link, &code));
        assert_eq!(said, text);
        // A string of JSON cannot be broken.
        let is_long = |line: &&str| line.chars().count() > 80 && !line.starts_with("  \"found\"");
        let long: Vec<_> = said.lines().filter(is_long).collect();
        assert_eq!(long, Vec::<&str>::new(), "{code}");
    }
    assert_eq!(
        gen_migrations(&["explain", "TA105"]).expect_success(),
        gen_migrations(&["explain", "tA105"]).expect_success()
    );
}

#[test]
fn explain_without_a_code_lists_all_codes_with_their_titles() {
    let listed = gen_migrations(&["explain"]).expect_success();
    let wanted: String = pages().iter().map(|(code, page)| format!("{code}  {}\n", title(code, page))).collect();
    assert_eq!(listed, wanted);
    assert!(listed.lines().all(|line| line.chars().count() <= 80), "{listed}");
}

#[test]
fn explain_of_an_unknown_code_is_a_usage_error_that_names_the_nearest() {
    let CommandOutput { code, out, err } = gen_migrations(&["explain", "TA150"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    let nearest = "unknown code\n  help: did you mean `TA105` (RLS is disabled or not forced) or `TA110` (";
    assert!(err.contains(nearest), "{err}");
    let CommandOutput { code, out, err } = gen_migrations(&["explain", "E0308"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(
        err.contains("unknown code\n  help: run `gen-migrations explain` without a code to list all of them"),
        "{err}"
    );
}

#[test]
fn notes_about_a_migration_end_with_how_to_explain_the_first_code() {
    // Members could delete projects before; now only admins can.
    let project = leak(vec![TableDef { delete: Some("member"), ..*Project::TABLE }]);
    let others = TABLES.into_iter().filter(|table| table.name != Project::TABLE.name);
    let models = Models::linked("tenant-examples", "", &["tenant_examples"]).only(others.chain(project));
    let scratch = TempDir::new();
    let folder = Folder::new(scratch.path());
    generate(&models, &folder).expect("migrations").write(&folder, &BTreeSet::new()).expect("written");
    let said = on(scratch.path(), &[]).expect_success();
    let notes = said.split("\n\n").find(|part| part.contains("TM2")).expect(&said);
    let first = notes.lines().find_map(|line| line.split([' ', ':']).find(|word| is_code(word))).expect(&said);
    let end = format!("{notes}\n\nexplain a code: `gen-migrations explain {first}`\n\n");
    assert!(notes.lines().count() > 2 && said.contains(&end), "{said}");
}

#[test]
fn examples_of_migration_notes_are_those_of_golden_cases() {
    let mut wrong = Vec::new();
    for (code, page) in pages().iter().filter(|(code, _)| code.starts_with("TM")) {
        let (_, case) = CASES.iter().find(|(of, _)| of == code).unwrap_or_else(|| panic!("{code} has no case"));
        let golden = read(&root().join("tests/golden/evolve").join(case).with_extension("rs"));
        let example = section(page, "Example");
        let model = block(example, "rust").expect(code).lines().filter(|line| !line.starts_with("//"));
        let invented: Vec<_> = model.filter(|line| !golden.contains(line.trim())).collect();
        wrong.extend(invented.iter().map(|line| format!("{code}: `{line}` is not in the golden case {case}")));
        let is_note =
            |line: &&str| line.split_once(' ').is_some_and(|(_, rest)| rest.starts_with(&format!("{code}: ")));
        let printed = golden.lines().find(|line| !line.starts_with("--") && is_note(line)).expect(code);
        let severity = page.lines().nth(2).and_then(|line| line.strip_prefix("Severity: ")?.split('.').next());
        let is_destructive = printed.to_lowercase().starts_with("destructive ");
        if severity != Some(if is_destructive { "destructive" } else { "warning" }) {
            wrong.push(format!("{code}: the severity is not that of `{printed}`"));
        }
        shows(code, block(example, "text").expect(code), printed, "text", &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn examples_of_function_errors_raise_them() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let rows = "INSERT INTO app.organizations (id, name) VALUES ('00000000-0000-0000-0000-00000000000a', 'Initech');
        INSERT INTO app.users (id, email) VALUES ('00000000-0000-0000-0000-000000000001', 'admin@initech.example');
        INSERT INTO app.org_members (organization_id, user_id, role) VALUES
            ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', 'admin')";
    run(&mut admin, rows).await.expect("inserted");
    let signed = Fixture::create().await;
    let mut signed = signed.database.admin().await;
    let mut wrong = Vec::new();
    for (code, page) in pages().iter().filter(|(code, _)| code.starts_with("TT")) {
        let example = section(page, "Example");
        let sql = block(example, "sql").expect(code);
        let admin = if *code == "TT006" { &mut signed } else { &mut admin };
        let (raised, message) = refusal(run(admin, sql).await.expect_err(code));
        run(admin, "ROLLBACK").await.expect("undone");
        assert_eq!(raised, *code, "{message}");
        let printed = format!("ERROR: {raised}: {message}");
        shows(code, block(example, "text").expect(code), &printed, "text", &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The schema that an audit compares with: the example's, or one that declares pgaudit.
fn schema(code: &str) -> Schema {
    match code {
        "TA126" => {
            let tables = leak(of(TenancyDef { pgaudit: Some("ddl, role, write"), ..SHIPPED }));
            check(&tenant_runtime::models![].only(tables)).expect("nothing is wrong").schema
        }
        _ => Folder::new(example_migrations_dir()).schema().expect("the example's snapshot"),
    }
}

/// Returns the reason why an example cannot be shown on this server.
async fn impossible(code: &str, major: u32, admin: &mut PgConnection) -> Option<&'static str> {
    let dblink = "SELECT count(*)::text FROM pg_available_extensions WHERE name = 'dblink'";
    match code {
        "TA210" if major >= 16 => Some("since PostgreSQL 16 CREATEROLE gives no access to other roles"),
        "TA232" => Some("the test's administrator is a superuser and sees every setting"),
        "TA127" => Some("the example declares no extension; `column_types::functions` tests it"),
        "TA128" => Some("the example declares no enum type; `native_enums` tests it"),
        "TA233" => Some("the example has no signed contexts; `signed_context::bound_logins` tests it"),
        "TA213" if ask(admin, dblink).await == "0" => Some("the server has no dblink to install"),
        _ => None,
    }
}

/// The report's text for the first finding with a code, without its reason.
fn printed(report: &Report, code: &str) -> Option<String> {
    let text = report.to_string();
    let block = text.split("\n\n").find(|block| block.split([' ', ':']).nth(1) == Some(code))?;
    let lines = block.lines().filter(|line| !line.starts_with("  why:"));
    // Since PostgreSQL 16 a membership is revoked as its grantor; the pages show it without that.
    Some(lines.collect::<Vec<_>>().join("\n").replace(" GRANTED BY postgres CASCADE", ""))
}

/// The fix on a page or, if it has no SQL, that of the findings.
fn fix(page: &str, code: &str, report: &Report) -> String {
    let of_findings = || {
        let fixes = report.findings.iter().filter(|finding| finding.code == code && !finding.is_manual());
        fixes.map(|finding| finding.fix.replace("BEGIN;", "").replace("COMMIT;", "")).collect::<Vec<_>>().join("\n")
    };
    block(section(page, "Fix"), "sql").map_or_else(of_findings, str::to_owned)
}

/// An entry of the baseline, in the form of the pages.
fn entry(finding: &Finding, reason: &str) -> String {
    let [code, object, found, reason] = [finding.code, &finding.object, &finding.what, reason].map(|text| json!(text));
    format!("{{ \"code\": {code}, \"object\": {object},\n  \"found\": {found},\n  \"reason\": {reason} }}")
}

#[tokio::test]
async fn examples_of_audit_codes_are_reported_accepted_and_resolved_as_their_pages_say() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    run(&mut connect(&server.admin_url()).await, "CREATE DATABASE acme").await.expect("made");
    let url = server.url("postgres", "acme");
    migrate(&url).await;
    let mut admin = connect(&url).await;
    let mut wrong = Vec::new();
    for (code, page) in pages().iter().filter(|(code, _)| code.starts_with("TA")) {
        if let Some(reason) = impossible(code, server.version().major, &mut admin).await {
            eprintln!("SKIPPED: {code}: {reason}");
            continue;
        }
        let example = section(page, "Example");
        let sql = match code.as_str() {
            "TA220" => SUBSCRIPTION,
            "TA228" => VENDOR,
            _ => block(example, "sql").unwrap_or_default(),
        };
        let schema = schema(code);
        // The audit runs in a savepoint of this transaction, so that an example leaves nothing behind.
        let mut transaction = admin.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.expect("begun");
        run(&mut transaction, sql).await.unwrap_or_else(|error| panic!("{code}: {error}"));
        let mut report = audit(&mut transaction, &schema).await.expect("an audit");
        if let Some(baseline) = block(example, "json") {
            report = report.accepting(&Baseline::parse(&format!("[{baseline}]")).expect(code));
        }
        let first = report
            .findings
            .first()
            .map(|finding| format!("\nexplain a code: `gen-migrations explain {}`\n", finding.code));
        if !first.is_some_and(|line| report.to_string().ends_with(&line)) {
            wrong.push(format!("{code}: the report ends otherwise:\n{report}"));
        }
        match printed(&report, code) {
            // The findings depend on the server's version.
            _ if code == "TA217" => {}
            None => wrong.push(format!("{code} is not reported:\n{report}")),
            Some(printed) => shows(code, block(example, "text").expect(code), &printed, "text", &mut wrong),
        }
        accepts(code, page, &report, &mut wrong);
        let fix = fix(page, code, &report);
        if !fix.is_empty() {
            run(&mut transaction, &fix).await.unwrap_or_else(|error| panic!("{code}: {fix}: {error}"));
            let left = audit(&mut transaction, &schema).await.expect("an audit");
            if left.findings.iter().any(|finding| finding.code == code) {
                wrong.push(format!("{code} is not resolved by\n{fix}\n{left}"));
            }
        }
        transaction.rollback().await.expect("undone");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Checks that the baseline entry on a page accepts the finding of its example.
fn accepts(code: &str, page: &str, report: &Report, wrong: &mut Vec<String>) {
    let Some(old) = block(section(page, "When to accept it"), "json") else { return };
    let Some(finding) = report.findings.iter().find(|finding| finding.code == code) else { return };
    let reason = serde_json::from_str::<serde_json::Value>(old).expect(code)["reason"].as_str().expect(code).to_owned();
    shows(code, old, &entry(finding, &reason), "json", wrong);
    let baseline = Baseline::parse(&format!("[{old}]")).expect(code);
    if env::var_os("BLESS").is_none() && report.clone().accepting(&baseline).accepted.len() != 1 {
        wrong.push(format!("{code}: the entry accepts nothing"));
    }
}
