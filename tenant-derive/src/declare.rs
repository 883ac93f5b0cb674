//! Writes the declaration of a table: an impl with one `const`, and the role that reads each column.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{LitInt, LitStr, Path, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    ast::{Field, InsertKind, Table, ValueSource},
    attr::is_no_role,
    foreign_keys, name,
};

/// Writes the impl of `TenantTable`.
pub(crate) fn table_impl(table: &Table<'_>) -> TokenStream {
    let (ident, id, attrs) = (table.ident, key_type(table), &table.attrs);
    // Uses the span of the attribute that determines the tenancy, so that an error about the tenancy points at it.
    let named = attrs.tenancy.as_ref().or(attrs.select.as_ref());
    let at = named.map_or_else(Span::call_site, |path| path.span());
    let tenancy = match (&attrs.tenancy, &attrs.select) {
        (Some(path), _) => quote_spanned!(path.span()=> type Tenancy = #path;),
        (None, Some(_)) => {
            quote_spanned!(at=> type Tenancy = <<Self as __rt::Select>::SelectRole as __rt::Role>::Tenancy;)
        }
        (None, None) => quote!(
            type Tenancy = __rt::Organizations;
        ),
    };
    let declared = declared(table);
    let rust_name = ident.unraw().to_string();
    let doc = &table.doc;
    let own_tenancy = quote_spanned!(at=> <Self as __rt::TenantTable>::Tenancy);
    let def = quote_spanned!(at=> <#own_tenancy as __rt::Tenancy>::DEF);
    let schema = attrs.schema.as_ref().map_or_else(|| quote_spanned!(at=> #def.schema), ToTokens::to_token_stream);
    let name = attrs.table.as_ref().map_or_else(|| name::table(ident), LitStr::value);
    let set = [access(table, &own_tenancy, at), commands(table, &own_tenancy)].concat();
    let columns = table.columns().enumerate().map(|(i, field)| column(field, i, &own_tenancy));
    // The tenant column, which no field has, comes last: views find the columns of fields by their positions.
    let tenant = table.parent().map(|(_, path)| {
        let column = quote_spanned!(path.span()=> __rt::tenant_of_parent::<#path>());
        // Without the tenant, a key that the application assigns would reveal whether another tenant has the same key.
        let id = table.has_several_keys().then(|| quote!(__column.id = true;));
        id.map_or_else(|| column.clone(), |id| quote!({ let mut __column = #column; #id __column }))
    });
    let columns = columns.chain(tenant);
    let name_of = |ident: &Ident| {
        let field = table.columns().find(|field| ident.unraw() == field.name());
        field.map_or_else(|| ident.unraw().to_string(), Field::column)
    };
    let indexes = attrs.indexes.iter().map(|index| index.tokens(name_of));
    let indexes = (!attrs.indexes.is_empty()).then(|| quote!(indexes: &const { [#(#indexes),*] },));
    let field = |ident: &Ident| {
        let field = table.columns().find(|field| ident.unraw() == field.name())?;
        Some((field.ty, field.column()))
    };
    let foreign_keys = attrs.foreign_keys.iter().filter_map(|key| key.tokens(field));
    let foreign_keys = (!attrs.foreign_keys.is_empty()).then(|| quote!(foreign_keys: &const { [#(#foreign_keys),*] },));
    let checks = checks(table);
    // The inline constants keep rustc from promoting the referenced values, for which it would copy and evaluate them once more.
    quote! {
        #[automatically_derived]
        impl __rt::TenantTable for #ident {
            #tenancy
            type Declared = #declared;
            type Id = #id;
            const TABLE_NAME: __rt::TableName = __rt::TableName { schema: #schema, table: #name };
            const TABLE: &'static __rt::TableDef = &const { __rt::TableDef {
                rust_name: #rust_name,
                file: ::core::file!(),
                line: ::core::line!(),
                name: <Self as __rt::TenantTable>::TABLE_NAME,
                doc: #doc,
                #(#set,)*
                columns: &const { [#(#columns),*] },
                #indexes
                #foreign_keys
                #checks
                ..__rt::TableDef::blank(#def)
            } };
        }
    }
}

/// Returns the type of the key within the tenant: the type of one field, or a tuple in the order of the fields.
pub(crate) fn key_type(table: &Table<'_>) -> TokenStream {
    let types: Vec<_> = table.keys().map(|field| field.ty).collect();
    match types[..] {
        [ty] => ty.to_token_stream(),
        // rustc reports a tuple that cannot be a key at the first field.
        _ => quote_spanned!(types.first().map_or_else(Span::call_site, |ty| ty.span())=> (#(#types),*)),
    }
}

/// Writes the declared commands, `(select, insert, update, delete, commands of jobs)`, with `()`
/// for an undeclared command. On a table that keeps deleted rows, the commands `(delete, restore, purge)` are in place of `delete`.
fn declared(table: &Table<'_>) -> TokenStream {
    let attrs = &table.attrs;
    let yes = |is: bool| if is { quote!(__rt::Yes) } else { quote!(()) };
    let making = match table.insert_kind() {
        Some(InsertKind::Insert) => yes(true),
        Some(InsertKind::CreateTenant) => quote!(__rt::CreatesTenant),
        Some(InsertKind::SignUp) => quote!(__rt::SignsUp),
        None if attrs.membership.is_some() => quote!(__rt::cmd::Manage),
        None if attrs.invitation.is_some() => quote!(__rt::cmd::Invite),
        None => yes(false),
    };
    let deletes = table.deleter().is_some() && !attrs.mentions("membership");
    let jobs = attrs.system.as_ref().map_or_else(
        || yes(false),
        |system| {
            let may = |command: &str| yes(system.words.iter().any(|word| word == command));
            let [select, insert, update, delete] = ["select", "insert", "update", "delete"].map(may);
            let rows = if table.is_root() { quote!(__rt::TenantRows) } else { yes(false) };
            // `system(delete)` lets a job remove rows.
            let delete = if table.soft_delete().is_some() { quote!(((), (), #delete)) } else { delete };
            quote!((#select, #insert, #update, #delete, #rows))
        },
    );
    let (select, update, delete) = (yes(attrs.select.is_some()), yes(table.is_changed()), yes(deletes));
    let delete = match table.soft_delete() {
        Some(_) => {
            let (restore, purge) = (yes(attrs.restore.is_some()), yes(attrs.purge.is_some()));
            quote!((#delete, #restore, #purge))
        }
        None => delete,
    };
    quote!((#select, #making, #update, #delete, #jobs))
}

fn access(table: &Table<'_>, tenancy: &TokenStream, at: Span) -> Vec<TokenStream> {
    let attrs = &table.attrs;
    let column = |name: &LitStr| table.named(name).map(|field| (field.ty, field.column()));
    let mut set = Vec::new();
    if let Some(field) = table.tenant() {
        let (ty, column) = (field.ty, field.column());
        set.push(quote_spanned!(at=> scope: __rt::tenant_scope::<#ty, #tenancy>(#column)));
    } else if let Some((field, path)) = table.parent() {
        let column = field.column();
        set.push(quote_spanned!(path.span()=> scope: __rt::parent_scope::<#path>(#column)));
    } else if let Some(path) = &attrs.visible_through {
        let through = quote_spanned!(path.span()=> <#path as __rt::TenantTable>::TABLE_NAME);
        set.push(quote!(scope: __rt::ScopeDef::Shared { through: #through }));
    }
    if let Some((ty, column)) = attrs.owner.as_ref().and_then(column) {
        set.push(quote_spanned!(at=> owner: __rt::owner::<#ty, #tenancy>(#column)));
    }
    if let Some((_, column)) = attrs.visibility.as_ref().and_then(column) {
        set.push(quote!(visibility: ::core::option::Option::Some(#column)));
    }
    if let Some(membership) = &attrs.membership
        && let (Some((ty, user)), Some((_, role))) = (column(&membership.user), column(&membership.role))
    {
        set.push(quote_spanned!(at=> membership: __rt::membership::<#ty, #tenancy>(#user, #role)));
    }
    if let Some(invitation) = &attrs.invitation
        && let Some((ty, by)) = invitation.field("by").and_then(column)
    {
        let named = invitation.fields.iter().filter(|(key, _)| *key != "by");
        let named = named.filter_map(|(key, name)| Some((format_ident!("{key}"), column(name)?.1)));
        let named = named.map(|(key, column)| quote!(#key: #column));
        set.push(quote_spanned!(at=> invitation: ::core::option::Option::Some(__rt::InvitationDef {
            #(#named,)*
            by: __rt::invited_by::<#ty, #tenancy>(#by),
        })));
    }
    if let Some(role) = &attrs.creator_role {
        set.push(quote_spanned!(role.span()=> creator_role: __rt::role::<#role, #tenancy>()));
    }
    if attrs.sign_up.is_some() {
        set.push(quote!(sign_up: true));
    }
    for (key, flag) in [("change_log", &attrs.change_log), ("track_changes", &attrs.track_changes)] {
        if flag.is_some() {
            let key = format_ident!("{key}");
            set.push(quote!(#key: true));
        }
    }
    if !attrs.rules.is_empty() {
        let rules = attrs.rules.iter().map(|rule| {
            let (command, check, condition) = (rule.command.to_string(), rule.clause == "with_check", &rule.condition);
            quote!(__rt::RuleDef { command: #command, check: #check, condition: #condition })
        });
        set.push(quote!(rules: &[#(#rules),*]));
    }
    if let Some(field) = table.soft_delete() {
        let column = field.column();
        let role = |role: &Option<Path>, from: (&str, &str)| match role {
            Some(role) => role_name(role, from),
            None => quote!(::core::option::Option::None),
        };
        let restore = role(&attrs.restore, ("Restore", "RestoreRole"));
        let purge = role(&attrs.purge, ("Purge", "PurgeRole"));
        set.push(quote!(soft_delete: ::core::option::Option::Some(__rt::SoftDeleteDef {
            column: #column,
            restore: #restore,
            purge: #purge,
        })));
    }
    if let Some(old) = &attrs.renamed_from {
        set.push(quote!(renamed_from: ::core::option::Option::Some(#old)));
    }
    if let Some(system) = &attrs.system {
        let commands = system.words.iter().map(ToString::to_string);
        set.push(quote!(system: &[#(#commands),*]));
    }
    if let Some(partitions) = &attrs.partitions {
        let partitions = LitInt::new(partitions.base10_digits(), partitions.span());
        set.push(quote!(partitions: ::core::option::Option::Some(#partitions)));
    }
    set
}

/// Refers to the name of a role through the trait of a command and its associated type.
fn role_name(role: &Path, (command, associated): (&str, &str)) -> TokenStream {
    let (command, associated) = (format_ident!("{command}"), format_ident!("{associated}"));
    let name = quote_spanned!(role.span()=> <<Self as __rt::#command>::#associated as __rt::Role>::NAME);
    quote!(::core::option::Option::Some(#name))
}

/// Writes the role of each command as a reference to its associated type, so that only one place
/// turns the string into a type.
fn commands(table: &Table<'_>, tenancy: &TokenStream) -> Vec<TokenStream> {
    let attrs = &table.attrs;
    let managed = attrs.membership.is_some();
    let mut set = Vec::new();
    let mut name = |key: &str, role: &Path, from: (&str, &str)| {
        let (key, role) = (format_ident!("{key}"), role_name(role, from));
        set.push(quote!(#key: #role));
    };
    let manage = ("ManagedMembership", "ManageRole");
    let by = |own| if managed { manage } else { own };
    let insert = if attrs.invitation.is_some() { ("Invitation", "InviteRole") } else { by(("Insert", "InsertRole")) };
    let (update, delete) = (by(("Update", "UpdateRole")), by(("Delete", "DeleteRole")));
    if let Some(role) = &attrs.select {
        name("select", role, ("Select", "SelectRole"));
    }
    if let Some(role) = &attrs.insert {
        name("insert", role, insert);
    }
    let mut wider = Vec::new();
    for (key, any, own, from) in
        [("update", &attrs.update, &attrs.update_own, update), ("delete", &attrs.delete, &attrs.delete_own, delete)]
    {
        match (any, own) {
            (Some(any), None) => name(key, any, from),
            (any, Some(own)) => {
                name(&format!("{key}_own"), own, from);
                wider.extend(any.as_ref().map(|any| (key, any, from)));
            }
            (None, None) => {}
        }
    }
    set.extend(wider.into_iter().map(|(key, any, (command, associated))| {
        let (key, command, associated) =
            (format_ident!("{key}"), format_ident!("{command}"), format_ident!("{associated}"));
        let own = quote_spanned!(any.span()=> <Self as __rt::#command>::#associated);
        quote_spanned!(any.span()=> #key: __rt::wider_role::<#any, #own, #tenancy>())
    }));
    set
}

/// Writes a `ColumnDef`: a runtime function sets the defaults, and the attributes set the rest.
fn column(field: &Field<'_>, index: usize, tenancy: &TokenStream) -> TokenStream {
    let Field { ty, attrs, .. } = field;
    let (name, column) = (field.name(), field.column());
    let base = match &attrs.sql_type {
        None => {
            let stored = stored(field);
            quote!(__rt::column(#name, #stored::TYPE))
        }
        Some(sql) => quote!(__rt::column(#name, __rt::custom(#sql, <__rt::Nullability<#ty>>::NULLABLE))),
    };
    let mut set = Vec::new();
    if column != name {
        set.push(quote!(name = #column));
    }
    if !field.doc.is_empty() {
        let doc = &field.doc;
        set.push(quote!(doc = #doc));
    }
    if field.id {
        set.push(quote!(id = true));
    }
    match field.part {
        ValueSource::GeneratedId if attrs.default.is_none() => {
            set.push(quote_spanned!(ty.span()=> app_assigned = __rt::generated::<#ty>()));
        }
        ValueSource::GeneratedId | ValueSource::Tenant | ValueSource::Owner | ValueSource::Computed => {
            set.push(quote!(app_assigned = false));
        }
        ValueSource::AppAssignedId | ValueSource::Plain | ValueSource::Parent | ValueSource::Skipped => {}
    }
    if let Some(path) = &attrs.references {
        let declared = quote_spanned!(path.span()=> __rt::reference::<#ty, #path>);
        let reference =
            foreign_keys::with_actions(&declared, path.span(), &attrs.on_delete, &attrs.on_update, &attrs.deferrable);
        set.push(quote!(references = ::core::option::Option::Some(#reference)));
    }
    for (key, text) in [
        ("renamed_from", &attrs.renamed_from),
        ("default", &attrs.default),
        ("generated", &attrs.generated),
        ("collation", &attrs.collate),
        ("backfill", &attrs.backfill),
        ("check", &attrs.check),
    ] {
        if let Some(text) = text {
            let key = format_ident!("{key}");
            set.push(quote!(#key = ::core::option::Option::Some(#text)));
        }
    }
    if let Some(unique) = &attrs.unique {
        let scope = if unique.global.is_some() { quote!(Global) } else { quote!(Tenant) };
        set.push(quote!(unique = ::core::option::Option::Some(__rt::UniqueScope::#scope)));
    }
    for (key, flag) in [("index", &attrs.index), ("sensitive", &attrs.sensitive), ("updated_at", &attrs.updated_at)] {
        if flag.is_some() {
            let key = format_ident!("{key}");
            set.push(quote!(#key = true));
        }
    }
    if attrs.counter.is_some() {
        set.push(quote_spanned!(ty.span()=> counter = __rt::counter::<#ty>()));
    }
    for (key, role) in [("select", &attrs.select), ("insert", &attrs.insert), ("update", &attrs.update)] {
        if role.as_ref().is_some_and(is_no_role) {
            let key = format_ident!("{key}");
            set.push(quote!(#key = ::core::option::Option::Some(__rt::NO_ROLE)));
        }
    }
    let somebody = |role: &&Path| !is_no_role(role);
    if let Some(role) = attrs.select.as_ref().filter(somebody) {
        let needs = column_role(index, role.span());
        set.push(quote_spanned!(role.span()=> select = __rt::role::<#needs, #tenancy>()));
    }
    for (key, role) in [("insert", &attrs.insert), ("update", &attrs.update)] {
        if let Some(role) = role.as_ref().filter(somebody) {
            let key = format_ident!("{key}");
            set.push(quote_spanned!(role.span()=> #key = __rt::role::<#role, #tenancy>()));
        }
    }
    if set.is_empty() {
        return base;
    }
    // Functional record update would move each of the other fields.
    quote!({ let mut __column = #base; #(__column.#set;)* __column })
}

/// Refers to the trait that stores a field's type, with the type's span: if the type lacks the trait, each use causes
/// the same error at the same span, and rustc prints it once.
pub(crate) fn stored(field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    match &field.attrs.sql_type {
        _ if field.whole_key => quote!(<Self as __rt::StoredKey>),
        None => quote_spanned!(ty.span()=> <#ty as __rt::Stored>),
        Some(_) => quote_spanned!(ty.span()=> <#ty as __rt::ColumnCodecAs>),
    }
}

/// Writes the check constraints of the struct.
fn checks(table: &Table<'_>) -> Option<TokenStream> {
    let checks = table.attrs.checks.iter().map(|check| {
        let name = match &check.name {
            Some(name) => quote!(::core::option::Option::Some(#name)),
            None => quote!(::core::option::Option::None),
        };
        let condition = &check.condition;
        quote!(__rt::CheckDef { name: #name, condition: #condition })
    });
    (!table.attrs.checks.is_empty()).then(|| quote!(checks: &[#(#checks),*],))
}

/// The number of columns in one impl of `ColumnsAt`, which is `GROUP` in the runtime.
const GROUP: usize = 16;

/// Writes the required role and the type of each column by its index, which views use.
pub(crate) fn column_impls(table: &Table<'_>) -> TokenStream {
    let ident = table.ident;
    let default = match &table.attrs.select {
        Some(_) => quote!(<Self as __rt::Select>::SelectRole),
        None => quote!(()),
    };
    let fields: Vec<_> = table.columns().collect();
    // In an impl for each role, a misspelled role hides no error about the role of another column.
    let own_roles = fields.iter().enumerate().filter_map(|(i, field)| {
        let role = field.attrs.select.as_ref()?;
        let role = if is_no_role(role) { quote!(__rt::NoRole) } else { role.to_token_stream() };
        let i = Literal::usize_unsuffixed(i);
        Some(quote!(impl __rt::ColumnRole<#i> for #ident { type Needs = #role; }))
    });
    let groups = fields.chunks(GROUP).enumerate().map(|(i, fields)| {
        let (types, first) = (fields.iter().map(|field| field.ty), i * GROUP);
        let i = Literal::usize_unsuffixed(i);
        let roles = fields.iter().enumerate().map(|(at, field)| match &field.attrs.select {
            Some(_) => column_role(first + at, Span::call_site()),
            None => default.clone(),
        });
        let needs = if fields.iter().all(|field| field.attrs.select.is_none()) {
            quote!(__rt::Each<#default>)
        } else {
            quote!(__rt::TypeList<#(#roles),*>)
        };
        quote! {
            impl __rt::ColumnsAt<#i> for #ident {
                type Needs = #needs;
                type Types = __rt::TypeList<#(#types),*>;
            }
        }
    });
    own_roles.chain(groups).collect()
}

/// Refers to the role that reads a column, so that only one place turns the string into a type.
pub(crate) fn column_role(index: usize, span: Span) -> TokenStream {
    let index = Literal::usize_unsuffixed(index);
    quote_spanned!(span=> <Self as __rt::ColumnRole<#index>>::Needs)
}

/// Lists the roles required to read whole rows: the table's role and the roles of its columns.
pub(crate) fn row_needs(table: &Table<'_>) -> TokenStream {
    let mut roles: Vec<String> = Vec::new();
    let only = quote!(__rt::OnlyRole<<Self as __rt::Select>::SelectRole>);
    table.columns().enumerate().fold(only, |needs, (i, field)| {
        let Some(role) = field.attrs.select.as_ref().filter(|role| !is_no_role(role)) else { return needs };
        let text = role.to_token_stream().to_string();
        if roles.contains(&text) {
            return needs;
        }
        roles.push(text);
        let role = column_role(i, Span::call_site());
        quote!(__rt::RoleCons<#needs, #role>)
    })
}
