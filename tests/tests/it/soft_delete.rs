//! Tables that keep deleted rows: what the repository and SQL of the app see, restoration and removal, and the right to each.

use std::{future::poll_fn, task::Poll};

use futures_util::TryStreamExt as _;
use sqlx::{
    PgConnection, Row as _,
    types::chrono::{DateTime, Utc},
};
use tenant_runtime::{
    DeletedRows as _, Error, Models, Repository as _, SystemDb, TenantCtx, TenantDb, TenantTable,
    model::schema::Command,
    repo::filter::Filter,
    roles::{Admin, Member, Organizations, Viewer},
    testing::{TestDatabase, TestTenant, assert_all_isolated},
    why::{Question, why},
};
use tenant_tests::{connect, refusal, run};
use uuid::Uuid;

use super::golden::{
    self,
    signed_context::{self, Clerk, Employment, Keeper, Owner, Person, Shop},
    soft_delete::{
        Change, Comment, CommentChanges, NewComment, NewPage, NewPicture, NewSection, Page, PageChanges, Picture,
        Section, SectionChanges,
    },
};

pub(super) fn models() -> Models {
    golden::models(&[Page::TABLE, Section::TABLE, Picture::TABLE, Comment::TABLE, Change::TABLE])
}

/// A test database with its app. The sample rows of the tenants are removed.
async fn wiki() -> (TestDatabase, TenantDb, PgConnection) {
    let database = TestDatabase::create(&models()).await.expect("a database");
    let db = database.app().await.expect("the app connects");
    let mut admin = connect(&database.admin_url()).await;
    run(&mut admin, "TRUNCATE app.pages, app.comments, app.changes CASCADE").await.expect("a superuser");
    (database, db, admin)
}

fn page(slug: &str) -> NewPage {
    NewPage { slug: slug.into(), title: slug.to_uppercase(), seen: None, locked: None }
}

fn titled(title: &str) -> PageChanges {
    PageChanges { title: Some(title.into()), ..PageChanges::default() }
}

/// The contexts of a member, and of an administrator who is another user.
fn users(tenant: &TestTenant) -> (TenantCtx<Member>, TenantCtx<Admin>) {
    (tenant.context(), tenant.context())
}

async fn slugs(db: &TenantDb, ctx: &TenantCtx<Viewer>) -> Vec<String> {
    let pages = Page::list(&db.scope(ctx)).order(Page::SLUG.asc()).await.expect("a viewer reads");
    pages.into_iter().map(|page| page.slug).collect()
}

#[tokio::test]
async fn a_deleted_row_is_out_of_sight_until_it_is_restored() {
    let (database, db, _) = wiki().await;
    let [ours, theirs] = database.tenants();
    let (member, _) = users(ours);
    let scope = db.scope(&member);
    let made = Page::insert(&scope, page("home")).await.expect("a member inserts");
    Page::insert(&scope, page("kept")).await.expect("a member inserts");
    Page::delete(&scope, made.id).await.expect("a member deletes an own page");
    assert!(Page::find(&scope, made.id).await.expect("read").is_none());
    assert!(Page::find_many(&scope, [made.id]).await.expect("read").is_empty());
    assert_eq!(slugs(&db, &ours.context()).await, ["kept"]);
    assert_eq!(Page::count(&scope).await.expect("counted"), 1);
    assert!(!Page::exists(&scope, Page::SLUG.eq("home")).await.expect("read"));
    let changed = Page::update(&scope, made.id, titled("x")).await;
    assert!(matches!(changed, Err(Error::NotFound { .. })), "{changed:?}");
    assert_eq!(Page::update_where(&scope, Filter::all_rows(), titled("changed")).await.expect("updated"), 1);
    let again = Page::delete(&scope, made.id).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
    // The other tenant sees and restores nothing.
    let others = db.scope(&theirs.context::<Admin>());
    assert!(Page::list_deleted(&others).await.expect("read").is_empty());
    let stolen = Page::restore(&others, made.id).await;
    assert!(matches!(stolen, Err(Error::NotFound { .. })), "{stolen:?}");
    let restored = Page::restore(&scope, made.id).await.expect("a member restores");
    assert_eq!((restored.id, restored.deleted_at), (made.id, None));
    assert_eq!(slugs(&db, &ours.context()).await, ["home", "kept"]);
    let live = Page::restore(&scope, made.id).await;
    assert!(matches!(live, Err(Error::NotFound { .. })), "it is not deleted: {live:?}");
    // The change log records the deletion and the restoration as updates.
    let log = Change::list(&db.scope(&ours.context::<Admin>())).filter(Change::ROW_KEY.eq(made.id.to_string())).await;
    let commands: Vec<_> = log.expect("read").into_iter().map(|change| change.command).collect();
    assert_eq!(commands, ["insert", "update", "update"]);
}

#[tokio::test]
async fn a_role_deletes_and_updates_the_rows_that_it_has_the_right_to() {
    let (database, db, _) = wiki().await;
    let ours = &database.tenants()[0];
    let (member, admin) = users(ours);
    let (scope, by_admin) = (db.scope(&member), db.scope(&admin));
    let own = Page::insert(&scope, page("own")).await.expect("a member inserts");
    let others = Page::insert(&by_admin, page("others")).await.expect("an admin inserts");
    // Members update all pages, and delete their own.
    Page::update(&scope, others.id, titled("by a member")).await.expect("a member updates");
    let refused = Page::delete(&scope, others.id).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    assert_eq!(Page::delete_where(&scope, Filter::all_rows()).await.expect("deleted"), 1);
    assert_eq!(slugs(&db, &ours.context()).await, ["others"]);
    Page::delete(&by_admin, others.id).await.expect("an admin deletes all pages");
    Page::restore(&scope, own.id).await.expect("a member restores");
    // Admins delete all comments, and update their own.
    let comment = |body: &str| NewComment { page_id: None, body: body.into(), pinned: None };
    let theirs = Comment::insert(&scope, comment("by a member")).await.expect("a member inserts");
    let mine = Comment::insert(&by_admin, comment("by an admin")).await.expect("an admin inserts");
    let body = |body: &str| CommentChanges { body: Some(body.into()), ..CommentChanges::default() };
    let refused = Comment::update(&by_admin, theirs.id, body("changed")).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    assert_eq!(Comment::update_where(&by_admin, Filter::all_rows(), body("changed")).await.expect("updated"), 1);
    let pin = CommentChanges { pinned: Some(true), ..CommentChanges::default() };
    Comment::update(&by_admin, mine.id, pin).await.expect("an admin updates an own comment");
    let refused = Comment::delete(&by_admin, mine.id).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. } | Error::NotFound { .. })), "pinned: {refused:?}");
    Comment::delete(&by_admin, theirs.id).await.expect("an admin deletes");
    let left = Comment::list(&scope).await.expect("read");
    assert_eq!(left.iter().map(|comment| comment.body.as_str()).collect::<Vec<_>>(), ["changed"]);
}

#[tokio::test]
async fn children_of_a_deleted_row_disappear_and_return_with_it() {
    let (database, db, _) = wiki().await;
    let (member, admin) = users(&database.tenants()[0]);
    let (scope, by_admin) = (db.scope(&member), db.scope(&admin));
    let made = Page::insert(&scope, page("home")).await.expect("a member inserts");
    let section = |page_id| NewSection { page_id, text: "text".into() };
    let part = Section::insert(&scope, section(made.id)).await.expect("a member inserts");
    let picture = Picture::insert(&scope, NewPicture { section_id: part.id }).await.expect("a member inserts");
    Page::delete(&scope, made.id).await.expect("deleted");
    assert_eq!(Section::count(&scope).await.expect("counted"), 0);
    assert!(Picture::find(&scope, picture.id).await.expect("read").is_none());
    let refused = Section::insert(&scope, section(made.id)).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    let text = SectionChanges { text: Some("changed".into()) };
    let refused = Section::update(&scope, part.id, text).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    Page::restore(&scope, made.id).await.expect("restored");
    assert_eq!(
        Section::list(&scope).with(Section::PAGE_ID).await.expect("read")[0].1.as_ref().map(|p| p.id),
        Some(made.id)
    );
    // A child that was deleted before stays deleted.
    Picture::delete(&scope, picture.id).await.expect("deleted");
    Page::delete(&scope, made.id).await.expect("deleted");
    Page::restore(&scope, made.id).await.expect("restored");
    assert_eq!(Picture::count(&scope).await.expect("counted"), 0);
    Picture::restore(&by_admin, picture.id).await.expect("an admin restores");
    // Removing the page removes its children.
    Page::delete(&scope, made.id).await.expect("deleted");
    Page::purge(&by_admin, made.id).await.expect("an admin removes");
    assert!(Page::list_deleted(&scope).await.expect("read").is_empty());
    assert!(Picture::list_deleted(&by_admin).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_value_of_a_deleted_row_can_be_used_again() {
    let (database, db, _) = wiki().await;
    let (member, _) = users(&database.tenants()[0]);
    let scope = db.scope(&member);
    let first = Page::insert(&scope, page("home")).await.expect("a member inserts");
    let taken = Page::insert(&scope, page("home")).await;
    assert!(matches!(taken, Err(Error::UniqueViolation { .. })), "{taken:?}");
    Page::delete(&scope, first.id).await.expect("deleted");
    Page::insert(&scope, page("home")).await.expect("the slug is free");
    let conflict = Page::restore(&scope, first.id).await;
    assert!(matches!(conflict, Err(Error::UniqueViolation { .. })), "{conflict:?}");
}

#[tokio::test]
async fn deleted_rows_are_listed_in_pages_and_streams_and_removed() {
    let (database, db, _) = wiki().await;
    let (member, admin) = users(&database.tenants()[0]);
    let (scope, by_admin) = (db.scope(&member), db.scope(&admin));
    let rows: Vec<_> = (0..5).map(|at| page(&format!("p{at}"))).collect();
    let made = Page::insert_many(&scope, rows).await.expect("a member inserts");
    let early = Page::SLUG.lt("p4");
    assert_eq!(Page::delete_where(&scope, early).await.expect("deleted"), 4);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let mut list = Page::list_deleted(&scope).filter(Page::SLUG.ne("p1")).order(Page::SLUG.desc()).limit(2);
        if let Some(cursor) = after.take() {
            list = list.after(cursor);
        }
        let found = list.page().await.expect("a page");
        seen.extend(found.rows.into_iter().map(|page| page.slug));
        match found.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["p3", "p2", "p0"]);
    let streamed: Vec<_> = Page::list_deleted(&scope).stream().try_collect().await.expect("streamed");
    assert_eq!(streamed.len(), 4);
    assert!(streamed.iter().all(|page| page.deleted_at.is_some()));
    let live = Page::purge(&by_admin, made[4].id).await;
    assert!(matches!(live, Err(Error::NotFound { .. })), "only deleted rows are removed: {live:?}");
    Page::purge(&by_admin, made[0].id).await.expect("removed");
    assert_eq!(
        Page::purge_where(&by_admin, Page::DELETED_AT.ge(streamed[0].deleted_at.expect("deleted")))
            .await
            .expect("removed"),
        3
    );
    assert_eq!(Page::count(&scope).await.expect("counted"), 1);
}

#[tokio::test]
async fn a_transaction_shows_deleted_rows_to_one_statement_only() {
    let (database, db, _) = wiki().await;
    let (member, _) = users(&database.tenants()[0]);
    let made = Page::insert(&db.scope(&member), page("home")).await.expect("a member inserts");
    Page::delete(&db.scope(&member), made.id).await.expect("deleted");
    const SQL: &str = "SELECT count(*) FROM app.pages";
    let mut tx = db.begin(&member).await.expect("begun");
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(Page::list_deleted(&mut tx).await.expect("read").len() as i64);
        seen.push(sqlx::query(SQL).fetch_one(&mut tx).await.expect("read").get(0));
    }
    // In a savepoint that is rolled back, and after a call that is dropped at any point.
    let mut savepoint = tx.savepoint().await.expect("begun");
    seen.push(Page::list_deleted(&mut savepoint).await.expect("read").len() as i64);
    savepoint.rollback().await.expect("rolled back");
    seen.push(sqlx::query(SQL).fetch_one(&mut tx).await.expect("read").get(0));
    assert_eq!(seen, [1, 0, 1, 0, 1, 0]);
    tx.rollback().await.expect("rolled back");
    for polls in 0..12 {
        let mut tx = db.begin(&member).await.expect("begun");
        let mut left = polls;
        {
            let mut call = Box::pin(std::future::IntoFuture::into_future(Page::list_deleted(&mut tx)));
            poll_fn(|context| {
                if left == 0 || call.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                left -= 1;
                Poll::Pending
            })
            .await;
        }
        match sqlx::query(SQL).fetch_one(&mut tx).await {
            Ok(row) => assert_eq!(row.get::<i64, _>(0), 0, "after {polls} polls"),
            Err(error) => panic!("after {polls} polls: {error}"),
        }
    }
    // The next transaction on the connection.
    let mut tx = db.begin(&member).await.expect("begun");
    assert_eq!(sqlx::query(SQL).fetch_one(&mut tx).await.expect("read").get::<i64, _>(0), 0);
    let restored = Page::restore(&mut tx, made.id).await.expect("restored");
    let changed = Page::update(&mut tx, restored.id, titled("again")).await.expect("updated");
    Page::delete(tx.then_commit(), changed.id).await.expect("deleted");
    assert!(Page::find(&db.scope(&member), made.id).await.expect("read").is_none());
    assert_eq!(Page::list_deleted(&db.scope(&member)).await.expect("read")[0].title, "again");
}

#[tokio::test]
async fn sql_deletes_only_at_the_time_of_the_transaction_and_without_other_rights() {
    let (database, db, mut admin) = wiki().await;
    let ours = &database.tenants()[0];
    let (member, by_admin) = users(ours);
    let own = Comment::insert(&db.scope(&member), NewComment { page_id: None, body: "b".into(), pinned: None }).await;
    let own = own.expect("a member inserts").id;
    let made = Page::insert(&db.scope(&by_admin), page("home")).await.expect("an admin inserts").id;
    let set = |role: &str, user: Uuid| {
        let tenant = &ours.key;
        format!(
            "BEGIN; SET LOCAL ROLE {role}; SET LOCAL app.organization_id = '{tenant}'; SET LOCAL app.user_id = '{user}'"
        )
    };
    let user = |ctx: Option<&Uuid>| *ctx.expect("the contexts have users");
    let (member_id, admin_id) = (user(member.user_id()), user(by_admin.user_id()));
    let rejected = "42501";
    for (role, user, sql, expected) in [
        ("app_viewer", member_id, format!("UPDATE app.pages SET deleted_at = now() WHERE id = '{made}'"), rejected),
        ("app_member", member_id, format!("UPDATE app.pages SET deleted_at = now() WHERE id = '{made}'"), rejected),
        ("app_admin", admin_id, format!("UPDATE app.pages SET deleted_at = 'infinity' WHERE id = '{made}'"), rejected),
        (
            "app_admin",
            admin_id,
            format!("UPDATE app.pages SET deleted_at = '2020-01-01' WHERE id = '{made}'"),
            rejected,
        ),
        (
            "app_admin",
            admin_id,
            format!("UPDATE app.pages SET deleted_at = clock_timestamp() WHERE id = '{made}'"),
            rejected,
        ),
        (
            "app_admin",
            admin_id,
            format!("UPDATE app.pages SET title = '', deleted_at = now() WHERE id = '{made}'"),
            rejected,
        ),
        ("app_admin", admin_id, "DELETE FROM app.comments".to_owned(), rejected),
        ("app_admin", admin_id, "INSERT INTO app.pages (deleted_at) VALUES (now())".to_owned(), rejected),
        // An admin deletes a member's comment, but may not change it on the way.
        ("app_admin", admin_id, format!("UPDATE app.comments SET body = 'x' WHERE id = {own}"), rejected),
        ("app_admin", admin_id, format!("UPDATE app.comments SET deleted_at = NULL WHERE id = {own}"), rejected),
    ] {
        run(&mut admin, &set(role, user)).await.expect("a superuser");
        let refused = run(&mut admin, &sql).await.map_err(refusal);
        assert!(matches!(&refused, Err((code, _)) if code == expected), "{role}: {sql}: {refused:?}");
        run(&mut admin, "ROLLBACK").await.expect("a superuser");
    }
    run(&mut admin, &set("app_admin", admin_id)).await.expect("a superuser");
    assert_eq!(run(&mut admin, "DELETE FROM app.pages").await.expect("no row is deleted yet"), 0);
    assert_eq!(run(&mut admin, "UPDATE app.pages SET deleted_at = now()").await.expect("deleted"), 1);
    run(&mut admin, "COMMIT").await.expect("committed");
    // Without the setting, an UPDATE that reads no row restores what the role may restore, and a DELETE removes it.
    run(&mut admin, &set("app_viewer", member_id)).await.expect("a superuser");
    run(&mut admin, "SET LOCAL app.deleted_rows = 'shown'").await.expect("set");
    let seen = tenant_tests::ask(&mut admin, "SELECT count(*)::text FROM app.pages").await;
    assert_eq!(seen, "0", "a viewer cannot restore, so the setting shows nothing");
}

#[tokio::test]
async fn jobs_remove_rows_and_do_not_mark_them() {
    let (database, db, _) = wiki().await;
    let [ours, theirs] = database.tenants();
    for tenant in [ours, theirs] {
        let scope = db.scope(&tenant.context::<Admin>());
        let made = Page::insert_many(&scope, [page("a"), page("b")]).await.expect("inserted");
        Page::delete(&scope, made[0].id).await.expect("deleted");
    }
    let jobs: SystemDb<Organizations> = SystemDb::connect(&database.jobs_url()).await.expect("the login of jobs");
    let access = jobs.begin_access("removes old pages").await.expect("a reason");
    let tenant: Uuid = ours.key.parse().expect("a key");
    let mut tx = access.begin_for(&tenant).await.expect("begun");
    assert_eq!(Page::count(&mut tx).await.expect("counted"), 1, "the repository leaves deleted rows out");
    assert_eq!(Page::purge_where(&mut tx, Filter::all_rows()).await.expect("removed"), 1);
    tx.commit().await.expect("committed");
    let left = async |tenant: &TestTenant| {
        Page::list_deleted(&db.scope(&tenant.context::<Admin>())).await.expect("read").len()
    };
    assert_eq!([left(ours).await, left(theirs).await], [0, 1]);
}

#[test]
fn why_explains_deletions_and_updates_by_their_own_policies() {
    let told = |role: &str, table: &str, command| {
        why(&models(), &Question::new(role, table, command)).expect("a role and a table").to_string()
    };
    let member = told("member", "Page", Command::Delete);
    assert!(member.contains("GRANT UPDATE (seen, slug, title, deleted_at) ON app.pages TO app_member"), "{member}");
    assert!(member.contains("soft_delete_own_member (permissive)"), "{member}");
    for other in ["soft_delete_admin", "update_member", "restore_member", "purge_admin", "read_deleted_member"] {
        assert!(!member.contains(&format!("{other} (")), "{other}: {member}");
    }
    let update = told("admin", "Page", Command::Update);
    assert!(update.contains("update_member (permissive)") && !update.contains("soft_delete_admin ("), "{update}");
    let missing = told("member", "Comment", Command::Delete);
    assert!(missing.contains("cannot delete from app.comments") && missing.contains("app_admin"), "{missing}");
    let missing = told("admin", "Picture", Command::Update);
    assert!(missing.contains("cannot update app.pictures"), "only the time of the deletion can be set: {missing}");
}

/// A sketch in a tenancy with members and signed contexts.
#[derive(Debug, TenantTable)]
#[tenant(
    org = "shop_id",
    select = "clerk",
    insert = "clerk",
    update_own = "clerk",
    update = "keeper",
    owner = "drawn_by"
)]
#[tenant(delete_own = "clerk", delete = "owner", restore = "keeper", purge = "owner", schema = "shop")]
struct Sketch {
    id: Uuid,
    #[expect(dead_code, reason = "the tests do not read it")]
    shop_id: Uuid,
    #[expect(dead_code, reason = "the tests do not read it")]
    drawn_by: Uuid,
    name: String,
    #[tenant(soft_delete)]
    deleted_at: Option<DateTime<Utc>>,
}

#[tokio::test]
async fn deleted_rows_are_restored_in_signed_contexts_of_members() {
    let models =
        golden::models(&[Shop::TABLE, Person::TABLE, Employment::TABLE, signed_context::Change::TABLE, Sketch::TABLE]);
    let database = TestDatabase::create(&models).await.expect("a database");
    let db = database.app().await.expect("the app connects");
    let ours = &database.tenants()[0];
    let (clerk, keeper) = (ours.context::<Clerk>(), ours.context::<Keeper>());
    let made = Sketch::insert(&db.scope(&clerk), NewSketch { name: "cat".into() }).await.expect("a clerk inserts");
    let refused = Sketch::delete(&db.scope(&ours.context::<Owner>()), Uuid::new_v4()).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    Sketch::delete(&db.scope(&clerk), made.id).await.expect("a clerk deletes an own sketch");
    let mut tx = db.begin(&keeper).await.expect("begun");
    let deleted = Sketch::list_deleted(&mut tx).filter(Sketch::NAME.eq("cat")).await.expect("read");
    assert!(deleted[0].deleted_at.is_some());
    let hidden: i64 = sqlx::query_scalar("SELECT count(*) FROM shop.sketches WHERE name = 'cat'")
        .fetch_one(&mut tx)
        .await
        .expect("read");
    assert_eq!(hidden, 0);
    let restored = Sketch::restore(&mut tx, made.id).await.expect("a keeper restores");
    tx.commit().await.expect("committed");
    let found = Sketch::find(&db.scope(&clerk), restored.id).await.expect("read");
    assert_eq!(found.map(|found| found.name).as_deref(), Some("cat"));
    assert_all_isolated(models).await;
}
