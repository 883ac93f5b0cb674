//! Cancellation stress test: transactions cancelled at random await points, while others run on the same few connections.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::TryStreamExt as _;
use tenant_examples::{OrgMember, Project};
use tenant_runtime::{
    Error, Isolation, Repository as _, Result, Role, TenantCtx, TenantDb, TenantTx, TxOptions, UserCtx,
    roles::{Admin, Member, Organizations, Viewer},
};
use tenant_tests::{Database, Tenant};
use uuid::Uuid;

use super::{
    context::{cancel_after_polls, seen, wait_until_idle},
    random::Random,
};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const WORKERS: u64 = 8;

/// The state that the workers share.
#[derive(Default)]
struct Log {
    cancelled: AtomicU64,
    /// The names of the projects whose commit was acknowledged.
    kept: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
}

/// The context that the server should see: database role, tenant, user.
fn context_text<R: Role<Tenancy = Organizations>>(ctx: &TenantCtx<R>) -> String {
    format!("{} {} {}", R::DB_ROLE, ctx.tenant_id(), ctx.user_id().expect("a user"))
}

async fn check<R: Role<Tenancy = Organizations>>(tx: &mut TenantTx<R>, log: &Log) -> Result<()> {
    let (role, org, user) = seen(tx).await?;
    let (expected, seen) = (context_text(tx.ctx()), format!("{role} {org} {user}"));
    if seen != expected {
        log.wrong.lock().expect("no panic").push(format!("{expected} ran as {seen}"));
    }
    Ok(())
}

/// Inserts a row in which the *server* records the context of the statement.
const INSERT: &str = "INSERT INTO app.projects (organization_id, name, description)
    VALUES (current_setting('app.organization_id')::uuid, $1,
            concat_ws(' ', current_user, current_setting('app.organization_id'), current_setting('app.user_id')))";

async fn write<R>(db: &TenantDb, ctx: &TenantCtx<R>, kind: u64, name: &str, log: &Log) -> Result<()>
where
    R: Role<Tenancy = Organizations>,
{
    let named = &format!("{name} {}", context_text(ctx));
    let work = |mut tx: TenantTx<R>| async move {
        check(&mut tx, log).await?;
        sqlx::query(INSERT).bind(named).execute(&mut tx).await?;
        let mut undone = tx.savepoint().await?;
        sqlx::query(INSERT).bind("undone").execute(&mut undone).await?;
        if kind & 1 == 0 {
            undone.rollback().await?;
        } else {
            drop(undone);
        }
        check(&mut tx, log).await?;
        tx.commit().await
    };
    if kind & 2 == 0 {
        work(db.begin(ctx).await?).await?;
    } else {
        let options = TxOptions { isolation: Some(Isolation::RepeatableRead), ..TxOptions::default() };
        db.retry::<R, (), Error, _>(ctx, options, work).await?;
    }
    log.kept.lock().expect("no panic").push(named.clone());
    Ok(())
}

async fn read(db: &TenantDb, ctx: &TenantCtx<Viewer>, kind: u64, log: &Log) -> Result<()> {
    let mut tx = db.begin(ctx).await?;
    check(&mut tx, log).await?;
    let count = Project::count(&mut tx).await?;
    let (mut own, mut others) = (0, 0);
    let mut rows = sqlx::query_scalar::<_, Uuid>("SELECT organization_id FROM app.projects").fetch(&mut tx);
    while let Some(org) = rows.try_next().await? {
        *(if org == *ctx.tenant_id() { &mut own } else { &mut others }) += 1;
    }
    drop(rows);
    // Others write meanwhile, so there may be more by now, but never fewer.
    if own < count || others > 0 {
        let told = format!("a viewer of {} saw {own} rows where {count} were, and {others} of others", ctx.tenant_id());
        log.wrong.lock().expect("no panic").push(told);
    }
    check(&mut tx, log).await?;
    // A look-up while this transaction is open would need two connections at once.
    drop(tx);
    if kind & 1 == 0 {
        let visit = db.user_scope(&UserCtx::assume_authenticated(*ctx.user_id().expect("a user")));
        visit.session::<OrgMember>(*ctx.tenant_id()).await?.require::<Viewer>()?;
    }
    Ok(())
}

async fn one(db: &TenantDb, tenant: &Tenant, random: &mut Random, name: &str, log: &Log) -> Result<()> {
    let kind = random.number(4);
    match random.number(3) {
        0 => read(db, &tenant.as_viewer(), kind, log).await,
        1 => write::<Member>(db, &tenant.as_member(), kind, name, log).await,
        _ => write::<Admin>(db, &tenant.as_admin(), kind, name, log).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_futures_do_not_leak_context() {
    let database = Database::create().await;
    let db = TenantDb::options().max_connections(2).connect(&database.app_url()).await.expect("connects");
    cancel_at_random(&database, db, 2000).await;
}

/// Lets the workers write and read until enough transactions were cancelled, then checks the rows.
pub(super) async fn cancel_at_random(database: &Database, db: TenantDb, cancellations: u64) {
    let tenants = [database.acme, database.globex];
    let log = Arc::new(Log::default());
    let workers = (0..WORKERS).map(|worker| {
        let (db, log) = (db.clone(), log.clone());
        tokio::spawn(async move {
            let mut random = Random::new(SEED.wrapping_add(worker));
            for round in 0.. {
                if log.cancelled.load(Ordering::Relaxed) >= cancellations {
                    break;
                }
                let tenant = &tenants[usize::from(random.number(2) == 0)];
                let waits = random.number(24);
                let name = format!("{worker}-{round}");
                match cancel_after_polls(waits, one(&db, tenant, &mut random, &name, &log)).await {
                    Some(done) => done.expect("nothing fails by itself"),
                    None => _ = log.cancelled.fetch_add(1, Ordering::Relaxed),
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no worker panics");
    }

    let mut admin = database.admin().await;
    assert_eq!(wait_until_idle(&mut admin).await, 0, "a connection stayed in a transaction; seed {SEED:#x}");
    assert_eq!(*log.wrong.lock().expect("no panic"), Vec::<String>::new(), "another's context; seed {SEED:#x}");
    let rows: Vec<(String, Option<String>, Uuid)> =
        sqlx::query_as("SELECT name, description, organization_id FROM app.projects WHERE name <> 'first'")
            .fetch_all(&mut admin)
            .await
            .expect("an administrator can");
    // Every row, acknowledged or not, was written in the context that its name contains.
    let misplaced = rows.iter().filter(|(name, noted, org)| {
        let expected = name.split_once(' ').map(|(_, who)| who);
        noted.as_deref() != expected || !expected.is_some_and(|who| who.contains(&format!(" {org} ")))
    });
    assert_eq!(misplaced.collect::<Vec<_>>(), Vec::<&(String, Option<String>, Uuid)>::new(), "seed {SEED:#x}");
    let mut found = BTreeMap::<&str, u32>::new();
    rows.iter().for_each(|(name, ..)| *found.entry(name).or_default() += 1);
    let kept = log.kept.lock().expect("no panic").clone();
    let lost: Vec<&String> = kept.iter().filter(|name| found.get(name.as_str()) != Some(&1)).collect();
    assert!(
        kept.len() as u64 > cancellations / 100,
        "nearly all transactions were cancelled, so the test shows little; seed {SEED:#x}"
    );
    assert_eq!(lost, Vec::<&String>::new(), "acknowledged writes were lost; seed {SEED:#x}");
}
