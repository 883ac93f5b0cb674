//! The models of the ad analytics, in two versions.

#![expect(dead_code, reason = "not every column is read")]

use sqlx::types::{
    Json,
    chrono::{DateTime, NaiveDate, Utc},
};
use tenant_runtime::{Models, TenantEnum, TenantTable, tenancy};

tenancy! {
    /// Companies that advertise.
    pub(in crate::shapes) Companies {
        key: i64,
        user: i64,
        schema: "ads",
        role_prefix: "ads_",
        tenant_setting: "ads.company_id",
        user_setting: "ads.user_id",
        roles: {
            /// Reads reports.
            Analyst,
            /// Runs campaigns.
            Buyer: Analyst,
            /// Manages the members.
            Owner: Buyer,
        },
    }
}

/// The role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub(in crate::shapes) enum MemberRole {
    Analyst,
    Buyer,
    Owner,
}

/// How a campaign pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
#[tenant(native)]
pub(in crate::shapes) enum CostModel {
    PerClick,
    PerImpression,
}

/// A company, which a signed-in user creates.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "id", select = "analyst", update = "owner", creator_role = "owner")]
pub(super) struct Company {
    pub id: i64,
    pub name: String,
    pub image_url: Option<String>,
    #[tenant(default = "now()", update = "none")]
    pub created_at: DateTime<Utc>,
}

/// A person with an account.
#[derive(Debug, Clone, TenantTable)]
#[tenant(global, visible_through = Member, select = "analyst", sign_up)]
pub(super) struct User {
    pub id: i64,
    #[tenant(unique)]
    pub email: String,
}

/// A user of a company.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "owner", update = "owner", delete = "owner")]
#[tenant(membership(user = "user_id", role = "role"), track_changes)]
pub(super) struct Member {
    #[tenant(id, references = Company, on_delete = "cascade")]
    pub company_id: i64,
    #[tenant(id, references = User)]
    pub user_id: i64,
    pub role: MemberRole,
}

/// A change of a row.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "company_id", select = "owner", change_log)]
pub(super) struct Change {
    pub id: i64,
    pub company_id: i64,
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
    pub user_id: Option<i64>,
    pub role: String,
    pub table_name: String,
    pub row_key: String,
    pub command: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
}

/// A label that a company defines.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "buyer")]
pub(super) struct Tag {
    pub id: i64,
    #[tenant(references = Company, on_delete = "cascade")]
    pub company_id: i64,
    #[tenant(unique)]
    pub name: String,
}

/// The first version.
pub(super) mod first {
    use super::*;

    /// A campaign; each company numbers its campaigns.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "owner")]
    pub(in super::super) struct Campaign {
        #[tenant(id, references = Company, on_delete = "cascade")]
        pub company_id: i64,
        #[tenant(id)]
        pub id: i64,
        pub name: String,
        pub cost_model: CostModel,
        #[tenant(check = "monthly_budget > 0")]
        pub monthly_budget: Option<i64>,
        pub blacklisted_site_urls: Vec<String>,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// An ad of a campaign; each campaign numbers its ads.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "company_id",
        select = "analyst",
        insert = "buyer",
        update = "buyer",
        delete = "buyer",
        track_changes
    )]
    pub(in super::super) struct Ad {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id, references = Campaign, on_delete = "cascade")]
        pub campaign_id: i64,
        #[tenant(id)]
        pub id: i64,
        pub name: String,
        pub target_url: Option<String>,
    }

    /// A click on an ad.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "buyer", partition_by_hash = 4)]
    #[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "cascade"))]
    #[tenant(index(campaign_id, ad_id, clicked_at desc))]
    pub(in super::super) struct Click {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id)]
        pub ad_id: i64,
        #[tenant(id, default = "gen_random_uuid()")]
        pub id: uuid::Uuid,
        #[tenant(default = "now()")]
        pub clicked_at: DateTime<Utc>,
        pub site_url: String,
        pub cost_per_click_usd: Option<i64>,
        pub user_data: Json<serde_json::Value>,
    }

    /// The impressions of an ad on a day.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "buyer")]
    #[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "cascade"))]
    pub(in super::super) struct Impression {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id)]
        pub ad_id: i64,
        #[tenant(id)]
        pub day: NaiveDate,
        #[tenant(check = "seen >= 0")]
        pub seen: i64,
    }

    /// A tag of an ad.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(parent = "tag_id", select = "analyst", insert = "buyer", delete = "buyer", track_changes)]
    #[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "cascade"))]
    pub(in super::super) struct AdTag {
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id)]
        pub ad_id: i64,
        #[tenant(id, references = Tag, on_delete = "cascade")]
        pub tag_id: i64,
    }

    /// A member who watches a campaign.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "owner")]
    pub(in super::super) struct Watcher {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id, references = Campaign, on_delete = "cascade")]
        pub campaign_id: i64,
        #[tenant(id, references = Member, on_delete = "cascade")]
        pub user_id: i64,
    }

    pub(in super::super) fn models() -> Models {
        tenant_runtime::models![].only([
            Company::TABLE,
            User::TABLE,
            Member::TABLE,
            Change::TABLE,
            Tag::TABLE,
            Campaign::TABLE,
            Ad::TABLE,
            Click::TABLE,
            Impression::TABLE,
            AdTag::TABLE,
            Watcher::TABLE,
        ])
    }
}

/// The second version: the ad's number has another name, also in the keys that contain it, and ads have variants.
pub(super) mod second {
    use super::*;

    /// A campaign; each company numbers its campaigns.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "owner")]
    pub(in super::super) struct Campaign {
        #[tenant(id, references = Company, on_delete = "cascade")]
        pub company_id: i64,
        #[tenant(id)]
        pub id: i64,
        pub name: String,
        pub cost_model: CostModel,
        #[tenant(check = "monthly_budget > 0")]
        pub monthly_budget: Option<i64>,
        pub blacklisted_site_urls: Vec<String>,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// An ad of a campaign; each campaign numbers its ads.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "company_id",
        select = "analyst",
        insert = "buyer",
        update = "buyer",
        delete = "buyer",
        track_changes
    )]
    #[tenant(foreign_key(campaign_id, copy_of, references = Ad, on_delete = "set_null"))]
    pub(in super::super) struct Ad {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id, references = Campaign, on_delete = "cascade")]
        pub campaign_id: i64,
        #[tenant(id, renamed_from = "id")]
        pub number: i64,
        pub name: String,
        pub target_url: Option<String>,
        pub copy_of: Option<i64>,
    }

    /// A click on an ad.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "buyer", partition_by_hash = 4)]
    #[tenant(foreign_key(campaign_id, ad_number, references = Ad, on_delete = "cascade"))]
    #[tenant(index(campaign_id, ad_number, clicked_at desc))]
    pub(in super::super) struct Click {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id, renamed_from = "ad_id")]
        pub ad_number: i64,
        #[tenant(id, default = "gen_random_uuid()")]
        pub id: uuid::Uuid,
        #[tenant(default = "now()")]
        pub clicked_at: DateTime<Utc>,
        pub site_url: String,
        pub cost_per_click_usd: Option<i64>,
        pub user_data: Json<serde_json::Value>,
    }

    /// The impressions of an ad on a day.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "buyer")]
    #[tenant(foreign_key(campaign_id, ad_number, references = Ad, on_delete = "cascade"))]
    pub(in super::super) struct Impression {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id, renamed_from = "ad_id")]
        pub ad_number: i64,
        #[tenant(id)]
        pub day: NaiveDate,
        #[tenant(check = "seen >= 0")]
        pub seen: i64,
    }

    /// A tag of an ad.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(parent = "tag_id", select = "analyst", insert = "buyer", delete = "buyer", track_changes)]
    #[tenant(foreign_key(campaign_id, ad_number, references = Ad, on_delete = "cascade"))]
    pub(in super::super) struct AdTag {
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id, renamed_from = "ad_id")]
        pub ad_number: i64,
        #[tenant(id, references = Tag, on_delete = "cascade")]
        pub tag_id: i64,
    }

    /// A member who watches a campaign.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "owner")]
    pub(in super::super) struct Watcher {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id, references = Campaign, on_delete = "cascade")]
        pub campaign_id: i64,
        #[tenant(id, references = Member, on_delete = "cascade")]
        pub user_id: i64,
    }

    /// A variant of an ad, with a text for each language.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "buyer")]
    #[tenant(foreign_key(campaign_id, ad_number, references = Ad, on_delete = "cascade"))]
    pub(in super::super) struct Variant {
        #[tenant(id)]
        pub company_id: i64,
        #[tenant(id)]
        pub campaign_id: i64,
        #[tenant(id)]
        pub ad_number: i64,
        #[tenant(id, check = "length(language) BETWEEN 2 AND 5")]
        pub language: String,
        pub text: String,
    }

    pub(in super::super) fn models() -> Models {
        tenant_runtime::models![].only([
            Company::TABLE,
            User::TABLE,
            Member::TABLE,
            Change::TABLE,
            Tag::TABLE,
            Campaign::TABLE,
            Ad::TABLE,
            Click::TABLE,
            Impression::TABLE,
            AdTag::TABLE,
            Watcher::TABLE,
            Variant::TABLE,
        ])
    }
}
