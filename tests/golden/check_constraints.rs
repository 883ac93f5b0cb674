// Check constraints over several columns: with a derived name, with a shortened one, and with a given one.

use sqlx::types::chrono;
use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(check = "starts_at < ends_at", check = "kind <> 'paid' OR cents IS NOT NULL")]
#[tenant(check(name = "seats or order", condition = "(seats IS NULL) <> (bookings.\"order\" IS NULL)"))]
pub struct Booking {
    pub id: Uuid,
    pub org: Uuid,
    #[tenant(check = "kind IN ('free', 'paid')")]
    pub kind: String,
    pub starts_at: chrono::DateTime<chrono::Utc>,
    pub ends_at: chrono::DateTime<chrono::Utc>,
    pub seats: Option<i32>,
    pub order: Option<i32>,
    pub cents: Option<i64>,
}

#[derive(TenantTable)]
#[tenant(org = "org", select = "viewer", insert = "member", update = "member", partition_by_hash = 2)]
#[tenant(check = "beginning_of_the_period_of_notice > end_of_the_trial_period")]
pub struct Agreement {
    #[tenant(id)]
    pub id: Uuid,
    #[tenant(id)]
    pub org: Uuid,
    pub end_of_the_trial_period: chrono::NaiveDate,
    pub beginning_of_the_period_of_notice: chrono::NaiveDate,
}
