//! Enum columns, with every form of labels.
#![deny(warnings)]

use tenant_runtime::{
    EnumDef, LabelsDef, PgColumn, SqlType, TenantEnum, TenantTable,
    roles::{Member, Viewer},
};
use uuid::Uuid;

macro_rules! forms {
    ($($name:ident $form:literal $label:literal;)*) => {$(
        #[derive(Debug, TenantEnum)]
        #[tenant(rename_all = $form)]
        enum $name {
            InProgress,
        }
        assert_eq!(<$name as PgColumn>::SQL, SqlType::Labels(LabelsDef::of(&[$label])));
        let _ = $name::InProgress;
    )*};
}

/// Plain, with numbers that play no part here.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
pub enum Status {
    Open = 1,
    InProgress,
    #[tenant(rename = "over & done")]
    Done = 7,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
pub struct Task {
    pub id: Uuid,
    pub organization_id: Uuid,
    #[tenant(default = "'open'")]
    pub status: Status,
    pub before: Option<Status>,
    pub all: Vec<Status>,
    pub level: Level,
    pub levels: Option<Vec<Level>>,
}

/// A type of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
#[tenant(native)]
pub enum Level {
    Low,
    High,
}

/// A type of PostgreSQL with another name.
#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
#[tenant(native = "Kind of thing", rename_all = "kebab-case")]
pub enum Kind {
    OfWood,
}

fn main() {
    forms! {
        Snake "snake_case" "in_progress";
        Kebab "kebab-case" "in-progress";
        Lower "lowercase" "inprogress";
        Upper "UPPERCASE" "INPROGRESS";
        Shouty "SCREAMING_SNAKE_CASE" "IN_PROGRESS";
        Pascal "PascalCase" "InProgress";
        Camel "camelCase" "inProgress";
    }
    let column = &Task::TABLE.columns[3];
    assert_eq!((column.ty, column.nullable), (SqlType::Labels(LabelsDef::of(&["open", "in_progress", "over & done"])), true));
    const LEVEL: SqlType = SqlType::Enum(EnumDef { name: "level", labels: LabelsDef::of(&["low", "high"]) });
    assert_eq!((Task::TABLE.columns[5].ty, Task::TABLE.columns[6].ty), (LEVEL, SqlType::Array(&LEVEL)));
    assert_eq!(<Kind as PgColumn>::SQL.name_in("app"), "app.\"Kind of thing\"");
    let _ = Kind::OfWood;
    let _ = Task::LEVEL.asc();
    let _ = Task::LEVEL.gt(Level::Low) & Task::ALL.eq(vec![Status::Open]);
    let _ = NewTask { status: Some(Status::Done), before: Some(Status::Open), all: vec![], level: Level::High, levels: None };
    let _ = TaskChanges { before: Some(None), ..TaskChanges::default() };
}
