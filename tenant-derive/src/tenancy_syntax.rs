//! The syntax of `tenancy!`, without checks of the values.

use proc_macro2::Ident;
use syn::{
    Attribute, LitBool, LitInt, LitStr, Path, Token, Type, Visibility, braced,
    ext::IdentExt as _,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// The parsed declaration, unchecked.
pub(crate) struct Declared {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) entries: Vec<(Ident, Value)>,
}

pub(crate) enum Value {
    Type(Type),
    Text(LitStr),
    Number(LitInt),
    Bool(LitBool),
    Crate(Path),
    Roles(Vec<RoleDecl>),
    /// Extensions, each with its schema.
    Extensions(Vec<(LitStr, LitStr)>),
    /// The value of an unknown key.
    Unknown,
}

pub(crate) struct RoleDecl {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) ident: Ident,
    pub(crate) includes: Vec<Ident>,
    pub(crate) renamed_from: Option<LitStr>,
}

/// Takes `#[tenant(renamed_from = "…")]` from the attributes of a role.
fn renamed_from(attrs: &mut Vec<Attribute>) -> syn::Result<Option<LitStr>> {
    let (own, others) = std::mem::take(attrs).into_iter().partition(|attr: &Attribute| attr.path().is_ident("tenant"));
    *attrs = others;
    let mut old = None;
    let own: Vec<Attribute> = own;
    for attr in own {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("renamed_from") {
                return Err(meta.error("the only attribute of a role is `#[tenant(renamed_from = \"…\")]`"));
            }
            if old.replace(meta.value()?.parse::<LitStr>()?).is_some() {
                return Err(meta.error("duplicate attribute `renamed_from`: remove one of the two"));
            }
            Ok(())
        })?;
    }
    Ok(old)
}

impl Parse for Declared {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (attrs, vis, ident) = (input.call(Attribute::parse_outer)?, input.parse()?, input.parse()?);
        let body;
        braced!(body in input);
        let mut entries = Vec::new();
        while !body.is_empty() {
            let key = body.call(Ident::parse_any)?;
            body.parse::<Token![:]>()?;
            let value = match key.to_string().as_str() {
                "key" | "user" => Value::Type(body.parse()?),
                "schema" | "role_prefix" | "tenant_setting" | "user_setting" | "pgaudit" => Value::Text(body.parse()?),
                "connection_limit"
                | "statement_timeout"
                | "lock_timeout"
                | "idle_in_transaction_timeout"
                | "system_access_timeout"
                | "system_reason_length"
                | "system_log_retention" => Value::Number(body.parse()?),
                "external_roles" | "login_per_role" | "signed_context" => Value::Bool(body.parse()?),
                "crate" => Value::Crate(body.parse()?),
                "roles" => {
                    let roles;
                    braced!(roles in body);
                    Value::Roles(Punctuated::<RoleDecl, Token![,]>::parse_terminated(&roles)?.into_iter().collect())
                }
                "extensions" => {
                    let extensions;
                    braced!(extensions in body);
                    let list = Punctuated::<_, Token![,]>::parse_terminated_with(&extensions, extension)?;
                    Value::Extensions(list.into_iter().collect())
                }
                _ => {
                    // Skips the value up to the comma: the error is about the key.
                    while !body.is_empty() && !body.peek(Token![,]) {
                        body.parse::<proc_macro2::TokenTree>()?;
                    }
                    Value::Unknown
                }
            };
            entries.push((key, value));
            if !body.is_empty() {
                body.parse::<Token![,]>()?;
            }
        }
        Ok(Self { attrs, vis, ident, entries })
    }
}

/// Parses `citext: "ext"`, or `"uuid-ossp": "ext"` for a name that is not a Rust identifier.
fn extension(input: ParseStream<'_>) -> syn::Result<(LitStr, LitStr)> {
    let name = if input.peek(LitStr) {
        input.parse()?
    } else {
        let ident = input.call(Ident::parse_any)?;
        LitStr::new(&ident.unraw().to_string(), ident.span())
    };
    input.parse::<Token![:]>()?;
    Ok((name, input.parse()?))
}

impl Parse for RoleDecl {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut attrs, ident) = (input.call(Attribute::parse_outer)?, input.parse()?);
        let renamed_from = renamed_from(&mut attrs)?;
        let mut includes = Vec::new();
        if input.peek(Token![:]) {
            input.parse::<Token![:]>()?;
            includes = Punctuated::<Ident, Token![+]>::parse_separated_nonempty(input)?.into_iter().collect();
        }
        Ok(Self { attrs, ident, includes, renamed_from })
    }
}
