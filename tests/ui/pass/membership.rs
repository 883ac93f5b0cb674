//! The tables of tenants, users and memberships.
#![deny(warnings)]

use tenant_runtime::{
    TenantEnum, TenantTable,
    model::def::{MembershipDef, ScopeDef},
    repo::members::{CreateTenant, ManagedMembership, SignUp},
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "id", select = "viewer", update = "admin", creator_role = "admin")]
pub struct Organization {
    pub id: Uuid,
    pub name: String,
    #[tenant(default = "'free'")]
    pub plan: String,
}

#[derive(Debug, TenantTable)]
#[tenant(global, visible_through = OrgMember, select = "viewer", sign_up)]
pub struct User {
    pub id: Uuid,
    #[tenant(unique)]
    pub email: String,
    pub full_name: Option<String>,
}

#[derive(Debug, Clone, Copy, TenantEnum)]
pub enum MemberRole {
    Admin,
    Member,
    Viewer,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "user_id", role = "member_role"))]
pub struct OrgMember {
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    #[tenant(id, references = User)]
    pub user_id: Uuid,
    #[tenant(column = "role")]
    pub member_role: MemberRole,
}

fn main() {
    fn founded<T: CreateTenant<New = N>, N>(_: N) -> Option<&'static str> {
        T::TABLE.creator_role
    }
    fn signs_up<T: SignUp<New = N>, N>(_: N) -> bool {
        T::TABLE.sign_up
    }
    fn managed<T: ManagedMembership<MemberRole = MemberRole, ManageRole = Admin>>() -> Option<&'static str> {
        T::TABLE.delete
    }
    assert_eq!(founded::<Organization, _>(NewOrganization { name: String::new() }), Some("admin"));
    assert!(signs_up::<User, _>(NewUser { email: String::new(), full_name: None }));
    assert_eq!(User::TABLE.scope, ScopeDef::Shared { through: OrgMember::TABLE_NAME });
    assert_eq!(OrgMember::TABLE.membership, Some(MembershipDef { user: "user_id", role: "role" }));
    assert_eq!(managed::<OrgMember>(), Some("admin"));
    let _ = OrganizationChanges { name: Some(String::new()), plan: None };
}
