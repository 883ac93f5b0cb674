//! Sorting and pagination: every row once and in order, NULLs included, and forged cursors are rejected.

use std::cmp::Ordering;

use sqlx::types::chrono::DateTime;
use tenant_runtime::{Cursor, Error, Page, Repository as _, TenantTx, repo::list::List};

use super::{
    Boss, Lab, Sample, Tray,
    random_cases::{Compare, nulls_last, samples},
    sample,
};
use crate::property::Random;

fn eighty_samples() -> Vec<super::NewSample> {
    let mut random = Random::new(99);
    (0..80).map(|_| samples(&mut random)).collect()
}

type SampleList<'t> = List<'t, Sample, &'t mut TenantTx<Boss>>;

/// Orders a list by one column, with the equivalent order in Rust.
fn ordered<'t>(list: SampleList<'t>, column: usize, down: bool) -> (SampleList<'t>, Compare) {
    macro_rules! by {
        ($($column:ident $compare:expr;)*) => {{
            let compares: [Compare; 9] = [$($compare),*];
            let mut at = 0..;
            $(if at.next() == Some(column) {
                let order = if down { Sample::$column.desc() } else { Sample::$column.asc() };
                return (list.order(order), compares[column]);
            })*
            panic!("no column {column}")
        }};
    }
    by! {
        LABEL |a, b| a.label.cmp(&b.label);
        NOTE |a, b| nulls_last(&a.note, &b.note);
        GRAMS |a, b| a.grams.cmp(&b.grams);
        DEPTH |a, b| nulls_last(&a.depth, &b.depth);
        RATIO |a, b| a.ratio.total_cmp(&b.ratio);
        FRESH |a, b| a.fresh.cmp(&b.fresh);
        TAKEN_AT |a, b| a.taken_at.cmp(&b.taken_at);
        DUE |a, b| nulls_last(&a.due, &b.due);
        PRICE |a, b| nulls_last(&a.price, &b.price);
    }
}

#[tokio::test]
async fn pagination_returns_every_row_once_in_order() {
    let (lab, rows) = Lab::with(eighty_samples).await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let mut random = Random::new(5);
    for _ in 0..60 {
        let columns: Vec<(usize, bool)> = (0..random.below(4)).map(|_| (random.below(9), random.chance(50))).collect();
        let limit = random.pick(&[1, 7, 40, 79, 80, 81]);
        let mut compares = Vec::new();
        let (mut found, mut next): (Vec<i64>, Option<String>) = (Vec::new(), None);
        loop {
            let mut list = Sample::list(&mut tx).limit(limit);
            compares.clear();
            for (column, down) in &columns {
                let (ordered, compare) = ordered(list, *column, *down);
                list = ordered;
                compares.push((compare, *down));
            }
            if let Some(cursor) = next {
                list = list.after(cursor.parse().expect("a cursor"));
            }
            let page = list.page().await.expect("a page");
            assert!(page.rows.len() == limit as usize || page.next.is_none());
            found.extend(page.rows.iter().map(|row| row.id));
            next = page.next.map(|cursor| cursor.to_string());
            if next.is_none() {
                break;
            }
        }
        let mut meant = rows.clone();
        compares.push((|a, b| a.id.cmp(&b.id), columns.last().is_some_and(|(_, down)| *down)));
        meant.sort_by(|a, b| {
            compares.iter().fold(Ordering::Equal, |order, (compare, down)| {
                order.then_with(|| if *down { compare(b, a) } else { compare(a, b) })
            })
        });
        assert_eq!(found, meant.iter().map(|row| row.id).collect::<Vec<_>>(), "{columns:?} by {limit}");
    }
}

#[tokio::test]
async fn cursor_of_another_tenant_returns_rows_of_the_current_tenant_only() {
    let (lab, _) = Lab::with(|| ["a", "b", "c"].map(sample).into()).await;
    let page = |ctx, cursor: Option<Cursor<Sample>>| {
        let scope = lab.db.scope(ctx);
        async move {
            let list = Sample::list(&scope).order(Sample::LABEL.asc()).limit(2);
            let list = match cursor {
                Some(cursor) => list.after(cursor),
                None => list,
            };
            let Page { rows, next } = list.page().await.expect("a page");
            assert!(rows.iter().all(|row| row.lab_id == *scope.ctx().tenant_id()));
            (rows.into_iter().map(|row| row.label).collect::<Vec<_>>(), next)
        }
    };
    let (_, next) = page(&lab.other, None).await;
    let (labels, last) = page(&lab.boss, next).await;
    // The other tenant's keys were generated first, so our `b` sorts after its `b`.
    assert_eq!((labels, last.is_none()), (vec!["b".to_owned(), "c".to_owned()], true));
}

fn by_time(tx: &mut TenantTx<Boss>) -> SampleList<'_> {
    Sample::list(tx).order(Sample::TAKEN_AT.asc())
}

#[tokio::test]
async fn forged_cursor_is_rejected() {
    let (lab, _) = Lab::with(|| ["a", "b"].map(sample).into()).await;
    let mut tx = lab.db.begin(&lab.boss).await.expect("begun");
    let first = by_time(&mut tx).limit(1).page().await.expect("a page").next.expect("there is more");
    let text = first.to_string();
    let mut refused = Vec::new();
    for made_up in ["", "AAAA", "'; DROP TABLE app.samples; --", &text[..text.len() - 2], &text[1..]] {
        refused.push(made_up.parse::<Cursor<Sample>>().expect_err(made_up));
    }
    let of_samples: Cursor<Tray> = text.parse().expect("its form is right");
    refused.push(Tray::list(&mut tx).after(of_samples).await.expect_err("of samples"));
    refused.push(Sample::list(&mut tx).after(first.clone()).await.expect_err("of another order"));
    refused.push(by_time(&mut tx).order(Sample::LABEL.asc()).after(first.clone()).await.expect_err("of another order"));
    assert!(refused.iter().all(|error| matches!(error, Error::InvalidCursor { .. })), "{refused:#?}");
    // Each byte is changed in turn: the cursor is rejected, or points to another row of the same tenant.
    let (mut bent, bytes) = (0, text.as_bytes());
    for place in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("letters");
        match changed.parse::<Cursor<Sample>>() {
            Ok(cursor) => match by_time(&mut tx).after(cursor).await {
                Ok(rows) => assert!(rows.iter().all(|row| row.lab_id == *lab.boss.tenant_id())),
                Err(error) => assert!(matches!(error, Error::InvalidCursor { .. }), "{error}"),
            },
            Err(error) => assert!(matches!(error, Error::InvalidCursor { .. }), "{error}"),
        }
        bent += 1;
    }
    let rows = by_time(&mut tx).after(first).await.expect("the transaction goes on");
    assert_eq!((bent, rows.len(), rows[0].taken_at), (bytes.len(), 1, DateTime::UNIX_EPOCH));
}
