//! Explains a permission: the grant, the policies and their conditions, for a table or for one row.

mod error;
mod text;

pub use self::error::WhyError;
use crate::{
    analyze::{check, list, row_reference},
    db::set_local,
    error::server_error,
    ident::{Ident, literal, quoted},
    matrix::{is_by_function, may},
    model::{
        def::{ColumnDef, TableDef, TenancyDef},
        names,
        schema::{Command, Condition, Grant, Policy, PolicyKind, QualifiedName, Schema, Table},
    },
    registry::Models,
    verify::{Sealing, Session},
};

/// A question: can a role run a command on a table?
///
/// ```
/// use tenant_runtime::{model::schema::Command, why::Question};
///
/// let question = Question::new("member", "app.projects", Command::Delete);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Question {
    /// The role, by its name in the declaration or in the database.
    pub role: String,
    /// The table, with or without its schema, or the name of its struct.
    pub table: String,
    /// The command.
    pub command: Command,
}

impl Question {
    /// Creates a question.
    pub fn new(role: impl Into<String>, table: impl Into<String>, command: Command) -> Self {
        Self { role: role.into(), table: table.into(), command }
    }
}

/// A row and a context.
///
/// ```
/// use tenant_runtime::why::Row;
///
/// # let (project, organization, user) = (uuid::Uuid::nil(), uuid::Uuid::nil(), uuid::Uuid::nil());
/// let row = Row::new(project, organization, Some(user.to_string()));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Row {
    /// The key of the row within its tenant. A key of several columns is a JSON array with the text of each column, as in the
    /// change log: `["7", "bug"]`.
    pub key: String,
    /// The tenant in the context.
    pub tenant: String,
    /// The user in the context, if any.
    pub user: Option<String>,
}

impl Row {
    /// Creates a row with its context.
    pub fn new(key: impl Into<String>, tenant: impl Into<String>, user: Option<String>) -> Self {
        Self { key: key.into(), tenant: tenant.into(), user }
    }
}

/// The answer: whether a role has access to a table or row, with the grants and policies that determine the access.
///
/// ```no_run
/// # fn f() -> Result<(), tenant_runtime::why::WhyError> {
/// use tenant_runtime::{model::schema::Command, models, why::{Question, Why, why}};
///
/// let why: Why = why(&models![], &Question::new("viewer", "app.projects", Command::Delete))?;
/// assert_eq!(why.is_allowed(), Some(false), "{why}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Why {
    role: Ident,
    command: Command,
    table: QualifiedName,
    place: String,
    /// The role's privilege, or the roles that have the privilege.
    privilege: Privilege,
    /// The policies that determine the answer, each with its command.
    policies: Vec<Decision>,
    /// Whether the answer is about one row.
    of_row: bool,
}

#[derive(Debug, Clone)]
enum Privilege {
    /// Granted by these statements.
    Held(Vec<String>),
    /// Not granted; these roles have the privilege.
    Missing(Vec<String>),
    /// Replaced by functions: the functions that the role can execute, and the functions that other roles can execute.
    ByFunction { own: Vec<String>, others: Vec<String> },
}

/// A policy with its conditions.
#[derive(Debug, Clone)]
struct Decision {
    policy: Policy,
    command: Command,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    condition: Condition,
    /// Whether the row satisfies the condition; `None` without a row.
    holds: Option<bool>,
}

/// Answers a question from the declaration.
///
/// ```no_run
/// # fn f() -> Result<(), tenant_runtime::why::WhyError> {
/// use tenant_runtime::{model::schema::Command, models, why::{Question, why}};
///
/// println!("{}", why(&models![], &Question::new("member", "app.projects", Command::Delete))?);
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`WhyError::Models`]: the models have errors.
/// - [`WhyError::Unknown`]: the role or table does not exist.
pub fn why(models: &Models, question: &Question) -> Result<Why, WhyError> {
    let schema = check(models)?.schema;
    answer(models, &schema, question).map(|(why, ..)| why)
}

/// Answers a question for one row of a database, whose URL names a superuser. The database is not changed.
///
/// ```no_run
/// # async fn f(superuser_url: &str, project: &str, tenant: &str) -> Result<(), tenant_runtime::why::WhyError> {
/// use tenant_runtime::{model::schema::Command, models, why::{Question, Row, why_row}};
///
/// let question = Question::new("member", "app.projects", Command::Update);
/// println!("{}", why_row(&models![], &question, &Row::new(project, tenant, None), superuser_url).await?);
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`WhyError::Models`]: the models have errors.
/// - [`WhyError::Unknown`]: the role, table or row does not exist.
/// - [`WhyError::NotSuperuser`]: the login is not a superuser.
/// - [`WhyError::InvalidKey`]: a key in the question has another type.
/// - [`WhyError::Database`]: the database could not be queried.
pub async fn why_row(models: &Models, question: &Question, row: &Row, admin_url: &str) -> Result<Why, WhyError> {
    let schema = check(models)?.schema;
    let (mut why, def) = answer(models, &schema, question)?;
    let mut session = Session::begin(admin_url, &schema, "").await?;
    let asked = ask(&mut session, &mut why, &schema, def, row).await;
    session.end().await?;
    asked.map(|()| why)
}

fn answer(models: &Models, schema: &Schema, question: &Question) -> Result<(Why, &'static TableDef), WhyError> {
    let def = find_table(models, &question.table)?;
    let tenancy = def.tenancy;
    let role = find_role(tenancy, &question.role)?;
    let (name, table) = schema
        .tables()
        .iter()
        .find(|(name, _)| name.schema.as_str() == def.name.schema && name.table.as_str() == def.name.table)
        .ok_or_else(|| unknown("table", &question.table, String::new()))?;
    let acts_as = |policy_role: &Ident| {
        let declared = tenancy.roles.iter().find(|role| tenancy.database_role(role.name) == policy_role.as_str());
        declared.is_some_and(|needed| may(tenancy, role, Some(needed.name)))
    };
    // WHERE and RETURNING read rows, so the SELECT policies apply as well.
    let reads = matches!(question.command, Command::Update | Command::Delete).then_some(Command::Select);
    let commands: Vec<_> = [question.command].into_iter().chain(reads).collect();
    let decide = |command: Command| {
        let policies = table.policies.iter().filter(move |policy| concerns(policy, command, def));
        let policies = policies.filter(|policy| policy.role.as_ref().is_none_or(&acts_as));
        policies.map(move |policy| Decision { policy: policy.clone(), command, parts: parts(policy, command) })
    };
    let why = Why {
        role: Ident::derived([tenancy.database_role(role).as_str()]),
        command: question.command,
        table: name.clone(),
        place: format!("`{}` ({}:{})", def.rust_name, def.file, def.line),
        privilege: privilege(schema, table, def, question.command, &acts_as),
        policies: commands.into_iter().flat_map(decide).collect(),
        of_row: false,
    };
    Ok((why, def))
}

/// Returns whether a policy decides about a command. On a table that keeps deleted rows, a deletion is an update with policies of its
/// own, and restoring and removing rows are other questions.
fn concerns(policy: &Policy, command: Command, def: &TableDef) -> bool {
    match policy.kind {
        PolicyKind::SoftDelete { .. } => command == Command::Delete,
        PolicyKind::ReadDeleted | PolicyKind::Restore | PolicyKind::Purge => false,
        PolicyKind::System(Command::Delete) if def.soft_delete.is_some() => false,
        _ => policy.command().is_none_or(|of| of == command),
    }
}

fn privilege(
    schema: &Schema,
    table: &Table,
    def: &TableDef,
    command: Command,
    acts_as: &dyn Fn(&Ident) -> bool,
) -> Privilege {
    // A deletion that keeps the row requires the privilege to set its time.
    let time = |column: &&Ident| def.soft_delete.is_some_and(|soft| soft.column == column.as_str());
    let deletes = def.soft_delete.is_some() && command == Command::Delete;
    let command = if deletes { Command::Update } else { command };
    let is_meant = move |grant: &&Grant| {
        let mut columns = grant.columns.iter();
        grant.command == command
            && match deletes {
                true => columns.any(|column| time(&column)),
                false => grant.columns.is_empty() || columns.any(|column| !time(&column)),
            }
    };
    let grants = || table.grants.iter().filter(is_meant);
    let held = grants().filter(|grant| acts_as(&grant.role)).map(|grant| {
        let columns = grant.columns.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ");
        let columns = if columns.is_empty() { String::new() } else { format!(" ({columns})") };
        format!("GRANT {}{columns} ON {def} TO {}", command.keyword(), grant.role, def = def.name)
    });
    let held: Vec<_> = held.collect();
    if !held.is_empty() {
        return Privilege::Held(held);
    }
    if is_by_function(def, command) {
        let functions =
            schema.functions().iter().filter(|(name, _)| functions_for(def, command).contains(&name.table.as_str()));
        let (own, others): (Vec<_>, Vec<_>) = functions.partition(|(_, function)| function.execute.iter().any(acts_as));
        let names = |functions: Vec<(&QualifiedName, _)>| functions.iter().map(|(name, _)| name.to_string()).collect();
        return Privilege::ByFunction { own: names(own), others: names(others) };
    }
    let application_roles = |role: &&Ident| schema.application_roles().any(|other| other.name == **role);
    let mut holders: Vec<_> =
        grants().map(|grant| &grant.role).filter(application_roles).map(ToString::to_string).collect();
    holders.dedup();
    Privilege::Missing(holders)
}

/// Returns the functions that replace a command on a membership table or an invitation table.
fn functions_for(def: &TableDef, command: Command) -> &'static [&'static str] {
    match (def.invitation.is_some(), command) {
        (true, Command::Insert) => &[names::INVITE],
        (true, _) => &[names::ACCEPT_INVITATION],
        (false, Command::Insert) => &[names::ADD_MEMBER],
        (false, Command::Update) => &[names::CHANGE_MEMBER],
        (false, _) => &[names::REMOVE_MEMBER],
    }
}

/// Returns the conditions of a policy, all of which must hold.
fn parts(policy: &Policy, command: Command) -> Vec<Part> {
    let conditions = if command == Command::Insert { &policy.with_check } else { &policy.using };
    conditions.iter().map(|condition| Part { condition: condition.clone(), holds: None }).collect()
}

/// Evaluates the policies on a row as the role, in the context.
///
/// The role might be unable to read the row, so the superuser copies the row into a temporary table
/// in a transaction that is rolled back.
async fn ask(session: &mut Session, why: &mut Why, schema: &Schema, def: &TableDef, row: &Row) -> Result<(), WhyError> {
    let key = row_key(def, row)?;
    check_keys(session, def, row, &key).await?;
    let same = key.iter().map(|(column, value)| format!("{}::text = {}", quoted(column.name), literal(value)));
    let same = same.collect::<Vec<_>>().join(" AND ");
    let table = why.table.quoted();
    // Rows of several tenants can have the same key; the row of the question's tenant comes first.
    let order = def
        .tenant_column()
        .map(|column| format!("ORDER BY {}::text IS DISTINCT FROM {} ", quoted(column), literal(&row.tenant)));
    let order = order.unwrap_or_default();
    // The copy has the name of the table, because a condition can contain that name.
    let copy_name = format!("pg_temp.{}", why.table.table.quoted());
    let copy = format!(
        "CREATE TEMPORARY TABLE {copy_name} ON COMMIT DROP AS SELECT * FROM {table} WHERE {same} {order}LIMIT 1; \
         GRANT SELECT ON {copy_name} TO PUBLIC"
    );
    session.run(&copy).await?;
    let count = session.row(&format!("SELECT count(*)::text FROM {copy_name}")).await?;
    if count.first().and_then(Option::as_deref) != Some("1") {
        let columns = list(key.iter().map(|(column, _)| column.name));
        let help = match key[..] {
            [_] => format!("`--row` requires a value of the column {columns}"),
            _ => format!("`--row` requires the values of the columns {columns}"),
        };
        return Err(unknown("row", &row.key, help));
    }
    let tenancy = def.tenancy;
    let mut acting = String::new();
    if let Some(sealing) = Sealing::new(tenancy, schema) {
        session.run(&sealing.create_key()).await?;
        acting += &sealing.set_context(why.role.as_str(), &[Some(&row.tenant), row.user.as_deref()]);
    }
    session.keep().await?;
    acting += &format!("SET LOCAL ROLE {}; ", why.role.quoted());
    for (name, value) in [(tenancy.tenant_setting, Some(&row.tenant)), (tenancy.user_setting, row.user.as_ref())] {
        acting += &format!("{}; ", set_local(name, value.map_or("", String::as_str)));
    }
    for part in why.policies.iter_mut().flat_map(|decision| &mut decision.parts) {
        let condition = row_reference::in_schema(&part.condition.sql, &why.table, "pg_temp");
        let asked = format!("ROLLBACK TO probe; {acting}SELECT (({condition}) IS TRUE)::text FROM {copy_name}");
        let found = session.row(&asked).await?;
        part.holds = Some(found.first().and_then(Option::as_deref) == Some("true"));
    }
    why.of_row = true;
    Ok(())
}

/// Returns the key columns of a row, each with its text.
fn row_key(def: &TableDef, row: &Row) -> Result<Vec<(&'static ColumnDef, String)>, WhyError> {
    let columns = def.own_key();
    if let [column] = columns[..] {
        return Ok(vec![(column, row.key.clone())]);
    }
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let values: Option<Vec<serde_json::Value>> = serde_json::from_str(&row.key).ok();
    let texts = values.and_then(|values| values.iter().map(text).collect::<Option<Vec<_>>>());
    match texts.filter(|texts| texts.len() == columns.len()) {
        Some(texts) => Ok(columns.into_iter().zip(texts).collect()),
        None => Err(WhyError::InvalidKey {
            option: "--row",
            value: row.key.clone(),
            sql_type: "JSON".to_owned(),
            reason: format!("the key has several columns, {}", list(columns.iter().map(|column| column.name))),
            meaning: "a JSON array with the value of each key column, such as `[\"7\", \"bug\"]`",
        }),
    }
}

/// Casts the keys of a question to the types of their columns: compared as texts, a malformed key would match no row.
async fn check_keys(
    session: &mut Session,
    def: &TableDef,
    row: &Row,
    key: &[(&'static ColumnDef, String)],
) -> Result<(), WhyError> {
    let context = [
        ("--tenant", Some(&row.tenant), def.tenancy.key, "the tenant ID of the context"),
        ("--user", row.user.as_ref(), def.tenancy.user, "the user ID of the context"),
    ];
    let key = key.iter().map(|(column, value)| ("--row", Some(value), column.ty, "the primary key of the row"));
    for (option, value, sql_type, meaning) in context.into_iter().chain(key) {
        let (Some(value), Some(sql_type)) = (value, sql_type.sql_name()) else { continue };
        let cast = format!("ROLLBACK TO probe; SELECT ({}::{sql_type})::text", literal(value));
        if let Err(error) = session.try_rows(&cast).await? {
            let reason = server_error(&error).map(|server| server.message().to_owned()).unwrap_or_default();
            return Err(WhyError::InvalidKey { option, value: value.clone(), sql_type, reason, meaning });
        }
    }
    Ok(())
}

impl Why {
    /// Returns whether access is allowed; `None` if this depends on the row and the question names no row.
    #[must_use]
    pub fn is_allowed(&self) -> Option<bool> {
        match self.privilege {
            Privilege::Missing(_) | Privilege::ByFunction { .. } => Some(false),
            Privilege::Held(_) if !self.of_row => None,
            Privilege::Held(_) => {
                Some([self.command, Command::Select].into_iter().all(|command| self.lets_through(command)))
            }
        }
    }

    fn lets_through(&self, command: Command) -> bool {
        let of = |restrictive| {
            self.policies.iter().filter(move |one| one.command == command && one.policy.is_restrictive() == restrictive)
        };
        let decided = self.policies.iter().any(|one| one.command == command);
        !decided || of(true).all(Decision::holds) && of(false).any(Decision::holds)
    }
}

impl Decision {
    fn holds(&self) -> bool {
        self.parts.iter().all(|part| part.holds == Some(true))
    }
}

fn find_table(models: &Models, asked: &str) -> Result<&'static TableDef, WhyError> {
    let is_meant =
        |def: &&&'static TableDef| def.name.to_string() == asked || def.name.table == asked || def.rust_name == asked;
    let names = || models.tables().iter().map(|def| def.name.to_string()).collect::<Vec<_>>().join(", ");
    models
        .tables()
        .iter()
        .find(is_meant)
        .copied()
        .ok_or_else(|| unknown("table", asked, format!("the tables are {}", names())))
}

fn find_role(tenancy: &'static TenancyDef, asked: &str) -> Result<&'static str, WhyError> {
    let mut roles = tenancy.roles.iter().map(|role| role.name);
    let found = roles.find(|name| *name == asked || tenancy.database_role(name) == asked);
    let names = || tenancy.roles.iter().map(|role| role.name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| unknown("role", asked, format!("the roles are {}", names())))
}

fn unknown(what: &'static str, name: &str, help: String) -> WhyError {
    WhyError::Unknown { what, name: name.to_owned(), help }
}
