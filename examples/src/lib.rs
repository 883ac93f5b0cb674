//! The example: a project tracker for many organizations, as the two seed documents describe it.
//!
//! `cargo run --bin gen-migrations` turns these structs into the files under `examples/migrations`.

use chrono::{DateTime, Utc};
use tenant_runtime::{
    TenantEnum, TenantTable, TenantView,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

/// A customer: the tenant itself.
///
/// A signed-in user may found one and is its first admin; nobody deletes one but the operator.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "id", select = "viewer", update = "admin", creator_role = "admin", system(select))]
pub struct Organization {
    /// The tenant's key, which every other table carries.
    pub id: Uuid,
    /// What the organization calls itself.
    #[tenant(check = "length(name) BETWEEN 1 AND 200")]
    pub name: String,
    /// When it signed up.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// A person who signs in; may belong to several organizations.
///
/// It belongs to no tenant: an organization sees the users who are its members.
#[derive(Debug, Clone, TenantTable)]
#[tenant(global, visible_through = OrgMember, select = "viewer", sign_up)]
pub struct User {
    /// The person's key.
    pub id: Uuid,
    /// Where the person gets mail.
    #[tenant(unique)]
    pub email: String,
    /// How the person is called.
    pub full_name: Option<String>,
    /// The hash of the password. No role reads it; who signs people in asks a function that compares.
    #[tenant(select = "none")]
    pub password_hash: Option<String>,
    /// When the person signed up.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// What a member of an organization may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum MemberRole {
    /// Runs the organization.
    Admin,
    /// Does the daily work.
    Member,
    /// Reads.
    Viewer,
}

/// Says who belongs to an organization, and as what.
///
/// Every policy asks it: whoever is no member, or not any more, sees nothing.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "user_id", role = "role"), track_changes)]
pub struct OrgMember {
    /// The organization.
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The person.
    #[tenant(id, references = User)]
    pub user_id: Uuid,
    /// What the person may do.
    pub role: MemberRole,
    /// Since when.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// Somebody whom an organization asked to become a member, by a token that was sent to that address.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "admin", insert = "admin", delete = "admin")]
#[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
pub struct Invitation {
    /// The invitation's key.
    pub id: Uuid,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// Where the token was sent; the user who takes it has the same address.
    pub email: String,
    /// What the person will be.
    pub role: MemberRole,
    /// The hash of the token; the token itself is in the mail alone.
    #[tenant(select = "none")]
    pub token_hash: Vec<u8>,
    /// Until when it can be taken.
    pub expires_at: DateTime<Utc>,
    /// Who asked. With that member's membership goes the invitation.
    #[tenant(references = OrgMember, on_delete = "cascade")]
    pub invited_by: Uuid,
}

/// What changed in an organization: who did what to which row, of those tables that are `track_changes`.
///
/// A trigger writes it. Nobody else does, not the admins either, who read it.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "admin", change_log)]
pub struct Change {
    /// The change's key, counted up by the database.
    pub id: i64,
    /// The organization. It refers to nothing: the log outlives what it speaks of.
    pub organization_id: Uuid,
    /// When.
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
    /// Who, where the context says so.
    pub user_id: Option<Uuid>,
    /// As which database role.
    pub role: String,
    /// The table, with its schema.
    pub table_name: String,
    /// The row's key.
    pub row_key: String,
    /// `insert`, `update` or `delete`.
    pub command: String,
    /// The row as it was, without what admins may not see.
    pub before: Option<serde_json::Value>,
    /// The row as it became, without what admins may not see.
    pub after: Option<serde_json::Value>,
}

/// A project of an organization.
#[derive(Debug, Clone, TenantTable)]
#[tenant(
    org = "organization_id",
    select = "viewer",
    insert = "member",
    update = "member",
    delete = "admin",
    track_changes
)]
pub struct Project {
    /// The project's key.
    pub id: Uuid,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// When it was made.
    #[tenant(default = "now()", index)]
    pub created_at: DateTime<Utc>,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum TaskStatus {
    /// Nobody has begun.
    Todo,
    /// Somebody is at it.
    InProgress,
    /// It is done.
    Done,
}

/// A task in a project.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(system(select, update))]
pub struct Task {
    /// The task's key.
    pub id: Uuid,
    /// The organization; the same as the project's, which the foreign key makes sure of.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The project.
    #[tenant(references = Project, on_delete = "cascade")]
    pub project_id: Uuid,
    /// What is to be done.
    pub title: String,
    /// What there is to know about it.
    pub description: Option<String>,
    /// How far it is.
    #[tenant(default = "'todo'", index)]
    pub status: TaskStatus,
    /// Who does it: a member of the same organization.
    #[tenant(references = OrgMember, on_delete = "set_null")]
    pub assigned_to: Option<Uuid>,
    /// When it was written down.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// Who in the organization sees a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum Visibility {
    /// Everybody.
    Team,
    /// Who wrote it.
    Private,
}

/// A document of an organization, which everybody there sees or its author alone.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
#[tenant(owner = "created_by", visibility = "visibility", delete = "admin", delete_own = "member", track_changes)]
pub struct Document {
    /// The document's key, counted up by the database.
    pub id: i64,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// What it is called.
    pub title: String,
    /// Its text.
    pub content: Option<String>,
    /// Who wrote it: a member of the same organization.
    #[tenant(references = OrgMember)]
    pub created_by: Uuid,
    /// Who sees it.
    #[tenant(default = "'team'")]
    pub visibility: Visibility,
}

/// Somebody whom an organization employs. What they earn, admins alone may know.
#[derive(Debug, Clone, TenantTable)]
#[tenant(
    org = "organization_id",
    select = "viewer",
    insert = "admin",
    update = "admin",
    delete = "admin",
    track_changes
)]
pub struct Employee {
    /// The employee's key, counted up by the database.
    pub id: i64,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// How the employee is called.
    pub name: String,
    /// Where the employee gets mail; no two of an organization share it.
    #[tenant(unique)]
    pub email: String,
    /// What the employee earns, in cents a year.
    #[tenant(select = "admin", check = "salary >= 0")]
    pub salary: i64,
}

/// What everybody in the organization may know of an employee.
#[derive(Debug, Clone, TenantView)]
#[tenant(of = Employee)]
pub struct EmployeeCard {
    /// The employee's key.
    pub id: i64,
    /// How the employee is called.
    pub name: String,
    /// Where the employee gets mail.
    pub email: String,
}

/// A remark on a task, which takes its organization from there.
#[derive(Debug, Clone, TenantTable)]
#[tenant(parent = "task_id", select = "viewer", insert = "member")]
#[tenant(owner = "written_by", update_own = "member", delete = "member", system(select))]
pub struct Comment {
    /// The remark's key.
    pub id: Uuid,
    /// The task.
    #[tenant(references = Task, on_delete = "cascade")]
    pub task_id: Uuid,
    /// Who wrote it.
    pub written_by: Uuid,
    /// What it says.
    pub body: String,
}

/// Something that happened, of which there are many: the table is partitioned by organization.
///
/// A job of the operator's takes the old ones away, of one organization after the other.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "member", insert = "member", partition_by_hash = 4)]
#[tenant(system(select, insert, delete))]
pub struct Event {
    /// The organization.
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The event's key.
    #[tenant(id, default = "gen_random_uuid()")]
    pub id: Uuid,
    /// What happened.
    pub what: String,
    /// When.
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
}
