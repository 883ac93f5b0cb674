//! A table as they are: ten fields and all four commands.

/// A task of a project.
#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
pub struct Task {
    pub id: Uuid,
    pub organization_id: Uuid,
    #[tenant(references = Project, on_delete = "cascade")]
    pub project_id: Uuid,
    pub title: String,
    /// In Markdown.
    pub description: Option<String>,
    #[tenant(default = "'open'")]
    pub status: Status,
    #[tenant(index)]
    pub due_at: Option<DateTime<Utc>>,
    #[tenant(check = "position >= 0")]
    pub position: i32,
    pub tags: Vec<String>,
    #[tenant(default = "now()")]
    pub created_at: DateTime<Utc>,
}

// ---- expands to ----

///A new row of [`Task`]. `None` in a column with a default uses the default.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub struct NewTask {
    pub project_id: Uuid,
    pub title: String,
    /// In Markdown.
    pub description: Option<String>,
    pub status: ::core::option::Option<Status>,
    pub due_at: Option<DateTime<Utc>>,
    pub position: i32,
    pub tags: Vec<String>,
    pub created_at: ::core::option::Option<DateTime<Utc>>,
}
///Changes of a [`Task`]. `None` leaves a column unchanged.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
pub struct TaskChanges {
    pub project_id: ::core::option::Option<Uuid>,
    pub title: ::core::option::Option<String>,
    /// In Markdown.
    pub description: ::core::option::Option<Option<String>>,
    pub status: ::core::option::Option<Status>,
    pub due_at: ::core::option::Option<Option<DateTime<Utc>>>,
    pub position: ::core::option::Option<i32>,
    pub tags: ::core::option::Option<Vec<String>>,
    pub created_at: ::core::option::Option<DateTime<Utc>>,
}
#[automatically_derived]
impl ::core::default::Default for TaskChanges {
    fn default() -> Self {
        Self {
            project_id: ::core::option::Option::None,
            title: ::core::option::Option::None,
            description: ::core::option::Option::None,
            status: ::core::option::Option::None,
            due_at: ::core::option::Option::None,
            position: ::core::option::Option::None,
            tags: ::core::option::Option::None,
            created_at: ::core::option::Option::None,
        }
    }
}
#[allow(unused_imports, unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Task {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = (__rt::Yes, __rt::Yes, __rt::Yes, __rt::Yes, ());
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF.schema,
            table: "tasks",
        };
        const TABLE: &'static __rt::TableDef = &const {
            __rt::TableDef {
                rust_name: "Task",
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: "A task of a project.",
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
                        {
                            let mut __column = __rt::column(
                                "project_id",
                                <Uuid as __rt::Stored>::TYPE,
                            );
                            __column.references = ::core::option::Option::Some(
                                __rt::reference::<Uuid, Project>(__rt::OnDelete::Cascade),
                            );
                            __column
                        },
                        __rt::column("title", <String as __rt::Stored>::TYPE),
                        {
                            let mut __column = __rt::column(
                                "description",
                                <Option<String> as __rt::Stored>::TYPE,
                            );
                            __column.doc = "In Markdown.";
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "status",
                                <Status as __rt::Stored>::TYPE,
                            );
                            __column.default = ::core::option::Option::Some("'open'");
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "due_at",
                                <Option<DateTime<Utc>> as __rt::Stored>::TYPE,
                            );
                            __column.index = true;
                            __column
                        },
                        {
                            let mut __column = __rt::column(
                                "position",
                                <i32 as __rt::Stored>::TYPE,
                            );
                            __column.check = ::core::option::Option::Some(
                                "position >= 0",
                            );
                            __column
                        },
                        __rt::column("tags", <Vec<String> as __rt::Stored>::TYPE),
                        {
                            let mut __column = __rt::column(
                                "created_at",
                                <DateTime<Utc> as __rt::Stored>::TYPE,
                            );
                            __column.default = ::core::option::Option::Some("now()");
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
    impl __rt::ColumnsAt<0> for Task {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::TypeList<
            Uuid,
            Uuid,
            Uuid,
            String,
            Option<String>,
            Status,
            Option<DateTime<Utc>>,
            i32,
            Vec<String>,
            DateTime<Utc>,
        >;
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Task {
        pub const ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("id");
        pub const ORGANIZATION_ID: __rt::Column<
            Self,
            Uuid,
            __rt::Access<(), __rt::NotSettable, __rt::NotSettable>,
        > = __rt::named("organization_id");
        pub const PROJECT_ID: __rt::Column<Self, Uuid, __rt::DefaultAccess, Project> = __rt::named(
            "project_id",
        );
        pub const TITLE: __rt::Column<Self, String> = __rt::named("title");
        pub const DESCRIPTION: __rt::Column<Self, Option<String>> = __rt::named(
            "description",
        );
        pub const STATUS: __rt::Column<Self, Status> = __rt::named("status");
        pub const DUE_AT: __rt::Column<Self, Option<DateTime<Utc>>> = __rt::named(
            "due_at",
        );
        pub const POSITION: __rt::Column<Self, i32> = __rt::named("position");
        pub const TAGS: __rt::Column<Self, Vec<String>> = __rt::named("tags");
        pub const CREATED_AT: __rt::Column<Self, DateTime<Utc>> = __rt::named(
            "created_at",
        );
    }
    #[automatically_derived]
    impl __rt::Select for Task {
        type SelectRole = Viewer;
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
                ::core::option::Option::Some(__7),
                ::core::option::Option::Some(__8),
                ::core::option::Option::Some(__9),
            ) = (
                <Self as __rt::StoredKey>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
                <Uuid as __rt::Stored>::read(__row),
                <String as __rt::Stored>::read(__row),
                <Option<String> as __rt::Stored>::read(__row),
                <Status as __rt::Stored>::read(__row),
                <Option<DateTime<Utc>> as __rt::Stored>::read(__row),
                <i32 as __rt::Stored>::read(__row),
                <Vec<String> as __rt::Stored>::read(__row),
                <DateTime<Utc> as __rt::Stored>::read(__row),
            ) else { return __row.error() };
            ::core::result::Result::Ok(Self {
                id: __0,
                organization_id: __1,
                project_id: __2,
                title: __3,
                description: __4,
                status: __5,
                due_at: __6,
                position: __7,
                tags: __8,
                created_at: __9,
            })
        }
    }
    #[automatically_derived]
    impl __rt::Insert for Task {
        type InsertRole = Member;
        type New = NewTask;
        fn new_values(__row: NewTask, __values: &mut __rt::Values) {
            <Uuid as __rt::Stored>::set(__values, "project_id", __row.project_id);
            <String as __rt::Stored>::set(__values, "title", __row.title);
            <Option<
                String,
            > as __rt::Stored>::set(__values, "description", __row.description);
            <Status as __rt::Stored>::set_some(__values, "status", __row.status);
            <Option<
                DateTime<Utc>,
            > as __rt::Stored>::set(__values, "due_at", __row.due_at);
            <i32 as __rt::Stored>::set(__values, "position", __row.position);
            <Vec<String> as __rt::Stored>::set(__values, "tags", __row.tags);
            <DateTime<
                Utc,
            > as __rt::Stored>::set_some(__values, "created_at", __row.created_at);
        }
    }
    #[automatically_derived]
    impl __rt::Update for Task {
        type UpdateRole = Member;
        type Changes = TaskChanges;
        fn changed_values(__row: TaskChanges, __values: &mut __rt::Values) {
            <Uuid as __rt::Stored>::set_some(__values, "project_id", __row.project_id);
            <String as __rt::Stored>::set_some(__values, "title", __row.title);
            <Option<
                String,
            > as __rt::Stored>::set_some(__values, "description", __row.description);
            <Status as __rt::Stored>::set_some(__values, "status", __row.status);
            <Option<
                DateTime<Utc>,
            > as __rt::Stored>::set_some(__values, "due_at", __row.due_at);
            <i32 as __rt::Stored>::set_some(__values, "position", __row.position);
            <Vec<String> as __rt::Stored>::set_some(__values, "tags", __row.tags);
            <DateTime<
                Utc,
            > as __rt::Stored>::set_some(__values, "created_at", __row.created_at);
        }
    }
    #[automatically_derived]
    impl __rt::Delete for Task {
        type DeleteRole = Admin;
    }
    __rt::inventory::submit! {
        __rt::Registered(< Task as __rt::TenantTable > ::TABLE)
    }
};
