//! The roles that ship: `Viewer` < `Member` < `Admin`, over `Uuid` keys, with the prefix `app_`.

use uuid::Uuid;

use crate::{
    model::def::{RoleDef, SqlType, TenancyDef},
    tenant::{AtLeast, Role, Tenancy},
};

/// The tenancy that ships: organizations and users with `Uuid` keys.
#[derive(Debug, Clone, Copy)]
pub enum Organizations {}

impl Tenancy for Organizations {
    type Key = Uuid;
    type User = Uuid;
    const DEF: &'static TenancyDef = &TenancyDef {
        schema: "app",
        role_prefix: "app_",
        key: SqlType::Uuid,
        user: SqlType::Uuid,
        org_setting: "app.organization_id",
        user_setting: "app.user_id",
        connection_limit: 50,
        roles: &[
            RoleDef { name: Viewer::NAME, includes: &[] },
            RoleDef { name: Member::NAME, includes: &[Viewer::NAME] },
            RoleDef { name: Admin::NAME, includes: &[Member::NAME] },
        ],
    };
}

/// Reads what the tables open to every member of the organization.
#[derive(Debug, Clone, Copy)]
pub enum Viewer {}

impl Role for Viewer {
    type Tenancy = Organizations;
    const NAME: &'static str = "viewer";
    const DB_ROLE: &'static str = "app_viewer";
}

/// Does the daily work; includes [`Viewer`].
#[derive(Debug, Clone, Copy)]
pub enum Member {}

impl Role for Member {
    type Tenancy = Organizations;
    const NAME: &'static str = "member";
    const DB_ROLE: &'static str = "app_member";
}

/// Runs the organization; includes [`Member`].
#[derive(Debug, Clone, Copy)]
pub enum Admin {}

impl Role for Admin {
    type Tenancy = Organizations;
    const NAME: &'static str = "admin";
    const DB_ROLE: &'static str = "app_admin";
}

impl AtLeast<Viewer> for Viewer {}
impl AtLeast<Viewer> for Member {}
impl AtLeast<Member> for Member {}
impl AtLeast<Viewer> for Admin {}
impl AtLeast<Member> for Admin {}
impl AtLeast<Admin> for Admin {}
