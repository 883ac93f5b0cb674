// Keys of several columns: of the tenant and several fields, of two references, and of a global table; and foreign keys to them.

use serde_json::Value;
use tenant_runtime::{TenantTable, tenancy};

tenancy! {
    pub Companies {
        key: i64,
        schema: "ads",
        role_prefix: "ads_",
        roles: { Analyst, Buyer: Analyst, Manager: Buyer },
    }
}

#[derive(Debug, TenantTable)]
#[tenant(org = "id", select = "analyst", update = "manager")]
pub struct Company {
    pub id: i64,
    pub name: String,
}

/// A region of a country, which is the same for all companies.
#[derive(Debug, TenantTable)]
#[tenant(global, select = "analyst")]
pub struct Region {
    #[tenant(id, collate = "C")]
    pub country: String,
    #[tenant(id)]
    pub code: String,
    pub name: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "manager")]
#[tenant(foreign_key(country, region, references = Region, on_update = "cascade"))]
pub struct Campaign {
    #[tenant(id, references = Company)]
    pub company_id: i64,
    #[tenant(id)]
    pub id: i64,
    pub name: String,
    #[tenant(collate = "C")]
    pub country: Option<String>,
    pub region: Option<String>,
}

/// An ad. Its ID is unique within its campaign.
#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "manager", track_changes)]
pub struct Ad {
    #[tenant(id)]
    pub company_id: i64,
    #[tenant(id, references = Campaign, on_delete = "cascade")]
    pub campaign_id: i64,
    #[tenant(id)]
    pub id: i64,
    pub title: String,
}

/// A click on an ad. Its reference to the ad is part of its key.
#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "manager", partition_by_hash = 2)]
#[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "cascade"))]
pub struct Click {
    #[tenant(id)]
    pub company_id: i64,
    #[tenant(id)]
    pub campaign_id: i64,
    #[tenant(id)]
    pub ad_id: i64,
    #[tenant(id)]
    pub number: i32,
    #[tenant(default = "''")]
    pub place: String,
}

/// A note on an ad or, after the ad was deleted, on its campaign.
#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", update = "buyer", delete = "manager")]
#[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "set_null", deferrable))]
pub struct Note {
    pub id: i64,
    pub company_id: i64,
    #[tenant(references = Campaign, on_delete = "cascade")]
    pub campaign_id: i64,
    pub ad_id: Option<i64>,
    pub text: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "manager")]
pub struct Label {
    pub id: i64,
    pub company_id: i64,
    #[tenant(unique)]
    pub name: String,
}

/// A label of a campaign: a row of two references, without an ID.
#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "analyst", insert = "buyer", delete = "manager")]
pub struct CampaignLabel {
    #[tenant(id)]
    pub company_id: i64,
    #[tenant(id, references = Campaign, on_delete = "cascade")]
    pub campaign_id: i64,
    #[tenant(id, references = Label, on_delete = "cascade")]
    pub label_id: i64,
}

/// A label of an ad, whose tenant is that of the label.
#[derive(Debug, TenantTable)]
#[tenant(parent = "label_id", select = "analyst", insert = "buyer", update = "buyer", delete = "manager", track_changes)]
#[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "cascade"))]
pub struct AdLabel {
    #[tenant(id, references = Label, on_delete = "cascade")]
    pub label_id: i64,
    #[tenant(id)]
    pub campaign_id: i64,
    #[tenant(id)]
    pub ad_id: i64,
    pub weight: i32,
}

/// A change of a row.
#[derive(Debug, TenantTable)]
#[tenant(org = "company_id", select = "manager", change_log)]
pub struct Change {
    pub id: i64,
    pub company_id: i64,
    pub user_id: Option<i64>,
    pub role: String,
    pub table_name: String,
    pub row_key: String,
    pub command: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}
