//! PostgreSQL facts in the generator checked against the server: keywords, quoting and leakproof operators.

use sqlx::AssertSqlSafe;
use tenant_runtime::{
    Tenancy as _,
    analyze::{Severity, check},
    ident::quoted,
    model::def::{ColumnDef, LabelsDef, ScopeDef, SqlType, TableDef, TableName},
    roles::Organizations,
};
use tenant_tests::{Database, ask};

#[tokio::test]
async fn server_keywords_are_quoted() {
    let database = Database::empty().await;
    let keywords = "SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'";
    let words: Vec<String> =
        sqlx::query_scalar(keywords).fetch_all(&mut database.admin().await).await.expect("the keywords are readable");
    let bare: Vec<String> =
        words.into_iter().filter(|word| quoted(word).to_string() != format!("\"{word}\"")).collect();
    assert_eq!(bare, Vec::<String>::new(), "add them to `KEYWORDS`");
}

#[tokio::test]
async fn ident_quoting_matches_quote_ident() {
    let database = Database::empty().await;
    let mut admin = database.admin().await;
    let long = "x".repeat(63);
    let names = [
        "plain",
        "_x",
        "x1",
        "1x",
        "Project",
        "größe",
        "ÄÖ",
        "a b",
        " ",
        "a\"b",
        "\"",
        "\"\"",
        "a'b",
        "\\",
        "a\\nb",
        "a\nb",
        "a\tb",
        "x--y",
        "/*",
        "*/",
        ";",
        "$1",
        "$$",
        "x$y",
        "a.b",
        "%I",
        "{}",
        "🦀",
        "e\u{301}",
        "U&",
        "select",
        "user",
        "User",
        "json_table",
        "between",
        "name",
        "type",
        "role",
        "order",
        &long,
    ];
    for name in names {
        let ours = quoted(name).to_string();
        let theirs: String =
            sqlx::query_scalar("SELECT quote_ident($1)").bind(name).fetch_one(&mut admin).await.expect("reads");
        let row = sqlx::query(AssertSqlSafe(format!("SELECT 1 AS {ours}"))).fetch_one(&mut admin).await.expect(&ours);
        let came_back = sqlx::Column::name(&sqlx::Row::columns(&row)[0]).to_owned();
        // The server quotes only the keywords of its version.
        let newer_keyword = ours == format!("\"{theirs}\"") && name == "json_table";
        assert!((ours == theirs || newer_keyword) && came_back == name, "{name:?}: {ours}, {theirs}, {came_back:?}");
    }
}

/// Returns whether the check warns of an index on a column of the type.
fn warns_of_index(ty: SqlType) -> bool {
    let column = |name, ty, id, index| ColumnDef { id, index, ..ColumnDef::blank(name, ty, false) };
    let columns = [
        column("id", SqlType::Uuid, true, false),
        column("org", SqlType::Uuid, false, false),
        column("x", ty, false, true),
    ];
    let def = TableDef {
        rust_name: "T",
        name: TableName { schema: "app", table: "ts" },
        scope: ScopeDef::Tenant { column: "org" },
        select: Some("viewer"),
        columns: Box::leak(Box::new(columns)),
        ..TableDef::blank(Organizations::DEF)
    };
    let models = tenant_runtime::models![].only([&*Box::leak(Box::new(def))]);
    let checked = check(&models).expect("the declaration is sound");
    let warnings = checked.warnings;
    warnings.as_slice().iter().any(|finding| finding.severity == Severity::Warning && finding.message.contains("index"))
}

#[tokio::test]
async fn index_warning_covers_types_without_leakproof_equality() {
    let database = Database::empty().await;
    let mut admin = database.admin().await;
    let types = [
        (SqlType::Bool, "boolean"),
        (SqlType::Int2, "smallint"),
        (SqlType::Int4, "integer"),
        (SqlType::Int8, "bigint"),
        (SqlType::Float4, "real"),
        (SqlType::Float8, "double precision"),
        (SqlType::Numeric, "numeric"),
        (SqlType::Text, "text"),
        (SqlType::Labels(LabelsDef::of(&["a"])), "text"),
        (SqlType::Bytea, "bytea"),
        (SqlType::Uuid, "uuid"),
        (SqlType::Date, "date"),
        (SqlType::Time, "time"),
        (SqlType::Timestamp, "timestamp"),
        (SqlType::Timestamptz, "timestamptz"),
        (SqlType::Jsonb, "jsonb"),
    ];
    let mut wrong = Vec::new();
    for (ty, name) in types {
        let sql = format!(
            "SELECT proleakproof::text FROM pg_operator JOIN pg_proc ON pg_proc.oid = oprcode
             WHERE oprname = '=' AND oprleft = '{name}'::regtype AND oprright = oprleft"
        );
        let leakproof = ask(&mut admin, &sql).await == "true";
        if warns_of_index(ty) == leakproof {
            wrong.push(format!("{name}: leakproof {leakproof}"));
        }
    }
    let arrays = "SELECT proleakproof::text FROM pg_proc WHERE proname = 'array_eq'";
    assert_eq!(
        (wrong, warns_of_index(SqlType::Array(&SqlType::Int4)), ask(&mut admin, arrays).await),
        (vec![], true, "false".to_owned())
    );
}
