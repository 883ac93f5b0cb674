//! The attributes of a struct and of a field, as `#[tenant(…)]` sets them.

use proc_macro2::Ident;
use syn::{Attribute, Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path};

use crate::{
    diag::Diag,
    foreign_keys::ForeignKeyAttr,
    indexes::{IndexAttr, UniqueAttr},
    item::{Item, Variant, WordList, set},
};

/// The attributes of a struct.
#[derive(Default)]
pub(crate) struct TableAttrs {
    pub(crate) krate: Option<Path>,
    pub(crate) tenancy: Option<Path>,
    pub(crate) table: Option<LitStr>,
    pub(crate) schema: Option<LitStr>,
    pub(crate) renamed_from: Option<LitStr>,
    pub(crate) org: Option<LitStr>,
    pub(crate) parent: Option<LitStr>,
    pub(crate) global: Option<Ident>,
    pub(crate) visible_through: Option<Path>,
    pub(crate) select: Option<Path>,
    pub(crate) insert: Option<Path>,
    pub(crate) update: Option<Path>,
    pub(crate) delete: Option<Path>,
    pub(crate) update_own: Option<Path>,
    pub(crate) delete_own: Option<Path>,
    pub(crate) restore: Option<Path>,
    pub(crate) purge: Option<Path>,
    pub(crate) owner: Option<LitStr>,
    pub(crate) visibility: Option<LitStr>,
    pub(crate) membership: Option<MembershipAttr>,
    pub(crate) invitation: Option<InvitationAttr>,
    pub(crate) creator_role: Option<Path>,
    pub(crate) sign_up: Option<Ident>,
    pub(crate) change_log: Option<Ident>,
    pub(crate) track_changes: Option<Ident>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) system: Option<WordList>,
    pub(crate) partitions: Option<LitInt>,
    pub(crate) indexes: Vec<IndexAttr>,
    pub(crate) foreign_keys: Vec<ForeignKeyAttr>,
    pub(crate) checks: Vec<CheckAttr>,
    /// Every key that occurs, even with an invalid value, so that a missing key can be
    /// distinguished from an invalid value.
    pub(crate) keys: Vec<Ident>,
}

/// The fields of `membership(user = "…", role = "…")`.
pub(crate) struct MembershipAttr {
    pub(crate) user: LitStr,
    pub(crate) role: LitStr,
}

/// The fields of `invitation(email = "…", …)`, in the order of [`INVITATION`].
pub(crate) struct InvitationAttr {
    pub(crate) fields: Vec<(&'static str, LitStr)>,
}

/// The keys of `invitation(…)`.
pub(crate) const INVITATION: [&str; 5] = ["email", "role", "token", "expires", "by"];

impl InvitationAttr {
    pub(crate) fn read(item: &Item, diag: &Diag) -> Option<Self> {
        let form = item.form.unwrap_or("invitation(…)");
        let mut found: [Option<LitStr>; 5] = Default::default();
        let within = item.nested(diag, form);
        for part in &within {
            match INVITATION.iter().position(|key| *key == part.name()) {
                Some(at) => set(diag, &mut found[at], part, Item::text),
                None => part.unknown(diag, &INVITATION, (&[], "")),
            }
        }
        for key in INVITATION {
            if !within.is_empty() && !within.iter().any(|part| part.name() == key) {
                diag.error(&item.key, format_args!("`invitation` has no `{key}`"), format_args!("write `{form}`"));
            }
        }
        let fields: Vec<_> = INVITATION.into_iter().zip(found).filter_map(|(key, name)| Some((key, name?))).collect();
        (fields.len() == INVITATION.len()).then_some(Self { fields })
    }

    /// Returns the field name that a key refers to.
    pub(crate) fn field(&self, key: &str) -> Option<&LitStr> {
        self.fields.iter().find(|(name, _)| *name == key).map(|(_, field)| field)
    }
}

/// A check constraint of the struct: `check = "…"` or `check(name = "…", condition = "…")`.
pub(crate) struct CheckAttr {
    pub(crate) name: Option<LitStr>,
    pub(crate) condition: LitStr,
}

impl CheckAttr {
    pub(crate) fn read(item: &Item, diag: &Diag) -> Option<Self> {
        const FORM: &str = "check(name = \"…\", condition = \"…\")";
        let (mut name, mut condition) = (None, None);
        if !item.is_list() {
            set(diag, &mut condition, item, Item::text);
            return Some(Self { name, condition: condition? });
        }
        let within = item.nested(diag, FORM);
        for part in &within {
            match part.name().as_str() {
                "name" => set(diag, &mut name, part, Item::text),
                "condition" => set(diag, &mut condition, part, Item::text),
                _ => part.unknown(diag, &["name", "condition"], (&[], "")),
            }
        }
        if !within.is_empty() && !within.iter().any(|part| part.name() == "condition") {
            diag.error(&item.key, "`check` has no `condition`", format_args!("write `{FORM}`"));
        }
        Some(Self { name, condition: condition? })
    }
}

/// One condition of `using(…)` or `with_check(…)`.
pub(crate) struct Rule {
    /// `using` or `with_check`.
    pub(crate) clause: Ident,
    pub(crate) command: Ident,
    pub(crate) condition: LitStr,
}

/// The commands that accept a condition on existing rows. The next constant lists the commands that
/// accept a condition on new rows.
pub(crate) const USING: &[&str] = &["select", "update", "delete"];
pub(crate) const CHECK: &[&str] = &["insert", "update"];

impl TableAttrs {
    /// Returns the key as it occurs in the source, even if its value is invalid.
    pub(crate) fn written(&self, key: &str) -> Option<&Ident> {
        self.keys.iter().find(|written| *written == key)
    }

    /// Returns whether the key occurs, even if its value is invalid.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.written(key).is_some()
    }

    pub(crate) fn rules(&mut self, diag: &Diag, item: &Item, commands: &[&str], elsewhere: (&[&str], &str)) {
        for rule in item.nested(diag, &format!("{}({} = \"…\")", item.key, commands[0])) {
            if !commands.contains(&rule.name().as_str()) {
                rule.unknown(diag, commands, elsewhere);
                continue;
            }
            let again = |other: &&Rule| other.clause == item.key && other.command == rule.key;
            let mut condition = self.rules.iter().find(again).map(|other| other.condition.clone());
            let known = condition.is_some();
            set(diag, &mut condition, &rule, Item::text);
            if let (Some(condition), false) = (condition, known) {
                self.rules.push(Rule { clause: item.key.clone(), command: rule.key, condition });
            }
        }
    }
}

impl MembershipAttr {
    pub(crate) fn read(item: &Item, diag: &Diag) -> Option<Self> {
        let form = item.form.unwrap_or("membership(…)");
        let (mut user, mut role) = (None, None);
        let within = item.nested(diag, form);
        for part in &within {
            match part.name().as_str() {
                "user" => set(diag, &mut user, part, Item::text),
                "role" => set(diag, &mut role, part, Item::text),
                _ => part.unknown(diag, &["user", "role"], (&[], "")),
            }
        }
        for key in ["user", "role"] {
            if !within.is_empty() && !within.iter().any(|part| part.name() == key) {
                diag.error(&item.key, format_args!("`membership` has no `{key}`"), format_args!("write `{form}`"));
            }
        }
        Some(Self { user: user?, role: role? })
    }
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) id: Option<Ident>,
    pub(crate) app_assigned: Option<Ident>,
    pub(crate) column: Option<LitStr>,
    pub(crate) renamed_from: Option<LitStr>,
    pub(crate) backfill: Option<LitStr>,
    pub(crate) default: Option<LitStr>,
    pub(crate) generated: Option<LitStr>,
    pub(crate) updated_at: Option<Ident>,
    pub(crate) counter: Option<Ident>,
    pub(crate) soft_delete: Option<Ident>,
    pub(crate) references: Option<Path>,
    pub(crate) on_delete: Option<(Ident, Variant)>,
    pub(crate) on_update: Option<(Ident, Variant)>,
    pub(crate) deferrable: Option<(Ident, Variant)>,
    pub(crate) unique: Option<UniqueAttr>,
    pub(crate) index: Option<Ident>,
    pub(crate) sql_type: Option<LitStr>,
    pub(crate) collate: Option<LitStr>,
    pub(crate) check: Option<LitStr>,
    pub(crate) sensitive: Option<Ident>,
    pub(crate) select: Option<Path>,
    pub(crate) insert: Option<Path>,
    pub(crate) update: Option<Path>,
    pub(crate) skip: Option<Ident>,
    /// Every key that occurs, for the rule that `skip` cannot be combined with other keys.
    pub(crate) keys: Vec<Ident>,
}

impl FieldAttrs {
    /// Returns the keys with which the database sets the value, which the app cannot set.
    pub(crate) fn all_computed(&self) -> impl Iterator<Item = &Ident> {
        let computed = ["updated_at", "generated", "counter", "soft_delete"];
        self.keys.iter().filter(move |key| computed.iter().any(|computed| *key == computed))
    }

    /// Returns the first of these keys.
    pub(crate) fn computed(&self) -> Option<&Ident> {
        self.all_computed().next()
    }
}

/// Returns whether the role of a column is `none`, which denies the command to every role.
pub(crate) fn is_no_role(role: &Path) -> bool {
    role.is_ident("None")
}

/// Joins the lines of the doc comments.
pub(crate) fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
}
