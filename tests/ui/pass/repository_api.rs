//! Every repository method, on a table and with a role that allow it.
#![deny(warnings)]

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{
    Cursor, Filter, OrderedColumn, Page, PgColumn, Repository, SqlType, TenantDb, TenantCtx, TenantEnum, TenantTable, TenantTx,
    TenantView, TextColumn, ViewRepository,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, TenantEnum)]
pub enum Status {
    Open,
    Done,
}

#[derive(Debug, Clone, sqlx::Type)]
#[sqlx(transparent)]
pub struct Title(pub String);

impl PgColumn for Title {
    const SQL: SqlType = String::SQL;
}

impl TextColumn for Title {}

impl OrderedColumn for Title {
    fn to_cursor(&self) -> Option<String> {
        self.0.to_cursor()
    }
    fn from_cursor(text: Option<&str>) -> Option<Self> {
        String::from_cursor(text).map(Self)
    }
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
pub struct Project {
    pub id: Uuid,
    pub organization_id: Uuid,
    #[tenant(unique)]
    pub name: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(unique(project_id, title))]
pub struct Task {
    pub id: i64,
    pub organization_id: Uuid,
    #[tenant(references = Project)]
    pub project_id: Uuid,
    pub title: Title,
    pub note: Option<String>,
    pub r#type: Option<i32>,
    pub status: Status,
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
    #[tenant(select = "member", insert = "admin", update = "admin", default = "0")]
    pub price: i64,
}

#[derive(Debug, TenantView)]
#[tenant(of = Task)]
pub struct Line {
    pub id: i64,
    pub title: Title,
}

#[derive(Debug, TenantView)]
#[tenant(of = Project)]
pub struct Name {
    pub name: String,
}

fn conditions(user_typed: String) -> Filter<Task, Member> {
    let open = Task::STATUS.eq(Status::Open) & Task::STATUS.ne(Status::Done) & Task::STATUS.in_([Status::Open]);
    let texts = Task::TITLE.like("%") | Task::NOTE.ilike(user_typed.as_str()) | Task::NOTE.starts_with(user_typed);
    let nulls = Task::NOTE.is_null() | Task::NOTE.is_not_null() | Task::NOTE.eq(None) | Task::NOTE.eq("x");
    let numbers = Task::TYPE.lt(1) & Task::TYPE.le(Some(1)) & Task::ID.gt(1) & Task::ID.ge(1) & !Task::TYPE.in_([1, 2]);
    let mut all = (open & texts & nulls & numbers).requires::<Member>();
    all = all & Task::PRICE.gt(0);
    all | Task::CREATED_AT.lt(DateTime::UNIX_EPOCH) & Filter::all_rows()
}

pub async fn read(tx: &mut TenantTx<Member>, viewer: &mut TenantTx<Viewer>, cursor: &str) -> tenant_runtime::Result<()> {
    let filter = conditions("x".to_owned());
    let list = Task::list(&mut *tx).filter(filter.clone()).order(Task::TITLE.asc()).order(Task::PRICE.desc());
    let Page { rows, next } = list.limit(5).after(cursor.parse()?).page().await?;
    let _: (Vec<Task>, Option<Cursor<Task>>) = (rows, next);
    let _: Option<Task> = Task::list(&mut *tx).first().await?;
    let _: Vec<(Task, Option<Project>)> = Task::list(&mut *tx).with(Task::PROJECT_ID).await?;
    let _: Page<(Task, Option<Name>), Task> = Task::list(&mut *tx).with(Task::PROJECT_ID.view::<Name>()).page().await?;
    let of_x = Task::PROJECT_ID.where_parent(Project::NAME.eq("x"));
    let _: u64 = Task::count(&mut *viewer).filter(of_x.clone() & Task::NOTE.is_null() | !of_x).await?;
    let _: (u64, bool) = (Task::count(&mut *tx).await?, Task::exists(&mut *tx, filter).await?);
    let _: Vec<Task> = Task::find_many(&mut *tx, [1, 2]).await?;
    let _: Vec<Line> = Line::find_many(&mut *viewer, vec![1]).await?;
    let _: Vec<Line> = Line::list(&mut *viewer).filter(Task::NOTE.is_null()).order(Task::ID.desc()).await?;
    let _: Page<Line, Task> = Line::list(viewer).page().await?;
    drop(Task::list(tx).with(Task::PROJECT_ID).stream());
    Ok(())
}

pub async fn write(db: &TenantDb, ctx: &TenantCtx<Admin>, new: fn() -> NewTask) -> tenant_runtime::Result<()> {
    let scope = db.scope(ctx);
    let _: Task = Task::insert(&scope, new()).set(Task::PRICE, 5).set(Task::NOTE, None).await?;
    let _: Vec<Task> = Task::insert_many(&scope, (0..3).map(|_| new())).await?;
    let _: Task = Task::upsert(&scope, new(), Task::BY_PROJECT_ID_AND_TITLE).await?;
    let _: Project = Project::upsert(&scope, NewProject { name: "x".to_owned() }, Project::BY_NAME).await?;
    let changes = TaskChanges { note: Some(None), ..TaskChanges::default() };
    let _: Task = Task::update(&scope, 1, changes).set(Task::PRICE, 5).await?;
    let _: u64 = Task::update_where(&scope, Task::PRICE.lt(5), TaskChanges::default()).set(Task::PRICE, 5).await?;
    let _: u64 = Task::delete_where(&scope, Filter::all_rows()).await?;
    Ok(())
}

pub fn sent(tx: &'static mut TenantTx<Member>) {
    fn is_send<T: Send>(_: T) {}
    is_send(Task::list(tx).filter(Task::ID.eq(1)).into_future());
    is_send(conditions(String::new()));
}

fn main() {
    assert_eq!((Task::TYPE.name(), Task::PRICE.name(), Project::BY_NAME.columns()), ("type", "price", &["name"][..]));
}
