//! `tenancy!`: declares a product's keys, settings and roles.

use heck::ToSnakeCase as _;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, Type, Visibility, ext::IdentExt as _};

use crate::{
    diag::Diag,
    extensions, name, pgaudit,
    system_access::SystemAccess,
    tenancy_syntax::{Declared, RoleDecl, Value},
};

/// The keys of a declaration.
const KEYS: [&str; 20] = [
    "key",
    "user",
    "schema",
    "role_prefix",
    "tenant_setting",
    "user_setting",
    "connection_limit",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_timeout",
    "system_access_timeout",
    "system_reason_length",
    "system_log_retention",
    "external_roles",
    "login_per_role",
    "signed_context",
    "pgaudit",
    "extensions",
    "roles",
    "crate",
];

/// The timeouts in seconds: key and default.
const TIMEOUTS: [(&str, u32); 3] =
    [("statement_timeout", 30), ("lock_timeout", 5), ("idle_in_transaction_timeout", 60)];

/// The names of the roles that the generator creates under the same prefix.
const OWN_ROLES: [&str; 6] = ["schema_owner", "function_owner", "no_tenant", "service", "system", "jobs"];

/// The value of a column attribute that denies a command to every role.
pub(crate) const NO_ROLE: &str = "none";

/// Expands `tenancy! { … }`.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let declared: Declared = match syn::parse2(input) {
        Ok(declared) => declared,
        Err(error) => return error.to_compile_error(),
    };
    let diag = Diag::new();
    let tenancy = check(&diag, &declared);
    match (diag.finish(), tenancy) {
        (Ok(()), Some(tenancy)) => tenancy.tokens(),
        (Err(errors), _) => errors,
        (Ok(()), None) => unreachable!("missing keys were reported"),
    }
}

/// A checked declaration.
struct Tenancy<'a> {
    declared: &'a Declared,
    key: &'a Type,
    user: &'a Type,
    schema: String,
    prefix: String,
    tenant_setting: String,
    user_setting: String,
    connection_limit: u16,
    timeouts: [u32; 3],
    system_access: SystemAccess,
    external_roles: bool,
    login_per_role: bool,
    signed_context: bool,
    pgaudit: Option<String>,
    extensions: Vec<(String, String)>,
    roles: &'a [RoleDecl],
    runtime: TokenStream,
}

fn check<'a>(diag: &Diag, declared: &'a Declared) -> Option<Tenancy<'a>> {
    let (mut key, mut user, mut limit, mut roles, mut runtime) = (None, None, 50, None, quote!(::tenant_runtime));
    let (mut schema, mut prefix) = ("app".to_owned(), default_prefix());
    let (mut tenant_setting, mut user_setting) = ("app.organization_id".to_owned(), "app.user_id".to_owned());
    let (mut external_roles, mut login_per_role, mut signed_context) = (false, false, false);
    let (mut pgaudit, mut extensions) = (None, Vec::new());
    let mut timeouts = TIMEOUTS.map(|(_, seconds)| seconds);
    let mut system_access = SystemAccess::default();
    for (index, (name, value)) in declared.entries.iter().enumerate() {
        if declared.entries[..index].iter().any(|(earlier, _)| earlier == name) {
            diag.error(name, format!("duplicate key `{name}`"), "remove one of the two");
        }
        match (name.to_string().as_str(), value) {
            ("key", Value::Type(ty)) => key = Some(ty),
            ("user", Value::Type(ty)) => user = Some(ty),
            ("schema", Value::Text(text)) => schema = word(diag, text, "app"),
            ("role_prefix", Value::Text(text)) => prefix = word(diag, text, "acme_"),
            ("tenant_setting", Value::Text(text)) => tenant_setting = setting(diag, text, "app.organization_id"),
            ("user_setting", Value::Text(text)) => user_setting = setting(diag, text, "app.user_id"),
            ("connection_limit", Value::Number(number)) => match number.base10_parse::<u16>() {
                Ok(parsed) if parsed > 0 => limit = parsed,
                _ => diag.error(number, "invalid number of connections", "write a number from 1 to 65535"),
            },
            (key, Value::Number(number)) if system_access.set(diag, key, number) => {}
            (key, Value::Number(number)) => {
                let at = TIMEOUTS.iter().position(|(name, _)| *name == key);
                // PostgreSQL stores a timeout as milliseconds in 31 bits.
                match (number.base10_parse::<u32>(), at) {
                    (Ok(seconds), Some(at)) if seconds <= 2_147_483 => timeouts[at] = seconds,
                    _ => {
                        diag.error(number, "invalid number of seconds", "write a number from 0 (no timeout) to 2147483")
                    }
                }
            }
            ("roles", Value::Roles(list)) => roles = Some(list.as_slice()),
            ("pgaudit", Value::Text(text)) => pgaudit = Some(pgaudit::classes(diag, text)),
            ("extensions", Value::Extensions(list)) => extensions = extensions::check(diag, list),
            ("external_roles", Value::Bool(flag)) => external_roles = flag.value,
            ("login_per_role", Value::Bool(flag)) => login_per_role = flag.value,
            ("signed_context", Value::Bool(flag)) => signed_context = flag.value,
            ("crate", Value::Crate(path)) => runtime = quote!(#path),
            _ => {
                let near = name::nearest(&name.to_string(), KEYS).map(|near| format!("did you mean `{near}`? "));
                let help = format!("{}valid keys are {}", near.unwrap_or_default(), name::listed(&KEYS));
                diag.error(name, format!("unknown key `{name}`"), help);
            }
        }
    }
    system_access.check(diag);
    if key.is_none() {
        diag.error(&declared.ident, "`tenancy!` requires `key`, the type of tenant IDs", "add `key: Uuid`");
    }
    match roles {
        Some([]) | None => {
            diag.error(
                &declared.ident,
                "`tenancy!` requires `roles`",
                "add `roles: { Viewer, Member: Viewer, Admin: Member }`",
            );
        }
        Some(roles) => {
            check_roles(diag, &prefix, roles);
            if login_per_role {
                check_logins(diag, &prefix, roles);
            }
        }
    }
    let key = key?;
    Some(Tenancy {
        declared,
        key,
        user: user.unwrap_or(key),
        schema,
        prefix,
        tenant_setting,
        user_setting,
        connection_limit: limit,
        timeouts,
        system_access,
        external_roles,
        login_per_role,
        signed_context,
        pgaudit,
        extensions,
        roles: roles?,
        runtime,
    })
}

fn check_roles(diag: &Diag, prefix: &str, roles: &[RoleDecl]) {
    for (index, role) in roles.iter().enumerate() {
        let earlier: Vec<String> = roles[..index].iter().map(|role| role.ident.to_string()).collect();
        let label = label(&role.ident);
        if roles[..index].iter().any(|other| self::label(&other.ident) == label) {
            diag.error(&role.ident, format!("duplicate role `{label}`"), "rename one of the two");
        }
        if OWN_ROLES.contains(&label.as_str()) {
            diag.error(
                &role.ident,
                format!(
                    "the role `{label}` conflicts with the database role `{prefix}{label}`, which the generator creates"
                ),
                "rename the role",
            );
        }
        name::check_own(diag, &role.ident, &label, roles.iter().map(|role| self::label(&role.ident)));
        if label == NO_ROLE {
            diag.error(
                &role.ident,
                "`none` cannot be a role name: on a column, `none` denies a command to every role",
                "rename the role",
            );
        }
        if let Some(problem) = name::problem(&format!("{prefix}{label}")) {
            diag.error(
                &role.ident,
                format!("the database role `{prefix}{label}` {problem}"),
                "shorten the prefix or the role name",
            );
        }
        if let Some(old) = &role.renamed_from
            && (!is_word(&old.value()) || old.value() == label)
        {
            diag.error(
                old,
                "invalid previous role name",
                "write the role's previous name in snake case, such as `editor`",
            );
        }
        for included in &role.includes {
            if !earlier.contains(&included.to_string()) {
                let near = name::nearest(&included.to_string(), earlier.iter().map(String::as_str));
                let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                diag.error(
                    included,
                    format!("`{}` includes `{included}`, which is not declared above it", role.ident),
                    format!("{near}declare the included role first: a role can include only roles that are declared above it"),
                );
            }
        }
    }
}

/// Checks that, with `login_per_role`, the name of each login role is at most 63 bytes long and not
/// the name of another role.
fn check_logins(diag: &Diag, prefix: &str, roles: &[RoleDecl]) {
    for role in roles {
        let label = label(&role.ident);
        let login = format!("{label}_service");
        if let Some(other) = roles.iter().find(|other| self::label(&other.ident) == login) {
            diag.error(
                &other.ident,
                format!("the name of this role conflicts with `{prefix}{login}`, the login role of `{}`", role.ident),
                "rename the role",
            );
        }
        let problem = name::problem(&format!("{prefix}{login}"));
        // An error about the role itself has been reported.
        if let Some(problem) = problem.filter(|_| name::problem(&format!("{prefix}{label}")).is_none()) {
            diag.error(
                &role.ident,
                format!("the login role name `{prefix}{login}` {problem}"),
                "shorten the prefix or the role name",
            );
        }
    }
}

/// Returns the package name as the prefix, so that two products in one cluster do not share roles.
fn default_prefix() -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| "app".to_owned());
    format!("{}_", package.to_snake_case())
}

fn label(role: &Ident) -> String {
    role.unraw().to_string().to_snake_case()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn word(diag: &Diag, text: &LitStr, example: &str) -> String {
    if !is_word(&text.value()) {
        let help = format!("write lower-case letters, digits and `_`, such as `{example}`");
        diag.error(text, format!("invalid name {:?}", text.value()), help);
    }
    text.value()
}

fn setting(diag: &Diag, text: &LitStr, example: &str) -> String {
    let value = text.value();
    if value.split('.').count() != 2 || !value.split('.').all(is_word) {
        let help = format!("write two lower-case words separated by a dot, such as `{example}`");
        diag.error(text, format!("invalid setting name {value:?}"), help);
    }
    value
}

/// Writes a list of types as nested pairs: `(A, (B, ()))`.
fn list(types: impl DoubleEndedIterator<Item = TokenStream>) -> TokenStream {
    types.rfold(quote!(()), |rest, ty| quote!((#ty, #rest)))
}

impl Tenancy<'_> {
    fn tokens(&self) -> TokenStream {
        let Self { declared, key, user, schema, prefix, tenant_setting, user_setting, connection_limit, .. } = self;
        let Self { timeouts: [statement, lock, idle], external_roles, login_per_role, signed_context, .. } = self;
        let Self { roles, runtime, .. } = self;
        let system_access = self.system_access.tokens(runtime);
        let Declared { attrs, vis, ident, .. } = declared;
        let pgaudit = match &self.pgaudit {
            Some(classes) => quote!(::core::option::Option::Some(#classes)),
            None => quote!(::core::option::Option::None),
        };
        let extensions = self
            .extensions
            .iter()
            .map(|(name, schema)| quote!(#runtime::__private::ExtensionDef { name: #name, schema: #schema }));
        let defs = roles.iter().map(|role| {
            let (name, includes) = (label(&role.ident), role.includes.iter().map(label));
            let renamed_from = match &role.renamed_from {
                Some(text) => quote!(::core::option::Option::Some(#text)),
                None => quote!(::core::option::Option::None),
            };
            quote!(#runtime::__private::RoleDef {
                name: #name,
                includes: &[#(#includes),*],
                renamed_from: #renamed_from,
            })
        });
        let types = roles.iter().enumerate().map(|(place, role)| self.role(role, place));
        let lists = list(roles.iter().map(|role| self.includes(role)));
        let per_role = login_per_role.then(|| {
            quote! {
                #[automatically_derived]
                impl #runtime::tenant::LoginPerRole for #ident {}
            }
        });
        quote! {
            #(#attrs)*
            #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
            #vis enum #ident {}

            #[automatically_derived]
            impl #runtime::Tenancy for #ident {
                type Key = #key;
                type User = #user;
                type Roles = #lists;
                const DEF: &'static #runtime::__private::TenancyDef = &#runtime::__private::TenancyDef {
                    schema: #schema,
                    role_prefix: #prefix,
                    key: <#key as #runtime::PgColumn>::SQL,
                    user: <#user as #runtime::PgColumn>::SQL,
                    tenant_setting: #tenant_setting,
                    user_setting: #user_setting,
                    connection_limit: #connection_limit,
                    timeouts: #runtime::__private::TimeoutsDef {
                        statement: #statement,
                        lock: #lock,
                        idle_in_transaction: #idle,
                    },
                    system_access: #system_access,
                    external_roles: #external_roles,
                    login_per_role: #login_per_role,
                    signed_context: #signed_context,
                    pgaudit: #pgaudit,
                    extensions: &[#(#extensions),*],
                    roles: &[#(#defs),*],
                };
            }

            #per_role

            #(#types)*
        }
    }

    /// Writes a role's type, which states the role's position in the tenancy's list.
    fn role(&self, role: &RoleDecl, place: usize) -> TokenStream {
        let (RoleDecl { attrs, ident, .. }, Self { declared, prefix, runtime, .. }) = (role, self);
        let (tenancy, name) = (&declared.ident, label(ident));
        let vis = match &declared.vis {
            Visibility::Public(_) => quote_spanned!(ident.span()=> pub),
            vis => quote!(#vis),
        };
        let database = format!("{prefix}{name}");
        let first = quote!(#runtime::__private::First);
        let place = (0..place).fold(first, |place, _| quote!(#runtime::__private::Next<#place>));
        // Uses the span of the role's name, so that messages about the role point at the name.
        quote_spanned! {ident.span()=>
            #(#attrs)*
            #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy)]
            #vis enum #ident {}

            #[automatically_derived]
            impl #runtime::Role for #ident {
                type Tenancy = #tenancy;
                type Kind = #runtime::tenant::MemberRole;
                type Place = #place;
                const NAME: &'static str = #name;
                const DB_ROLE: &'static str = #database;
            }
        }
    }

    /// Lists the roles that a role includes, each at its position, with `()` at the positions of other roles.
    fn includes(&self, role: &RoleDecl) -> TokenStream {
        let below = self.below(&role.ident);
        list(self.roles.iter().map(|role| {
            let ident = Ident::new(&role.ident.to_string(), Span::call_site());
            if below.contains(&ident) { quote!(#ident) } else { quote!(()) }
        }))
    }

    /// Returns the role itself and the roles that it includes, each once, even if a role is
    /// included along several paths.
    fn below(&self, role: &Ident) -> Vec<Ident> {
        let mut below: Vec<Ident> = Vec::new();
        let mut open = vec![role.clone()];
        while let Some(next) = open.pop() {
            if !below.contains(&next) {
                let declared = self.roles.iter().find(|role| role.ident == next);
                open.extend(declared.into_iter().flat_map(|role| role.includes.iter().cloned()));
                below.push(Ident::new(&next.to_string(), Span::call_site()));
            }
        }
        below
    }
}
