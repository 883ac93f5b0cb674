//! What `#[tenant(…)]` says on a struct and on a field: the keys, and what each of them takes.

use proc_macro2::Ident;
use syn::{Attribute, Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path};

use crate::{
    diag::Diag,
    item::{FieldList, Item, OnDelete, items, set},
};

/// What `#[tenant(…)]` says on a struct.
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
    pub(crate) owner: Option<LitStr>,
    pub(crate) visibility: Option<LitStr>,
    pub(crate) membership: Option<MembershipAttr>,
    pub(crate) invitation: Option<InvitationAttr>,
    pub(crate) creator_role: Option<Path>,
    pub(crate) sign_up: Option<Ident>,
    pub(crate) change_log: Option<Ident>,
    pub(crate) track_changes: Option<Ident>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) system: Option<FieldList>,
    pub(crate) partitions: Option<LitInt>,
    pub(crate) uniques: Vec<FieldList>,
    pub(crate) indexes: Vec<FieldList>,
    /// Every key that was written, readable or not: a rule about one that is absent looks here.
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

/// What an invitation names.
pub(crate) const INVITATION: [&str; 5] = ["email", "role", "token", "expires", "by"];

impl InvitationAttr {
    fn read(item: &Item, diag: &Diag) -> Option<Self> {
        let form = "invitation(email = \"email\", role = \"role\", token = \"token_hash\", expires = \"expires_at\", \
                    by = \"invited_by\")";
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
                diag.error(
                    &item.key,
                    format_args!("`invitation` does not name the field of `{key}`"),
                    format_args!("write `{form}`"),
                );
            }
        }
        let fields: Vec<_> = INVITATION.into_iter().zip(found).filter_map(|(key, name)| Some((key, name?))).collect();
        (fields.len() == INVITATION.len()).then_some(Self { fields })
    }

    /// Returns the name of the field that a key names.
    pub(crate) fn field(&self, key: &str) -> Option<&LitStr> {
        self.fields.iter().find(|(name, _)| *name == key).map(|(_, field)| field)
    }
}

/// One condition of `using(…)` or `with_check(…)`.
pub(crate) struct Rule {
    /// `using` or `with_check`.
    pub(crate) clause: Ident,
    pub(crate) command: Ident,
    pub(crate) condition: LitStr,
}

const TABLE_KEYS: &[&str] = &[
    "org",
    "parent",
    "global",
    "visible_through",
    "select",
    "insert",
    "update",
    "delete",
    "owner",
    "visibility",
    "update_own",
    "delete_own",
    "using",
    "with_check",
    "membership",
    "invitation",
    "creator_role",
    "sign_up",
    "change_log",
    "track_changes",
    "system",
    "table",
    "schema",
    "renamed_from",
    "unique",
    "index",
    "partition_by_hash",
    "tenancy",
    "crate",
];

/// Of which rows a condition can be asked: those that are there, and those to be.
const USING: &[&str] = &["select", "update", "delete"];
const CHECK: &[&str] = &["insert", "update"];

impl TableAttrs {
    /// Returns the key where it was written, even if what it says could not be read.
    pub(crate) fn written(&self, key: &str) -> Option<&Ident> {
        self.keys.iter().find(|written| *written == key)
    }

    /// Whether the key was written, even if what it says could not be read.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        self.written(key).is_some()
    }

    pub(crate) fn read(diag: &Diag, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        for item in items(diag, attrs) {
            match item.name().as_str() {
                "crate" => set(diag, &mut this.krate, &item, Item::path),
                "tenancy" => set(diag, &mut this.tenancy, &item, Item::path),
                "table" => set(diag, &mut this.table, &item, Item::text),
                "schema" => set(diag, &mut this.schema, &item, Item::text),
                "renamed_from" => set(diag, &mut this.renamed_from, &item, Item::text),
                "org" => set(diag, &mut this.org, &item, Item::text),
                "parent" => set(diag, &mut this.parent, &item, Item::text),
                "global" => set(diag, &mut this.global, &item, Item::flag),
                "visible_through" => set(diag, &mut this.visible_through, &item, Item::path),
                "select" => set(diag, &mut this.select, &item, Item::role),
                "insert" => set(diag, &mut this.insert, &item, Item::role),
                "update" => set(diag, &mut this.update, &item, Item::role),
                "delete" => set(diag, &mut this.delete, &item, Item::role),
                "update_own" => set(diag, &mut this.update_own, &item, Item::role),
                "delete_own" => set(diag, &mut this.delete_own, &item, Item::role),
                "owner" => set(diag, &mut this.owner, &item, Item::text),
                "visibility" => set(diag, &mut this.visibility, &item, Item::text),
                "membership" => set(diag, &mut this.membership, &item, MembershipAttr::read),
                "invitation" => set(diag, &mut this.invitation, &item, InvitationAttr::read),
                "creator_role" => set(diag, &mut this.creator_role, &item, Item::role),
                "sign_up" => set(diag, &mut this.sign_up, &item, Item::flag),
                "change_log" => set(diag, &mut this.change_log, &item, Item::flag),
                "track_changes" => set(diag, &mut this.track_changes, &item, Item::flag),
                "system" => set(diag, &mut this.system, &item, |item, diag| item.list(diag)),
                "using" => this.rules(diag, &item, USING, (CHECK, "in `with_check(…)`")),
                "with_check" => this.rules(diag, &item, CHECK, (USING, "in `using(…)`")),
                "partition_by_hash" => set(diag, &mut this.partitions, &item, Item::number),
                "unique" => this.uniques.extend(item.list(diag)),
                "index" => this.indexes.extend(item.list(diag)),
                _ => item.unknown(diag, TABLE_KEYS, (FIELD_KEYS, "on a field")),
            }
            this.keys.push(item.key);
        }
        this
    }

    fn rules(&mut self, diag: &Diag, item: &Item, commands: &[&str], elsewhere: (&[&str], &str)) {
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
    fn read(item: &Item, diag: &Diag) -> Option<Self> {
        let form = "membership(user = \"user_id\", role = \"role\")";
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
                diag.error(
                    &item.key,
                    format_args!("`membership` does not name the field of the {key}"),
                    format_args!("write `{form}`"),
                );
            }
        }
        Some(Self { user: user?, role: role? })
    }
}

/// What `#[tenant(…)]` says on a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) id: Option<Ident>,
    pub(crate) app_assigned: Option<Ident>,
    pub(crate) column: Option<LitStr>,
    pub(crate) renamed_from: Option<LitStr>,
    pub(crate) backfill: Option<LitStr>,
    pub(crate) default: Option<LitStr>,
    pub(crate) references: Option<Path>,
    pub(crate) on_delete: Option<(Ident, OnDelete)>,
    pub(crate) unique: Option<Ident>,
    pub(crate) index: Option<Ident>,
    pub(crate) sql_type: Option<LitStr>,
    pub(crate) check: Option<LitStr>,
    pub(crate) select: Option<Path>,
    pub(crate) insert: Option<Path>,
    pub(crate) update: Option<Path>,
    pub(crate) skip: Option<Ident>,
    /// Every key that was written, for the rule that `skip` stands alone.
    pub(crate) keys: Vec<Ident>,
}

const FIELD_KEYS: &[&str] = &[
    "id",
    "app_assigned",
    "column",
    "renamed_from",
    "default",
    "backfill",
    "references",
    "on_delete",
    "unique",
    "index",
    "sql_type",
    "check",
    "select",
    "insert",
    "update",
    "skip",
];

impl FieldAttrs {
    pub(crate) fn read(diag: &Diag, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        for item in items(diag, attrs) {
            match item.name().as_str() {
                "id" => set(diag, &mut this.id, &item, Item::flag),
                "app_assigned" => set(diag, &mut this.app_assigned, &item, Item::flag),
                "column" => set(diag, &mut this.column, &item, Item::text),
                "renamed_from" => set(diag, &mut this.renamed_from, &item, Item::text),
                "backfill" => set(diag, &mut this.backfill, &item, Item::text),
                "default" => set(diag, &mut this.default, &item, Item::text),
                "references" => set(diag, &mut this.references, &item, Item::path),
                "on_delete" => set(diag, &mut this.on_delete, &item, Item::on_delete),
                "unique" => set(diag, &mut this.unique, &item, Item::flag),
                "index" => set(diag, &mut this.index, &item, Item::flag),
                "sql_type" => set(diag, &mut this.sql_type, &item, Item::text),
                "check" => set(diag, &mut this.check, &item, Item::text),
                "select" => set(diag, &mut this.select, &item, Item::role),
                "insert" => set(diag, &mut this.insert, &item, Item::role),
                "update" => set(diag, &mut this.update, &item, Item::role),
                "skip" => set(diag, &mut this.skip, &item, Item::flag),
                _ => item.unknown(diag, FIELD_KEYS, (TABLE_KEYS, "on the struct")),
            }
            this.keys.push(item.key);
        }
        this
    }
}

/// Says whether what stands in place of a column's role means that nobody may.
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
