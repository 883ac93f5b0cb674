//! The owner's own example.

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

// ---- expands to ----

#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Project {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, (), (), __rt::Yes, ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "projects",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Project",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::tenant_scope::<
                    Uuid,
                    <Self as __rt::TenantTable>::Tenancy,
                >("organization_id"),
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                delete: ::core::option::Option::Some(
                    <<Self as __rt::Delete>::DeleteRole as __rt::Role>::NAME,
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
                        {
                            let mut __column = __rt::column(
                                "organization_id",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.app_assigned = false;
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
    impl __rt::ColumnsAt<0> for Project {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<Uuid, Uuid>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Project {
        const ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("id");
        const ORGANIZATION_ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("organization_id");
    }
    #[automatically_derived]
    impl __rt::Select for Project {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (::core::option::Option::Some(__0), ::core::option::Option::Some(__1)) = (
                <Self as __rt::StoredKey>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                id: __0,
                organization_id: __1,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Delete for Project {
        type DeleteRole = Admin;
    }
    __rt::inventory::submit! {
        __rt::Registered(< Project as __rt::TenantTable > ::TABLE)
    }
};
