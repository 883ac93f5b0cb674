//! The tables of the tenants, of the users, and of who is a member: changed by functions, so that there is no INSERT.

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", creator_role = "admin")]
pub struct Organization {
    pub id: Uuid,
    pub name: String,
    #[tenant(default = "'free'")]
    pub plan: String,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = OrgMember, select = "viewer", sign_up)]
pub struct User {
    pub id: Uuid,
    pub email: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "user_id", role = "role"))]
pub struct OrgMember {
    #[tenant(id, references = Organization)]
    pub organization_id: Uuid,
    #[tenant(id, references = User)]
    pub user_id: Uuid,
    pub role: MemberRole,
}

// ---- expands to ----

///The columns of a new [`Organization`] that a user creates.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub struct NewOrganization {
    pub name: String,
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Organization {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::CreatesTenant, (), (), ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "organizations",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Organization",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::tenant_scope::<
                    Uuid,
                    <Self as __rt::TenantTable>::Tenancy,
                >("id"),
                creator_role: __rt::role::<
                    Admin,
                    <Self as __rt::TenantTable>::Tenancy,
                >(),
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "id",
                                <Self as __rt::StoredKey>::TYPE,
                            );
                            __column.id = true;
                            __column.app_assigned = false;
                            __column
                        },
                        __rt::column("name", <String as __rt::Stored>::TYPE),
                        {
                            let mut __column = __rt::column(
                                "plan",
                                <String as __rt::Stored>::TYPE,
                            );
                            __column.default = ::core::option::Option::Some("'free'");
                            __column
                        },
                    ]
                },
                ..__rt::TableDef::blank(
                    <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
                )
            }
        };
    }
    impl __rt::ColumnsAt<0> for Organization {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<Uuid, String, String>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Organization {
        pub const ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("id");
        pub const NAME: __rt::Column<Self, String> = __rt::named("name");
        pub const PLAN: __rt::Column<Self, String> = __rt::named("plan");
    }
    #[automatically_derived]
    impl __rt::Select for Organization {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (
                ::core::option::Option::Some(__0),
                ::core::option::Option::Some(__1),
                ::core::option::Option::Some(__2),
            ) = (
                <Self as __rt::StoredKey>::read(__row),
                <String as __rt::Stored>::read(__row),
                <String as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                id: __0,
                name: __1,
                plan: __2,
            })
        }
    }
    #[automatically_derived]
    impl __rt::CreateTenant for Organization {
        type New = NewOrganization;
        fn create_tenant_values(__row: NewOrganization, __values: &mut __rt::Values) {
            <String as __rt::Stored>::set(__values, "name", __row.name);
        }
    }
    __rt::inventory::submit! {
        __rt::Registered(< Organization as __rt::TenantTable > ::TABLE)
    }
};
///The columns of a new [`User`] that signs up.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub struct NewUser {
    pub email: String,
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for User {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::SignsUp, (), (), ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "users",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "User",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::ScopeDef::Shared {
                    through: <OrgMember as __rt::TenantTable>::TABLE_NAME,
                },
                sign_up: true,
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "id",
                                <Self as __rt::StoredKey>::TYPE,
                            );
                            __column.id = true;
                            __column.app_assigned = __rt::generated::<Uuid>();
                            __column
                        },
                        __rt::column("email", <String as __rt::Stored>::TYPE),
                    ]
                },
                ..__rt::TableDef::blank(
                    <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
                )
            }
        };
    }
    impl __rt::ColumnsAt<0> for User {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<Uuid, String>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl User {
        pub const ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("id");
        pub const EMAIL: __rt::Column<Self, String> = __rt::named("email");
    }
    #[automatically_derived]
    impl __rt::Select for User {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (::core::option::Option::Some(__0), ::core::option::Option::Some(__1)) = (
                <Self as __rt::StoredKey>::read(__row),
                <String as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self { id: __0, email: __1 })
        }
    }
    #[automatically_derived]
    impl __rt::SignUp for User {
        type New = NewUser;
        fn sign_up_values(__row: NewUser, __values: &mut __rt::Values) {
            <String as __rt::Stored>::set(__values, "email", __row.email);
        }
    }
    __rt::inventory::submit! {
        __rt::Registered(< User as __rt::TenantTable > ::TABLE)
    }
};
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for OrgMember {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::cmd::Manage, (), (), ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "org_members",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "OrgMember",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::tenant_scope::<
                    Uuid,
                    <Self as __rt::TenantTable>::Tenancy,
                >("organization_id"),
                membership: __rt::membership::<
                    Uuid,
                    <Self as __rt::TenantTable>::Tenancy,
                >("user_id", "role"),
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                insert: ::core::option::Option::Some(
                    <<Self as __rt::ManagedMembership>::ManageRole as __rt::Role>::NAME,
                ),
                update: ::core::option::Option::Some(
                    <<Self as __rt::ManagedMembership>::ManageRole as __rt::Role>::NAME,
                ),
                delete: ::core::option::Option::Some(
                    <<Self as __rt::ManagedMembership>::ManageRole as __rt::Role>::NAME,
                ),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "organization_id",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.id = true;
                            __column.app_assigned = false;
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<
                                    Uuid,
                                    Organization,
                                >(__rt::OnDelete::NoAction),
                            );
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "user_id",
                                <Self as __rt::StoredKey>::TYPE,
                            );
                            __column.id = true;
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<Uuid, User>(__rt::OnDelete::NoAction),
                            );
                            __column
                        },
                        __rt::column("role", <MemberRole as __rt::Stored>::TYPE),
                    ]
                },
                ..__rt::TableDef::blank(
                    <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
                )
            }
        };
    }
    impl __rt::ColumnsAt<0> for OrgMember {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<Uuid, Uuid, MemberRole>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl OrgMember {
        pub const ORGANIZATION_ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
            Organization,
        > = __rt::named("organization_id");
        pub const USER_ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), (), __rt::NotSettable>,
            User,
        > = __rt::named("user_id");
        pub const ROLE: __rt::Column<Self, MemberRole> = __rt::named("role");
    }
    #[automatically_derived]
    impl __rt::Select for OrgMember {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (
                ::core::option::Option::Some(__0),
                ::core::option::Option::Some(__1),
                ::core::option::Option::Some(__2),
            ) = (
                <Uuid as __rt::Stored>::read(__row),
                <Self as __rt::StoredKey>::read(__row),
                <MemberRole as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                organization_id: __0,
                user_id: __1,
                role: __2,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Membership for OrgMember {
        type MemberRole = MemberRole;
    }
    #[automatically_derived]
    impl __rt::ManagedMembership for OrgMember {
        type ManageRole = Admin;
    }
    __rt::inventory::submit! {
        __rt::Registered(< OrgMember as __rt::TenantTable > ::TABLE)
    }
};
