//! Enum columns, with every form of labels.
#![deny(warnings)]

use tenant_runtime::{
    LabelsDef, PgColumn, SqlType, TenantEnum, TenantTable,
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
    let _ = NewTask { status: Some(Status::Done), before: Some(Status::Open) };
    let _ = TaskChanges { before: Some(None), ..TaskChanges::default() };
}
