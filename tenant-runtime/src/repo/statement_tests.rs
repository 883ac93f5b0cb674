//! The exact SQL text of each statement.

use uuid::Uuid;

use super::{
    column::Column,
    filter::{Condition, Filter},
    function_statement::call,
    reads::{in_keys, same_key},
    statement::{Parent, Rows, Statement},
    value::{Array, Bind, Bound, Values},
};
use crate::{
    db::{BoundStatement, InlineValues},
    model::def::{ColumnDef, ScopeDef, SqlType, TableDef, TableName},
    roles::Organizations,
    tenant::{Tenancy, TextKey},
};

const fn column(name: &'static str, ty: SqlType, id: bool) -> ColumnDef {
    ColumnDef { id, app_assigned: !id, decodes_text: true, ..ColumnDef::blank(name, ty, false) }
}

const fn table(table: &'static str, scope: ScopeDef, columns: &'static [ColumnDef]) -> TableDef {
    TableDef { name: TableName { schema: "app", table }, scope, columns, ..TableDef::blank(Organizations::DEF) }
}

static TASKS: TableDef = table(
    "tasks",
    ScopeDef::Tenant { column: "organization_id" },
    &[
        column("id", SqlType::Uuid, true),
        column("organization_id", SqlType::Uuid, false),
        column("order", SqlType::Int4, false),
        column("note", SqlType::Text, false),
    ],
);
static ROOT: TableDef = table(
    "organizations",
    ScopeDef::Tenant { column: "id" },
    &[column("id", SqlType::Uuid, true), column("name", SqlType::Text, false)],
);
static PLANS: TableDef = table("plans", ScopeDef::Global, &[column("id", SqlType::Uuid, true)]);

static NOTES: TableDef = TableDef {
    owner: Some("created_by"),
    ..table(
        "notes",
        ScopeDef::Tenant { column: "organization_id" },
        &[
            column("id", SqlType::Uuid, true),
            column("organization_id", SqlType::Uuid, false),
            column("created_by", SqlType::Uuid, false),
            column("body", SqlType::Text, false),
        ],
    )
};
static STEPS: TableDef = table(
    "steps",
    ScopeDef::Parent { column: "task_id", tenant: "organization_id" },
    &[
        column("id", SqlType::Uuid, true),
        column("organization_id", SqlType::Uuid, false),
        column("task_id", SqlType::Uuid, false),
    ],
);

static STEP_TAGS: TableDef = table(
    "step_tags",
    ScopeDef::Parent { column: "step_id", tenant: "organization_id" },
    &[
        column("step_id", SqlType::Uuid, true),
        column("order", SqlType::Text, true),
        column("note", SqlType::Text, false),
        column("organization_id", SqlType::Uuid, true),
    ],
);

const ID: Column<(), Uuid> = Column::new("id");
const ORDER: Column<(), i32> = Column::new("order");
const NOTE: Column<(), Option<String>> = Column::new("note");

fn on(def: &'static TableDef) -> Statement {
    Statement::new(def, &Uuid::nil())
}

fn text(built: BoundStatement) -> String {
    built.sql.as_str().to_owned()
}

/// Returns the text after WHERE for a condition on tasks, with placeholders from `$2` on.
fn filtered(filter: Filter<()>) -> String {
    let text = text(on(&TASKS).count(&filter.into_condition()));
    text.split_once("WHERE organization_id = $1 AND ").expect("the tenant comes first").1.to_owned()
}

fn all_rows() -> Condition {
    Filter::<()>::all_rows().into_condition()
}

fn by_id() -> Condition {
    ID.eq(Uuid::nil()).into_condition()
}

fn rows(condition: Condition) -> Rows {
    Rows { condition, order: vec![("order", true), ("id", true)], limit: Some(10) }
}

fn written(columns: &[&'static str]) -> Values {
    let mut values = Values::default();
    columns.iter().for_each(|column| values.set(column, 1_i32));
    values
}

#[test]
fn tenant_table_statements_filter_by_tenant_id() {
    assert_eq!(
        text(on(&TASKS).select(&["id", "order"], None, &["id"], &rows(by_id()))),
        "SELECT id, \"order\", id FROM app.tasks WHERE organization_id = $1 AND id = $2 \
         ORDER BY \"order\" DESC, id DESC LIMIT $3"
    );
    assert_eq!(text(on(&TASKS).count(&all_rows())), "SELECT count(*) FROM app.tasks WHERE organization_id = $1");
    assert_eq!(
        text(on(&TASKS).exists(&by_id())),
        "SELECT EXISTS (SELECT FROM app.tasks WHERE organization_id = $1 AND id = $2)"
    );
    assert_eq!(text(on(&TASKS).delete(&all_rows())), "DELETE FROM app.tasks WHERE organization_id = $1");
    assert_eq!(
        text(on(&TASKS).update(written(&["order"]), &by_id(), &["id"])),
        "UPDATE app.tasks SET \"order\" = $2 WHERE organization_id = $1 AND id = $3 RETURNING id"
    );
    assert_eq!(
        text(on(&TASKS).update(written(&["order"]), &all_rows(), &[])),
        "UPDATE app.tasks SET \"order\" = $2 WHERE organization_id = $1"
    );
}

#[test]
fn insert_binds_the_tenant_id_from_the_context() {
    assert_eq!(
        text(on(&TASKS).insert(written(&["order"]), &["id"])),
        "INSERT INTO app.tasks (organization_id, \"order\") VALUES ($1, $2) RETURNING id"
    );
    assert_eq!(
        text(on(&TASKS).insert(written(&[]), &["id"])),
        "INSERT INTO app.tasks (organization_id) VALUES ($1) RETURNING id"
    );
    let array = || Box::new(Array(vec![1_i32])) as Box<dyn Bind>;
    assert_eq!(
        text(on(&TASKS).insert_rows(None, vec![("order", array()), ("note", array())], &["id"])),
        "INSERT INTO app.tasks (organization_id, \"order\", note) SELECT $1, r.\"order\", r.note \
         FROM unnest($2, $3) AS r (\"order\", note) RETURNING id"
    );
    assert_eq!(
        text(on(&NOTES).insert_rows(Some(("created_by", array())), vec![("body", array())], &["id"])),
        "INSERT INTO app.notes (organization_id, created_by, body) SELECT $1, $2, r.body \
         FROM unnest($3) AS r (body) RETURNING id"
    );
}

#[test]
fn upsert_conflict_target_includes_the_tenant_column() {
    assert_eq!(
        text(on(&TASKS).upsert(written(&["order", "note"]), &["order"], &["note"], &["id"])),
        "INSERT INTO app.tasks AS t (organization_id, \"order\", note) VALUES ($1, $2, $3) \
         ON CONFLICT (organization_id, \"order\") DO UPDATE SET note = EXCLUDED.note WHERE t.organization_id = $1 \
         RETURNING id"
    );
    assert_eq!(
        text(on(&TASKS).upsert(written(&["id"]), &["id"], &[], &["id"])),
        "INSERT INTO app.tasks AS t (organization_id, id) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id"
    );
    assert_eq!(
        text(on(&PLANS).upsert(written(&["id", "order"]), &["id"], &["order"], &["id"])),
        "INSERT INTO app.plans AS t (id, \"order\") VALUES ($1, $2) \
         ON CONFLICT (id) DO UPDATE SET \"order\" = EXCLUDED.\"order\" RETURNING id"
    );
}

#[test]
fn parent_join_is_limited_to_the_tenant() {
    let with = |def, parent| {
        let rows = Rows { limit: None, order: vec![("id", false)], condition: by_id() };
        let parent = Parent { table: parent, columns: vec!["order"], reference: "task_id" };
        text(on(def).select(&["id"], Some(&parent), &["note"], &rows))
    };
    assert_eq!(
        with(&TASKS, &TASKS),
        "SELECT c.id, p.id, p.\"order\", c.note FROM app.tasks AS c \
         LEFT JOIN app.tasks AS p ON p.organization_id = $1 AND p.id = c.task_id \
         WHERE c.organization_id = $1 AND c.id = $2 ORDER BY c.id"
    );
    assert_eq!(
        with(&STEPS, &TASKS),
        "SELECT c.id, p.id, p.\"order\", c.note FROM app.steps AS c \
         LEFT JOIN app.tasks AS p ON p.organization_id = $1 AND p.id = c.task_id \
         WHERE c.organization_id = $1 AND c.id = $2 ORDER BY c.id"
    );
    assert_eq!(
        with(&STEPS, &PLANS),
        "SELECT c.id, p.id, p.\"order\", c.note FROM app.steps AS c LEFT JOIN app.plans AS p ON p.id = c.task_id \
         WHERE c.organization_id = $1 AND c.id = $2 ORDER BY c.id"
    );
    assert_eq!(
        with(&PLANS, &TASKS),
        "SELECT c.id, p.id, p.\"order\", c.note FROM app.plans AS c \
         LEFT JOIN app.tasks AS p ON p.organization_id = $1 AND p.id = c.task_id WHERE c.id = $2 ORDER BY c.id"
    );
}

#[test]
fn parent_filter_is_limited_to_the_tenant() {
    let parent = |parent, condition| Condition::Parent { column: "task_id", parent, condition: Box::new(condition) };
    let count = |def, condition| text(on(def).count(&condition));
    assert_eq!(
        count(&TASKS, by_id().and(parent(&TASKS, NOTE.eq("x").into_condition()))),
        "SELECT count(*) FROM app.tasks WHERE organization_id = $1 AND (id = $2 AND task_id IN \
         (SELECT p.id FROM app.tasks AS p WHERE p.organization_id = $1 AND p.note = $3))"
    );
    assert_eq!(
        count(&STEPS, by_id().and(parent(&TASKS, parent(&TASKS, NOTE.eq("x").into_condition())))),
        "SELECT count(*) FROM app.steps WHERE organization_id = $1 AND (id = $2 AND task_id IN \
         (SELECT p.id FROM app.tasks AS p WHERE p.organization_id = $1 AND p.task_id IN \
         (SELECT p.id FROM app.tasks AS p WHERE p.organization_id = $1 AND p.note = $3)))"
    );
    assert_eq!(
        count(&STEPS, parent(&PLANS, all_rows())),
        "SELECT count(*) FROM app.steps WHERE organization_id = $1 AND task_id IN (SELECT p.id FROM app.plans AS p)"
    );
}

#[test]
fn key_of_several_columns_is_compared_in_all_columns() {
    let key = || vec![Bound::new(Uuid::nil()), Bound::new("a".to_owned())];
    let arrays = || vec![Bound::array(vec![Uuid::nil()]), Bound::array(vec!["a".to_owned()])];
    assert_eq!(
        text(on(&STEP_TAGS).delete(&same_key(&STEP_TAGS, key()))),
        "DELETE FROM app.step_tags WHERE organization_id = $1 AND (step_id = $2 AND \"order\" = $3)"
    );
    assert_eq!(
        text(on(&STEP_TAGS).count(&in_keys(&STEP_TAGS, arrays()))),
        "SELECT count(*) FROM app.step_tags WHERE organization_id = $1 AND (step_id, \"order\") IN (SELECT * FROM unnest($2, $3))"
    );
    let set = ["note"];
    assert_eq!(
        text(on(&STEP_TAGS).upsert(written(&["step_id", "order", "note"]), &["step_id", "order"], &set, &["note"])),
        "INSERT INTO app.step_tags AS t (step_id, \"order\", note) VALUES ($1, $2, $3) \
         ON CONFLICT (step_id, \"order\", organization_id) DO UPDATE SET note = EXCLUDED.note WHERE t.organization_id = $4 RETURNING note"
    );
}

#[test]
fn key_without_a_value_for_each_column_matches_no_row() {
    let value = || Bound::new(Uuid::nil());
    for values in [vec![], vec![value()], vec![value(), value(), value()]] {
        assert_eq!(
            text(on(&STEP_TAGS).delete(&same_key(&STEP_TAGS, values.clone()))),
            "DELETE FROM app.step_tags WHERE organization_id = $1 AND false"
        );
        assert_eq!(
            text(on(&STEP_TAGS).delete(&in_keys(&STEP_TAGS, values))),
            "DELETE FROM app.step_tags WHERE organization_id = $1 AND false"
        );
    }
}

#[test]
fn root_table_is_filtered_by_its_primary_key() {
    let rows = Rows { condition: by_id(), order: Vec::new(), limit: None };
    assert_eq!(
        text(on(&ROOT).select(&["id", "name"], None, &[], &rows)),
        "SELECT id, name FROM app.organizations WHERE id = $1 AND id = $2"
    );
}

#[test]
fn global_table_statements_have_no_tenant_filter() {
    assert_eq!(
        text(on(&PLANS).select(&["id"], None, &[], &rows(all_rows()))),
        "SELECT id FROM app.plans ORDER BY \"order\" DESC, id DESC LIMIT $1"
    );
    assert_eq!(text(on(&PLANS).insert(written(&[]), &["id"])), "INSERT INTO app.plans DEFAULT VALUES RETURNING id");
    assert_eq!(text(on(&PLANS).delete(&all_rows())), "DELETE FROM app.plans");
}

#[test]
fn database_fills_the_tenant_column_of_a_child_table() {
    assert_eq!(
        text(on(&STEPS).insert(written(&["task_id"]), &["id"])),
        "INSERT INTO app.steps (task_id) VALUES ($1) RETURNING id"
    );
    assert_eq!(
        text(on(&STEPS).upsert(written(&["task_id", "note"]), &["note"], &["note"], &["id"])),
        "INSERT INTO app.steps AS t (task_id, note) VALUES ($1, $2) ON CONFLICT (organization_id, note) \
         DO UPDATE SET note = EXCLUDED.note WHERE t.organization_id = $3 RETURNING id"
    );
    assert_eq!(
        text(on(&STEPS).update(written(&["note"]), &by_id(), &["id"])),
        "UPDATE app.steps SET note = $1 WHERE organization_id = $2 AND id = $3 RETURNING id"
    );
}

#[test]
fn filter_values_are_bound_and_names_quoted() {
    let hostile = "x' OR true --";
    assert_eq!(filtered(ORDER.eq(1) & NOTE.eq(hostile)), "(\"order\" = $2 AND note = $3)");
    assert_eq!(filtered(NOTE.like(hostile)), "note LIKE $2");
    assert_eq!(filtered(NOTE.ilike(hostile)), "note ILIKE $2");
    assert_eq!(filtered(NOTE.starts_with(hostile)), "note ^@ $2");
    assert_eq!(filtered(NOTE.in_([hostile])), "note = ANY ($2)");
    assert_eq!(
        filtered(ORDER.lt(1) | ORDER.le(1) | ORDER.gt(1) | ORDER.ge(1)),
        "(\"order\" < $2 OR \"order\" <= $3 OR \"order\" > $4 OR \"order\" >= $5)"
    );
}

#[test]
fn null_comparisons_use_is_null_and_is_distinct_from() {
    assert_eq!(filtered(NOTE.eq(None)), "note IS NULL");
    assert_eq!(filtered(NOTE.ne(None)), "((note IS NULL) IS NOT TRUE)");
    assert_eq!(filtered(NOTE.ne("x")), "note IS DISTINCT FROM $2");
    assert_eq!(filtered(NOTE.in_([Some("x".to_owned()), None])), "(note = ANY ($2) OR note IS NULL)");
    assert_eq!(filtered(!NOTE.eq("x")), "((note = $2) IS NOT TRUE)");
    assert_eq!(filtered(NOTE.is_not_null()), filtered(NOTE.ne(None)));
}

#[test]
fn filter_operators_keep_their_grouping() {
    assert_eq!(
        filtered((ORDER.eq(1) | ORDER.eq(2)) & !(NOTE.is_null() & ORDER.eq(3))),
        "((\"order\" = $2 OR \"order\" = $3) AND (((note IS NULL AND \"order\" = $4)) IS NOT TRUE))"
    );
    assert_eq!(filtered(Filter::all_rows() & ORDER.eq(1)), "(\"order\" = $2)");
    assert_eq!(filtered(ORDER.eq(1) & Filter::all_rows()), "(\"order\" = $2)");
    assert_eq!(filtered(ORDER.eq(1) | Filter::all_rows()), "(\"order\" = $2 OR true)");
}

#[test]
fn function_calls_use_positional_or_named_arguments() {
    let mut places = Values::default();
    places.bind(Uuid::nil());
    places.bind("admin");
    assert_eq!(text(call(Organizations::DEF, "add_member", None, places)), "SELECT * FROM app_auth.add_member($1, $2)");
    let mut names = Values::default();
    names.set("name", "acme");
    names.set("Plan", "x");
    assert_eq!(
        text(call(Organizations::DEF, "create_tenant", None, names)),
        "SELECT * FROM app_auth.create_tenant(p_name => $1, \"p_Plan\" => $2)"
    );
}

#[test]
fn uuid_integer_and_text_keys_can_be_bound() {
    let key = TextKey::new("acme").expect("a key");
    let bound = |statement: Statement| statement.count(&all_rows()).query().is_ok();
    assert!(bound(on(&TASKS)) && bound(Statement::new(&TASKS, &1_i64)) && bound(Statement::new(&TASKS, &key)));
}

static SECRETS_TABLE: TableDef = table(
    "secrets",
    ScopeDef::Tenant { column: "organization_id" },
    &[
        column("id", SqlType::Uuid, true),
        column("organization_id", SqlType::Uuid, false),
        column("note", SqlType::Text, false),
        ColumnDef { sensitive: true, ..column("code", SqlType::Int4, false) },
        ColumnDef { select: Some("admin"), ..column("salary", SqlType::Int4, false) },
        ColumnDef { decodes_text: false, ..column("tags", SqlType::Array(&SqlType::Text), false) },
    ],
);

const ORG: Uuid = Uuid::from_u128(3);

/// Returns the text with values and the setting that it requires.
fn with_values(built: BoundStatement) -> Option<(String, InlineValues)> {
    built.inline.map(|inline| (inline.sql, inline.needs))
}

#[test]
fn values_are_constants_in_the_second_text() {
    let id = Uuid::from_u128(7);
    let condition = Column::<(), Uuid>::new("id").eq(id).into_condition();
    let rows = Rows { condition, order: Vec::new(), limit: Some(5) };
    let built = Statement::new(&SECRETS_TABLE, &ORG).select(&["id", "note"], None, &[], &rows);
    let tenant = format!("'{:032x}'::pg_catalog.uuid", ORG.as_u128());
    let expected = format!(
        "SELECT id, note FROM app.secrets WHERE organization_id = {tenant} AND id = \
         '00000000000000000000000000000007'::pg_catalog.uuid LIMIT '5'::pg_catalog.int8"
    );
    let (sql, needs) = with_values(built).expect("each value has a constant");
    assert_eq!((sql.as_str(), needs), (expected.as_str(), InlineValues::NonText));
}

#[test]
fn text_requires_the_setting_for_all_values() {
    let mut values = Values::default();
    values.set("note", "it's".to_owned());
    let built = Statement::new(&SECRETS_TABLE, &ORG).insert(values, &["id"]);
    let (sql, needs) = with_values(built).expect("each value has a constant");
    assert!(sql.contains(r"E'it\u0027s'::pg_catalog.text"), "{sql}");
    assert_eq!(needs, InlineValues::All);
}

#[test]
fn sensitive_values_and_columns_without_text_format_are_bound() {
    for (column, value) in [("code", 5), ("salary", 7)] {
        let mut values = Values::default();
        values.set(column, value);
        assert_eq!(with_values(Statement::new(&SECRETS_TABLE, &ORG).insert(values, &["id"])), None, "{column}");
        let condition = Column::<(), i32>::new(column).lt(value).into_condition();
        assert_eq!(with_values(Statement::new(&SECRETS_TABLE, &ORG).count(&condition)), None, "{column}");
    }
    let rows = Rows { condition: Condition::All(Vec::new()), order: Vec::new(), limit: None };
    let read = Statement::new(&SECRETS_TABLE, &ORG).select(&["id", "tags"], None, &[], &rows);
    assert_eq!(with_values(read), None);
    let unread = Statement::new(&SECRETS_TABLE, &ORG).select(&["id"], None, &[], &rows);
    assert_eq!(with_values(unread).map(|(_, needs)| needs), Some(InlineValues::None));
}

#[test]
fn secrets_among_the_arguments_of_a_function_are_bound() {
    let label = |values: &mut Values| values.bind_label("admin");
    let secret = |values: &mut Values| values.bind_secret(vec![1, 2, 3]);
    let column = |values: &mut Values| values.set("salary", 7);
    let needs = |set: &dyn Fn(&mut Values)| {
        let mut values = Values::default();
        set(&mut values);
        with_values(call(Organizations::DEF, "f", Some(&SECRETS_TABLE), values)).map(|(_, needs)| needs)
    };
    assert_eq!((needs(&label), needs(&secret), needs(&column)), (Some(InlineValues::NonText), None, None));
}
