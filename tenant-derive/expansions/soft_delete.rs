//! A table that keeps deleted rows, which jobs remove.

#[derive(TenantTable)]
#[tenant(org = "org", select = "viewer", delete = "member", restore = "member", purge = "admin", system(select, delete))]
struct Page {
    id: Uuid,
    org: Uuid,
    #[tenant(soft_delete, column = "removed_at")]
    deleted_at: Option<Time>,
}

// ---- expands to ----

#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Page {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (
            __rt::Yes,
            (),
            (),
            (__rt::Yes, __rt::Yes, __rt::Yes),
            (__rt::Yes, (), (), ((), (), __rt::Yes), ()),
        );
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "pages",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Page",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::tenant_scope::<
                    Uuid,
                    <Self as __rt::TenantTable>::Tenancy,
                >("org"),
                soft_delete: ::core::option::Option::Some(__rt::SoftDeleteDef {
                    column: "removed_at",
                    restore: ::core::option::Option::Some(
                        <<Self as __rt::Restore>::RestoreRole as __rt::Role>::NAME,
                    ),
                    purge: ::core::option::Option::Some(
                        <<Self as __rt::Purge>::PurgeRole as __rt::Role>::NAME,
                    ),
                }),
                system: &["select", "delete"],
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
                                "org",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.app_assigned = false;
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "deleted_at",
                                <Option<Time> as __rt::Stored>::TYPE,
                            );
                            __column.name = "removed_at";
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
    impl __rt::ColumnsAt<0> for Page {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<Uuid, Uuid, Option<Time>>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Page {
        const ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("id");
        const ORG: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("org");
        const DELETED_AT: __rt::Column<
            Self,
            Option<Time>,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("removed_at");
    }
    #[automatically_derived]
    impl __rt::Select for Page {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (
                ::core::option::Option::Some(__0),
                ::core::option::Option::Some(__1),
                ::core::option::Option::Some(__2),
            ) = (
                <Self as __rt::StoredKey>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
                <Option<Time> as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                id: __0,
                org: __1,
                deleted_at: __2,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Delete for Page {
        type DeleteRole = Member;
    }
    #[automatically_derived]
    impl __rt::Restore for Page {
        type RestoreRole = Member;
    }
    #[automatically_derived]
    impl __rt::Purge for Page {
        type PurgeRole = Admin;
    }
    __rt::inventory::submit! {
        __rt::Registered(< Page as __rt::TenantTable > ::TABLE)
    }
};
