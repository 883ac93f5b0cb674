//! `TenantView`: roles without SELECT on every column insert and update through a view and get its columns back.

use tenant_runtime::{Error, Repository as _, TenantView, ViewRepository as _};

use super::{Boss, Lab, Reader, Sample, SampleChanges, Writer, sample};

/// The columns of a sample that a writer can select.
#[derive(Debug, Clone, PartialEq, TenantView)]
#[tenant(of = Sample)]
struct Slip {
    label: String,
    id: i64,
}

#[tokio::test]
async fn view_insert_and_update_without_full_select() {
    let (lab, _) = Lab::with(|| vec![sample("theirs")]).await;
    let mut tx = lab.db.begin(&lab.boss.narrow::<Writer>()).await.expect("begun");
    let slip = Slip::insert(&mut tx, sample("new")).await.expect("a writer inserts");
    let changes = SampleChanges { label: Some("changed".into()), ..SampleChanges::default() };
    let changed = Slip::update(&mut tx, slip.id, changes).await.expect("a writer updates");
    let same = Slip::update(&mut tx, slip.id, SampleChanges::default()).await.expect("only read");
    tx.commit().await.expect("committed");
    let row = Sample::get(&lab.db.scope(&lab.boss), slip.id).await.expect("a boss reads all of it");
    assert_eq!((slip.label.as_str(), row.secret), ("new", 0));
    assert_eq!((&changed, &same), (&Slip { label: "changed".into(), id: slip.id }, &changed));
    assert_eq!((row.label, row.lab_id), (changed.label, *lab.boss.tenant_id()));
}

#[tokio::test]
async fn view_sets_columns_with_a_separate_role() {
    let (lab, _) = Lab::with(|| vec![sample("theirs")]).await;
    let scope = lab.db.scope(&lab.boss);
    let slip = Slip::insert(&scope, sample("new")).set(Sample::SECRET, 3).await.expect("a boss can");
    let before = Sample::get(&scope, slip.id).await.expect("read").secret;
    Slip::update(&scope, slip.id, SampleChanges::default()).set(Sample::SECRET, 4).await.expect("a boss can");
    assert_eq!((before, Sample::get(&scope, slip.id).await.expect("read").secret), (3, 4));
}

#[tokio::test]
async fn view_update_of_another_tenants_row_is_not_found() {
    let (lab, rows) = Lab::with(|| vec![sample("theirs")]).await;
    let changes = SampleChanges { label: Some("changed".into()), ..SampleChanges::default() };
    let changed = Slip::update(&lab.db.scope(&lab.other), rows[0].id, changes).await;
    let seen = Slip::find(&lab.db.scope(&lab.other.narrow::<Reader>()), rows[0].id).await.expect("read");
    let kept = Sample::get(&lab.db.scope(&lab.boss.narrow::<Boss>()), rows[0].id).await.expect("read").label;
    assert!(matches!(changed, Err(Error::NotFound { .. })) && seen.is_none(), "{changed:?}");
    assert_eq!(kept, "theirs");
}
