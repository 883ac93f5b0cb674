//! Repository methods never reach a row of another tenant, whatever their arguments.

use tenant_runtime::{Error, Filter, Repository as _, TenantCtx};

use super::{Boss, Lab, NewSample, Reader, Sample, SampleChanges, Tray, Writer, sample};

fn changed() -> SampleChanges {
    SampleChanges { label: Some("mine".to_owned()), ..SampleChanges::default() }
}

#[tokio::test]
async fn reads_never_return_another_tenants_rows() {
    let (lab, own) = Lab::with(|| vec![sample("a"), sample("b")]).await;
    let theirs = Sample::list(&lab.db.scope(&lab.other)).await.expect("read");
    let named = || Sample::ID.eq(theirs[0].id) | Sample::CODE.in_(theirs.iter().map(|row| row.code));
    let boss = lab.db.scope(&lab.boss);
    assert!(Sample::find(&boss, theirs[0].id).await.expect("read").is_none());
    assert!(matches!(Sample::get(&boss, theirs[0].id).await, Err(Error::NotFound { .. })));
    let both = own.iter().chain(&theirs).map(|row| row.id);
    assert_eq!(Sample::find_many(&boss, both).await.expect("read"), own);
    assert_eq!(Sample::list(&boss).filter(named()).await.expect("read"), []);
    assert_eq!(Sample::list(&boss).filter(!named()).await.expect("read"), own);
    assert_eq!(Sample::list(&boss).filter(Sample::LAB_ID.eq(*lab.other.tenant_id())).await.expect("read"), []);
    for role in ["reader", "writer", "boss"] {
        let (count, exists) = match role {
            "reader" => {
                let scope = lab.db.scope(&lab.boss.narrow::<Reader>());
                (Sample::count(&scope).await, Sample::exists(&scope, named()).await)
            }
            "writer" => {
                let scope = lab.db.scope(&lab.boss.narrow::<Writer>());
                (Sample::count(&scope).await, Sample::exists(&scope, named()).await)
            }
            _ => (Sample::count(&boss).await, Sample::exists(&boss, named()).await),
        };
        assert_eq!((count.expect("read"), exists.expect("read")), (2, false), "{role}");
    }
}

#[tokio::test]
async fn writes_never_affect_another_tenants_rows() {
    let (lab, own) = Lab::with(|| vec![sample("a"), sample("b")]).await;
    let (boss, other) = (lab.db.scope(&lab.boss), lab.db.scope(&lab.other));
    let theirs = Sample::list(&other).await.expect("read");
    let named = || Sample::ID.in_(theirs.iter().map(|row| row.id));
    assert!(matches!(Sample::update(&boss, theirs[0].id, changed()).await, Err(Error::NotFound { .. })));
    assert!(matches!(Sample::delete(&boss, theirs[0].id).await, Err(Error::NotFound { .. })));
    assert_eq!(Sample::update_where(&boss, named(), changed()).await.expect("nothing"), 0);
    assert_eq!(Sample::delete_where(&boss, named()).await.expect("nothing"), 0);
    let same_code = NewSample { code: theirs[0].code, ..sample("mine") };
    let inserted = Sample::upsert(&boss, same_code, Sample::BY_KIND_AND_CODE).await.expect("a row of this tenant");
    let best = super::NewTray { name: "x".to_owned(), tags: Vec::new(), best: Some(theirs[0].id) };
    assert!(matches!(Tray::insert_many(&boss, [best]).await, Err(Error::ForeignKeyViolation { .. })));
    assert_eq!(Sample::update_where(&boss, Filter::all_rows(), changed()).await.expect("the row of this tenant"), 3);
    assert_eq!(Sample::delete_where(&boss, Filter::all_rows()).await.expect("the row of this tenant"), 3);
    assert_eq!((inserted.lab_id, own.len()), (*lab.boss.tenant_id(), 2));
    assert_eq!(Sample::list(&other).await.expect("read"), theirs);
}

#[tokio::test]
async fn unknown_tenant_reads_no_rows() {
    let (lab, _) = Lab::with(|| vec![sample("a")]).await;
    let nobody = TenantCtx::<Boss>::assume_authorized(uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let scope = lab.db.scope(&nobody);
    let page = Sample::list(&scope).order(Sample::LABEL.asc()).page().await.expect("read");
    let pairs = Tray::list(&scope).with(Tray::BEST).await.expect("read");
    let count = Sample::count(&scope).await.expect("read");
    assert_eq!((page.rows.len(), page.next.is_none(), pairs.len(), count), (0, true, 0, 0));
}
