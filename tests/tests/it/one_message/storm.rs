//! Calls that are dropped midway, and server processes that are ended, while others use the same few connections.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::PgConnection;
use tenant_examples::{OrgMember, Project, ProjectChanges};
use tenant_runtime::{
    Error, Repository as _, Result, TenantCtx, TenantDb, UserCtx,
    roles::{Admin, Member, Organizations, Viewer},
};
use tenant_tests::{Tenant, run};
use uuid::Uuid;

use super::{App, long, new_project};
use crate::{
    context::{cancel_after_polls, wait_until_idle},
    random::Random,
};

/// The state that the workers share.
#[derive(Default)]
struct Log {
    dropped: AtomicU64,
    unknown: AtomicU64,
    /// The names of the projects whose write was acknowledged, with their tenants.
    kept: Mutex<Vec<(String, Uuid)>>,
    wrong: Mutex<Vec<String>>,
}

impl Log {
    fn keep(&self, names: impl IntoIterator<Item = String>, tenant: Uuid) {
        self.kept.lock().expect("no panic").extend(names.into_iter().map(|name| (name, tenant)));
    }

    fn wrong(&self, told: String) {
        self.wrong.lock().expect("no panic").push(told);
    }
}

/// Each row records the context in which the server inserted it.
const RECORD: &str = "CREATE FUNCTION public.record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.description := concat_ws(' ', current_user, current_setting('app.organization_id'), current_setting('app.user_id'));
        RETURN NEW;
    END $$;
    CREATE TRIGGER record BEFORE INSERT ON app.projects FOR EACH ROW EXECUTE FUNCTION public.record()";

fn recorded(tenant: &Tenant) -> String {
    format!("app_member {} {}", tenant.id, tenant.member)
}

/// Inserts projects by a single call, by a transaction that begins with its first call, or by one that ends with its last.
async fn write(db: &TenantDb, tenant: &Tenant, kind: u64, name: &str, log: &Log) -> Result<()> {
    let ctx: TenantCtx<Member> = tenant.as_member();
    let scope = db.scope(&ctx);
    let check = |project: &Project| {
        if project.organization_id != tenant.id || project.description.as_deref() != Some(&recorded(tenant)) {
            log.wrong(format!("{name} of {} was stored as {project:?}", tenant.id));
        }
    };
    match kind {
        0 => check(&Project::insert(&scope, new_project(name)).await?),
        1 => {
            let names = [0, 1, 2].map(|part| format!("{name}/{part}"));
            let rows = Project::insert_many(&scope, names.iter().map(|name| new_project(name))).await?;
            rows.iter().for_each(check);
            log.keep(names, tenant.id);
            return Ok(());
        }
        2 => {
            let mut tx = db.begin(&ctx).await?;
            let project = Project::insert(&mut tx, new_project(name)).await?;
            check(&project);
            check(&Project::get(&mut tx, project.id).await?);
            tx.commit().await?;
        }
        _ => {
            let mut tx = db.begin(&ctx).await?;
            let count = Project::count(&mut tx).await?;
            check(&Project::insert(tx.then_commit(), new_project(name)).await?);
            if count == 0 {
                log.wrong(format!("{} has no project", tenant.id));
            }
        }
    }
    log.keep([name.to_owned()], tenant.id);
    Ok(())
}

async fn read(db: &TenantDb, tenant: &Tenant, other: &Tenant, kind: u64, log: &Log) -> Result<()> {
    let ctx: TenantCtx<Viewer> = tenant.as_viewer();
    let scope = db.scope(&ctx);
    match kind {
        0 => {
            let rows = Project::list(&scope).limit(20).await?;
            if rows.is_empty() || rows.iter().any(|project| project.organization_id != tenant.id) {
                log.wrong(format!("a viewer of {} saw {rows:?}", tenant.id));
            }
        }
        1 => {
            let (own, others) =
                (Project::find(&scope, tenant.project).await?, Project::find(&scope, other.project).await?);
            if own.is_none() || others.is_some() {
                log.wrong(format!("a viewer of {} saw {own:?} and {others:?}", tenant.id));
            }
        }
        2 => {
            let user = db.user_scope::<Organizations>(&UserCtx::assume_authenticated(tenant.viewer));
            let session = user.session::<OrgMember>(tenant.id).await?;
            if session.role() != "viewer" {
                log.wrong(format!("the viewer of {} is {}", tenant.id, session.role()));
            }
        }
        _ => {
            // Through the policies, an administrator of one tenant changes nothing of the other.
            let admin = db.scope::<Admin>(&tenant.as_admin());
            let changes = ProjectChanges { name: Some("taken".to_owned()), ..ProjectChanges::default() };
            let result = Project::update(&admin, other.project, changes).await;
            match result {
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
                Ok(project) => log.wrong(format!("an administrator of {} changed {project:?}", tenant.id)),
            }
        }
    }
    Ok(())
}

async fn one(db: &TenantDb, tenants: &[Tenant; 2], random: &mut Random, name: &str, log: &Log) -> Result<()> {
    let first = random.number(2) as usize;
    let (tenant, other) = (&tenants[first], &tenants[1 - first]);
    let kind = random.number(4);
    match random.number(2) {
        0 => read(db, tenant, other, kind, log).await,
        _ => write(db, tenant, kind, name, log).await,
    }
}

/// Checks the rows after the workers have ended.
async fn check_rows(app: &App, log: &Log) {
    let mut admin = app.database.admin().await;
    assert_eq!(wait_until_idle(&mut admin).await, 0, "a connection stayed in a transaction");
    assert_eq!(*log.wrong.lock().expect("no panic"), Vec::<String>::new());
    let rows: Vec<(String, Option<String>, Uuid)> =
        sqlx::query_as("SELECT name, description, organization_id FROM app.projects WHERE name <> 'first'")
            .fetch_all(&mut admin)
            .await
            .expect("an administrator can");
    let contexts = [app.database.acme, app.database.globex].map(|tenant| (recorded(&tenant), tenant.id));
    let misplaced: Vec<_> = rows
        .iter()
        .filter(|(_, context, org)| !contexts.iter().any(|(own, id)| Some(own) == context.as_ref() && id == org))
        .collect();
    assert_eq!(misplaced, Vec::<&(String, Option<String>, Uuid)>::new());
    let mut found = BTreeMap::<(&str, Uuid), u32>::new();
    rows.iter().for_each(|(name, _, org)| *found.entry((name, *org)).or_default() += 1);
    let doubled: Vec<_> = found.iter().filter(|(_, count)| **count != 1).collect();
    assert_eq!(doubled.len(), 0, "written twice: {doubled:?}");
    let kept = log.kept.lock().expect("no panic").clone();
    let lost: Vec<_> = kept.iter().filter(|(name, org)| !found.contains_key(&(name.as_str(), *org))).collect();
    assert_eq!(lost.len(), 0, "acknowledged writes were lost: {lost:?}");
    println!(
        "{} dropped, {} of unknown outcome, {} writes acknowledged, {} rows",
        log.dropped.load(Ordering::Relaxed),
        log.unknown.load(Ordering::Relaxed),
        kept.len(),
        rows.len()
    );
    assert!(kept.len() > 20, "nearly nothing was written");
}

async fn drop_at_random(app: App, drops: u64) {
    run(&mut app.database.admin().await, RECORD).await.expect("a trigger");
    let (log, tenants) = (Arc::new(Log::default()), [app.database.acme, app.database.globex]);
    let workers = (0..8).map(|worker| {
        let (db, log) = (app.db.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            let mut random = Random::new(0x5eed + worker);
            for round in 0.. {
                if log.dropped.load(Ordering::Relaxed) >= drops {
                    break;
                }
                let name = format!("{worker}-{round}");
                let (polls, micros) = (random.number(9), random.number(3000));
                let by_polls = random.number(2) == 0;
                let call = one(&db, &tenants, &mut random, &name, &log);
                let done = match by_polls {
                    true => cancel_after_polls(polls, call).await,
                    false => tokio::time::timeout(Duration::from_micros(micros), call).await.ok(),
                };
                match done {
                    Some(done) => done.expect("nothing fails by itself"),
                    None => _ = log.dropped.fetch_add(1, Ordering::Relaxed),
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no worker panics");
    }
    check_rows(&app, &log).await;
}

fn drops() -> u64 {
    if long() { 12_000 } else { 800 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_calls_reach_no_other_tenant_and_lose_no_acknowledged_write() {
    drop_at_random(App::direct(3).await, drops()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_calls_reach_no_other_tenant_through_pgbouncer() {
    if let Some(app) = App::pooled(4).await {
        drop_at_random(app, drops()).await;
    }
}

/// Ends server processes of the app until the workers have ended.
async fn end_processes(mut admin: PgConnection, ended: Arc<AtomicBool>, log: Arc<Log>) -> u64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM (
            SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = 'app_service'
            ORDER BY random() LIMIT 1) AS one";
    let mut count = 0;
    // The workers make progress between two of them, however slow the machine is, so that not every repetition fails too.
    while !ended.load(Ordering::Relaxed) {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut admin).await.expect("a superuser can");
        count += found.unsigned_abs();
        let written = log.kept.lock().expect("no panic").len();
        while !ended.load(Ordering::Relaxed) && log.kept.lock().expect("no panic").len() < written + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    count
}

async fn run_while_processes_end(app: App, calls: u64) {
    run(&mut app.database.admin().await, RECORD).await.expect("a trigger");
    let (log, tenants) = (Arc::new(Log::default()), [app.database.acme, app.database.globex]);
    let ended = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(end_processes(app.database.admin().await, Arc::clone(&ended), Arc::clone(&log)));
    let workers = (0..8).map(|worker| {
        let (db, log) = (app.db.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            let mut random = Random::new(0xdead + worker);
            for round in 0..calls / 8 {
                let name = format!("{worker}-{round}");
                let tenant = &tenants[random.number(2) as usize];
                // Single calls only: a transaction that has begun cannot be repeated by this crate.
                let done = match random.number(4) {
                    0 => {
                        read(&db, tenant, &tenants[usize::from(tenant.id == tenants[0].id)], random.number(3), &log)
                            .await
                    }
                    _ => write(&db, tenant, random.number(2), &name, &log).await,
                };
                match done {
                    Ok(()) => {}
                    Err(Error::OutcomeUnknown { .. }) => _ = log.unknown.fetch_add(1, Ordering::Relaxed),
                    Err(error) => panic!("{name}: {error:?}"),
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no worker panics");
    }
    ended.store(true, Ordering::Relaxed);
    println!("{} processes ended", killer.await.expect("no panic"));
    check_rows(&app, &log).await;
}

fn calls() -> u64 {
    if long() { 40_000 } else { 2_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_server_processes_lose_no_acknowledged_write_and_repeat_none() {
    run_while_processes_end(App::direct(6).await, calls()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_server_processes_behind_pgbouncer_lose_no_acknowledged_write() {
    if let Some(app) = App::pooled(6).await {
        run_while_processes_end(app, calls()).await;
    }
}
