//! Derives `TenantEnum`: an enum without data becomes a text column with a fixed set of labels.

use std::collections::BTreeSet;

use heck::{ToKebabCase as _, ToLowerCamelCase as _, ToShoutySnakeCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{Data, DeriveInput, Fields, LitStr, Path, Variant, ext::IdentExt as _};

use crate::{
    diag::Diag,
    expand::runtime,
    item::{self, Item},
    name,
};

/// Derives `TenantEnum`: reads, checks and expands the enum; after errors it writes inert impls.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let diag = Diag::new();
    let attrs = EnumAttrs::read(&diag, input);
    let labels = labels(&diag, input, &attrs);
    check(&diag, &labels);
    check_native(&diag, &attrs, &labels);
    match diag.finish() {
        Ok(()) => expand(input, &attrs, &labels),
        Err(errors) if input.generics.params.is_empty() => {
            let inert = inert(input, &attrs);
            quote!(#errors #inert)
        }
        Err(errors) => errors,
    }
}

/// The attributes of an enum.
#[derive(Default)]
struct EnumAttrs {
    krate: Option<Path>,
    rename_all: Option<LitStr>,
    /// The name of the PostgreSQL type, if there is one.
    native: Option<String>,
}

impl EnumAttrs {
    fn read(diag: &Diag, input: &DeriveInput) -> Self {
        let mut this = Self::default();
        for item in item::items(diag, &input.attrs) {
            match item.name().as_str() {
                "crate" => item::set(diag, &mut this.krate, &item, Item::path),
                "rename_all" => item::set(diag, &mut this.rename_all, &item, Item::text),
                "native" => item::set(diag, &mut this.native, &item, |item, diag| native(item, diag, input)),
                _ => item.unknown(
                    diag,
                    &["rename_all", "native", "crate"],
                    (&["rename", "renamed_from", "replaces"], "on a variant"),
                ),
            }
        }
        this
    }
}

/// Reads `native` or `native = "name"`: the name of the PostgreSQL type.
fn native(item: &Item, diag: &Diag, input: &DeriveInput) -> Option<String> {
    if item.has_no_value() {
        return Some(input.ident.unraw().to_string().to_snake_case());
    }
    let text = item.text(diag)?;
    if let Some(problem) = name::problem(&text.value()) {
        let help = "set another name: `native = \"…\"`";
        diag.error(&text, format_args!("the type name `{}` {problem}", name::shown(&text.value())), help);
    }
    Some(text.value())
}

/// A variant and its database label.
struct Label<'a> {
    variant: &'a Ident,
    text: String,
    /// The tokens that an error about the label points at.
    at: TokenStream,
    /// The label's previous text.
    renamed_from: Option<LitStr>,
    /// The removed labels that this label replaces.
    replaces: Vec<LitStr>,
}

fn labels<'a>(diag: &Diag, input: &'a DeriveInput, attrs: &EnumAttrs) -> Vec<Label<'a>> {
    if !input.generics.params.is_empty() {
        diag.error(
            &input.generics.params,
            "`TenantEnum` cannot be derived for a generic enum",
            "remove the type parameters",
        );
    }
    let Data::Enum(data) = &input.data else {
        let help = "for a struct that is a table, derive `TenantTable`";
        diag.error(&input.ident, "`TenantEnum` can only be derived for enums without data", help);
        return Vec::new();
    };
    if data.variants.is_empty() {
        diag.error(&input.ident, format_args!("`{}` has no variants", input.ident), "add a variant");
    }
    let case = attrs.rename_all.as_ref().map_or(CASES[0].1, |given| case(diag, given));
    data.variants.iter().map(|variant| label(diag, variant, case)).collect()
}

fn label<'a>(diag: &Diag, variant: &'a Variant, case: Case) -> Label<'a> {
    if !matches!(variant.fields, Fields::Unit) {
        diag.error(
            &variant.fields,
            format_args!("the variant `{}` contains data", variant.ident),
            "store the data in separate columns, or as JSON with `sqlx::types::Json`",
        );
    }
    let (mut rename, mut renamed_from, mut replaces) = (None, None, Vec::new());
    for item in item::items(diag, &variant.attrs) {
        match item.name().as_str() {
            "rename" => item::set(diag, &mut rename, &item, Item::text),
            "renamed_from" => item::set(diag, &mut renamed_from, &item, Item::text),
            "replaces" => replaces.extend(item.text(diag)),
            _ => {
                let keys = ["rename", "renamed_from", "replaces"];
                item.unknown(diag, &keys, (&["rename_all", "native", "crate"], "on the enum"));
            }
        }
    }
    let text = rename.as_ref().map_or_else(|| case(&variant.ident.unraw().to_string()), LitStr::value);
    let at = rename.map_or_else(|| variant.ident.to_token_stream(), |rename| rename.to_token_stream());
    Label { variant: &variant.ident, text, at, renamed_from, replaces }
}

type Case = fn(&str) -> String;

/// The values of `rename_all`; the first is the default.
const CASES: [(&str, Case); 7] = [
    ("snake_case", |name| name.to_snake_case()),
    ("kebab-case", |name| name.to_kebab_case()),
    ("lowercase", str::to_lowercase),
    ("UPPERCASE", str::to_uppercase),
    ("SCREAMING_SNAKE_CASE", |name| name.to_shouty_snake_case()),
    ("PascalCase", |name| name.to_upper_camel_case()),
    ("camelCase", |name| name.to_lower_camel_case()),
];

fn case(diag: &Diag, given: &LitStr) -> Case {
    let text = given.value();
    if let Some((_, case)) = CASES.iter().find(|(name, _)| *name == text) {
        return *case;
    }
    let names = CASES.map(|(name, _)| name);
    diag.error(given, format_args!("invalid value `{text}` for `rename_all`"), item::suggestion(&text, &names));
    CASES[0].1
}

/// Checks that the labels are valid and unique.
fn check(diag: &Diag, labels: &[Label<'_>]) {
    let mut seen = BTreeSet::new();
    for label in labels {
        let shown = name::shown(&label.text);
        if let Some(problem) = name::problem(&label.text) {
            diag.error(&label.at, format_args!("the label `{shown}` {problem}"), "set another label: `rename = \"…\"`");
        } else if let Some(odd) = label.text.chars().find(|c| matches!(c, '\'' | '"' | '\\') || c.is_control()) {
            diag.error(
                &label.at,
                format_args!("the label `{shown}` contains `{}`", name::shown(&odd.to_string())),
                "labels must not contain quotes, backslashes or control characters",
            );
        }
        if !seen.insert(&label.text) {
            diag.error(&label.at, format_args!("duplicate label `{shown}`"), "set another label: `rename = \"…\"`");
        }
    }
    check_history(diag, labels);
}

/// Checks that no label of an enum type replaces a removed one: PostgreSQL cannot remove a label.
fn check_native(diag: &Diag, attrs: &EnumAttrs, labels: &[Label<'_>]) {
    for old in labels.iter().filter(|_| attrs.native.is_some()).flat_map(|label| &label.replaces) {
        diag.error(
            old,
            "`replaces` cannot be combined with `native`: PostgreSQL cannot remove a label from an enum type",
            "keep the removed variant; or remove `native`, generate that migration, and add `native` again afterwards",
        );
    }
}

/// Checks that the previous texts of labels can be written in a migration, and that each replaced label was removed.
fn check_history(diag: &Diag, labels: &[Label<'_>]) {
    let mut replaced = BTreeSet::new();
    for label in labels {
        if let Some(old) = label.renamed_from.iter().find(|old| old.value() == label.text) {
            let help = "write the label's previous text, or remove `renamed_from`";
            diag.error(old, format_args!("`{}` already has this label", label.variant), help);
        }
        for old in label.renamed_from.iter().chain(&label.replaces) {
            if let Some(odd) = old.value().chars().find(|c| matches!(c, '\'' | '"' | '\\') || c.is_control()) {
                diag.error(
                    old,
                    format_args!("the label contains `{}`", name::shown(&odd.to_string())),
                    "labels must not contain quotes, backslashes or control characters; change such values in a hand-written \
                     migration (`gen-migrations new`)",
                );
            }
        }
        for old in &label.replaces {
            let shown = name::shown(&old.value());
            if labels.iter().any(|label| label.text == old.value()) {
                let help = "`replaces` names a label that was removed; remove its variant, or remove `replaces`";
                diag.error(old, format_args!("the enum still has the label `{shown}`"), help);
            } else if !replaced.insert(old.value()) {
                let help = "keep one `replaces` for each removed label";
                diag.error(old, format_args!("two labels replace `{shown}`"), help);
            }
        }
    }
}

fn expand(input: &DeriveInput, attrs: &EnumAttrs, labels: &[Label<'_>]) -> TokenStream {
    let texts = labels.iter().map(|label| &label.text);
    let (variants, names): (Vec<_>, Vec<_>) = labels.iter().map(|label| (label.variant, &label.text)).unzip();
    let renamed = labels.iter().filter_map(|label| {
        let (text, old) = (&label.text, label.renamed_from.as_ref()?);
        Some(quote!((#text, #old)))
    });
    let replaced = labels.iter().flat_map(|label| {
        let text = &label.text;
        label.replaces.iter().map(move |old| quote!((#old, #text)))
    });
    let body = quote! {
        const LABELS: &'static [&'static ::core::primitive::str] = &[#(#texts),*];
        const RENAMED: &'static [(&'static ::core::primitive::str, &'static ::core::primitive::str)] = &[#(#renamed),*];
        const REPLACED: &'static [(&'static ::core::primitive::str, &'static ::core::primitive::str)] = &[#(#replaced),*];
        fn label(&self) -> &'static ::core::primitive::str {
            match self { #(Self::#variants => #names,)* }
        }
        fn from_label(__label: &::core::primitive::str) -> ::core::option::Option<Self> {
            match __label {
                #(#names => ::core::option::Option::Some(Self::#variants),)*
                _ => ::core::option::Option::None,
            }
        }
    };
    impls(input, attrs, &body)
}

/// Writes inert impls for an enum with errors, so that tables that use it cause no further errors.
fn inert(input: &DeriveInput, attrs: &EnumAttrs) -> TokenStream {
    let body = quote! {
        const LABELS: &'static [&'static ::core::primitive::str] = &[];
        const RENAMED: &'static [(&'static ::core::primitive::str, &'static ::core::primitive::str)] = &[];
        const REPLACED: &'static [(&'static ::core::primitive::str, &'static ::core::primitive::str)] = &[];
        fn label(&self) -> &'static ::core::primitive::str {
            ::core::unreachable!()
        }
        fn from_label(_: &::core::primitive::str) -> ::core::option::Option<Self> {
            ::core::option::Option::None
        }
    };
    impls(input, attrs, &body)
}

fn impls(input: &DeriveInput, attrs: &EnumAttrs, body: &TokenStream) -> TokenStream {
    let (ident, runtime) = (&input.ident, runtime(attrs.krate.as_ref()));
    let name = ident.unraw().to_string();
    let labels = quote! {
        __rt::LabelsDef {
            labels: <Self as __rt::Labelled>::LABELS,
            renamed: <Self as __rt::Labelled>::RENAMED,
            replaced: <Self as __rt::Labelled>::REPLACED,
        }
    };
    let sql = match &attrs.native {
        Some(name) => quote!(__rt::SqlType::Enum(__rt::EnumDef { name: #name, labels: #labels })),
        None => quote!(__rt::SqlType::Labels(#labels)),
    };
    // PostgreSQL sorts the values of its enums in the order of the labels.
    let ordered = attrs.native.is_some().then(|| {
        quote! {
            #[automatically_derived]
            impl __rt::OrderedColumn for #ident {
                fn to_cursor(&self) -> ::core::option::Option<__rt::String> {
                    ::core::option::Option::Some(__rt::String::from(<Self as __rt::Labelled>::label(self)))
                }
                fn from_cursor(__text: ::core::option::Option<&::core::primitive::str>) -> ::core::option::Option<Self> {
                    __text.and_then(<Self as __rt::Labelled>::from_label)
                }
            }
        }
    });
    quote! {
        #[allow(unused_qualifications, reason = "written by a derive")]
        const _: () = {
            use #runtime::__private as __rt;
            use __rt::sqlx as __sqlx;

            #[automatically_derived]
            impl __rt::Labelled for #ident {
                const NAME: &'static ::core::primitive::str = #name;
                #body
            }

            #[automatically_derived]
            impl __rt::PgColumn for #ident {
                const SQL: __rt::SqlType = #sql;
                const DECODES_TEXT: ::core::primitive::bool = true;
            }

            #[automatically_derived]
            impl __rt::PgElement for #ident {}

            #[automatically_derived]
            impl __sqlx::postgres::PgHasArrayType for #ident {
                fn array_type_info() -> __sqlx::postgres::PgTypeInfo {
                    __rt::label_array_type()
                }
                fn array_compatible(__ty: &__sqlx::postgres::PgTypeInfo) -> ::core::primitive::bool {
                    __rt::holds_label_arrays(__ty)
                }
            }

            #ordered

            #[automatically_derived]
            impl __sqlx::Type<__sqlx::Postgres> for #ident {
                fn type_info() -> __sqlx::postgres::PgTypeInfo {
                    __rt::label_type()
                }
                fn compatible(__ty: &__sqlx::postgres::PgTypeInfo) -> ::core::primitive::bool {
                    __rt::holds_labels(__ty)
                }
            }

            #[automatically_derived]
            impl __sqlx::Encode<'_, __sqlx::Postgres> for #ident {
                fn encode_by_ref(
                    &self,
                    __buffer: &mut __sqlx::postgres::PgArgumentBuffer,
                ) -> ::core::result::Result<__sqlx::encode::IsNull, __sqlx::error::BoxDynError> {
                    __rt::encode_label(self, __buffer)
                }
            }

            #[automatically_derived]
            impl __sqlx::Decode<'_, __sqlx::Postgres> for #ident {
                fn decode(
                    __value: __sqlx::postgres::PgValueRef<'_>,
                ) -> ::core::result::Result<Self, __sqlx::error::BoxDynError> {
                    __rt::decode_label(__value)
                }
            }
        };
    }
}
