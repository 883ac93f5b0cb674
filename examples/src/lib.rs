//! The example: a project tracker for many organizations, with the tables of the two tutorials.
//!
//! `cargo run --bin gen-migrations` turns these structs into the files under `examples/migrations`.

use chrono::{DateTime, Utc};
use tenant_runtime::{
    TenantEnum, TenantTable, TenantView,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

/// A customer organization, which is a tenant.
///
/// A signed-in user can create an organization and becomes its first admin.
/// No application role can delete organizations.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "id", select = "viewer", update = "admin", creator_role = "admin", system(select))]
pub struct Organization {
    /// The tenant ID, which the column `organization_id` of other tables holds.
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
/// The table is global: the members of an organization see only the users who are members of that organization.
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

/// The members of the organizations, with their roles.
///
/// The restrictive policies check this table: users who are not, or no longer, members see no rows of the tenant.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "user_id", role = "role"), track_changes)]
pub struct OrgMember {
    /// The organization.
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The user who is a member.
    #[tenant(id, references = User)]
    pub user_id: Uuid,
    /// The role of the member.
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
/// Only a trigger writes the change log; admins can read it.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "admin", change_log)]
pub struct Change {
    /// The change ID, an identity column.
    pub id: i64,
    /// The organization. The column is not a foreign key, so entries remain after the organization is deleted.
    pub organization_id: Uuid,
    /// The time of the change.
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
    /// The ID of the user who made the change; NULL if the context had no user.
    pub user_id: Option<Uuid>,
    /// The database role that made the change.
    pub role: String,
    /// The name of the changed table, with its schema.
    pub table_name: String,
    /// The primary key of the changed row.
    pub row_key: String,
    /// The command: `insert`, `update` or `delete`.
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
    /// The name of the project.
    pub name: String,
    /// The description of the project.
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
    /// The organization. The composite foreign key ensures that the project belongs to the same organization.
    #[tenant(references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    /// The project.
    #[tenant(references = Project, on_delete = "cascade")]
    pub project_id: Uuid,
    /// The title of the task.
    pub title: String,
    /// The description of the task.
    pub description: Option<String>,
    /// The status of the task.
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
    /// The title of the document.
    pub title: String,
    /// The text of the document.
    pub content: Option<String>,
    /// The author: a member of the same organization.
    #[tenant(references = OrgMember)]
    pub created_by: Uuid,
    /// The visibility: all members or only the author.
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
    /// The name of the employee.
    pub name: String,
    /// The e-mail address, unique within the organization.
    #[tenant(unique)]
    pub email: String,
    /// The salary in cents per year.
    #[tenant(select = "admin", check = "salary >= 0", sensitive)]
    pub salary: i64,
}

/// The columns of an employee that every member can read.
#[derive(Debug, Clone, TenantView)]
#[tenant(of = Employee)]
pub struct EmployeeCard {
    /// The employee ID.
    pub id: i64,
    /// The name of the employee.
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
    /// The author of the comment.
    pub written_by: Uuid,
    /// The text of the comment.
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
    /// The time of the event.
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
}
