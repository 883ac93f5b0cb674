//! Ad analytics of companies: integer keys, keys of up to four columns, and many-to-many tables whose references are their keys.

mod models;

use serde_json::json;
use sqlx::types::{Json, chrono::NaiveDate};
use tenant_runtime::{Error, Page, Repository as _, TenantCtx, TenantDb, UserCtx};
use tenant_tests::ask;

use super::{Journey, connect};
use models::{
    Analyst, Change, Companies, Company, CostModel, Member, MemberRole, NewCompany, NewTag, NewUser, Owner, Tag, User,
    first::{
        Ad, AdTag, Campaign, Click, Impression, ImpressionChanges, NewAd, NewAdTag, NewCampaign, NewClick,
        NewImpression, NewWatcher, Watcher,
    },
    second,
};

/// Signs up a user, who creates a company.
async fn company(db: &TenantDb, name: &str) -> TenantCtx<Owner> {
    let user = db.user_scope(&UserCtx::<Companies>::assume_authenticated(0));
    let email = format!("{name}@x.example");
    let user = user.sign_up::<User>(NewUser { email }).await.expect("a new account");
    let user = UserCtx::<Companies>::assume_authenticated(user);
    let scope = db.user_scope(&user);
    let new = NewCompany { name: name.to_owned(), image_url: None };
    let company = scope.create_tenant::<Company>(new).await.expect("a user creates a company");
    let session = scope.session::<Member>(company).await.expect("the creator is a member");
    session.require::<Owner>().expect("the role of the creator")
}

fn click(campaign_id: i64, ad_id: i64, cents: i64) -> NewClick {
    NewClick {
        campaign_id,
        ad_id,
        id: None,
        clicked_at: None,
        site_url: "https://x.example".to_owned(),
        cost_per_click_usd: Some(cents),
        user_data: Json(json!({ "is_mobile": true })),
    }
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, day).expect("a day")
}

/// Creates two campaigns with two ads each, with the same keys in each company.
async fn fill(db: &TenantDb, ctx: &TenantCtx<Owner>) {
    let scope = db.scope(ctx);
    let tag = Tag::insert(&scope, NewTag { name: "video".to_owned() }).await.expect("inserted").id;
    for campaign_id in [1, 2] {
        let new = NewCampaign {
            id: campaign_id,
            name: format!("Campaign {campaign_id}"),
            cost_model: CostModel::PerClick,
            monthly_budget: Some(500),
            blacklisted_site_urls: vec!["https://bad.example".to_owned()],
        };
        Campaign::insert(&scope, new).await.expect("inserted");
        let user_id = *ctx.user_id().expect("the context of a member");
        Watcher::insert(&scope, NewWatcher { campaign_id, user_id }).await.expect("inserted");
        for id in [1, 2] {
            let new = NewAd { campaign_id, id, name: format!("Ad {campaign_id}/{id}"), target_url: None };
            Ad::insert(&scope, new).await.expect("inserted");
            Click::insert_many(&scope, [1, 2].map(|cents| click(campaign_id, id, cents))).await.expect("inserted");
            AdTag::insert(&scope, NewAdTag { campaign_id, ad_id: id, tag_id: tag }).await.expect("inserted");
            for (at, seen) in [(1, 10), (2, 20)] {
                let new = NewImpression { campaign_id, ad_id: id, day: day(at), seen };
                Impression::insert(&scope, new).await.expect("inserted");
            }
        }
    }
}

#[tokio::test]
async fn ads_schema_is_generated_verified_used_changed_and_reverted() {
    let mut journey = Journey::start().await;
    journey.migrate(&models::first::models()).await;
    let db = journey.app("ads_service").await;
    let (acme, globex) = (company(&db, "acme").await, company(&db, "globex").await);
    fill(&db, &acme).await;
    fill(&db, &globex).await;
    let (ours, theirs) = (db.scope(&acme), db.scope(&globex));

    let ad = Ad::get(&ours, (2, 1)).await.expect("read");
    assert_eq!((ad.company_id, &*ad.name), (*acme.tenant_id(), "Ad 2/1"));
    let seen = Impression::get(&ours, (1, 2, day(2))).await.expect("read").seen;
    let changes = ImpressionChanges { seen: Some(seen + 1) };
    assert_eq!(Impression::update(&ours, (1, 2, day(2)), changes).await.expect("updated").seen, 21);
    let new = NewImpression { campaign_id: 1, ad_id: 2, day: day(2), seen: 22 };
    let key = Impression::BY_CAMPAIGN_ID_AND_AD_ID_AND_DAY;
    assert_eq!(Impression::upsert(&ours, new, key).await.expect("upserted").seen, 22);
    assert_eq!(Impression::get(&theirs, (1, 2, day(2))).await.expect("read").seen, 20);
    // Eight clicks in pages of three, through the partitions.
    let mut cursor = None;
    let mut sizes = Vec::new();
    loop {
        let list = Click::list(&ours).limit(3);
        let list = match cursor {
            Some(cursor) => list.after(cursor),
            None => list,
        };
        let Page { rows, next } = list.page().await.expect("read");
        sizes.push(rows.len());
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [3, 3, 2]);
    // An ad of another campaign is none.
    let missing = Click::insert(&ours, click(1, 3, 1)).await.map(drop);
    assert!(matches!(missing, Err(Error::ForeignKeyViolation { .. })), "{missing:?}");
    // The tag of another company cannot be used.
    let tag = Tag::list(&theirs).first().await.expect("read").expect("a tag").id;
    let foreign = AdTag::insert(&ours, NewAdTag { campaign_id: 1, ad_id: 1, tag_id: tag }).await.map(drop);
    assert!(matches!(foreign, Err(Error::ForeignKeyViolation { .. })), "{foreign:?}");
    Ad::delete(&ours, (1, 2)).await.expect("deleted");
    let left = (Click::count(&ours).await, Impression::count(&ours).await, AdTag::count(&ours).await);
    assert_eq!((left.0.expect("counted"), left.1.expect("counted"), left.2.expect("counted")), (6, 6, 3));
    assert_eq!(Click::count(&theirs).await.expect("counted"), 8);
    let log = Change::list(&ours).filter(Change::COMMAND.eq("delete".to_owned())).await.expect("read");
    let mut told: Vec<_> = log.iter().map(|change| (&*change.table_name, &*change.row_key)).collect();
    told.sort_unstable();
    let own_tag = Tag::list(&ours).first().await.expect("read").expect("a tag").id;
    assert_eq!(told, [("ads.ad_tags", &*format!(r#"["1", "2", "{own_tag}"]"#)), ("ads.ads", r#"["1", "2"]"#)]);
    db.close().await;

    journey.migrate(&second::models()).await;
    let db = journey.app("ads_service").await;
    let ours = db.scope(&acme);
    let copy = second::NewAd { campaign_id: 2, number: 3, name: "Copy".to_owned(), target_url: None, copy_of: Some(1) };
    assert_eq!(second::Ad::insert(&ours, copy).await.expect("inserted").copy_of, Some(1));
    let variant = |language: &str| second::NewVariant {
        campaign_id: 2,
        ad_number: 1,
        language: language.to_owned(),
        text: "…".to_owned(),
    };
    second::Variant::insert_many(&ours, ["de", "en"].map(variant)).await.expect("inserted");
    let of_ad = second::Click::CAMPAIGN_ID.eq(2) & second::Click::AD_NUMBER.eq(1);
    assert_eq!(second::Click::count(&ours).filter(of_ad).await.expect("counted"), 2);
    second::Ad::delete(&ours, (2, 1)).await.expect("deleted");
    assert_eq!(second::Variant::count(&ours).await.expect("counted"), 0);
    assert_eq!(second::Ad::get(&ours, (2, 3)).await.expect("read").copy_of, None);
    let refused = second::Ad::find(&db.scope(&acme.narrow::<Analyst>()), (2, 3)).await.expect("an analyst reads");
    assert!(refused.is_some());
    db.close().await;

    journey.revert().await;
    let db = journey.app("ads_service").await;
    let scope = db.scope(&acme);
    assert_eq!(Ad::get(&scope, (2, 3)).await.expect("read").name, "Copy");
    let members = Member::list(&scope).await.expect("read");
    assert_eq!(members.iter().map(|member| member.role).collect::<Vec<_>>(), [MemberRole::Owner]);
    let mut admin = connect(&journey.url("postgres")).await;
    let keys = "SELECT string_agg(attname, ', ' ORDER BY k.n) FROM pg_index, unnest(indkey) WITH ORDINALITY AS k (key, n) \
                JOIN pg_attribute ON attnum = k.key WHERE attrelid = indrelid AND indrelid = 'ads.clicks'::regclass AND indisprimary";
    assert_eq!(ask(&mut admin, keys).await, "company_id, campaign_id, ad_id, id");
}
