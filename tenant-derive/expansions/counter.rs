//! A counter, which no statement sets: the table has no keys for upserts.

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

// ---- expands to ----

///A new row of [`Invoice`]. `None` in a column with a default uses the default.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
struct NewInvoice {
    id: Uuid,
    subject: String,
}
///Changes of a [`Invoice`]. `None` leaves a column unchanged.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
struct InvoiceChanges {
    subject: ::core::option::Option<String>,
}
#[automatically_derived]
impl ::core::default::Default for InvoiceChanges {
    fn default() -> Self {
        Self {
            subject: ::core::option::Option::None,
        }
    }
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Invoice {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::Yes, __rt::Yes, (), ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "invoices",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Invoice",
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
                insert: ::core::option::Option::Some(
                    <<Self as __rt::Insert>::InsertRole as __rt::Role>::NAME,
                ),
                update: ::core::option::Option::Some(
                    <<Self as __rt::Update>::UpdateRole as __rt::Role>::NAME,
                ),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "id",
                                <Self as __rt::StoredKey>::TYPE,
                            );
                            __column.id = true;
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
                        {
                            let mut __column = __rt::column(
                                "subject",
                                <String as __rt::Stored>::TYPE,
                            );
                            __column.unique = ::core::option::Option::Some(
                                __rt::UniqueScope::Tenant,
                            );
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "number",
                                <i64 as __rt::Stored>::TYPE,
                            );
                            __column.app_assigned = false;
                            __column.counter = __rt::counter::<i64>();
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
    impl __rt::ColumnsAt<0> for Invoice {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<Uuid, Uuid, String, i64>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Invoice {
        const ID: __rt::Column<Self, Uuid, __rt::Access<(), (), __rt::NotSettable>> = __rt::named(
            "id",
        );
        const ORGANIZATION_ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("organization_id");
        const SUBJECT: __rt::Column<Self, String> = __rt::named("subject");
        const NUMBER: __rt::Column<
            Self,
            i64,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("number");
    }
    #[automatically_derived]
    impl __rt::Select for Invoice {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (
                ::core::option::Option::Some(__0),
                ::core::option::Option::Some(__1),
                ::core::option::Option::Some(__2),
                ::core::option::Option::Some(__3),
            ) = (
                <Self as __rt::StoredKey>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
                <String as __rt::Stored>::read(__row),
                <i64 as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                id: __0,
                organization_id: __1,
                subject: __2,
                number: __3,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Insert for Invoice {
        type InsertRole = Member;
        type New = NewInvoice;
        fn new_values(__row: NewInvoice, __values: &mut __rt::Values) {
            <Self as __rt::StoredKey>::set(__values, "id", __row.id);
            <String as __rt::Stored>::set(__values, "subject", __row.subject);
        }
    }
    #[automatically_derived]
    impl __rt::Update for Invoice {
        type UpdateRole = Member;
        type Changes = InvoiceChanges;
        fn changed_values(__row: InvoiceChanges, __values: &mut __rt::Values) {
            <String as __rt::Stored>::set_some(__values, "subject", __row.subject);
        }
    }
    __rt::inventory::submit! {
        __rt::Registered(< Invoice as __rt::TenantTable > ::TABLE)
    }
};
