//! An enum of labels.

#[derive(TenantEnum)]
#[tenant(rename_all = "kebab-case")]
enum Status {
    Open,
    InProgress,
    #[tenant(rename = "over")]
    Done,
}

// ---- expands to ----

#[allow(unused_qualifications, reason = "written by a derive")]
const _: () = {
    use ::tenant_runtime::__private as __rt;
    use __rt::sqlx as __sqlx;
    #[automatically_derived]
    impl __rt::Labelled for Status {
        const NAME: &'static ::core::primitive::str = "Status";
        const LABELS: &'static [&'static ::core::primitive::str] = &[
            "open",
            "in-progress",
            "over",
        ];
        const RENAMED: &'static [(
            &'static ::core::primitive::str,
            &'static ::core::primitive::str,
        )] = &[];
        const REPLACED: &'static [(
            &'static ::core::primitive::str,
            &'static ::core::primitive::str,
        )] = &[];
        fn label(&self) -> &'static ::core::primitive::str {
            match self {
                Self::Open => "open",
                Self::InProgress => "in-progress",
                Self::Done => "over",
            }
        }
        fn from_label(__label: &::core::primitive::str) -> ::core::option::Option<Self> {
            match __label {
                "open" => ::core::option::Option::Some(Self::Open),
                "in-progress" => ::core::option::Option::Some(Self::InProgress),
                "over" => ::core::option::Option::Some(Self::Done),
                _ => ::core::option::Option::None,
            }
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
