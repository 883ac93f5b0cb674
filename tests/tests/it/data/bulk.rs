//! Bulk inserts, upserts, columns with separate roles, and streams.

use futures_util::TryStreamExt as _;
use sqlx::types::{Decimal, Json, chrono::NaiveDate};
use tenant_runtime::{Error, Repository as _};
use tenant_tests::ask;

use super::{Kind, Lab, NewSample, NewTray, Sample, SampleChanges, Tray, TrayChanges, random_cases::samples, sample};
use crate::property::Random;

pub(super) fn tray(name: &str, tags: &[&str], best: Option<i64>) -> NewTray {
    NewTray { name: name.to_owned(), tags: tags.iter().map(|&tag| tag.to_owned()).collect(), best }
}

#[tokio::test]
async fn insert_many_uses_one_statement() {
    let lab = Lab::open().await;
    let new = (0..10_000).map(|n| NewSample { grams: n, ..sample("many") });
    let rows = Sample::insert_many(&lab.db.scope(&lab.boss), new).await.expect("inserted");
    // Each statement that writes raises the command counter of its transaction.
    let commands = "SELECT count(DISTINCT (xmin::text, cmin::text))::text FROM app.samples";
    let commands = ask(&mut lab.database.admin().await, commands).await;
    let in_order = rows.iter().zip(0..).all(|(row, n)| row.grams == n && row.lab_id == *lab.boss.tenant_id());
    assert_eq!((rows.len(), in_order, commands.as_str()), (10_000, true, "1"));
}

#[tokio::test]
async fn insert_many_returns_rows_in_input_order_with_defaults() {
    let lab = Lab::open().await;
    let scope = lab.db.scope(&lab.boss);
    let mut random = Random::new(3);
    let full = || NewSample {
        note: Some("…".to_owned()),
        depth: Some(-1),
        other: Some(Kind::Dust),
        due: NaiveDate::from_ymd_opt(2024, 2, 29),
        price: Some(Decimal::new(-995, 2)),
        extra: Some(Json(vec![1, 2])),
        count: Some(3),
        ..sample("full")
    };
    let rows = [vec![sample("bare"), full(), sample("bare"), full()], (0..50).map(|_| samples(&mut random)).collect()];
    for rows in rows {
        let labels: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
        let inserted = Sample::insert_many(&scope, rows).await.expect("inserted");
        let read = Sample::find_many(&scope, inserted.iter().map(|row| row.id)).await.expect("read");
        let mut sorted = inserted.clone();
        sorted.sort_by_key(|row| row.id);
        assert_eq!(read, sorted);
        assert_eq!(inserted.iter().map(|row| row.label.clone()).collect::<Vec<_>>(), labels);
    }
    let first =
        Sample::list(&scope).filter(Sample::LABEL.eq("full")).first().await.expect("read").expect("it is there");
    let bare = Sample::list(&scope).filter(Sample::LABEL.eq("bare")).first().await.expect("read").expect("it is there");
    assert_eq!(
        (first.count, first.extra, first.secret, bare.count, bare.price),
        (3, Some(Json(vec![1, 2])), 0, 7, None)
    );
}

#[tokio::test]
async fn insert_many_with_array_columns_is_atomic() {
    let lab = Lab::open().await;
    let scope = lab.db.scope(&lab.boss);
    let rows = [tray("a", &["x", "y"], None), tray("b", &[], None)];
    let inserted = Tray::insert_many(&scope, rows).await.expect("inserted");
    let twice = Tray::insert_many(&scope, [tray("c", &[], None), tray("a", &[], None)]).await;
    let none: [NewTray; 0] = [];
    let nothing = Tray::insert_many(&scope, none).await.expect("nothing");
    let count = Tray::count(&scope).await.expect("counted");
    assert!(matches!(twice, Err(Error::UniqueViolation { .. })), "{twice:?}");
    assert_eq!((inserted[0].tags.len(), inserted[1].tags.len(), nothing.len(), count), (2, 0, 0, 2));
}

#[tokio::test]
async fn upsert_updates_only_rows_of_the_tenant() {
    let (lab, rows) = Lab::with(|| vec![sample("first")]).await;
    let scope = lab.db.scope(&lab.boss);
    let theirs = Sample::list(&lab.db.scope(&lab.other)).first().await.expect("read").expect("one");
    Sample::update(&scope, rows[0].id, SampleChanges { count: Some(1), ..SampleChanges::default() })
        .set(Sample::SECRET, 5)
        .await
        .expect("a boss can");
    let again = NewSample { code: rows[0].code, label: "again".to_owned(), ..sample("") };
    let again = Sample::upsert(&scope, again, Sample::BY_KIND_AND_CODE).await.expect("updated");
    let elsewhere = NewSample { code: theirs.code, ..sample("new") };
    let elsewhere = Sample::upsert(&scope, elsewhere, Sample::BY_KIND_AND_CODE).await.expect("inserted");
    let untouched = Sample::get(&lab.db.scope(&lab.other), theirs.id).await.expect("read");
    // Columns left to their default and columns with a separate role keep their values.
    assert_eq!((again.id, again.label.as_str(), again.count, again.secret), (rows[0].id, "again", 1, 5));
    assert!(elsewhere.id != theirs.id && untouched == theirs);
}

#[tokio::test]
async fn upsert_does_not_touch_rows_with_another_key() {
    let lab = Lab::open().await;
    let scope = lab.db.scope(&lab.boss);
    let tray = |name: &str, tags: &[&str]| tray(name, tags, None);
    let one = Tray::upsert(&scope, tray("one", &["x"]), Tray::BY_NAME).await.expect("inserted");
    let same = Tray::upsert(&scope, tray("one", &["y"]), Tray::BY_NAME).await.expect("updated");
    let two = Tray::upsert(&scope, tray("two", &[]), Tray::BY_NAME).await.expect("inserted");
    let renamed = TrayChanges { name: Some("one".to_owned()), ..TrayChanges::default() };
    let taken = Tray::update(&scope, two.id, renamed).await;
    assert!(matches!(taken, Err(Error::UniqueViolation { .. })), "{taken:?}");
    assert_eq!((one.id, same.tags), (same.id, vec!["y".to_owned()]));
}

#[tokio::test]
async fn columns_with_a_separate_role_are_set_explicitly() {
    let (lab, rows) = Lab::with(|| vec![sample("a"), sample("b")]).await;
    let scope = lab.db.scope(&lab.boss);
    let secret = Sample::insert(&scope, sample("secret")).set(Sample::SECRET, 9).set(Sample::NOTE, "n").await;
    let raised =
        Sample::update_where(&scope, Sample::SECRET.lt(9), SampleChanges::default()).set(Sample::SECRET, 1).await;
    let nothing = Sample::update_where(&scope, Sample::SECRET.lt(9), SampleChanges::default()).await;
    let one = Sample::get(&scope, rows[0].id).await.expect("read");
    let secret = secret.expect("a boss can");
    assert_eq!((secret.secret, secret.note.as_deref(), one.secret), (9, Some("n"), 1));
    assert_eq!((raised.expect("a boss can"), nothing.expect("nothing to do")), (2, 0));
}

#[tokio::test]
async fn stream_returns_all_rows_and_leaves_the_transaction_usable() {
    let (lab, rows) = Lab::with(|| (0..300).map(|_| sample("s")).collect()).await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let whole: Vec<Sample> = Sample::list(&mut tx).stream().try_collect().await.expect("read");
    let first = Sample::list(&mut tx).stream().try_next().await.expect("read").expect("a row");
    let few: Vec<Sample> = Sample::list(&lab.db.scope(&lab.boss)).limit(3).stream().try_collect().await.expect("read");
    let count = Sample::count(&mut tx).await.expect("the connection is in order");
    tx.commit().await.expect("a dropped stream is not a failure");
    assert_eq!((whole == rows, first == rows[0], few.len(), count), (true, true, 3, 300));
}

#[tokio::test]
async fn failed_stream_aborts_the_transaction() {
    let (lab, _) = Lab::with(|| vec![sample("s")]).await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let invalid = Sample::list(&mut tx).filter(Sample::LABEL.like("\\")).stream().try_next().await;
    assert!(matches!(invalid, Err(Error::Database(_))), "{invalid:?}");
    let committed = tx.commit().await;
    assert!(matches!(committed, Err(Error::Aborted)), "{committed:?}");
}
