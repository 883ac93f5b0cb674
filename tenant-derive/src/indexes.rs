//! `unique(…)`, `index(…)` and `exclude(…)` on a struct: parsing and declarations.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{
    LitStr, Token,
    ext::IdentExt as _,
    parse::{ParseStream, Parser as _},
};

use crate::{
    diag::Diag,
    item::{Item, suggestion},
};

/// A unique constraint, an index or an exclusion constraint.
pub(crate) struct IndexAttr {
    /// `unique`, `index` or `exclude`.
    pub(crate) key: Ident,
    pub(crate) parts: Vec<PartAttr>,
    pub(crate) include: Vec<Ident>,
    pub(crate) condition: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) method: Option<LitStr>,
    pub(crate) global: Option<Ident>,
    pub(crate) nulls_not_distinct: Option<Ident>,
}

/// A column or an expression, with the words that follow it.
pub(crate) struct PartAttr {
    pub(crate) column: Result<Ident, LitStr>,
    ops: Option<LitStr>,
    descending: bool,
    nulls_first: Option<bool>,
    pub(crate) operator: Option<LitStr>,
}

/// The rows among which the value of a field is unique: `unique` or `unique = "global"`.
pub(crate) struct UniqueAttr {
    pub(crate) global: Option<LitStr>,
}

impl UniqueAttr {
    pub(crate) fn read(item: &Item, diag: &Diag) -> Option<Self> {
        if !item.has_value() {
            return Some(Self { global: None });
        }
        let global = item.text(diag)?;
        if global.value() != "global" {
            let help = "write `unique`, or `unique = \"global\"` for values that are unique over all tenants";
            diag.error(&global, format_args!("invalid value `{}` for `unique`", global.value()), help);
            return None;
        }
        Some(Self { global: Some(global) })
    }
}

/// The options with a text.
const TEXTS: [&str; 3] = ["where", "name", "using"];
/// The words that can follow a field.
const WORDS: &str = "`asc`, `desc`, `nulls first`, `nulls last`, `ops \"…\"` or `with \"…\"`";

impl IndexAttr {
    pub(crate) fn read(item: &Item, diag: &Diag) -> Option<Self> {
        let list = item.list_tokens(diag)?;
        let mut index = Self {
            key: item.key.clone(),
            parts: Vec::new(),
            include: Vec::new(),
            condition: None,
            name: None,
            method: None,
            global: None,
            nulls_not_distinct: None,
        };
        let parse = |input: ParseStream<'_>| {
            while !input.is_empty() {
                index.entry(diag, input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>().map_err(|error| expected_comma(&error))?;
                }
            }
            Ok(())
        };
        match parse.parse2(list) {
            Ok(()) => Some(index),
            Err(error) => {
                diag.syntax(error);
                None
            }
        }
    }

    /// Parses one column, expression or option.
    fn entry(&mut self, diag: &Diag, input: ParseStream<'_>) -> syn::Result<()> {
        if !input.peek(Ident::peek_any) {
            let help = format!("list fields without quotes: `{}(organization_id, name)`", self.key);
            return Err(input.error(format!("expected identifier\nhelp: {help}")));
        }
        let ident = input.call(Ident::parse_any)?;
        let word = ident.to_string();
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            let text: LitStr = input.parse()?;
            let slot = match word.as_str() {
                "where" => &mut self.condition,
                "name" => &mut self.name,
                "using" => &mut self.method,
                "expr" => {
                    self.parts.push(PartAttr::read(Err(text), input)?);
                    return Ok(());
                }
                _ => {
                    let known = [&TEXTS[..], &["expr"]].concat();
                    diag.error(&ident, format_args!("unknown option `{word}`"), suggestion(&word, &known));
                    return Ok(());
                }
            };
            if slot.replace(text).is_some() {
                diag.error(&ident, format_args!("duplicate option `{word}`"), "remove one of the two");
            }
        } else if word == "include" && input.peek(syn::token::Paren) {
            let list;
            syn::parenthesized!(list in input);
            self.include.extend(list.parse_terminated(Ident::parse_any, Token![,])?);
        } else if word == "global" && (input.is_empty() || input.peek(Token![,])) {
            self.global = Some(ident);
        } else if word == "nulls_not_distinct" && (input.is_empty() || input.peek(Token![,])) {
            self.nulls_not_distinct = Some(ident);
        } else {
            self.parts.push(PartAttr::read(Ok(ident), input)?);
        }
        Ok(())
    }

    pub(crate) fn has_options(&self) -> bool {
        let texts = [&self.condition, &self.name, &self.method].iter().any(|text| text.is_some());
        let flags = [&self.global, &self.nulls_not_distinct].iter().any(|flag| flag.is_some());
        texts || flags || !self.include.is_empty() || self.parts.iter().any(PartAttr::has_options)
    }

    /// Returns the columns, if the values of these columns alone are unique within the tenant.
    pub(crate) fn unique_columns(&self) -> Option<Vec<&Ident>> {
        let is_plain = self.global.is_none() && self.condition.is_none();
        let columns: Option<Vec<_>> = self.parts.iter().map(|part| part.column.as_ref().ok()).collect();
        columns.filter(|_| is_plain && self.key == "unique")
    }

    /// Writes the declaration.
    ///
    /// `column` returns the name of a field's column.
    pub(crate) fn tokens(&self, column: impl Fn(&Ident) -> String) -> TokenStream {
        let parts = self.parts.iter().map(|part| part.tokens(&column));
        let nulls_not_distinct = self.nulls_not_distinct.is_some();
        let kind = match (self.key.to_string().as_str(), &self.global) {
            ("index", _) => quote!(__rt::IndexKindDef::Plain),
            ("exclude", _) => quote!(__rt::IndexKindDef::Exclusion),
            (_, None) if !nulls_not_distinct => quote!(__rt::IndexKindDef::UNIQUE),
            (_, global) => {
                let scope = if global.is_some() { quote!(Global) } else { quote!(Tenant) };
                quote!(__rt::IndexKindDef::Unique {
                    scope: __rt::UniqueScope::#scope,
                    nulls_not_distinct: #nulls_not_distinct,
                })
            }
        };
        let blank = quote!(__rt::IndexDef::blank(#kind, &const { [#(#parts),*] }));
        let texts = [("name", &self.name), ("condition", &self.condition), ("method", &self.method)];
        let mut set: Vec<_> = texts.into_iter().filter_map(|(key, text)| option(key, text.as_ref())).collect();
        if !self.include.is_empty() {
            let columns = self.include.iter().map(&column);
            set.push(quote!(include: &[#(#columns),*]));
        }
        if set.is_empty() { blank } else { quote!(__rt::IndexDef { #(#set,)* ..#blank }) }
    }
}

impl PartAttr {
    fn read(column: Result<Ident, LitStr>, input: ParseStream<'_>) -> syn::Result<Self> {
        let mut part = Self { column, ops: None, descending: false, nulls_first: None, operator: None };
        while !input.is_empty() && !input.peek(Token![,]) {
            let expected = |at: proc_macro2::Span| {
                syn::Error::new(at, format!("expected `,` or a word that describes the field\nhelp: write {WORDS}"))
            };
            let word = input.call(Ident::parse_any).map_err(|error| expected(error.span()))?;
            match word.to_string().as_str() {
                "asc" => {}
                "desc" => part.descending = true,
                "nulls" => {
                    let place = input.call(Ident::parse_any).map_err(|error| expected(error.span()))?;
                    part.nulls_first = match place.to_string().as_str() {
                        "first" => Some(true),
                        "last" => Some(false),
                        _ => return Err(expected(place.span())),
                    };
                }
                "ops" => part.ops = Some(input.parse()?),
                "with" => part.operator = Some(input.parse()?),
                _ => return Err(expected(word.span())),
            }
        }
        Ok(part)
    }

    fn has_options(&self) -> bool {
        self.column.is_err() || self.ops.is_some() || self.descending || self.nulls_first.is_some()
    }

    fn tokens(&self, column: impl Fn(&Ident) -> String) -> TokenStream {
        let mut set: Vec<_> = [option("operator_class", self.ops.as_ref()), option("operator", self.operator.as_ref())]
            .into_iter()
            .flatten()
            .collect();
        if self.descending {
            set.push(quote!(descending: true));
        }
        if let Some(first) = self.nulls_first {
            set.push(quote!(nulls_first: ::core::option::Option::Some(#first)));
        }
        let name = match &self.column {
            Ok(ident) => column(ident),
            Err(text) => {
                set.push(quote!(key: __rt::IndexKeyDef::Expression(#text)));
                String::new()
            }
        };
        let blank = quote!(__rt::IndexPartDef::column(#name));
        if set.is_empty() { blank } else { quote!(__rt::IndexPartDef { #(#set,)* ..#blank }) }
    }
}

fn option(key: &str, text: Option<&LitStr>) -> Option<TokenStream> {
    let key = quote::format_ident!("{key}");
    text.map(|text| quote!(#key: ::core::option::Option::Some(#text)))
}

fn expected_comma(error: &syn::Error) -> syn::Error {
    syn::Error::new(error.span(), "expected `,`\nhelp: separate fields and options with commas")
}
