//! The key of a table with several key fields is a tuple, in calls and in foreign keys.

use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", delete = "admin")]
struct Ad {
    #[tenant(id)]
    organization_id: Uuid,
    #[tenant(id)]
    campaign_id: i64,
    #[tenant(id)]
    code: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Single {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Ad)]
    ad_id: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
#[tenant(foreign_key(code, campaign_id, references = Ad))]
struct Swapped {
    id: Uuid,
    organization_id: Uuid,
    campaign_id: i64,
    code: Option<String>,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
#[tenant(foreign_key(campaign_id, code, third, references = Ad))]
struct Longer {
    id: Uuid,
    organization_id: Uuid,
    campaign_id: i64,
    code: String,
    third: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
#[tenant(foreign_key(one, two, references = Swapped))]
struct ToSingle {
    id: Uuid,
    organization_id: Uuid,
    one: Uuid,
    two: Uuid,
}

#[derive(TenantTable)]
#[tenant(global)]
struct Unsorted {
    #[tenant(id)]
    json: serde_json::Value,
    #[tenant(id)]
    number: Cell,
}

#[derive(Clone)]
struct Cell;

async fn calls(tx: &mut TenantTx<Admin>) -> Result<()> {
    Ad::find(&mut *tx, 7).await?;
    Ad::delete(&mut *tx, ("a".to_owned(), 7)).await?;
    Ad::find_many(&mut *tx, [(7, "a".to_owned(), 8)]).await?;
    Ok(())
}

fn main() {}
