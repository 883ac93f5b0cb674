//! Every column type, with its `Option` and its array.

use sqlx::types::{
    Json,
    chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc},
};
use tenant_runtime::{
    SqlType, TenantTable,
    roles::{Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
pub struct Everything {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub a: bool,
    pub b: i16,
    pub c: i32,
    pub d: i64,
    pub e: f32,
    pub f: f64,
    pub g: String,
    pub h: Vec<u8>,
    pub i: DateTime<Utc>,
    pub j: NaiveDateTime,
    pub k: NaiveDate,
    pub l: NaiveTime,
    pub m: Json<Vec<(String, i64)>>,
    pub n: Option<Json<u8>>,
    pub o: Option<DateTime<Utc>>,
    pub p: Vec<String>,
    pub q: Option<Vec<Uuid>>,
    pub r: Vec<NaiveDate>,
    pub s: Option<Vec<u8>>,
    #[tenant(sql_type = "citext")]
    pub t: String,
    #[tenant(sql_type = "interval")]
    pub u: Option<sqlx::postgres::types::PgInterval>,
    #[tenant(skip)]
    pub v: std::collections::BTreeMap<String, Vec<u8>>,
}

fn main() {
    let columns = Everything::TABLE.columns;
    let find = |name: &str| columns.iter().find(|column| column.name == name).expect("a column");
    assert_eq!((find("h").ty, find("h").nullable), (SqlType::Bytea, false));
    assert_eq!((find("n").ty, find("n").nullable), (SqlType::Jsonb, true));
    assert_eq!((find("q").ty, find("q").nullable), (SqlType::Array(&SqlType::Uuid), true));
    assert_eq!((find("t").ty, find("t").nullable), (SqlType::Custom("citext"), false));
    assert_eq!((find("u").ty, find("u").nullable), (SqlType::Custom("interval"), true));
    assert!(columns.iter().all(|column| column.name != "v"));
}
