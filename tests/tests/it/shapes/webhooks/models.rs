//! The models of the webhook service, in two versions.

#![expect(dead_code, reason = "not every column is read")]

use sqlx::types::{
    Json,
    chrono::{DateTime, Utc},
};
use tenant_runtime::{Models, TenantTable, TextKey, tenancy};
use uuid::Uuid;

tenancy! {
    /// Organizations that send webhooks; users belong to another system.
    pub(in crate::shapes) Hooks {
        key: TextKey,
        user: TextKey,
        schema: "hooks",
        role_prefix: "hooks_",
        roles: {
            /// Reads messages.
            Reader,
            /// Sends messages.
            Sender: Reader,
            /// Manages endpoints and keys.
            Manager: Sender,
        },
    }
}

/// The first version.
pub(super) mod first {
    use super::*;

    /// An organization, which a job creates.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "id", select = "reader", system(select, insert))]
    pub(in super::super) struct Organization {
        pub id: TextKey,
        pub name: String,
    }

    /// An application of an organization; two organizations can use the same ID.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "organization_id",
        schema = "registry",
        select = "reader",
        insert = "manager",
        update = "manager",
        delete = "manager"
    )]
    pub(in super::super) struct Application {
        #[tenant(id, references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(id)]
        pub id: String,
        pub name: String,
    }

    /// A kind of event, with the schema of its payload.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "organization_id",
        schema = "registry",
        select = "reader",
        insert = "manager",
        update = "manager",
        delete = "manager"
    )]
    pub(in super::super) struct EventKind {
        #[tenant(id, references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(id, check = "name ~ '^[a-z.]+$'")]
        pub name: String,
        pub shape: Option<Json<serde_json::Value>>,
    }

    /// An endpoint, which remains after it was deleted.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "reader", insert = "manager", update = "manager", delete = "manager")]
    #[tenant(unique(application_id, url, where = "deleted_at IS NULL"))]
    pub(in super::super) struct Endpoint {
        #[tenant(id, references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(id)]
        pub id: String,
        #[tenant(references = Application, on_delete = "cascade", on_update = "cascade")]
        pub application_id: String,
        #[tenant(check = "url LIKE 'https://%'")]
        pub url: String,
        pub deleted_at: Option<DateTime<Utc>>,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// The kinds of events that an endpoint receives.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(
        org = "organization_id",
        select = "reader",
        insert = "manager",
        delete = "manager",
        unique(endpoint_id, kind)
    )]
    pub(in super::super) struct Subscription {
        pub id: i64,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(references = Endpoint, on_delete = "cascade")]
        pub endpoint_id: String,
        #[tenant(references = EventKind, on_delete = "cascade")]
        pub kind: String,
    }

    /// The secret with which messages to an endpoint are signed.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "manager", insert = "manager", delete = "manager")]
    pub(in super::super) struct Secret {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(references = Endpoint, on_delete = "cascade")]
        pub endpoint_id: String,
        #[tenant(sensitive)]
        pub value: Vec<u8>,
        #[tenant(default = "now()")]
        pub created_at: DateTime<Utc>,
    }

    /// A key of the API; its hash finds the organization.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "manager", insert = "manager", delete = "manager", system(select))]
    pub(in super::super) struct ApiKey {
        pub id: Uuid,
        #[tenant(references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(unique = "global", check = "octet_length(hash) = 32")]
        pub hash: Vec<u8>,
        pub expires_at: Option<DateTime<Utc>>,
    }

    /// A message; the table is partitioned.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "reader", insert = "sender", partition_by_hash = 2, index(created_at desc, id))]
    pub(in super::super) struct Message {
        #[tenant(id, references = Organization)]
        pub organization_id: TextKey,
        #[tenant(id)]
        pub id: Uuid,
        #[tenant(references = Application)]
        pub application_id: String,
        #[tenant(references = EventKind)]
        pub kind: String,
        pub payload: Json<serde_json::Value>,
        #[tenant(default = "now()")]
        pub created_at: DateTime<Utc>,
    }

    /// An attempt to deliver a message.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(parent = "message_id", select = "reader", insert = "sender", update = "sender", system(select, update))]
    #[tenant(index(next_at, where = "status IS NULL"), check = "status IS NULL OR next_at IS NULL")]
    pub(in super::super) struct Attempt {
        pub id: i64,
        #[tenant(references = Message, on_delete = "cascade")]
        pub message_id: Uuid,
        #[tenant(check = "status BETWEEN 100 AND 599")]
        pub status: Option<i16>,
        pub next_at: Option<DateTime<Utc>>,
    }

    pub(in super::super) fn models() -> Models {
        tenant_runtime::models![].only([
            Organization::TABLE,
            Application::TABLE,
            EventKind::TABLE,
            Endpoint::TABLE,
            Subscription::TABLE,
            Secret::TABLE,
            ApiKey::TABLE,
            Message::TABLE,
            Attempt::TABLE,
        ])
    }
}

/// The second version: applications are called consumers, and endpoints can be paused and have labels.
pub(super) mod second {
    use super::{
        first::{ApiKey, Attempt, EventKind, Organization, Secret, Subscription},
        *,
    };

    /// An application of an organization; two organizations can use the same ID.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", schema = "registry", renamed_from = "applications")]
    #[tenant(select = "reader", insert = "manager", update = "manager", delete = "manager")]
    pub(in super::super) struct Consumer {
        #[tenant(id, references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(id)]
        pub id: String,
        pub name: String,
    }

    /// An endpoint, which remains after it was deleted.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "reader", insert = "manager", update = "manager", delete = "manager")]
    #[tenant(unique(consumer_id, url, where = "deleted_at IS NULL"), index(labels, using = "gin"))]
    pub(in super::super) struct Endpoint {
        #[tenant(id, references = Organization, on_delete = "cascade")]
        pub organization_id: TextKey,
        #[tenant(id)]
        pub id: String,
        #[tenant(references = Consumer, on_delete = "cascade", on_update = "cascade", renamed_from = "application_id")]
        pub consumer_id: String,
        #[tenant(check = "url LIKE 'https://%'")]
        pub url: String,
        #[tenant(default = "'{}'")]
        pub labels: Vec<String>,
        pub paused_at: Option<DateTime<Utc>>,
        pub deleted_at: Option<DateTime<Utc>>,
        #[tenant(updated_at)]
        pub updated_at: DateTime<Utc>,
    }

    /// A message; the table is partitioned.
    #[derive(Debug, Clone, TenantTable)]
    #[tenant(org = "organization_id", select = "reader", insert = "sender", partition_by_hash = 2, index(created_at desc, id))]
    pub(in super::super) struct Message {
        #[tenant(id, references = Organization)]
        pub organization_id: TextKey,
        #[tenant(id)]
        pub id: Uuid,
        #[tenant(references = Consumer, renamed_from = "application_id")]
        pub consumer_id: String,
        #[tenant(references = EventKind)]
        pub kind: String,
        pub payload: Json<serde_json::Value>,
        #[tenant(default = "now()")]
        pub created_at: DateTime<Utc>,
    }

    pub(in super::super) fn models() -> Models {
        tenant_runtime::models![].only([
            Organization::TABLE,
            Consumer::TABLE,
            EventKind::TABLE,
            Endpoint::TABLE,
            Subscription::TABLE,
            Secret::TABLE,
            ApiKey::TABLE,
            Message::TABLE,
            Attempt::TABLE,
        ])
    }
}
