//! A counter has an integer type, no statement sets it, and a table with a counter has no upserts.

use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
struct Text {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(counter)]
    number: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
struct Small {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(counter)]
    number: i16,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
struct Invoice {
    #[tenant(id, app_assigned)]
    id: Uuid,
    organization_id: Uuid,
    #[tenant(unique)]
    subject: String,
    #[tenant(counter)]
    number: i64,
}

fn set(invoice: Invoice) {
    let _ = NewInvoice { id: invoice.id, subject: invoice.subject.clone(), number: invoice.number };
    let _ = InvoiceChanges { number: Some(invoice.number), ..InvoiceChanges::default() };
    let _ = (Invoice::BY_ID, Invoice::BY_SUBJECT, Invoice::BY_NUMBER);
}

fn main() {}
