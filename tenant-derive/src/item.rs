//! Parses `#[tenant(…)]` into items: `key`, `key = value` or `key(list)`.

use heck::ToSnakeCase as _;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{
    Attribute, Expr, ExprLit, ExprPath, Lit, LitInt, LitStr, Meta, Path, Token,
    ext::IdentExt as _,
    parse::{ParseStream, Parser as _},
    punctuated::Punctuated,
};

use crate::{diag::Diag, name};

/// The words of `system(select, delete)`.
pub(crate) struct WordList {
    pub(crate) key: Ident,
    pub(crate) words: Vec<Ident>,
}

/// The name of a variant of one of the runtime's enums.
pub(crate) type Variant = &'static str;

/// The actions when the referenced row is deleted, with the variants of `OnDelete`.
const ON_DELETE: [(&str, Variant); 3] = [("cascade", "Cascade"), ("no_action", "NoAction"), ("set_null", "SetNull")];
/// The actions when the referenced key changes, with the variants of `OnUpdate`.
const ON_UPDATE: [(&str, Variant); 2] = [("cascade", "Cascade"), ("no_action", "NoAction")];
/// The times when a deferrable foreign key is checked by default, with the variants of `Deferral`.
const DEFERRABLE: [(&str, Variant); 2] =
    [("initially_deferred", "InitiallyDeferred"), ("initially_immediate", "InitiallyImmediate")];

/// Sets `slot` to the value of the item; a duplicate key is an error.
pub(crate) fn set<T>(diag: &Diag, slot: &mut Option<T>, item: &Item, read: impl FnOnce(&Item, &Diag) -> Option<T>) {
    if let Value::Broken = item.value {
        return;
    }
    let value = read(item, diag);
    if slot.is_some() {
        diag.error(&item.key, format_args!("duplicate attribute `{}`", item.name()), "remove one of the two");
    } else {
        *slot = value;
    }
}

/// Reads the items of all `#[tenant(…)]` attributes; after an error it continues with the next item.
pub(crate) fn items(diag: &Diag, attrs: &[Attribute]) -> Vec<Item> {
    let mut items = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("tenant")) {
        if !matches!(attr.meta, Meta::List(_)) {
            diag.error(&attr.meta, "`#[tenant]` requires a list of attributes", "write `#[tenant(…)]`");
            continue;
        }
        if let Err(error) = attr.parse_args_with(|input: ParseStream<'_>| parse_items(diag, input, &mut items)) {
            diag.syntax(error);
        }
    }
    items
}

fn parse_items(diag: &Diag, input: ParseStream<'_>, items: &mut Vec<Item>) -> syn::Result<()> {
    while !input.is_empty() {
        items.extend(Item::parse(diag, input)?);
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(())
}

/// One `key`, `key = value` or `key(list)`.
pub(crate) struct Item {
    pub(crate) key: Ident,
    /// The key's syntax with an example value, for errors; set once the key has been looked up.
    pub(crate) form: Option<&'static str>,
    value: Value,
}

enum Value {
    None,
    Given(Expr),
    List(TokenStream),
    /// The value could not be parsed; the error has been reported.
    Broken,
}

impl Item {
    /// Parses an item up to the next comma and reports at most one error.
    fn parse(diag: &Diag, input: ParseStream<'_>) -> syn::Result<Option<Self>> {
        let Ok(key) = input.call(Ident::parse_any) else {
            diag.error(next_token(input), "expected a key", "write `key`, `key = …` or `key(…)`");
            skip_to_comma(input)?;
            return Ok(None);
        };
        let mut value = match Self::parse_value(input) {
            Ok(value) => value,
            Err(error) => {
                diag.syntax(error);
                skip_to_comma(input)?;
                Value::Broken
            }
        };
        if !input.is_empty() && !input.peek(Token![,]) {
            if let Value::None = value {
                diag.error(
                    next_token(input),
                    format_args!("expected `=` or `,` after `{key}`"),
                    format_args!("write `{key} = …`"),
                );
                value = Value::Broken;
            } else {
                diag.error(next_token(input), "expected `,`", "separate keys with commas");
            }
            skip_to_comma(input)?;
        }
        Ok(Some(Self { key, form: None, value }))
    }

    fn parse_value(input: ParseStream<'_>) -> syn::Result<Value> {
        if input.parse::<Option<Token![=]>>()?.is_some() {
            Ok(Value::Given(ungroup(input.parse()?)))
        } else if input.peek(syn::token::Paren) {
            let list;
            syn::parenthesized!(list in input);
            Ok(Value::List(list.parse()?))
        } else {
            Ok(Value::None)
        }
    }

    pub(crate) fn name(&self) -> String {
        self.key.unraw().to_string()
    }

    /// Returns whether the key has a value, as in `key = value` or `key(list)`.
    pub(crate) fn has_value(&self) -> bool {
        !matches!(self.value, Value::None)
    }

    /// Returns whether the value is a list, as in `key(list)`.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// Returns whether the key has no value.
    pub(crate) fn has_no_value(&self) -> bool {
        matches!(self.value, Value::None)
    }

    /// Reads a key without a value.
    pub(crate) fn flag(&self, diag: &Diag) -> Option<Ident> {
        match &self.value {
            Value::None | Value::Broken => {}
            Value::Given(value) => self.wrong(diag, value, "does not accept a value", &self.name()),
            Value::List(list) => self.wrong(diag, list, "does not accept a list", &self.name()),
        }
        // The intention is clear, and accepting the key avoids errors that would only follow from the reported error.
        Some(self.key.clone())
    }

    /// Reads `key = "text"`.
    pub(crate) fn text(&self, diag: &Diag) -> Option<LitStr> {
        if let Some(text) = self.literal() {
            if text.value().contains('\0') {
                diag.error(
                    text,
                    format_args!("`{}` contains a NUL character, which PostgreSQL cannot store in text", self.name()),
                    "remove the `\\0`",
                );
                return None;
            }
            return Some(text.clone());
        }
        let given = match (self.given(), self.name().as_str()) {
            (Some(given), "on_delete" | "on_update" | "deferrable") => given.to_snake_case(),
            (Some(given), _) if !given.contains('"') => given,
            _ => "…".to_owned(),
        };
        self.wrong(diag, self.tokens(), "requires a string", &format!("{} = \"{given}\"", self.name()));
        None
    }

    /// Reads `key = some::Path`, or the path in a string.
    pub(crate) fn path(&self, diag: &Diag) -> Option<Path> {
        match (&self.value, self.literal()) {
            (Value::Given(Expr::Path(ExprPath { qself: None, path, .. })), _) => return Some(path.clone()),
            (_, Some(text)) => {
                if let Ok(path) = text.parse::<Path>() {
                    return Some(path);
                }
            }
            _ => {}
        }
        let example = match self.name().as_str() {
            "of" => "of = Project",
            _ => self.form.unwrap_or("crate = ::tenant_runtime"),
        };
        self.wrong(diag, self.tokens(), "requires a path", example);
        None
    }

    /// Reads `key = "role"` or `key = Role`: a path to the role's type, with the span of the string.
    pub(crate) fn role(&self, diag: &Diag) -> Option<Path> {
        match (&self.value, self.literal()) {
            (Value::Given(Expr::Path(ExprPath { qself: None, path, .. })), _) => return Some(path.clone()),
            (_, Some(text)) => {
                if let Some(ident) = name::role(text) {
                    return Some(ident.into());
                }
            }
            _ => {}
        }
        let key = self.name();
        self.wrong(diag, self.tokens(), "requires a role", &format!("{key} = \"viewer\"` or `{key} = Viewer"));
        None
    }

    /// Reads `on_delete = "cascade"`, `"no_action"` or `"set_null"`.
    pub(crate) fn on_delete(&self, diag: &Diag) -> Option<(Ident, Variant)> {
        self.one_of(diag, "action", &ON_DELETE)
    }

    /// Reads `on_update = "cascade"` or `"no_action"`.
    pub(crate) fn on_update(&self, diag: &Diag) -> Option<(Ident, Variant)> {
        self.one_of(diag, "action", &ON_UPDATE)
    }

    /// Reads `deferrable`, which is initially immediate, or `deferrable = "initially_deferred"`.
    pub(crate) fn deferrable(&self, diag: &Diag) -> Option<(Ident, Variant)> {
        match self.value {
            Value::None => Some((self.key.clone(), DEFERRABLE[1].1)),
            _ => self.one_of(diag, "value", &DEFERRABLE),
        }
    }

    /// Reads `key = "word"` with one of the given words, and returns its variant.
    fn one_of(&self, diag: &Diag, what: &str, words: &[(&str, Variant)]) -> Option<(Ident, Variant)> {
        let text = self.text(diag)?;
        let found = words.iter().find(|(name, _)| *name == text.value());
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
            diag.error(
                &text,
                format_args!("invalid {what} `{}` for `{}`", text.value(), self.name()),
                suggestion(&text.value(), &names),
            );
        }
        found.map(|(_, variant)| (self.key.clone(), *variant))
    }

    /// Returns the tokens of `key(…)`; any other value is an error.
    pub(crate) fn list_tokens(&self, diag: &Diag) -> Option<TokenStream> {
        match &self.value {
            Value::List(list) => return Some(list.clone()),
            Value::Broken => {}
            Value::None | Value::Given(_) => {
                let what =
                    if self.name() == "system" { "requires a list of commands" } else { "requires a list of fields" };
                self.wrong(diag, self.tokens(), what, self.form.unwrap_or("(…)"));
            }
        }
        None
    }

    /// Reads `key(a, b)`.
    pub(crate) fn list(&self, diag: &Diag) -> Option<WordList> {
        let list = self.list_tokens(diag)?;
        match Punctuated::<Ident, Token![,]>::parse_terminated.parse2(list) {
            Ok(words) => Some(WordList { key: self.key.clone(), words: words.into_iter().collect() }),
            Err(error) => {
                let help = format!("list commands without quotes: `{}(select, insert)`", self.key);
                diag.syntax(syn::Error::new(error.span(), format!("{error}\nhelp: {help}")));
                None
            }
        }
    }

    /// Reads the nested items of `key(a = …, b = …)`; `form` is an example for the error.
    pub(crate) fn nested(&self, diag: &Diag, form: &str) -> Vec<Item> {
        let mut items = Vec::new();
        match &self.value {
            Value::Broken => {}
            Value::List(list) if !list.is_empty() => {
                let parse = |input: ParseStream<'_>| parse_items(diag, input, &mut items);
                if let Err(error) = parse.parse2(list.clone()) {
                    diag.syntax(error);
                }
            }
            _ => self.wrong(diag, self.tokens(), "requires a list", form),
        }
        items
    }

    /// Reads `key = 16`.
    pub(crate) fn number(&self, diag: &Diag) -> Option<LitInt> {
        match &self.value {
            Value::Given(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) => Some(number.clone()),
            _ => {
                self.wrong(diag, self.tokens(), "requires an integer", &format!("{} = 16", self.name()));
                None
            }
        }
    }

    /// Reports a key that is not valid here.
    pub(crate) fn unknown(&self, diag: &Diag, known: &[&str], (elsewhere, place): (&[&str], &str)) {
        let name = self.name();
        let help = if elsewhere.contains(&name.as_str()) {
            format!("`{name}` is allowed {place}")
        } else {
            suggestion(&name, known)
        };
        diag.error(&self.key, format_args!("unknown attribute `{name}`"), help);
    }

    fn wrong(&self, diag: &Diag, at: impl quote::ToTokens, requirement: &str, form: &str) {
        diag.error(at, format_args!("`{}` {requirement}", self.name()), format_args!("write `{form}`"));
    }

    fn literal(&self) -> Option<&LitStr> {
        match &self.value {
            Value::Given(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Some(text),
            _ => None,
        }
    }

    fn given(&self) -> Option<String> {
        match &self.value {
            Value::Given(value) => Some(value.to_token_stream().to_string()),
            _ => None,
        }
    }

    /// Returns the tokens that an error points at: the value, or the key if it has no value.
    fn tokens(&self) -> TokenStream {
        match &self.value {
            Value::Given(value) => value.to_token_stream(),
            Value::List(list) if !list.is_empty() => list.clone(),
            _ => self.key.to_token_stream(),
        }
    }
}

/// Suggests the most similar valid word and lists all valid words.
pub(crate) fn suggestion(written: &str, known: &[&str]) -> String {
    let all = known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match name::nearest(written, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`? valid here: {all}"),
        None => format!("valid here: {all}"),
    }
}

/// Returns the next token, so that an error can point at it.
fn next_token(input: ParseStream<'_>) -> Option<TokenTree> {
    input.cursor().token_tree().map(|(token, _)| token)
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Removes the invisible group around a `macro_rules` fragment.
fn ungroup(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungroup(*group.expr),
        other => other,
    }
}
