//! Keys of several columns and foreign keys to them: in a running app, in the change log, and in the audit, the verification and `why`.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use tenant_runtime::{
    Cursor, Error, Filter, Models, Page, Repository as _, TenantDb, TenantTable as _,
    audit::audit,
    model::schema::Command,
    repo::page::Order,
    testing::TestDatabase,
    why::{Question, Row, why_row},
};
use tenant_tests::{ask, connect, dedicated_server, run};

use super::{
    audit::assert_reported_and_fixed,
    golden::{
        self,
        composite_keys::{
            Ad, AdChanges, AdLabel, AdLabelChanges, Analyst, Buyer, Campaign, CampaignLabel, Change, Click, Company,
            Label, Manager, NewAd, NewAdLabel, NewCampaign, NewCampaignLabel, NewClick, NewLabel, NewNote, Note,
            Region,
        },
    },
    mutants::{assert_detected, verified_server},
};

fn models() -> Models {
    golden::models(&[
        Company::TABLE,
        Region::TABLE,
        Campaign::TABLE,
        Ad::TABLE,
        Click::TABLE,
        Note::TABLE,
        Label::TABLE,
        CampaignLabel::TABLE,
        AdLabel::TABLE,
        Change::TABLE,
    ])
}

/// A test database with its app and an administrator.
async fn database() -> (TestDatabase, TenantDb, PgConnection) {
    let database = TestDatabase::create(&models()).await.expect("a database");
    let db = database.app().await.expect("the app connects");
    let admin = connect(&database.admin_url()).await;
    (database, db, admin)
}

fn campaign(id: i64) -> NewCampaign {
    NewCampaign { id, name: "Spring".into(), country: None, region: None }
}

fn ad(campaign_id: i64, id: i64) -> NewAd {
    NewAd { campaign_id, id, title: format!("{campaign_id}/{id}") }
}

fn click(campaign_id: i64, ad_id: i64, number: i32) -> NewClick {
    NewClick { campaign_id, ad_id, number, place: None }
}

fn keys(ads: &[Ad]) -> Vec<(i64, i64)> {
    ads.iter().map(|ad| (ad.campaign_id, ad.id)).collect()
}

/// Inserts the campaigns 1 and 2 with the ads (1, 1), (1, 2), (1, 3), (2, 1) and (2, 2) for both tenants.
async fn filled() -> (TestDatabase, TenantDb, PgConnection) {
    let (database, db, admin) = database().await;
    for tenant in database.tenants() {
        let scope = db.scope(&tenant.context::<Manager>());
        // The test database has rows of its own.
        Campaign::delete_where(&scope, Filter::all_rows()).await.expect("a manager deletes");
        for id in [1, 2] {
            Campaign::insert(&scope, campaign(id)).await.expect("a manager inserts");
        }
        let ads = [(2, 2), (1, 3), (1, 1), (2, 1), (1, 2)].map(|(campaign, id)| ad(campaign, id));
        Ad::insert_many(&scope, ads).await.expect("a manager inserts");
    }
    (database, db, admin)
}

#[tokio::test]
async fn rows_are_found_updated_and_deleted_by_tuples() {
    let (database, db, _) = filled().await;
    let [ours, theirs] = database.tenants();
    let (scope, others) = (db.scope(&ours.context::<Manager>()), db.scope(&theirs.context::<Manager>()));
    let found = Ad::get(&scope, (1, 2)).await.expect("the ad is there");
    assert_eq!((found.campaign_id, found.id, found.title.as_str()), (1, 2, "1/2"));
    assert!(Ad::find(&scope, (2, 3)).await.expect("a manager reads").is_none());
    let title = AdChanges { title: Some("new".into()) };
    assert_eq!(Ad::update(&scope, (1, 2), title).await.expect("a manager updates").title, "new");
    // The same key in another tenant is another row.
    assert_eq!(Ad::get(&others, (1, 2)).await.expect("the other tenant's ad").title, "1/2");
    Ad::delete(&scope, (1, 2)).await.expect("a manager deletes");
    let again = Ad::delete(&scope, (1, 2)).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
    let gone = Ad::update(&scope, (1, 2), AdChanges { title: Some("gone".into()) }).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert_eq!(keys(&Ad::list(&scope).await.expect("read")), [(1, 1), (1, 3), (2, 1), (2, 2)]);
    assert_eq!(Ad::count(&others).await.expect("counted"), 5);
}

#[tokio::test]
async fn rows_are_found_by_several_tuples_as_pairs() {
    let (database, db, _) = filled().await;
    let scope = db.scope(&database.tenants()[0].context::<Analyst>());
    // (1, 1) and (2, 2) are asked for; a condition on each column alone would also match (1, 2) and (2, 1).
    let found = Ad::find_many(&scope, [(2, 2), (1, 1), (7, 7)]).await.expect("an analyst reads");
    assert_eq!(keys(&found), [(1, 1), (2, 2)]);
    assert!(Ad::find_many(&scope, []).await.expect("an analyst reads").is_empty());
    let mut tx = db.begin(&database.tenants()[0].context::<Analyst>()).await.expect("begun");
    let found = Ad::find_many(&mut tx, [(1, 3), (1, 3)]).await.expect("an analyst reads");
    assert_eq!(keys(&found), [(1, 3)]);
}

#[tokio::test]
async fn pages_are_ordered_by_all_key_columns() {
    let (database, db, _) = filled().await;
    let scope = db.scope(&database.tenants()[0].context::<Analyst>());
    let all = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)];
    let reversed = [(2, 2), (2, 1), (1, 3), (1, 2), (1, 1)];
    for size in 1..=6 {
        for (order, expected) in [
            (&[] as &[fn() -> Order<Ad>], all),
            (&[|| Ad::CAMPAIGN_ID.desc()], reversed),
            (&[|| Ad::CAMPAIGN_ID.desc(), || Ad::ID.desc()], reversed),
            (&[|| Ad::ID.asc(), || Ad::CAMPAIGN_ID.desc()], [(2, 1), (1, 1), (2, 2), (1, 2), (1, 3)]),
        ] {
            let mut cursor: Option<Cursor<Ad>> = None;
            let mut seen = Vec::new();
            loop {
                let mut list = Ad::list(&scope).limit(size);
                for by in order {
                    list = list.order(by());
                }
                if let Some(cursor) = cursor {
                    // As text, as it comes back from a client.
                    list = list.after(cursor.to_string().parse().expect("a cursor"));
                }
                let Page { rows, next } = list.page().await.expect("an analyst reads");
                seen.extend(keys(&rows));
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected, "{size} rows, {} orders", order.len());
        }
    }
    // The key comes after the order by another column, in the direction of that column.
    let found = Ad::list(&scope).order(Ad::ID.desc()).await.expect("an analyst reads");
    assert_eq!(keys(&found), [(1, 3), (2, 2), (1, 2), (2, 1), (1, 1)]);
    // A cursor of another order is refused.
    let page = Ad::list(&scope).order(Ad::ID.asc()).limit(1).page().await.expect("an analyst reads");
    let refused = Ad::list(&scope).after(page.next.expect("more rows")).page().await;
    assert!(matches!(refused, Err(Error::InvalidCursor { .. })), "{refused:?}");
}

#[tokio::test]
async fn rows_are_upserted_by_the_whole_key() {
    let (database, db, _) = filled().await;
    let [ours, theirs] = database.tenants();
    let (scope, others) = (db.scope(&ours.context::<Buyer>()), db.scope(&theirs.context::<Buyer>()));
    let new = |id: i64, title: &str| NewAd { title: title.into(), ..ad(1, id) };
    let key = Ad::BY_CAMPAIGN_ID_AND_ID;
    assert_eq!(Ad::upsert(&scope, new(3, "three"), key).await.expect("a buyer upserts").title, "three");
    assert_eq!(Ad::upsert(&scope, new(4, "four"), key).await.expect("a buyer upserts").title, "four");
    assert_eq!((Ad::count(&scope).await.expect("counted"), Ad::count(&others).await.expect("counted")), (6, 5));
    // With `parent`, the database fills the tenant column of the key.
    let label = Label::insert(&scope, NewLabel { name: "new".into() }).await.expect("a buyer inserts").id;
    let new = |weight| NewAdLabel { label_id: label, campaign_id: 1, ad_id: 1, weight };
    let key = AdLabel::BY_LABEL_ID_AND_CAMPAIGN_ID_AND_AD_ID;
    for weight in [1, 2] {
        assert_eq!(AdLabel::upsert(&scope, new(weight), key).await.expect("a buyer upserts").weight, weight);
    }
    let changes = AdLabelChanges { weight: Some(3) };
    let changed = AdLabel::update(&scope, (label, 1, 1), changes).await.expect("a buyer updates");
    assert_eq!((changed.weight, AdLabel::find(&others, (label, 1, 1)).await.expect("read").is_some()), (3, false));
}

#[tokio::test]
async fn a_row_of_two_references_has_no_id() {
    let (database, db, _) = filled().await;
    let [ours, theirs] = database.tenants();
    let (scope, others) = (db.scope(&ours.context::<Manager>()), db.scope(&theirs.context::<Manager>()));
    let label = |name: &str| NewLabel { name: name.into() };
    let [mine, other] = [&scope, &others].map(|scope| Label::insert(scope, label("red")));
    let (mine, other) = (mine.await.expect("inserted").id, other.await.expect("inserted").id);
    let new = |label_id| NewCampaignLabel { campaign_id: 1, label_id };
    let made = CampaignLabel::insert(&scope, new(mine)).await.expect("a manager inserts");
    assert_eq!((made.campaign_id, made.label_id), (1, mine));
    let again = CampaignLabel::insert(&scope, new(mine)).await.map(drop);
    assert!(matches!(&again, Err(Error::UniqueViolation { constraint, .. }) if constraint == "campaign_labels_pkey"));
    // A label of another tenant cannot be detected: neither through the key nor through the reference.
    CampaignLabel::insert(&others, new(other)).await.expect("a manager inserts");
    let foreign = CampaignLabel::insert(&scope, new(other)).await.map(drop);
    let missing = CampaignLabel::insert(&scope, new(i64::MAX)).await.map(drop);
    for refused in [&foreign, &missing] {
        assert!(
            matches!(refused, Err(Error::ForeignKeyViolation { constraint, .. }) if constraint == "campaign_labels_company_id_label_id_fkey"),
            "{refused:?}"
        );
    }
    CampaignLabel::delete(&scope, (1, mine)).await.expect("a manager deletes");
    CampaignLabel::get(&others, (1, other)).await.expect("the other tenant's row is there");
}

#[tokio::test]
async fn foreign_keys_of_several_columns_stay_within_the_tenant() {
    let (database, db, mut admin) = filled().await;
    let [ours, theirs] = database.tenants();
    let (scope, others) = (db.scope(&ours.context::<Manager>()), db.scope(&theirs.context::<Manager>()));
    Ad::insert(&others, ad(2, 9)).await.expect("a manager inserts");
    let refused = |error: Result<Click, Error>, name: &str| matches!(error, Err(Error::ForeignKeyViolation { constraint, .. }) if constraint == name);
    let fkey = "clicks_company_id_campaign_id_ad_id_fkey";
    assert!(refused(Click::insert(&scope, click(2, 9, 1)).await, fkey), "the ad of another tenant");
    assert!(refused(Click::insert(&scope, click(2, 3, 1)).await, fkey), "an ad of another campaign");
    for number in [1, 2] {
        Click::insert(&scope, click(1, 2, number)).await.expect("a manager inserts");
    }
    let note = |ad_id| NewNote { campaign_id: 1, ad_id, text: "x".into() };
    let of_ad = Note::insert(&scope, note(Some(2))).await.expect("a manager inserts").id;
    let of_campaign = Note::insert(&scope, note(None)).await.expect("NULL references no ad").id;
    let missing = Note::insert(&scope, note(Some(9))).await;
    assert!(matches!(missing, Err(Error::ForeignKeyViolation { .. })), "{missing:?}");
    // The deletion of an ad cascades to its clicks, and keeps the campaign of its notes.
    Ad::delete(&scope, (1, 2)).await.expect("a manager deletes");
    assert_eq!(Click::count(&scope).await.expect("counted"), 0);
    for id in [of_ad, of_campaign] {
        let kept = Note::get(&scope, id).await.expect("the note is there");
        assert_eq!((kept.campaign_id, kept.ad_id), (1, None));
    }
    // The reference of a global table.
    run(&mut admin, "INSERT INTO ads.regions (country, code, name) VALUES ('DE', 'BE', 'Berlin')")
        .await
        .expect("a superuser");
    let in_region = |country: Option<&str>, region: Option<&str>| NewCampaign {
        country: country.map(str::to_owned),
        region: region.map(str::to_owned),
        ..campaign(3)
    };
    let unknown = Campaign::insert(&scope, in_region(Some("FR"), Some("BE"))).await;
    assert!(matches!(unknown, Err(Error::ForeignKeyViolation { .. })), "{unknown:?}");
    Campaign::insert(&scope, in_region(Some("DE"), Some("BE"))).await.expect("a manager inserts");
    let region = Region::get(&scope, ("DE".to_owned(), "BE".to_owned())).await.expect("every role reads regions");
    assert_eq!(region.name, "Berlin");
}

#[tokio::test]
async fn change_log_records_a_key_of_several_columns_as_json() {
    let (database, db, _) = filled().await;
    let scope = db.scope(&database.tenants()[0].context::<Manager>());
    Ad::update(&scope, (1, 2), AdChanges { title: Some("new".into()) }).await.expect("a manager updates");
    let label = Label::insert(&scope, NewLabel { name: "new".into() }).await.expect("a manager inserts").id;
    let new = NewAdLabel { label_id: label, campaign_id: 2, ad_id: 1, weight: 0 };
    AdLabel::insert(&scope, new).await.expect("a manager inserts");
    // The test database has generated rows in the log.
    let written = Change::TABLE_NAME.starts_with("ads.");
    let log = Change::list(&scope).filter(written).order(Change::ID.desc()).limit(2).await.expect("a manager reads");
    let told: Vec<_> = log.iter().map(|change| (change.command.as_str(), change.row_key.clone())).collect();
    assert_eq!(told, [("insert", format!(r#"["{label}", "2", "1"]"#)), ("update", r#"["1", "2"]"#.to_owned())]);
    assert_eq!(log[1].after.as_ref().map(|row| row["title"].clone()), Some("new".into()));
}

#[tokio::test]
async fn why_explains_a_row_with_a_key_of_several_columns() {
    let (database, _, _) = filled().await;
    let tenant = &database.tenants()[0];
    let question = Question::new("buyer", "ads.ads", Command::Update);
    let row = |key: &str| Row::new(key, tenant.key.clone(), None);
    let url = database.admin_url();
    // As the change log writes it, and with numbers.
    for key in [r#"["1", "2"]"#, "[1, 2]"] {
        let why = why_row(&models(), &question, &row(key), &url).await.expect("an answer");
        assert_eq!(why.is_allowed(), Some(true), "{why}");
    }
    let none = why_row(&models(), &question, &row("[2, 3]"), &url).await.expect_err("no such row").to_string();
    assert!(none.contains("requires the values of the columns `campaign_id`, `id`"), "{none}");
    for key in ["1", "[1]", "[1, 2, 3]", "[1, null]", "1, 2"] {
        let malformed = why_row(&models(), &question, &row(key), &url).await.expect_err("malformed").to_string();
        assert!(malformed.contains("the key has several columns, `campaign_id`, `id`"), "{malformed}");
    }
    let malformed = why_row(&models(), &question, &row("[1, \"two\"]"), &url).await.expect_err("malformed").to_string();
    assert!(malformed.contains("`--row two` is not a value of type bigint"), "{malformed}");
}

#[tokio::test]
async fn verify_generates_rows_and_detects_mutants_of_composite_keys() {
    let server = verified_server(&models()).await;
    let without_tenant = |table: &str, name: &str| {
        format!(
            "ALTER TABLE ads.{table} DROP CONSTRAINT {name}; ALTER TABLE ads.campaigns ADD UNIQUE (id); \
             ALTER TABLE ads.{table} ADD CONSTRAINT {name} FOREIGN KEY (campaign_id) REFERENCES ads.campaigns (id) ON DELETE CASCADE"
        )
    };
    let mutants = [
        "ALTER TABLE ads.clicks DROP CONSTRAINT clicks_company_id_campaign_id_ad_id_fkey".to_owned(),
        "ALTER TABLE ads.notes DROP CONSTRAINT notes_company_id_campaign_id_ad_id_fkey".to_owned(),
        "ALTER TABLE ads.ad_labels DROP CONSTRAINT ad_labels_company_id_campaign_id_ad_id_fkey".to_owned(),
        "ALTER TABLE ads.campaigns DROP CONSTRAINT campaigns_country_region_fkey".to_owned(),
        without_tenant("ads", "ads_company_id_campaign_id_fkey"),
        "GRANT UPDATE (ad_id) ON ads.clicks TO ads_buyer".to_owned(),
        "GRANT UPDATE (label_id) ON ads.campaign_labels TO ads_buyer".to_owned(),
        "GRANT INSERT (company_id) ON ads.ad_labels TO ads_buyer".to_owned(),
        "DROP POLICY tenant_isolation ON ads.campaign_labels; DROP POLICY select_analyst ON ads.campaign_labels; \
         CREATE POLICY all_rows ON ads.campaign_labels FOR SELECT TO ads_analyst USING (true)"
            .to_owned(),
    ];
    assert_detected(&server, &models(), mutants).await;
}

#[tokio::test]
async fn drift_of_composite_keys_is_reported_and_fixed() {
    let schema = golden::schema(models().tables());
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("applied");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    let change = |table: &str, name: &str, definition: &str| {
        format!("ALTER TABLE ads.{table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition}")
    };
    let (clicks, notes) = ("clicks_company_id_campaign_id_ad_id_fkey", "notes_company_id_campaign_id_ad_id_fkey");
    let to_ads = "FOREIGN KEY (company_id, campaign_id, ad_id) REFERENCES ads.ads (company_id, campaign_id, id)";
    for sql in [
        change("campaign_labels", "campaign_labels_pkey", "PRIMARY KEY (campaign_id, label_id)"),
        change("campaign_labels", "campaign_labels_pkey", "PRIMARY KEY (company_id, label_id, campaign_id)"),
        change("clicks", clicks, to_ads),
        change("notes", notes, &format!("{to_ads} ON DELETE SET NULL (ad_id, campaign_id) DEFERRABLE")),
        change("notes", notes, &format!("{to_ads} ON DELETE SET NULL (ad_id)")),
    ] {
        assert_reported_and_fixed(&mut admin, &schema, &sql, &["TA108"]).await;
    }
    let count = ask(&mut admin, "SELECT count(*)::text FROM pg_constraint WHERE conname = 'ad_labels_pkey'").await;
    assert_eq!(count, "1");
    let arguments = "DROP TRIGGER log_change ON ads.ads; CREATE TRIGGER log_change AFTER INSERT OR UPDATE OR DELETE ON ads.ads \
         FOR EACH ROW EXECUTE FUNCTION ads_auth.log_change('ads.ads', 'company_id', 'id')";
    assert_reported_and_fixed(&mut admin, &schema, arguments, &["TA115"]).await;
}

#[test]
fn primary_keys_begin_with_the_tenant_column() {
    let schema = golden::schema(models().tables());
    let first: BTreeSet<_> = schema
        .tables()
        .iter()
        .filter(|(name, table)| table.primary_key.columns.len() > 1 && name.table.as_str() != "regions")
        .map(|(_, table)| table.primary_key.columns[0].to_string())
        .collect();
    assert_eq!(first, ["company_id".to_owned()].into());
}
