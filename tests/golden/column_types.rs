// Every Rust type that is a column type, an alias, a newtype, an enum, and a custom `sql_type`.

use sqlx::types::{Decimal, Json, chrono, time};
use tenant_runtime::{PgColumn, SqlType, TenantEnum, TenantTable, roles::{Member, Viewer}};
use uuid::Uuid;

pub type Maybe<T> = Option<T>;

#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct Title(pub String);

impl PgColumn for Title {
    const SQL: SqlType = String::SQL;
}

#[derive(Debug, TenantEnum)]
#[tenant(rename_all = "kebab-case")]
pub enum Colour {
    DarkRed,
    #[tenant(rename = "none at all")]
    Nothing,
}

#[derive(TenantTable)]
#[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
pub struct Sample {
    pub id: i64,
    pub org: Uuid,
    pub flag: bool,
    pub small: i16,
    pub medium: i32,
    pub large: i64,
    pub single: f32,
    pub double: f64,
    pub text: String,
    pub bytes: Vec<u8>,
    pub key: Uuid,
    pub chrono_stamp: chrono::DateTime<chrono::Utc>,
    pub chrono_local: chrono::NaiveDateTime,
    pub chrono_day: chrono::NaiveDate,
    pub chrono_clock: chrono::NaiveTime,
    pub time_stamp: time::OffsetDateTime,
    pub time_local: time::PrimitiveDateTime,
    pub time_day: time::Date,
    pub time_clock: time::Time,
    pub amount: Decimal,
    pub document: Json<Vec<String>>,
    pub words: Vec<String>,
    pub maybe: Maybe<i32>,
    pub maybe_words: Option<Vec<i64>>,
    pub title: Title,
    pub colour: Colour,
    pub maybe_colour: Option<Colour>,
    #[tenant(sql_type = "numeric(12, 2)", check = "price >= 0")]
    pub price: Option<Decimal>,
    #[tenant(default = "now() + interval '7 days'")]
    pub due: chrono::DateTime<chrono::Utc>,
    #[tenant(default = "'it''s \\ new'")]
    pub state: String,
    #[tenant(skip)]
    pub cached: Option<String>,
}
