//! Property test: a filter matches exactly the rows that a Rust predicate matches, in every method, within the tenant.

use std::collections::BTreeSet;

use tenant_runtime::{Filter, Repository as _};

use super::{
    Lab, Sample, SampleChanges,
    random_cases::{condition, samples},
};
use crate::property::Random;

/// The number of conditions to try.
const CASES: usize = 600;
/// The number of them that also change and delete rows.
const WRITTEN: usize = 60;

fn ids<'r>(rows: impl IntoIterator<Item = &'r Sample>) -> BTreeSet<i64> {
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn filters_match_the_rust_reference_model() {
    let mut random = Random::new(20_240);
    let new: Vec<_> = (0..80).map(|_| samples(&mut random)).collect();
    let again = || {
        let mut random = Random::new(20_240);
        (0..80).map(|_| samples(&mut random)).collect()
    };
    assert_eq!(new.len(), 80);
    let (lab, rows) = Lab::with(again).await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let (mut some, mut wrong) = (0, Vec::new());
    for _ in 0..CASES {
        let case = condition(&mut random, 3);
        let meant = ids(rows.iter().filter(|row| (case.meets)(row)));
        let found = Sample::list(&mut tx).filter(case.filter.clone()).limit(1000).await.expect(&case.said);
        let count = Sample::count(&mut tx).filter(case.filter.clone()).await.expect(&case.said);
        let exists = Sample::exists(&mut tx, case.filter.clone()).await.expect(&case.said);
        if (ids(&found), count, exists) != (meant.clone(), meant.len() as u64, !meant.is_empty()) {
            wrong.push(case.said);
        }
        some += usize::from(!meant.is_empty() && meant.len() < rows.len());
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(some > CASES / 2, "only {some} conditions matched some rows and not others");
}

#[tokio::test]
async fn update_where_and_delete_where_match_the_reference_model() {
    let again = || {
        let mut random = Random::new(7);
        (0..40).map(|_| samples(&mut random)).collect()
    };
    let (lab, rows) = Lab::with(again).await;
    let mut random = Random::new(8);
    for _ in 0..WRITTEN {
        let case = condition(&mut random, 2);
        let meant = ids(rows.iter().filter(|row| (case.meets)(row)));
        let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
        let changes = SampleChanges { label: Some("changed".to_owned()), note: Some(None), ..SampleChanges::default() };
        let updated = Sample::update_where(&mut tx, case.filter.clone(), changes).await.expect(&case.said);
        let changed = Sample::LABEL.eq("changed") & Sample::NOTE.is_null();
        let changed = Sample::list(&mut tx).filter(changed).limit(1000).await.expect("read");
        assert_eq!((ids(&changed), updated), (meant.clone(), meant.len() as u64), "{}", case.said);
        tx.rollback().await.expect("rolled back");
        let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
        let deleted = Sample::delete_where(&mut tx, case.filter).await.expect(&case.said);
        let left = Sample::list(&mut tx).limit(1000).await.expect("read");
        let meant_left: BTreeSet<i64> = ids(&rows).difference(&meant).copied().collect();
        assert_eq!((ids(&left), deleted), (meant_left, meant.len() as u64), "{}", case.said);
    }
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let deleted = Sample::delete_where(&mut tx, Filter::all_rows()).await.expect("deleted");
    tx.commit().await.expect("committed");
    let others = Sample::count(&lab.db.scope(&lab.other)).await.expect("read");
    assert_eq!((deleted, others), (40, 40));
}
