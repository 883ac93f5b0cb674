//! `foreign_key(…)` on a struct: a reference of several fields to a table whose key has several columns.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Path, Type, spanned::Spanned as _};

use crate::{
    diag::Diag,
    item::{Item, Variant, set},
};

/// The value of `on_delete`, `on_update` or `deferrable`, with its key.
type Action = Option<(Ident, Variant)>;

/// A foreign key of several fields.
pub(crate) struct ForeignKeyAttr {
    pub(crate) key: Ident,
    pub(crate) columns: Vec<Ident>,
    references: Option<Path>,
    on_delete: Action,
    on_update: Action,
    deferrable: Action,
}

/// The options, each with an example.
const OPTIONS: [(&str, &str); 4] = [
    ("references", "references = Project"),
    ("on_delete", "on_delete = \"cascade\""),
    ("on_update", "on_update = \"cascade\""),
    ("deferrable", "deferrable"),
];

impl ForeignKeyAttr {
    pub(crate) fn read(item: &Item, diag: &Diag) -> Option<Self> {
        let mut this = Self {
            key: item.key.clone(),
            columns: Vec::new(),
            references: None,
            on_delete: None,
            on_update: None,
            deferrable: None,
        };
        let within = item.nested(diag, item.form.unwrap_or("foreign_key(…)"));
        if within.is_empty() {
            return None;
        }
        let is_named = within.iter().any(|part| part.key == "references");
        for mut part in within {
            // With `r#`, the word of an option is a field.
            let word = part.key.to_string();
            part.form = OPTIONS.iter().find(|(option, _)| *option == word).map(|(_, form)| *form);
            match word.as_str() {
                "references" => set(diag, &mut this.references, &part, Item::path),
                "on_delete" => set(diag, &mut this.on_delete, &part, Item::on_delete),
                "on_update" => set(diag, &mut this.on_update, &part, Item::on_update),
                "deferrable" => set(diag, &mut this.deferrable, &part, Item::deferrable),
                _ if part.has_no_value() => this.columns.push(part.key),
                _ => part.unknown(diag, &OPTIONS.map(|(option, _)| option), (&[], "")),
            }
        }
        if !is_named {
            diag.error(
                &this.key,
                "`foreign_key` has no `references`",
                format_args!("write `{}`", item.form.unwrap_or("foreign_key(…, references = Ad)")),
            );
        }
        Some(this)
    }
}

impl ForeignKeyAttr {
    /// Writes the declaration. `field` returns the type and the column of a field.
    pub(crate) fn tokens<'t>(&self, field: impl Fn(&Ident) -> Option<(&'t Type, String)>) -> Option<TokenStream> {
        let path = self.references.as_ref()?;
        let (types, columns): (Vec<_>, Vec<_>) = self.columns.iter().filter_map(field).unzip();
        let declared = quote_spanned!(path.span()=> __rt::composite_reference::<(#(#types),*), #path>);
        let reference = with_actions(&declared, path.span(), &self.on_delete, &self.on_update, &self.deferrable);
        Some(quote!(__rt::ForeignKeyDef { columns: &[#(#columns),*], reference: #reference }))
    }
}

/// Calls the function that declares a reference, and sets the actions of the foreign key.
pub(crate) fn with_actions(
    declare: &TokenStream,
    at: Span,
    on_delete: &Action,
    on_update: &Action,
    deferrable: &Action,
) -> TokenStream {
    let variant = |name: &str| Ident::new(name, Span::call_site()).to_token_stream();
    let action = variant(on_delete.as_ref().map_or("NoAction", |(_, action)| action));
    let reference = quote_spanned!(at=> #declare(__rt::OnDelete::#action));
    let on_update = on_update.as_ref().map(|(_, action)| {
        let action = variant(action);
        quote!(.on_update(__rt::OnUpdate::#action))
    });
    let deferral = deferrable.as_ref().map(|(_, deferral)| {
        let deferral = variant(deferral);
        quote!(.deferral(__rt::Deferral::#deferral))
    });
    quote!(#reference #on_update #deferral)
}
