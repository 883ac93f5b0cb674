//! A webhook service: text keys, several schemas, keys that are unique only within an organization, partitioned messages.

mod models;

use serde_json::json;
use sqlx::types::{Json, chrono::Utc};
use tenant_runtime::{Error, Repository as _, SystemDb, TenantCtx, TenantDb};
use uuid::Uuid;

use super::Journey;
use models::{
    Hooks, Manager, Reader,
    first::{
        ApiKey, Application, Attempt, Endpoint, EndpointChanges, EventKind, Message, NewApiKey, NewApplication,
        NewAttempt, NewEndpoint, NewEventKind, NewMessage, NewSecret, NewSubscription, Secret, Subscription,
    },
    second,
};

fn endpoint(id: &str, url: &str) -> NewEndpoint {
    NewEndpoint { id: id.to_owned(), application_id: "app_1".to_owned(), url: url.to_owned(), deleted_at: None }
}

/// Creates an application, a kind of event, an endpoint and a message, with the same keys in each organization.
async fn fill(db: &TenantDb, ctx: &TenantCtx<Manager>, message: Uuid) {
    let scope = db.scope(ctx);
    let name = ctx.tenant_id().to_string();
    Application::insert(&scope, NewApplication { id: "app_1".to_owned(), name }).await.expect("inserted");
    let kind = NewEventKind { name: "invoice.paid".to_owned(), shape: Some(Json(json!({ "type": "object" }))) };
    EventKind::insert(&scope, kind).await.expect("inserted");
    Endpoint::insert(&scope, endpoint("ep_1", "https://x.example")).await.expect("inserted");
    let subscription = NewSubscription { endpoint_id: "ep_1".to_owned(), kind: "invoice.paid".to_owned() };
    Subscription::insert(&scope, subscription).await.expect("inserted");
    Secret::insert(&scope, NewSecret { endpoint_id: "ep_1".to_owned(), value: vec![7; 24], created_at: None })
        .await
        .expect("inserted");
    let new = NewMessage {
        id: message,
        application_id: "app_1".to_owned(),
        kind: "invoice.paid".to_owned(),
        payload: Json(json!({ "amount": 7 })),
        created_at: None,
    };
    Message::insert(&scope, new).await.expect("inserted");
    Attempt::insert(&scope, NewAttempt { message_id: message, status: None, next_at: Some(Utc::now()) })
        .await
        .expect("inserted");
}

#[tokio::test]
async fn webhook_schema_is_generated_verified_used_changed_and_reverted() {
    let mut journey = Journey::start().await;
    journey.migrate(&models::first::models()).await;
    let jobs = SystemDb::<Hooks>::connect(&journey.url("hooks_jobs")).await.expect("connects");
    let system = jobs.begin_access("an organization signed a contract").await.expect("recorded");
    let mut tx = system.begin().await.expect("begun");
    for id in ["org_a", "org_b"] {
        let insert = sqlx::query("INSERT INTO hooks.organizations (id, name) VALUES ($1, $1)").bind(id);
        insert.execute(&mut *tx).await.expect("inserted");
    }
    tx.commit().await.expect("committed");

    let db = journey.app("hooks_service").await;
    let ctx = |id: &str| {
        TenantCtx::<Manager>::assume_authorized(id.parse().expect("a key"), "auth0|1".parse().expect("a key"))
    };
    let (a, b, message) = (ctx("org_a"), ctx("org_b"), Uuid::from_u128(1));
    fill(&db, &a, message).await;
    fill(&db, &b, message).await;
    let (of_a, of_b) = (db.scope(&a), db.scope(&b));
    assert_eq!(Application::get(&of_a, "app_1".to_owned()).await.expect("read").name, "org_a");
    assert_eq!(Application::get(&of_b, "app_1".to_owned()).await.expect("read").name, "org_b");
    let found = Attempt::list(&of_a).filter(Attempt::MESSAGE_ID.eq(message) & Attempt::STATUS.is_null()).await;
    assert_eq!(found.expect("read").len(), 1);
    let again = Endpoint::insert(&of_a, endpoint("ep_2", "https://x.example")).await.map(drop);
    assert!(matches!(again, Err(Error::UniqueViolation { .. })), "{again:?}");
    let deleted = EndpointChanges { deleted_at: Some(Some(Utc::now())), ..EndpointChanges::default() };
    Endpoint::update(&of_a, "ep_1".to_owned(), deleted).await.expect("updated");
    Endpoint::insert(&of_a, endpoint("ep_2", "https://x.example")).await.expect("the other one is deleted");
    let plain = Endpoint::insert(&of_a, endpoint("ep_3", "http://x.example")).await.map(drop);
    assert!(matches!(plain, Err(Error::CheckViolation { .. })), "{plain:?}");
    let key = || NewApiKey { hash: vec![1; 32], expires_at: None };
    ApiKey::insert(&of_a, key()).await.expect("inserted");
    let same_hash = ApiKey::insert(&of_b, key()).await.map(drop);
    assert!(matches!(same_hash, Err(Error::UniqueViolation { .. })), "{same_hash:?}");
    db.close().await;

    journey.migrate(&second::models()).await;
    let db = journey.app("hooks_service").await;
    let scope = db.scope(&a);
    assert_eq!(second::Consumer::get(&scope, "app_1".to_owned()).await.expect("read").name, "org_a");
    let endpoint = second::Endpoint::get(&scope, "ep_2".to_owned()).await.expect("read");
    assert_eq!((&*endpoint.consumer_id, endpoint.labels.len(), endpoint.paused_at), ("app_1", 0, None));
    let labels = second::EndpointChanges { labels: Some(vec!["eu".to_owned()]), ..second::EndpointChanges::default() };
    second::Endpoint::update(&scope, "ep_2".to_owned(), labels).await.expect("updated");
    let by_consumer = second::Message::CONSUMER_ID.eq("app_1".to_owned());
    let reader = TenantCtx::<Reader>::assume_authorized(a.tenant_id().clone(), "auth0|2".parse().expect("a key"));
    assert_eq!(second::Message::count(&db.scope(&reader)).filter(by_consumer).await.expect("counted"), 1);
    db.close().await;

    journey.revert().await;
    let db = journey.app("hooks_service").await;
    let kept = Endpoint::get(&db.scope(&a), "ep_2".to_owned()).await.expect("read");
    assert_eq!((&*kept.application_id, &*kept.url), ("app_1", "https://x.example"));
    assert_eq!(Message::count(&db.scope(&b)).await.expect("counted"), 1);
}
