//! Rows that have an owner, under a parent that says whose they are, with columns that take higher roles, and a view.

#[derive(TenantTable)]
#[tenant(parent = "project_id", select = "viewer", insert = "member", update = "admin", update_own = "member")]
#[tenant(owner = "created_by", visibility = "visibility", delete_own = "member")]
#[tenant(using(select = "NOT hidden"), with_check(insert = "length(text) > 0"))]
pub struct Note {
    pub id: i64,
    #[tenant(references = Project)]
    pub project_id: Uuid,
    pub created_by: Uuid,
    pub visibility: Visibility,
    pub text: String,
    #[tenant(default = "false", insert = "admin", update = "admin")]
    pub hidden: bool,
    #[tenant(select = "admin")]
    pub remarks: Option<String>,
}

#[derive(TenantView)]
#[tenant(of = Note)]
pub struct Line {
    pub id: i64,
    #[tenant(column = "text")]
    pub line: String,
}

// ---- expands to ----

///A new row of [`Note`]. `None` in a column with a default uses the default.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub struct NewNote {
    pub project_id: Uuid,
    pub visibility: Visibility,
    pub text: String,
    pub remarks: Option<String>,
}
///Changes of a [`Note`]. `None` leaves a column unchanged.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub struct NoteChanges {
    pub visibility: ::core::option::Option<Visibility>,
    pub text: ::core::option::Option<String>,
    pub remarks: ::core::option::Option<Option<String>>,
}
#[automatically_derived]
impl ::core::default::Default for NoteChanges {
    fn default() -> Self {
        Self {
            visibility: ::core::option::Option::None,
            text: ::core::option::Option::None,
            remarks: ::core::option::Option::None,
        }
    }
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Note {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::Yes, __rt::Yes, __rt::Yes, ());
        type Id = i64;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "notes",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Note",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "",
                scope: __rt::parent_scope::<Project>("project_id"),
                owner: __rt::owner::<
                    Uuid,
                    <Self as __rt::TenantTable>::Tenancy,
                >("created_by"),
                visibility: ::core::option::Option::Some("visibility"),
                rules: &[
                    __rt::RuleDef {
                        command: "select",
                        check: false,
                        condition: "NOT hidden",
                    },
                    __rt::RuleDef {
                        command: "insert",
                        check: true,
                        condition: "length(text) > 0",
                    },
                ],
                select: ::core::option::Option::Some(
                    <<Self as __rt::Select>::SelectRole as __rt::Role>::NAME,
                ),
                insert: ::core::option::Option::Some(
                    <<Self as __rt::Insert>::InsertRole as __rt::Role>::NAME,
                ),
                update_own: ::core::option::Option::Some(
                    <<Self as __rt::Update>::UpdateRole as __rt::Role>::NAME,
                ),
                delete_own: ::core::option::Option::Some(
                    <<Self as __rt::Delete>::DeleteRole as __rt::Role>::NAME,
                ),
                update: __rt::wider_role::<
                    Admin,
                    <Self as __rt::Update>::UpdateRole,
                    <Self as __rt::TenantTable>::Tenancy,
                >(),
                columns: &const {
                    [
                        {
                            let mut __column = __rt::column(
                                "id",
                                <Self as __rt::StoredKey>::TYPE,
                            );
                            __column.id = true;
                            __column.app_assigned = __rt::generated::<i64>();
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "project_id",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<Uuid, Project>(__rt::OnDelete::NoAction),
                            );
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "created_by",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.app_assigned = false;
                            __column
                        },
                        __rt::column("visibility", <Visibility as __rt::Stored>::TYPE),
                        __rt::column("text", <String as __rt::Stored>::TYPE),
                        {
                            let mut __column = __rt::column(
                                "hidden",
                                <bool as __rt::Stored>::TYPE,
                            );
                            __column.default = ::core::option::Option::Some("false");
                            __column.insert = __rt::role::<
                                Admin,
                                <Self as __rt::TenantTable>::Tenancy,
                            >();
                            __column.update = __rt::role::<
                                Admin,
                                <Self as __rt::TenantTable>::Tenancy,
                            >();
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "remarks",
                                <Option<String> as __rt::Stored>::TYPE,
                            );
                            __column.select = __rt::role::<
                                <Self as __rt::ColumnRole<6>>::Needs,
                                <Self as __rt::TenantTable>::Tenancy,
                            >();
                            __column
                        },
                        __rt::tenant_of_parent::<Project>(),
                    ]
                },
                ..__rt::TableDef::blank(
                    <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
                )
            }
        };
    }
    impl __rt::ColumnRole<6> for Note {
        type Needs = Admin;
    }
    impl __rt::ColumnsAt<0> for Note {
        type Needs = __rt::TypeList<
            <Self as __rt::Select>::SelectRole,
            <Self as __rt::Select>::SelectRole,
            <Self as __rt::Select>::SelectRole,
            <Self as __rt::Select>::SelectRole,
            <Self as __rt::Select>::SelectRole,
            <Self as __rt::Select>::SelectRole,
            <Self as __rt::ColumnRole<6>>::Needs,
        >;
        type Types = __rt::TypeList<
            i64,
            Uuid,
            Uuid,
            Visibility,
            String,
            bool,
            Option<String>,
        >;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Note {
        pub const ID: __rt::Column<
            Self,
            i64,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("id");
        pub const PROJECT_ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), (), __rt::NotSettable>,
            Project,
        > = __rt::named("project_id");
        pub const CREATED_BY: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("created_by");
        pub const VISIBILITY: __rt::Column<Self, Visibility> = __rt::named("visibility");
        pub const TEXT: __rt::Column<Self, String> = __rt::named("text");
        pub const HIDDEN: __rt::Column<Self, bool, __rt::Access<(), Admin, Admin>> = __rt::named(
            "hidden",
        );
        pub const REMARKS: __rt::Column<
            Self,
            Option<String>,
            __rt::Access<<Self as __rt::ColumnRole<6>>::Needs, (), ()>,
        > = __rt::named("remarks");
    }
    #[automatically_derived]
    impl __rt::Select for Note {
        type SelectRole = Viewer;
        type RowNeeds = __rt::RoleCons<
            __rt::OnlyRole<<Self as __rt::Select>::SelectRole>,
            <Self as __rt::ColumnRole<6>>::Needs,
        >;
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
                <Uuid as __rt::Stored>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
                <Visibility as __rt::Stored>::read(__row),
                <String as __rt::Stored>::read(__row),
                <bool as __rt::Stored>::read(__row),
                <Option<String> as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                id: __0,
                project_id: __1,
                created_by: __2,
                visibility: __3,
                text: __4,
                hidden: __5,
                remarks: __6,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Insert for Note {
        type InsertRole = Member;
        type New = NewNote;
        fn new_values(__row: NewNote, __values: &mut __rt::Values) {
            <Uuid as __rt::Stored>::set(__values, "project_id", __row.project_id);
            <Visibility as __rt::Stored>::set(__values, "visibility", __row.visibility);
            <String as __rt::Stored>::set(__values, "text", __row.text);
            <Option<String> as __rt::Stored>::set(__values, "remarks", __row.remarks);
        }
    }
    #[automatically_derived]
    impl __rt::Update for Note {
        type UpdateRole = Member;
        type Changes = NoteChanges;
        fn changed_values(__row: NoteChanges, __values: &mut __rt::Values) {
            <Visibility as __rt::Stored>::set_some(
                __values,
                "visibility",
                __row.visibility,
            );
            <String as __rt::Stored>::set_some(__values, "text", __row.text);
            <Option<
                String,
            > as __rt::Stored>::set_some(__values, "remarks", __row.remarks);
        }
    }
    #[automatically_derived]
    impl __rt::Delete for Note {
        type DeleteRole = Member;
    }
    __rt::inventory::submit! {
        __rt::Registered(< Note as __rt::TenantTable > ::TABLE)
    }
};
#[allow(unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    const __AT_0: ::core::primitive::usize = __rt::field_index(
        <<Line as __rt::TenantView>::Table as __rt::TenantTable>::TABLE,
        "id",
        "`Note` has no column field `id`",
    );
    const __AT_1: ::core::primitive::usize = __rt::column_index(
        <<Line as __rt::TenantView>::Table as __rt::TenantTable>::TABLE,
        "text",
        "the table of `Note` has no column `text`",
    );
    impl __rt::Showing for Line {}
    #[automatically_derived]
    impl __rt::TenantView for Line {
        type Table = Note;
        type Needs = __rt::RoleCons<
            __rt::OnlyRole<
                <<<Line as __rt::TenantView>::Table as __rt::ColumnsAt<
                    { __AT_0 / __rt::GROUP },
                >>::Needs as __rt::TypeAt<{ __AT_0 % __rt::GROUP }>>::Type,
            >,
            <<<Line as __rt::TenantView>::Table as __rt::ColumnsAt<
                { __AT_1 / __rt::GROUP },
            >>::Needs as __rt::TypeAt<{ __AT_1 % __rt::GROUP }>>::Type,
        >;
        fn columns() -> __rt::Vec<&'static ::core::primitive::str> {
            ::core::convert::From::from([
                __rt::column_name(
                    <<Line as __rt::TenantView>::Table as __rt::TenantTable>::TABLE,
                    __AT_0,
                ),
                __rt::column_name(
                    <<Line as __rt::TenantView>::Table as __rt::TenantTable>::TABLE,
                    __AT_1,
                ),
            ])
        }
        fn from_row(__row: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            let (::core::option::Option::Some(__0), ::core::option::Option::Some(__1)) = (
                <i64 as __rt::Shows<
                    <<<Line as __rt::TenantView>::Table as __rt::ColumnsAt<
                        { __AT_0 / __rt::GROUP },
                    >>::Types as __rt::TypeAt<{ __AT_0 % __rt::GROUP }>>::Type,
                >>::read(__row),
                <String as __rt::Shows<
                    <<<Line as __rt::TenantView>::Table as __rt::ColumnsAt<
                        { __AT_1 / __rt::GROUP },
                    >>::Types as __rt::TypeAt<{ __AT_1 % __rt::GROUP }>>::Type,
                >>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self { id: __0, line: __1 })
        }
    }
    #[automatically_derived]
    impl __rt::ViewRepository for Line {}
};
