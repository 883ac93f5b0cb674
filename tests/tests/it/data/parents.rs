//! Parent rows: joined to their children and used in filters, within the tenant and the role.

use futures_util::TryStreamExt as _;
use tenant_runtime::{Filter, Page, Repository as _, TenantView, ViewRepository as _};

use super::{Boss, Lab, NewTray, Reader, Sample, Tray, TrayChanges, Writer, bulk::tray, sample};

/// The columns of a sample that a reader can select, without its key.
#[derive(Debug, Clone, PartialEq, TenantView)]
#[tenant(of = Sample)]
struct SampleCard {
    note: Option<String>,
    label: String,
}

/// Creates a laboratory in which `best` of `a` and `c` is the sample `one`, of `b` `two`, and of `d` NULL.
async fn trays() -> (Lab, Vec<Sample>) {
    let (lab, rows) = Lab::with(|| vec![sample("one"), sample("two")]).await;
    let best = |row: usize| Some(rows[row].id);
    let trays: [NewTray; 4] =
        [("a", best(0)), ("b", best(1)), ("c", best(0)), ("d", None)].map(|(name, best)| tray(name, &[], best));
    Tray::insert_many(&lab.db.scope(&lab.boss), trays).await.expect("inserted");
    let theirs = Sample::list(&lab.db.scope(&lab.other)).await.expect("read");
    let same = theirs.iter().map(|row| tray(&row.label, &[], Some(row.id)));
    Tray::insert_many(&lab.db.scope(&lab.other), same).await.expect("inserted");
    (lab, rows)
}

fn named<P>(pairs: &[(Tray, Option<P>)], name: impl Fn(&P) -> String) -> Vec<(&str, Option<String>)> {
    pairs.iter().map(|(tray, best)| (tray.name.as_str(), best.as_ref().map(&name))).collect()
}

#[tokio::test]
async fn parent_rows_are_joined_where_present() {
    let (lab, rows) = trays().await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let list = Tray::list(&mut tx).with(Tray::BEST).filter(Tray::NAME.in_(["a", "d"])).order(Tray::NAME.desc());
    let pairs = list.limit(5).await.expect("read");
    let pairs: Vec<_> = pairs.iter().map(|(tray, best)| (tray.name.as_str(), best.as_ref())).collect();
    let first = Tray::list(&mut tx).with(Tray::BEST).first().await.expect("read").expect("a pair");
    assert_eq!(pairs, [("d", None), ("a", Some(&rows[0]))]);
    assert_eq!(first.1.as_ref(), Some(&rows[0]));
}

#[tokio::test]
async fn pagination_with_parents_returns_every_row_once() {
    let (lab, _) = trays().await;
    let scope = lab.db.scope(&lab.boss);
    for (limit, down) in [(1, false), (3, true), (4, false)] {
        let (mut found, mut next): (Vec<_>, Option<String>) = (Vec::new(), None);
        loop {
            // `best` is NULL in one of the rows, and so is a value in some cursor.
            let order = if down { Tray::BEST.desc() } else { Tray::BEST.asc() };
            let mut list = Tray::list(&scope).order(order).limit(limit).with(Tray::BEST);
            if let Some(cursor) = next {
                list = list.after(cursor.parse().expect("a cursor"));
            }
            let Page { rows, next: after } = list.page().await.expect("a page");
            assert!(rows.iter().all(|(tray, best)| tray.best == best.as_ref().map(|best| best.id)));
            found.extend(rows.into_iter().map(|(tray, _)| tray.name));
            next = after.map(|cursor| cursor.to_string());
            if next.is_none() {
                break;
            }
        }
        let mut meant = vec!["a", "c", "b", "d"];
        if down {
            meant.reverse();
        }
        assert_eq!(found, meant, "{limit}");
    }
}

#[tokio::test]
async fn stream_yields_rows_with_parents() {
    let (lab, rows) = trays().await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let pairs: Vec<_> = Tray::list(&mut tx).with(Tray::BEST).stream().try_collect().await.expect("read");
    let count = Tray::count(&mut tx).await.expect("the connection is in order");
    let best: Vec<_> = pairs.into_iter().map(|(_, best)| best).collect();
    assert_eq!((best, count), (vec![Some(rows[0].clone()), Some(rows[1].clone()), Some(rows[0].clone()), None], 4));
}

#[tokio::test]
async fn restricted_parent_is_read_through_a_view() {
    let (lab, _) = trays().await;
    let reader = lab.db.scope(&lab.boss.narrow::<Reader>());
    let list = || Tray::list(&reader).order(Tray::NAME.asc()).with(Tray::BEST.view::<SampleCard>());
    // A NULL column of the parent does not mean that there is no parent.
    let pairs = list().await.expect("a reader can");
    let page = list().limit(3).page().await.expect("a reader can");
    let rest = list().after(page.next.expect("there is more")).page().await.expect("a reader can");
    let whole = SampleCard::list(&reader).await.expect("a reader can");
    assert_eq!(
        named(&pairs, |card| card.label.clone()),
        [("a", Some("one".into())), ("b", Some("two".into())), ("c", Some("one".into())), ("d", None)]
    );
    assert_eq!((page.rows, rest.rows, whole.len()), (pairs[..3].to_vec(), pairs[3..].to_vec(), 2));
}

#[tokio::test]
async fn filter_by_parent_columns() {
    let (lab, rows) = trays().await;
    let scope = lab.db.scope(&lab.boss);
    let one = || Tray::BEST.where_parent(Sample::LABEL.eq("one"));
    let cases: [(Filter<Tray, _>, &[&str]); 7] = [
        (one(), &["a", "c"]),
        (!one(), &["b", "d"]),
        (one() & Tray::NAME.gt("a"), &["c"]),
        (Tray::NAME.eq("d") | one(), &["a", "c", "d"]),
        (one() | Tray::BEST.where_parent(Sample::LABEL.eq("two")), &["a", "b", "c"]),
        (Tray::BEST.where_parent(Sample::NOTE.is_null() & !Sample::LABEL.eq("one")), &["b"]),
        (Tray::BEST.where_parent(Filter::all_rows()), &["a", "b", "c"]),
    ];
    for (filter, meant) in cases {
        let said = format!("{filter:?}");
        let list = Tray::list(&scope).filter(filter.clone()).order(Tray::NAME.asc());
        let names: Vec<_> = list.await.expect(&said).into_iter().map(|tray| tray.name).collect();
        assert_eq!(names, meant, "{said}");
        assert_eq!(Tray::count(&scope).filter(filter.clone()).await.expect(&said), meant.len() as u64);
        assert!(Tray::exists(&scope, filter).await.expect(&said));
        assert!(!said.contains("one") && !said.contains("two"), "a filter shows no values: {said}");
    }
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let pairs = Tray::list(&mut tx).with(Tray::BEST).filter(one()).await.expect("both at once");
    let changes = TrayChanges { best: Some(Some(rows[1].id)), ..TrayChanges::default() };
    let moved = Tray::update_where(&mut tx, one(), changes).await.expect("updated");
    let gone = Tray::delete_where(&mut tx, Tray::BEST.where_parent(Sample::LABEL.eq("two"))).await.expect("deleted");
    assert_eq!((pairs.len(), moved, gone), (2, 2, 3));
}

#[tokio::test]
async fn parent_filter_reveals_nothing_about_another_tenant() {
    let (lab, rows) = trays().await;
    // Both laboratories have trays of samples `one` and `two`; each finds only those of its tenant.
    let own = || Tray::BEST.where_parent(Sample::ID.in_(rows.iter().map(|row| row.id)));
    let found = Tray::count(&lab.db.scope(&lab.other)).filter(own()).await.expect("read");
    let rest = Tray::count(&lab.db.scope(&lab.other)).filter(!own()).await.expect("read");
    let deleted = Tray::delete_where(&lab.db.scope(&lab.other), own()).await.expect("nothing");
    let left = Tray::count(&lab.db.scope(&lab.boss)).filter(own()).await.expect("read");
    assert_eq!((found, rest, deleted, left), (0, 2, 0, 3));
}

#[tokio::test]
async fn parent_filter_requires_the_column_role() {
    let (lab, _) = trays().await;
    let secret = || Tray::BEST.where_parent(Sample::SECRET.lt(9));
    let boss = Tray::count(&lab.db.scope(&lab.boss)).filter(secret()).await.expect("a boss can");
    // Any other role does not compile; the database would refuse it too.
    let mut tx = lab.db.begin(&lab.boss.narrow::<Writer>()).await.expect("begun");
    let asked = "SELECT count(*) FROM app.trays WHERE best IN (SELECT p.id FROM app.samples AS p WHERE p.secret < 9)";
    let refused =
        tenant_tests::refusal(sqlx::query(asked).execute(&mut tx).await.expect_err("allowed for a boss only"));
    // A condition that is built at run time names its role first.
    let mut filter = Filter::<Tray>::all_rows().requires::<Boss>();
    filter = filter & secret().requires::<Boss>() & Tray::NAME.eq("a");
    let made = Tray::count(&lab.db.scope(&lab.boss)).filter(filter).await.expect("a boss can");
    assert_eq!((boss, refused.0.as_str(), made), (3, "42501", 1));
}
