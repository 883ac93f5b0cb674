//! The example: a project tracker for many organizations, with the tables of the two tutorials.
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
/// A signed-in user can create one and becomes its first admin; application roles cannot delete it.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "id", select = "viewer", update = "admin", creator_role = "admin", system(select))]
pub struct Organization {
    /// The tenant ID, which every tenant table contains.
    pub id: Uuid,
    /// The name of the organization.
    #[tenant(check = "length(name) BETWEEN 1 AND 200")]
    pub name: String,
    /// When the organization was created.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// A person with an account, who can be a member of several organizations.
///
/// The table is global: an organization sees the users who are its members.
#[derive(Debug, Clone, TenantTable)]
#[tenant(global, visible_through = OrgMember, select = "viewer", sign_up)]
pub struct User {
    /// The user ID.
    pub id: Uuid,
    /// The e-mail address.
    #[tenant(unique)]
    pub email: String,
    /// The full name.
    pub full_name: Option<String>,
    /// The hash of the password. No application role can read it.
    #[tenant(select = "none")]
    pub password_hash: Option<String>,
    /// When the user signed up.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// The role of a member in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum MemberRole {
    /// Manages the organization and its members.
    Admin,
    /// Creates and edits projects and tasks.
    Member,
    /// Reads only.
    Viewer,
}

/// The members of organizations and their roles.
///
/// The restrictive policies check this table: users who are not, or no longer, members see no rows of the tenant.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "user_id", role = "role"), track_changes)]
pub struct OrgMember {
    /// The organization.
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The user.
    #[tenant(id, references = User)]
    pub user_id: Uuid,
    /// The role.
    pub role: MemberRole,
    /// When the user became a member.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// An invitation to an organization, accepted with a token that was sent by e-mail.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "admin", insert = "admin", delete = "admin")]
#[tenant(invitation(email = "email", role = "role", token = "token_hash", expires = "expires_at", by = "invited_by"))]
pub struct Invitation {
    /// The invitation ID.
    pub id: Uuid,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The invited e-mail address; only a user with this address can accept.
    pub email: String,
    /// The role that the new member gets.
    pub role: MemberRole,
    /// The SHA-256 hash of the token; the token itself is not stored.
    #[tenant(select = "none")]
    pub token_hash: Vec<u8>,
    /// When the invitation expires.
    pub expires_at: DateTime<Utc>,
    /// The inviting member. The invitation is deleted with that membership.
    #[tenant(references = OrgMember, on_delete = "cascade")]
    pub invited_by: Uuid,
}

/// The change log: who changed which row of the tables with `track_changes`.
///
/// Only a trigger writes it; admins can read it.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "admin", change_log)]
pub struct Change {
    /// The change ID, an identity column.
    pub id: i64,
    /// The organization. It is not a foreign key: entries outlive the rows that they describe.
    pub organization_id: Uuid,
    /// The time.
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
    /// The user ID of the context, if there is one.
    pub user_id: Option<Uuid>,
    /// The database role.
    pub role: String,
    /// The table with its schema.
    pub table_name: String,
    /// The row's primary key.
    pub row_key: String,
    /// `insert`, `update` or `delete`.
    pub command: String,
    /// The row before the change, without columns that admins cannot read.
    pub before: Option<serde_json::Value>,
    /// The row after the change, without columns that admins cannot read.
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
    /// The project ID.
    pub id: Uuid,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The name.
    pub name: String,
    /// A description.
    pub description: Option<String>,
    /// When the project was created.
    #[tenant(default = "now()", index)]
    pub created_at: DateTime<Utc>,
}

/// The status of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum TaskStatus {
    /// Not started.
    Todo,
    /// In progress.
    InProgress,
    /// Done.
    Done,
}

/// A task in a project.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(system(select, update))]
pub struct Task {
    /// The task ID.
    pub id: Uuid,
    /// The organization; the composite foreign key ensures that it is the project's.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The project.
    #[tenant(references = Project, on_delete = "cascade")]
    pub project_id: Uuid,
    /// The title.
    pub title: String,
    /// A description.
    pub description: Option<String>,
    /// The status.
    #[tenant(default = "'todo'", index)]
    pub status: TaskStatus,
    /// The assignee: a member of the same organization.
    #[tenant(references = OrgMember, on_delete = "set_null")]
    pub assigned_to: Option<Uuid>,
    /// When the task was created.
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

/// The visibility of a document in its organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum Visibility {
    /// All members.
    Team,
    /// The author only.
    Private,
}

/// A document of an organization, visible to all members or to its author only.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
#[tenant(owner = "created_by", visibility = "visibility", delete = "admin", delete_own = "member", track_changes)]
pub struct Document {
    /// The document ID, an identity column.
    pub id: i64,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The name.
    pub title: String,
    /// The text.
    pub content: Option<String>,
    /// The author: a member of the same organization.
    #[tenant(references = OrgMember)]
    pub created_by: Uuid,
    /// The visibility.
    #[tenant(default = "'team'")]
    pub visibility: Visibility,
}

/// An employee of an organization. Only admins can read the salary.
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
    /// The employee ID, an identity column.
    pub id: i64,
    /// The organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The name.
    pub name: String,
    /// The e-mail address, unique within the organization.
    #[tenant(unique)]
    pub email: String,
    /// The salary in cents per year.
    #[tenant(select = "admin", check = "salary >= 0")]
    pub salary: i64,
}

/// The columns of an employee that every member can read.
#[derive(Debug, Clone, TenantView)]
#[tenant(of = Employee)]
pub struct EmployeeCard {
    /// The employee ID.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// A comment on a task, which belongs to the task's organization.
#[derive(Debug, Clone, TenantTable)]
#[tenant(parent = "task_id", select = "viewer", insert = "member")]
#[tenant(owner = "written_by", update_own = "member", delete = "member", system(select))]
pub struct Comment {
    /// The comment ID.
    pub id: Uuid,
    /// The task.
    #[tenant(references = Task, on_delete = "cascade")]
    pub task_id: Uuid,
    /// The author.
    pub written_by: Uuid,
    /// The text.
    pub body: String,
}

/// An event. The table is large and partitioned by organization.
///
/// A cross-tenant job deletes old events, one organization after the other.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "member", insert = "member", partition_by_hash = 4)]
#[tenant(system(select, insert, delete))]
pub struct Event {
    /// The organization.
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The event ID.
    #[tenant(id, default = "gen_random_uuid()")]
    pub id: Uuid,
    /// The kind of event.
    pub what: String,
    /// The time.
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
}
