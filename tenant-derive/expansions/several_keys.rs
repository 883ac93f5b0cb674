//! A key of several fields and of the tenant column of the parent, and a foreign key of several fields.

#[derive(TenantTable)]
#[tenant(parent = "tag_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(foreign_key(campaign_id, ad_id, references = Ad, on_delete = "cascade", deferrable))]
struct AdTag {
    #[tenant(id)]
    campaign_id: i64,
    #[tenant(id, column = "ad")]
    ad_id: i64,
    #[tenant(id, references = Tag)]
    tag_id: i64,
    weight: i32,
}

// ---- expands to ----

///A new row of [`AdTag`]. `None` in a column with a default uses the default.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
struct NewAdTag {
    campaign_id: i64,
    ad_id: i64,
    tag_id: i64,
    weight: i32,
}
///Changes of a [`AdTag`]. `None` leaves a column unchanged.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
struct AdTagChanges {
    weight: ::core::option::Option<i32>,
}
#[automatically_derived]
impl ::core::default::Default for AdTagChanges {
    fn default() -> Self {
        Self {
            weight: ::core::option::Option::None,
        }
    }
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for AdTag {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::Yes, __rt::Yes, __rt::Yes, ());
        type Id = (i64, i64, i64);
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "ad_tags",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "AdTag",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::parent_scope::<Tag>("tag_id"),
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                insert: ::core::option::Option::Some(
                    <<Self as __rt::Insert>::InsertRole as __rt::Role>::NAME,
                ),
                update: ::core::option::Option::Some(
                    <<Self as __rt::Update>::UpdateRole as __rt::Role>::NAME,
                ),
                delete: ::core::option::Option::Some(
                    <<Self as __rt::Delete>::DeleteRole as __rt::Role>::NAME,
                ),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "campaign_id",
                                <i64 as __rt::Stored>::TYPE,
                            );
                            __column.id = true;
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "ad_id",
                                <i64 as __rt::Stored>::TYPE,
                            );
                            __column.name = "ad";
                            __column.id = true;
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "tag_id",
                                <i64 as __rt::Stored>::TYPE,
                            );
                            __column.id = true;
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<i64, Tag>(__rt::OnDelete::NoAction),
                            );
                            __column
                        },
                        __rt::column("weight", <i32 as __rt::Stored>::TYPE),
                        {
                            let mut __column = __rt::tenant_of_parent::<Tag>();
                            __column.id = true;
                            __column
                        },
                    ]
                },
                foreign_keys: &const {
                    [
                        __rt::ForeignKeyDef {
                            columns: &["campaign_id", "ad"],
                            reference: __rt::composite_reference::<
                                (i64, i64),
                                Ad,
                            >(__rt::OnDelete::Cascade)
                                .deferral(__rt::Deferral::InitiallyImmediate),
                        },
                    ]
                },
                ..__rt::TableDef::blank(
                    <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
                )
            }
        };
    }
    impl __rt::ColumnsAt<0> for AdTag {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<i64, i64, i64, i32>;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl AdTag {
        const CAMPAIGN_ID: __rt::Column<
            Self,
            i64,
            __rt::Access<(), (), __rt::NotSettable>,
        > = __rt::named("campaign_id");
        const AD_ID: __rt::Column<Self, i64, __rt::Access<(), (), __rt::NotSettable>> = __rt::named(
            "ad",
        );
        const TAG_ID: __rt::Column<
            Self,
            i64,
            __rt::Access<(), (), __rt::NotSettable>,
            Tag,
        > = __rt::named("tag_id");
        const WEIGHT: __rt::Column<Self, i32> = __rt::named("weight");
        const BY_CAMPAIGN_ID_AND_AD_ID_AND_TAG_ID: __rt::Key<Self> = __rt::unique_by(
            &["campaign_id", "ad", "tag_id"],
        );
    }
    #[automatically_derived]
    impl __rt::Select for AdTag {
        type SelectRole = Viewer;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (
                ::core::option::Option::Some(__0),
                ::core::option::Option::Some(__1),
                ::core::option::Option::Some(__2),
                ::core::option::Option::Some(__3),
            ) = (
                <i64 as __rt::Stored>::read(__row),
                <i64 as __rt::Stored>::read(__row),
                <i64 as __rt::Stored>::read(__row),
                <i32 as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                campaign_id: __0,
                ad_id: __1,
                tag_id: __2,
                weight: __3,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Insert for AdTag {
        type InsertRole = Member;
        type New = NewAdTag;
        fn new_values(__row: NewAdTag, __values: &mut __rt::Values) {
            <i64 as __rt::Stored>::set(__values, "campaign_id", __row.campaign_id);
            <i64 as __rt::Stored>::set(__values, "ad", __row.ad_id);
            <i64 as __rt::Stored>::set(__values, "tag_id", __row.tag_id);
            <i32 as __rt::Stored>::set(__values, "weight", __row.weight);
        }
    }
    #[automatically_derived]
    impl __rt::Update for AdTag {
        type UpdateRole = Member;
        type Changes = AdTagChanges;
        fn changed_values(__row: AdTagChanges, __values: &mut __rt::Values) {
            <i32 as __rt::Stored>::set_some(__values, "weight", __row.weight);
        }
    }
    #[automatically_derived]
    impl __rt::Delete for AdTag {
        type DeleteRole = Member;
    }
    __rt::inventory::submit! {
        __rt::Registered(< AdTag as __rt::TenantTable > ::TABLE)
    }
};
