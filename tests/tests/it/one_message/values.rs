//! Values of each supported type are stored and read in the same way as constants in the text and as bound values.

use sqlx::types::{
    Decimal, Json,
    chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc},
    time::{Date, OffsetDateTime, PrimitiveDateTime, Time},
};
use tenant_runtime::{
    Error, InlineValues, Repository as _, TenantCtx, TenantDb, TenantEnum, TenantTable, TextKey, tenancy,
};
use tenant_tests::{Database, run};
use uuid::Uuid;

use super::long;
use crate::{data::database_of, random::Random};

tenancy! {
    /// Cabinets of values.
    Cabinets {
        key: Uuid,
        role_prefix: "cabinet_",
        roles: {
            /// Reads and writes.
            Keeper,
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, TenantEnum)]
enum Shade {
    Light,
    #[tenant(rename = "the dark é; --")]
    Dark,
}

/// A row with a column of each type.
#[derive(Debug, Clone, PartialEq, TenantTable)]
#[tenant(tenancy = Cabinets, org = "cabinet_id", select = "keeper", insert = "keeper", update = "keeper", delete = "keeper")]
struct Value {
    id: i64,
    cabinet_id: Uuid,
    yes: Option<bool>,
    small: Option<i16>,
    medium: Option<i32>,
    large: Option<i64>,
    float: Option<f32>,
    double: Option<f64>,
    note: Option<String>,
    code: Option<Uuid>,
    key: Option<TextKey>,
    shade: Option<Shade>,
    at: Option<DateTime<Utc>>,
    local: Option<NaiveDateTime>,
    day: Option<NaiveDate>,
    hour: Option<NaiveTime>,
    at_2: Option<OffsetDateTime>,
    local_2: Option<PrimitiveDateTime>,
    day_2: Option<Date>,
    hour_2: Option<Time>,
    price: Option<Decimal>,
    json: Option<serde_json::Value>,
    list: Option<Json<Vec<String>>>,
    bytes: Option<Vec<u8>>,
    numbers: Option<Vec<i64>>,
    halves: Option<Vec<f64>>,
    codes: Option<Vec<Uuid>>,
    flags: Option<Vec<bool>>,
}

/// The columns whose stored bytes are compared.
const COLUMNS: &str = "yes, small, medium, large, float, double, note, code, key, shade, at, local, day, hour, at_2, local_2, day_2, \
     hour_2, price, json, list, bytes, numbers, halves, codes, flags";

/// Number of values in a row.
const VALUES: usize = 26;

struct Cabinet {
    database: Database,
    inline: TenantDb,
    bound: TenantDb,
    ctx: TenantCtx<Keeper>,
}

impl Cabinet {
    async fn open() -> Self {
        let database = database_of([Value::TABLE]).await;
        let url = database.url_of("cabinet_service");
        let connect = |values| TenantDb::options().max_connections(1).inline_values(values).connect(&url);
        let inline = connect(InlineValues::All).await.expect("connected");
        let bound = connect(InlineValues::None).await.expect("connected");
        let ctx = TenantCtx::assume_authorized(Uuid::new_v4(), Uuid::new_v4());
        Self { database, inline, bound, ctx }
    }

    /// Returns the number of statements that the connection with values in the text has prepared.
    async fn prepared(&self) -> i64 {
        let mut tx = self.inline.begin(&self.ctx).await.expect("opened");
        let sql = "SELECT count(*) FROM pg_prepared_statements";
        sqlx::query_scalar(sql).persistent(false).fetch_one(&mut tx).await.expect("counted")
    }

    /// Returns the bytes of a row's columns as PostgreSQL stores them.
    async fn stored(&self, id: i64) -> Vec<u8> {
        let mut admin = self.database.admin().await;
        let sql = format!("SELECT record_send(ROW({COLUMNS})) FROM app.values WHERE id = $1");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&mut admin).await.expect("the row")
    }
}

fn random_text(random: &mut Random) -> String {
    const PARTS: [&str; 18] = [
        "'",
        "\\",
        "''",
        "\\'",
        "\"",
        "$1",
        "$$",
        ";",
        "--",
        "/*",
        "\n",
        "\r",
        "\t",
        "\u{7f}",
        "é",
        "\u{1f980}",
        "\u{feff}",
        "SELECT",
    ];
    (0..random.number(12))
        .map(|_| match random.number(3) {
            0 => char::from_u32(random.number(0x11_0000) as u32).filter(|c| *c != '\0').unwrap_or('x').to_string(),
            1 => char::from(b' ' + random.number(95) as u8).to_string(),
            _ => (random.pick(&PARTS)).to_owned(),
        })
        .collect()
}

fn random_value(random: &mut Random) -> NewValue {
    let r = random;
    let edge = |r: &mut Random| {
        r.pick(&[i64::MIN, i64::MAX, 0, 1, -1, i64::from(i32::MIN), i64::from(i32::MAX), i64::from(i16::MIN)])
    };
    let int = |r: &mut Random| if r.number(2) == 0 { edge(r) } else { r.bits() as i64 };
    // From 4713 BC, where PostgreSQL's range begins, to 9999, where the range of `time` ends.
    let micros = |r: &mut Random| -210_866_803_200_000_000 + (r.bits() % 464_269_103_900_000_000) as i64;
    let seldom = |r: &mut Random| r.number(8) == 0;
    let at = |r: &mut Random| DateTime::from_timestamp_micros(micros(r)).expect("in range");
    let at_2 = |r: &mut Random| {
        let nanos = i128::from(micros(r)) * 1000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).expect("in range")
    };
    macro_rules! some {
        ($value:expr) => {
            if seldom(r) { None } else { Some($value) }
        };
    }
    // Empty and longer lists.
    let many = |r: &mut Random| r.number(5);
    NewValue {
        yes: some!(r.number(2) == 0),
        small: some!(int(r) as i16),
        medium: some!(int(r) as i32),
        large: some!(int(r)),
        float: some!(if seldom(r) {
            r.pick(&[f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE, f32::MAX])
        } else {
            f32::from_bits(r.bits() as u32)
        }),
        double: some!(if seldom(r) {
            r.pick(&[f64::NAN, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX])
        } else {
            f64::from_bits(r.bits())
        }),
        note: some!(random_text(r)),
        code: some!(Uuid::from_u64_pair(r.bits(), r.bits())),
        key: some!(TextKey::new(["a", "acme.eu", "x@y|z", "A-1:2+3"][r.number(4) as usize]).expect("a key")),
        shade: some!(r.pick(&[Shade::Light, Shade::Dark])),
        at: some!(at(r)),
        local: some!(at(r).naive_utc()),
        day: some!(at(r).date_naive()),
        hour: some!(at(r).time()),
        at_2: some!(at_2(r)),
        local_2: some!({
            let at = at_2(r);
            PrimitiveDateTime::new(at.date(), at.time())
        }),
        day_2: some!(at_2(r).date()),
        hour_2: some!(at_2(r).time()),
        price: some!({
            let mantissa = (i128::from(r.bits() as i64) * i128::from(r.number(1 << 32))) % (1 << 95);
            Decimal::from_i128_with_scale(if seldom(r) { 0 } else { mantissa }, r.number(29) as u32)
        }),
        json: some!(serde_json::json!({ random_text(r): [random_text(r), int(r), null_or(r)] })),
        list: some!(Json((0..many(r)).map(|_| random_text(r)).collect())),
        bytes: some!((0..many(r) * 7).map(|_| r.bits() as u8).collect()),
        numbers: some!((0..many(r)).map(|_| int(r)).collect()),
        halves: some!((0..many(r)).map(|_| int(r) as f64 / 2.0).collect()),
        codes: some!((0..many(r)).map(|_| Uuid::from_u64_pair(r.bits(), r.bits())).collect()),
        flags: some!((0..many(r)).map(|_| r.number(2) == 0).collect()),
    }
}

fn null_or(random: &mut Random) -> Option<bool> {
    [None, Some(true)][random.number(2) as usize]
}

/// Replaces a value by one that the client or the server refuses.
fn spoil(new: &mut NewValue, random: &mut Random) {
    match random.number(5) {
        0 => new.note = Some(format!("{}\0", random_text(random))),
        // Later than PostgreSQL's last date.
        1 => new.at = DateTime::from_timestamp(9_300_000_000_000 + random.number(1000) as i64, 0).or(new.at),
        2 => new.json = Some(serde_json::json!("\u{0}")),
        3 => new.list = Some(Json(vec!["\u{0}".to_owned()])),
        // Earlier than PostgreSQL's first date.
        _ => new.day = NaiveDate::from_ymd_opt(-4800 - random.number(100) as i32, 3, 1),
    }
}

/// What a user sees of an error.
fn shown(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn without_id(value: &Value) -> String {
    // Through `Debug`, in which NaN equals NaN.
    format!("{:?}", Value { id: 0, ..value.clone() })
}

fn copy(new: &NewValue) -> NewValue {
    let NewValue { yes, small, medium, large, float, double, .. } = *new;
    let NewValue { code, shade, at, local, day, hour, at_2, local_2, day_2, hour_2, price, .. } = *new;
    NewValue {
        yes,
        small,
        medium,
        large,
        float,
        double,
        code,
        shade,
        at,
        local,
        day,
        hour,
        at_2,
        local_2,
        day_2,
        hour_2,
        price,
        note: new.note.clone(),
        key: new.key.clone(),
        json: new.json.clone(),
        list: new.list.clone(),
        bytes: new.bytes.clone(),
        numbers: new.numbers.clone(),
        halves: new.halves.clone(),
        codes: new.codes.clone(),
        flags: new.flags.clone(),
    }
}

#[tokio::test]
async fn values_in_the_text_and_bound_values_give_the_same_rows_and_errors() {
    let cabinet = Cabinet::open().await;
    let (inline, bound) = (cabinet.inline.scope(&cabinet.ctx), cabinet.bound.scope(&cabinet.ctx));
    let first = Value::insert(&inline, random_value(&mut Random::new(1))).await.expect("inserted");
    Value::get(&inline, first.id).await.expect("found");
    assert_eq!(cabinet.prepared().await, 0, "values were bound");
    let rows = if long() { 100_000 / VALUES + 1 } else { 250 };
    let mut random = Random::new(20_261_130);
    let mut refused = 0;
    for round in 0..rows {
        let mut new = random_value(&mut random);
        if round % 10 == 9 {
            spoil(&mut new, &mut random);
        }
        let results = (Value::insert(&inline, copy(&new)).await, Value::insert(&bound, copy(&new)).await);
        match results {
            (Ok(one), Ok(two)) => {
                assert_eq!(without_id(&one), without_id(&two), "round {round}");
                assert_eq!(cabinet.stored(one.id).await, cabinet.stored(two.id).await, "round {round}: {new:?}");
                // Each path reads the row that the other one wrote.
                let (read, again) = (Value::get(&bound, one.id).await, Value::get(&inline, two.id).await);
                let read = read.expect("a bound read");
                assert_eq!(without_id(&read), without_id(&again.expect("a read")), "round {round}");
                assert_eq!(without_id(&read), without_id(&one), "round {round}");
                found_by_each_value(&inline, &bound, &one, &two, round).await;
            }
            (Err(one), Err(two)) => {
                assert_eq!(shown(&one), shown(&two), "round {round}");
                refused += 1;
            }
            (one, two) => panic!("round {round}: {one:?} and {two:?} for {new:?}"),
        }
    }
    assert!(refused > rows / 20, "only {refused} of {rows} rows were refused");
    println!("{} values in {rows} rows, {refused} rows refused", rows * VALUES);
}

/// Conditions find both rows by each of their values.
async fn found_by_each_value(
    inline: &tenant_runtime::Scope<Keeper>,
    bound: &tenant_runtime::Scope<Keeper>,
    one: &Value,
    two: &Value,
    round: usize,
) {
    let ids = || Value::ID.in_([one.id, two.id]);
    macro_rules! filters {
        ($($column:ident $field:ident,)*) => {
            [$(ids() & Value::$column.eq(one.$field.clone()),)*]
        };
    }
    let filters = filters! {
        YES yes, SMALL small, MEDIUM medium, LARGE large, FLOAT float, DOUBLE double, NOTE note, CODE code, KEY key,
        SHADE shade, AT at, LOCAL local, DAY day, HOUR hour, AT_2 at_2, LOCAL_2 local_2, DAY_2 day_2, HOUR_2 hour_2,
        PRICE price, BYTES bytes, NUMBERS numbers, CODES codes, FLAGS flags,
    };
    // Two of the conditions are enough for a round.
    for filter in [&filters[round % filters.len()], &filters[(round * 7 + 3) % filters.len()]] {
        let counts = (
            Value::count(inline).filter(filter.clone()).await.expect("counted"),
            Value::count(bound).filter(filter.clone()).await.expect("counted"),
        );
        assert_eq!(counts, (2, 2), "round {round}: {filter:?}");
    }
}

/// Values that Rust cannot send, or cannot read, written by SQL.
const EXTREMES: [&str; 26] = [
    "at = 'infinity'",
    "at = '-infinity'",
    "at = '4713-01-01 00:00:00+00 BC'",
    "at = '0044-03-15 12:00:00.5+00 BC'",
    "at = '294276-12-31 23:59:59.999999+00'",
    "at_2 = '10000-01-01 00:00:00+00'",
    "at_2 = '0001-12-31 00:00:00+00 BC'",
    "at_2 = 'infinity'",
    "local = 'infinity'",
    "local = '99999-12-31 23:59:59.1'",
    "local_2 = '0099-02-28 00:00:00'",
    "day = '5874897-12-31'",
    "day = 'infinity'",
    "day = '4713-01-01 BC'",
    "day_2 = '-infinity'",
    "day_2 = '0001-01-01 BC'",
    "hour = '24:00:00'",
    "hour_2 = '24:00:00'",
    "price = 'NaN'",
    "price = 0.00",
    "price = 1.10",
    "price = 1e30",
    "price = 0.12345678901234567890123456789012345",
    "price = 12345678901234567890.12345678901234567890",
    "numbers = '{{1,2},{3,4}}'",
    "numbers = '[0:1]={1,2}'",
];

#[tokio::test]
async fn extreme_values_are_read_in_the_same_way_or_refused_with_the_same_error() {
    let cabinet = Cabinet::open().await;
    let (inline, bound) = (cabinet.inline.scope(&cabinet.ctx), cabinet.bound.scope(&cabinet.ctx));
    let mut random = Random::new(7);
    let mut admin = cabinet.database.admin().await;
    for set in EXTREMES {
        let id = Value::insert(&bound, random_value(&mut random)).await.expect("inserted").id;
        run(&mut admin, &format!("UPDATE app.values SET {set} WHERE id = {id}")).await.expect(set);
        let (one, two) = (Value::get(&inline, id).await, Value::get(&bound, id).await);
        match (one, two) {
            (Ok(one), Ok(two)) => assert_eq!(without_id(&one), without_id(&two), "{set}"),
            (Err(one), Err(two)) => {
                assert_eq!(shown(&one), shown(&two), "{set}");
                let column = set.split(' ').next().unwrap_or_default();
                assert!(
                    shown(&one).contains(&format!("column `{column}` of `app.values`: ")),
                    "{set}: {}",
                    shown(&one)
                );
            }
            (one, two) => panic!("{set}: {one:?} and {two:?}"),
        }
    }
}
