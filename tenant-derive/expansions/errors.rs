//! A table with mistakes, and an enum with one: the errors, and impls that keep others from following.

#[derive(TenantTable)]
#[tenant(org = "organization", insert = "member", colour = "red")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(default = now())]
    created_at: DateTime<Utc>,
}

#[derive(TenantEnum)]
enum Status {
    Open(i64),
}

// ---- expands to ----

::core::compile_error! {
    "unknown attribute `colour`\nhelp: valid here: `org`, `parent`, `global`, `visible_through`, `select`, `insert`, `update`, `delete`, `restore`, `purge`, `owner`, `visibility`, `update_own`, `delete_own`, `using`, `with_check`, `membership`, `invitation`, `creator_role`, `sign_up`, `change_log`, `track_changes`, `system`, `table`, `schema`, `renamed_from`, `unique`, `index`, `exclude`, `foreign_key`, `check`, `partition_by_hash`, `tenancy`, `crate`"
}
::core::compile_error! {
    "`default` requires a string\nhelp: write `default = \"now ()\"`"
}
::core::compile_error! {
    "`Project` has no field `organization`\nhelp: `org` names the field that holds the tenant ID; did you mean `organization_id`? valid here: `id`, `organization_id`, `created_at`"
}
::core::compile_error! {
    "`insert` requires a `select` role, and the table has none\nhelp: add `select = \"…\"` with that role or a lower one: writing rows requires SELECT"
}
///A new row of [`Project`]. `None` in a column with a default uses the default.
#[derive(::core::fmt::Debug)]
#[allow(
    dead_code,
    unused_qualifications,
    clippy::option_option,
    reason = "written by a derive"
)]
struct NewProject {
    created_at: DateTime<Utc>,
}
#[allow(unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    #[automatically_derived]
    impl __rt::TenantTable for Project {
        type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;
        type Declared = __rt::Everything;
        type Id = Uuid;
        const TABLE_NAME: __rt::TableName = __rt::TableName {
            schema: "",
            table: "",
        };
        const TABLE: &'static __rt::TableDef = &__rt::inert(
            <<Self as __rt::TenantTable>::Tenancy as __rt::Tenancy>::DEF,
        );
    }
    impl __rt::ColumnsAt<0> for Project {
        type Needs = __rt::Each<<Self as __rt::Select>::SelectRole>;
        type Types = __rt::Each<__rt::AnyColumn>;
    }
    #[automatically_derived]
    impl __rt::Select for Project {
        type SelectRole = Member;
        type RowNeeds = __rt::OnlyRole<<Self as __rt::Select>::SelectRole>;
        fn from_row(_: &mut __rt::RowReader<'_>) -> __rt::sqlx::Result<Self> {
            ::core::unreachable!()
        }
    }
    #[automatically_derived]
    impl __rt::Insert for Project {
        type InsertRole = <Self as __rt::Select>::SelectRole;
        type New = NewProject;
        fn new_values(_: Self::New, _: &mut __rt::Values) {}
    }
    #[automatically_derived]
    impl __rt::Update for Project {
        type UpdateRole = <Self as __rt::Select>::SelectRole;
        type Changes = ();
        fn changed_values(_: Self::Changes, _: &mut __rt::Values) {}
    }
    #[automatically_derived]
    impl __rt::Delete for Project {
        type DeleteRole = <Self as __rt::Select>::SelectRole;
    }
    #[automatically_derived]
    impl __rt::Restore for Project {
        type RestoreRole = <Self as __rt::Select>::SelectRole;
    }
    #[automatically_derived]
    impl __rt::Purge for Project {
        type PurgeRole = <Self as __rt::Select>::SelectRole;
    }
    #[automatically_derived]
    impl __rt::CreateTenant for Project {
        type New = NewProject;
        fn create_tenant_values(_: NewProject, _: &mut __rt::Values) {}
    }
    #[automatically_derived]
    impl __rt::SignUp for Project {
        type New = NewProject;
        fn sign_up_values(_: NewProject, _: &mut __rt::Values) {}
    }
    #[automatically_derived]
    #[allow(dead_code, missing_docs, private_interfaces, reason = "written by a derive")]
    impl Project {
        const ID: __rt::Column<Self, Uuid> = __rt::named("id");
        const ORGANIZATION_ID: __rt::Column<Self, Uuid> = __rt::named("organization_id");
        const CREATED_AT: __rt::Column<Self, DateTime<Utc>> = __rt::named("created_at");
    }
};
::core::compile_error! {
    "the variant `Open` contains data\nhelp: store the data in separate columns, or as JSON with `sqlx::types::Json`"
}
#[allow(unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    use __rt::sqlx as __sqlx;
    #[automatically_derived]
    impl __rt::Labelled for Status {
        const NAME: &'static ::core::primitive::str = "Status";
        const LABELS: &'static [&'static ::core::primitive::str] = &[];
        const RENAMED: &'static [(
            &'static ::core::primitive::str,
            &'static ::core::primitive::str,
        )] = &[];
        const REPLACED: &'static [(
            &'static ::core::primitive::str,
            &'static ::core::primitive::str,
        )] = &[];
        fn label(&self) -> &'static ::core::primitive::str {
            ::core::unreachable!()
        }
        fn from_label(_: &::core::primitive::str) -> ::core::option::Option<Self> {
            ::core::option::Option::None
        }
    }
    #[automatically_derived]
    impl __rt::PgColumn for Status {
        const SQL: __rt::SqlType = __rt::SqlType::Labels(__rt::LabelsDef {
            labels: <Self as __rt::Labelled>::LABELS,
            renamed: <Self as __rt::Labelled>::RENAMED,
            replaced: <Self as __rt::Labelled>::REPLACED,
        });
        const DECODES_TEXT: ::core::primitive::bool = true;
    }
    #[automatically_derived]
    impl __rt::PgElement for Status {}
    #[automatically_derived]
    impl __sqlx::postgres::PgHasArrayType for Status {
        fn array_type_info() -> __sqlx::postgres::PgTypeInfo {
            __rt::label_array_type()
        }
        fn array_compatible(
            __ty: &__sqlx::postgres::PgTypeInfo,
        ) -> ::core::primitive::bool {
            __rt::holds_label_arrays(__ty)
        }
    }
    #[automatically_derived]
    impl __sqlx::Type<__sqlx::Postgres> for Status {
        fn type_info() -> __sqlx::postgres::PgTypeInfo {
            __rt::label_type()
        }
        fn compatible(__ty: &__sqlx::postgres::PgTypeInfo) -> ::core::primitive::bool {
            __rt::holds_labels(__ty)
        }
    }
    #[automatically_derived]
    impl __sqlx::Encode<'_, __sqlx::Postgres> for Status {
        fn encode_by_ref(
            &self,
            __buffer: &mut __sqlx::postgres::PgArgumentBuffer,
        ) -> ::core::result::Result<__sqlx::encode::IsNull, __sqlx::error::BoxDynError> {
            __rt::encode_label(self, __buffer)
        }
    }
    #[automatically_derived]
    impl __sqlx::Decode<'_, __sqlx::Postgres> for Status {
        fn decode(
            __value: __sqlx::postgres::PgValueRef<'_>,
        ) -> ::core::result::Result<Self, __sqlx::error::BoxDynError> {
            __rt::decode_label(__value)
        }
    }
};
