//! Every attribute at once.

/// What the world knows,
/// in two lines.
#[derive(TenantTable)]
#[tenant(crate = crate::runtime, tenancy = Shops, global, table = "places", schema = "world")]
#[tenant(select = Guest, insert = roles::Clerk, unique(name, r#type), index(r#type, name))]
pub(crate) struct Place {
    #[tenant(id, app_assigned, default = "gen_random_uuid()")]
    pub(crate) key: Uuid,
    #[tenant(unique, sql_type = "citext", check = "length(name) > 0")]
    pub(crate) name: Option<String>,
    #[tenant(column = "kind", sensitive)]
    r#type: Kind,
    #[tenant(references = "Place", on_delete = "set_null", index)]
    parent_id: Option<Uuid>,
    #[tenant(references = "Place", on_update = "cascade", deferrable = "initially_deferred")]
    twin_id: Uuid,
    #[tenant(generated = "lower(name)", collate = "C")]
    slug: String,
    #[tenant(updated_at)]
    changed_at: Time,
    #[tenant(skip)]
    cache: Cache,
}

// ---- expands to ----

///A new row of [`Place`]. `None` in a column with a default uses the default.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub(crate) struct NewPlace {
    pub(crate) key: ::core::option::Option<Uuid>,
    pub(crate) name: Option<String>,
    r#type: Kind,
    parent_id: Option<Uuid>,
    twin_id: Uuid,
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use crate::runtime::__private as __rt;
    use __rt::NotNull as _;
    #[automatically_derived]
    impl __rt::TenantTable for Place {
        type Tenancy = Shops;
        type Declared = (__rt::Yes, __rt::Yes, (), (), ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: "world",
            table: "places",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Place",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "What the world knows,\nin two lines.",
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                insert: ::core::option::Option::Some(
                    <<Self as __rt::Insert>::InsertRole as __rt::Role>::NAME,
                ),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "key",
                                <Self as __rt::StoredKey>::TYPE,
                            );
                            __column.id = true;
                            __column.default = ::core::option::Option::Some(
                                "gen_random_uuid()",
                            );
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "name",
                                __rt::custom(
                                    "citext",
                                    <__rt::Nullability<Option<String>>>::NULLABLE,
                                ),
                            );
                            __column.check = ::core::option::Option::Some(
                                "length(name) > 0",
                            );
                            __column.unique = ::core::option::Option::Some(
                                __rt::UniqueScope::Tenant,
                            );
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "type",
                                <Kind as __rt::Stored>::TYPE,
                            );
                            __column.name = "kind";
                            __column.sensitive = true;
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "parent_id",
                                <Option<Uuid> as __rt::Stored>::TYPE,
                            );
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<
                                    Option<Uuid>,
                                    Place,
                                >(__rt::OnDelete::SetNull),
                            );
                            __column.index = true;
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "twin_id",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<Uuid, Place>(__rt::OnDelete::NoAction)
                                    .on_update(__rt::OnUpdate::Cascade)
                                    .deferral(__rt::Deferral::InitiallyDeferred),
                            );
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "slug",
                                <String as __rt::Stored>::TYPE,
                            );
                            __column.app_assigned = false;
                            __column.generated = ::core::option::Option::Some(
                                "lower(name)",
                            );
                            __column.collation = ::core::option::Option::Some("C");
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "changed_at",
                                <Time as __rt::Stored>::TYPE,
                            );
                            __column.app_assigned = false;
                            __column.updated_at = true;
                            __column
                        },
                    ]
                },
                indexes: &const {
                    [
                        __rt::IndexDef::blank(
                            __rt::IndexKindDef::UNIQUE,
                            &const {
                                [
                                    __rt::IndexPartDef::column("name"),
                                    __rt::IndexPartDef::column("kind"),
                                ]
                            },
                        ),
                        __rt::IndexDef::blank(
                            __rt::IndexKindDef::Plain,
                            &const {
                                [
                                    __rt::IndexPartDef::column("kind"),
                                    __rt::IndexPartDef::column("name"),
                                ]
                            },
                        ),
                    ]
                },
                ..__rt::TableDef::blank(
                    <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
                )
            }
        };
    }
    impl __rt::ColumnsAt<0> for Place {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<
            Uuid,
            Option<String>,
            Kind,
            Option<Uuid>,
            Uuid,
            String,
            Time,
        >;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Place {
        pub(crate) const KEY: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), (), __rt::NotSettable>,
        > = __rt::named("key");
        pub(crate) const NAME: __rt::Column<Self, Option<String>> = __rt::named("name");
        const TYPE: __rt::Column<Self, Kind> = __rt::named("kind");
        const PARENT_ID: __rt::Column<Self, Option<Uuid>, __rt::DefaultAccess, Place> = __rt::named(
            "parent_id",
        );
        const TWIN_ID: __rt::Column<Self, Uuid, __rt::DefaultAccess, Place> = __rt::named(
            "twin_id",
        );
        const SLUG: __rt::Column<
            Self,
            String,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("slug");
        const CHANGED_AT: __rt::Column<
            Self,
            Time,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("changed_at");
    }
    #[automatically_derived]
    impl __rt::Select for Place {
        type SelectRole = Guest;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (
                ::core::option::Option::Some(__0),
                ::core::option::Option::Some(__1),
                ::core::option::Option::Some(__2),
                ::core::option::Option::Some(__3),
                ::core::option::Option::Some(__4),
                ::core::option::Option::Some(__5),
                ::core::option::Option::Some(__6),
            ) = (
                <Self as __rt::StoredKey>::read(__row),
                <Option<String> as __rt::ColumnCodecAs>::read(__row),
                <Kind as __rt::Stored>::read(__row),
                <Option<Uuid> as __rt::Stored>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
                <String as __rt::Stored>::read(__row),
                <Time as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                key: __0,
                name: __1,
                r#type: __2,
                parent_id: __3,
                twin_id: __4,
                slug: __5,
                changed_at: __6,
                cache: <Cache as ::core::default::Default>::default(),
            })
        }
    }
    #[automatically_derived]
    impl __rt::Insert for Place {
        type InsertRole = roles::Clerk;
        type New = NewPlace;
        fn new_values(__row: NewPlace, __values: &mut __rt::Values) {
            <Self as __rt::StoredKey>::set_some(__values, "key", __row.key);
            <Option<String> as __rt::ColumnCodecAs>::set(__values, "name", __row.name);
            <Kind as __rt::Stored>::set(__values, "kind", __row.r#type);
            <Option<Uuid> as __rt::Stored>::set(__values, "parent_id", __row.parent_id);
            <Uuid as __rt::Stored>::set(__values, "twin_id", __row.twin_id);
        }
    }
    __rt::inventory::submit! {
        __rt::Registered(< Place as __rt::TenantTable > ::TABLE)
    }
};
