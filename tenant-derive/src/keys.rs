//! The keys of `#[tenant(…)]` on tables: one list for the parser, its error messages and the documentation.

use syn::Attribute;

use crate::{
    attr::{CHECK, CheckAttr, FieldAttrs, InvitationAttr, MembershipAttr, TableAttrs, USING},
    diag::Diag,
    foreign_keys::ForeignKeyAttr,
    indexes::{IndexAttr, UniqueAttr},
    item::{Item, items, set},
};

/// A key of `#[tenant(…)]` that sets a field of the attributes `A`.
pub(crate) struct Key<A: 'static> {
    /// The name.
    pub(crate) name: &'static str,
    /// The syntax, with an example value.
    pub(crate) form: &'static str,
    /// The description in the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "the documentation is written from it by a test"))]
    pub(crate) doc: &'static str,
    /// Reads the value.
    pub(crate) read: fn(&mut A, &Diag, &Item),
}

/// Reads the attributes of a struct.
pub(crate) fn table(diag: &Diag, attrs: &[Attribute]) -> TableAttrs {
    let mut this = TableAttrs::default();
    for mut item in items(diag, attrs) {
        read(&mut this, diag, &mut item, TABLE, (&names(FIELD), "on a field"));
        this.keys.push(item.key);
    }
    this
}

/// Reads the attributes of a field.
pub(crate) fn field(diag: &Diag, attrs: &[Attribute]) -> FieldAttrs {
    let mut this = FieldAttrs::default();
    for mut item in items(diag, attrs) {
        read(&mut this, diag, &mut item, FIELD, (&names(TABLE), "on the struct"));
        this.keys.push(item.key);
    }
    this
}

/// Reads an item whose key is in the list; any other key is an error.
fn read<A>(this: &mut A, diag: &Diag, item: &mut Item, keys: &[Key<A>], elsewhere: (&[&str], &str)) {
    let name = item.name();
    match keys.iter().find(|key| key.name == name) {
        Some(key) => {
            item.form = Some(key.form);
            (key.read)(this, diag, item);
        }
        None => item.unknown(diag, &names(keys), elsewhere),
    }
}

/// Returns the names of the keys in a list.
fn names<A>(keys: &[Key<A>]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// Defines a key that sets one field of the attributes; a duplicate key is an error.
macro_rules! key {
    ($name:literal, $form:literal, $field:ident: $read:expr, $doc:literal) => {
        Key { name: $name, form: $form, doc: $doc, read: |this, diag, item| set(diag, &mut this.$field, item, $read) }
    };
}

/// The keys on the struct.
pub(crate) const TABLE: &[Key<TableAttrs>] = &[
    key!(
        "org",
        "org = \"organization_id\"",
        org: Item::text,
        "The field that holds the tenant ID: each row belongs to one tenant. Exactly one of `org`, `parent` and `global` is required."
    ),
    key!(
        "parent",
        "parent = \"project_id\"",
        parent: Item::text,
        "The field that references the parent row, whose tenant the row belongs to. Requires `references` on that field."
    ),
    key!(
        "global",
        "global",
        global: Item::flag,
        "The rows belong to no tenant. Application roles can read them and cannot write them."
    ),
    key!(
        "visible_through",
        "visible_through = OrgMember",
        visible_through: Item::path,
        "A tenant sees the rows of its members, as listed in this membership table. Requires `global`."
    ),
    key!(
        "select",
        "select = \"viewer\"",
        select: Item::role,
        "Minimum role required for SELECT: `\"viewer\"` stands for the type `Viewer` in scope. Required on tenant tables. A command without a role is denied to every role."
    ),
    key!(
        "insert",
        "insert = \"member\"",
        insert: Item::role,
        "Minimum role required for INSERT. The role must include the `select` role; so must those of `update` and `delete`."
    ),
    key!(
        "update",
        "update = \"member\"",
        update: Item::role,
        "Minimum role required for UPDATE of any row of the tenant."
    ),
    key!(
        "delete",
        "delete = \"admin\"",
        delete: Item::role,
        "Minimum role required for DELETE of any row of the tenant."
    ),
    key!(
        "restore",
        "restore = \"admin\"",
        restore: Item::role,
        "Minimum role required for reading and restoring deleted rows. Requires a `soft_delete` field."
    ),
    key!(
        "purge",
        "purge = \"admin\"",
        purge: Item::role,
        "Minimum role required for removing deleted rows. The role must include the `restore` role."
    ),
    key!(
        "owner",
        "owner = \"created_by\"",
        owner: Item::text,
        "The field that holds the ID of the user who owns the row. The context sets it on INSERT, and it is never updated."
    ),
    key!(
        "visibility",
        "visibility = \"visibility\"",
        visibility: Item::text,
        "The field that decides who sees the row: with the label `team` every member of the tenant, otherwise the owner only. Requires `owner`."
    ),
    key!(
        "update_own",
        "update_own = \"member\"",
        update_own: Item::role,
        "Minimum role required for UPDATE of rows that the user owns. A role in `update` must include it. Requires `owner`."
    ),
    key!(
        "delete_own",
        "delete_own = \"member\"",
        delete_own: Item::role,
        "Minimum role required for DELETE of rows that the user owns. A role in `delete` must include it. Requires `owner`."
    ),
    Key {
        name: "using",
        form: "using(select = \"…\")",
        doc: "SQL conditions on existing rows for `select`, `update` and `delete`, combined with the tenant condition by AND. `caller()` is the ID of the user in the context.",
        read: |this, diag, item| this.rules(diag, item, USING, (CHECK, "in `with_check(…)`")),
    },
    Key {
        name: "with_check",
        form: "with_check(insert = \"…\")",
        doc: "SQL conditions on new rows for `insert` and `update`, combined with the tenant condition by AND.",
        read: |this, diag, item| this.rules(diag, item, CHECK, (USING, "in `using(…)`")),
    },
    key!(
        "membership",
        "membership(user = \"user_id\", role = \"role\")",
        membership: MembershipAttr::read,
        "Makes the table the membership table, with these fields. The restrictive policies of tables with a tenant column check it. `insert`, `update` and `delete` name the one role that manages members, through functions."
    ),
    key!(
        "invitation",
        "invitation(email = \"email\", role = \"role\", token = \"token_hash\", expires = \"expires_at\", by = \"invited_by\")",
        invitation: InvitationAttr::read,
        "Makes the table the invitation table, with these fields. The token field requires `select = \"none\"`. `insert` names the role that manages members; functions create and accept invitations."
    ),
    key!(
        "creator_role",
        "creator_role = \"admin\"",
        creator_role: Item::role,
        "On the table of tenants: a signed-in user can create a tenant and gets this role in it. Cannot be combined with `insert`."
    ),
    key!(
        "sign_up",
        "sign_up",
        sign_up: Item::flag,
        "On the table of users: a user without an account can register. Requires `global`. Cannot be combined with `insert`."
    ),
    key!(
        "change_log",
        "change_log",
        change_log: Item::flag,
        "Makes the table the change log, which only its trigger writes. `select` names the roles that read it."
    ),
    key!(
        "track_changes",
        "track_changes",
        track_changes: Item::flag,
        "Records each change of a row in the change log."
    ),
    key!(
        "system",
        "system(select, delete)",
        system: |item, diag| item.list(diag),
        "The commands that cross-tenant jobs can run. Default: none."
    ),
    key!(
        "table",
        "table = \"projects\"",
        table: Item::text,
        "The table name. Default: the struct's name in `snake_case` and in the plural (*y* after a consonant becomes *ies*; *s*, *x*, *z*, *ch* and *sh* get *es*; others get *s*)."
    ),
    key!(
        "schema",
        "schema = \"app\"",
        schema: Item::text,
        "The schema. Default: the tenancy's schema."
    ),
    key!(
        "renamed_from",
        "renamed_from = \"works\"",
        renamed_from: Item::text,
        "The previous table name, with its schema if that was different: the next migration renames the table. Can be left in place after the migration; `gen-migrations` lists those that can be removed."
    ),
    Key {
        name: "unique",
        form: "unique(organization_id, name)",
        doc: "A unique constraint on several fields; `where = \"…\"` limits it to some rows, `global` extends it to all tenants. Can be repeated.",
        read: |this, diag, item| this.indexes.extend(IndexAttr::read(item, diag)),
    },
    Key {
        name: "index",
        form: "index(organization_id, created_at desc)",
        doc: "An index on fields or expressions, with options such as `where`, `using` and `include`. Can be repeated.",
        read: |this, diag, item| this.indexes.extend(IndexAttr::read(item, diag)),
    },
    Key {
        name: "exclude",
        form: "exclude(room with \"=\", during with \"&&\")",
        doc: "An exclusion constraint: no two rows of a tenant for which all operators return true. Can be repeated.",
        read: |this, diag, item| this.indexes.extend(IndexAttr::read(item, diag)),
    },
    Key {
        name: "foreign_key",
        form: "foreign_key(campaign_id, ad_id, references = Ad)",
        doc: "A foreign key of several fields, which hold the key of a row of this table, in the order of its key fields and without the tenant column. Options: `on_delete`, `on_update` and `deferrable`, as on a field. Can be repeated.",
        read: |this, diag, item| this.foreign_keys.extend(ForeignKeyAttr::read(item, diag)),
    },
    Key {
        name: "check",
        form: "check = \"starts_at < ends_at\"",
        doc: "A check constraint on several columns, as an SQL expression. `check(name = \"…\", condition = \"…\")` sets its name; the default contains the names of the table and the columns. Can be repeated.",
        read: |this, diag, item| this.checks.extend(CheckAttr::read(item, diag)),
    },
    key!(
        "partition_by_hash",
        "partition_by_hash = 16",
        partitions: Item::number,
        "Partitions the table by a hash of the tenant column into this number of partitions, 2 to 1024. Requires `org`."
    ),
    key!(
        "tenancy",
        "tenancy = Organizations",
        tenancy: Item::path,
        "The tenancy. Default: that of the `select` role, or the built-in one."
    ),
    key!(
        "crate",
        "crate = ::tenant_runtime",
        krate: Item::path,
        "The path of `tenant_runtime`. Default: `::tenant_runtime`."
    ),
];

/// The keys on a field.
pub(crate) const FIELD: &[Key<FieldAttrs>] = &[
    key!(
        "id",
        "id",
        id: Item::flag,
        "The primary key. Default: the field named `id`. Several fields can be marked; on a tenant table with more than one other field, the tenant column must be marked as well."
    ),
    key!(
        "app_assigned",
        "app_assigned",
        app_assigned: Item::flag,
        "The application supplies the ID. Default: the database generates it (`gen_random_uuid()` or identity), unless the key references a row or has several columns."
    ),
    key!(
        "column",
        "column = \"name\"",
        column: Item::text,
        "The column name. Default: the field's name."
    ),
    key!(
        "renamed_from",
        "renamed_from = \"title\"",
        renamed_from: Item::text,
        "The previous column name: the next migration renames the column. Can be left in place after the migration; `gen-migrations` lists those that can be removed."
    ),
    key!(
        "default",
        "default = \"now()\"",
        default: Item::text,
        "The default as an SQL expression. The field is an `Option` in `New…`, and `None` uses the default."
    ),
    key!(
        "generated",
        "generated = \"lower(name)\"",
        generated: Item::text,
        "SQL expression on the row's other columns from which the database computes the value (`GENERATED ALWAYS AS (…) STORED`). The field is in neither `New…` nor `…Changes`."
    ),
    key!(
        "soft_delete",
        "soft_delete",
        soft_delete: Item::flag,
        "The time of the deletion: `delete` sets it and keeps the row, which no other statement sees. Requires an `Option` of a time, and `delete` or `delete_own` on the struct."
    ),
    key!(
        "updated_at",
        "updated_at",
        updated_at: Item::flag,
        "The database sets the field to the time of the transaction on INSERT and on every UPDATE. The field is in neither `New…` nor `…Changes`."
    ),
    key!(
        "counter",
        "counter",
        counter: Item::flag,
        "The database numbers the rows of each tenant on INSERT: 1, 2, 3 and so on, without gaps. Requires an `i32` or `i64`. The field is in neither `New…` nor `…Changes`, and the table has no upserts."
    ),
    key!(
        "backfill",
        "backfill = \"lower(name)\"",
        backfill: Item::text,
        "SQL expression that fills existing rows when the column is added or becomes NOT NULL. Can be left in place after the migration; `gen-migrations` lists those that can be removed."
    ),
    key!(
        "references",
        "references = Project",
        references: Item::path,
        "The field holds the ID of a row of this table: adds a foreign key that cannot leave the tenant. For a table whose key has several fields, use `foreign_key(…)` on the struct."
    ),
    key!(
        "on_delete",
        "on_delete = \"cascade\"",
        on_delete: Item::on_delete,
        "The action when the referenced row is deleted: `no_action`, `cascade` or `set_null`. Default: `no_action`. Requires `references`."
    ),
    key!(
        "on_update",
        "on_update = \"cascade\"",
        on_update: Item::on_update,
        "The action when the referenced key changes, which only administrators and migrations can do: `no_action` or `cascade`. Default: `no_action`. Requires `references`."
    ),
    key!(
        "deferrable",
        "deferrable",
        deferrable: Item::deferrable,
        "A transaction can postpone the check of the foreign key to its end (`SET CONSTRAINTS`); with `deferrable = \"initially_deferred\"` it is postponed by default. Requires `references`."
    ),
    key!(
        "unique",
        "unique",
        unique: UniqueAttr::read,
        "A unique constraint, within the tenant on a tenant table; `unique = \"global\"` extends it to all tenants."
    ),
    key!(
        "index",
        "index",
        index: Item::flag,
        "An index, which starts with the tenant column on a tenant table."
    ),
    key!(
        "sql_type",
        "sql_type = \"public.citext\"",
        sql_type: Item::text,
        "The column type. Default: the type that the field's type maps to."
    ),
    key!(
        "collate",
        "collate = \"C\"",
        collate: Item::text,
        "The collation of a text column, with its schema if it is not in `pg_catalog`: `collate = \"app.by_name\"`. Default: the collation of the type, usually that of the database."
    ),
    key!(
        "check",
        "check = \"length(name) > 0\"",
        check: Item::text,
        "A check constraint as an SQL expression."
    ),
    key!(
        "sensitive",
        "sensitive",
        sensitive: Item::flag,
        "PostgreSQL collects no statistics of the values, so the estimates of `EXPLAIN` do not reveal other tenants' values. Cannot be combined with `org`."
    ),
    key!(
        "select",
        "select = \"admin\"",
        select: Item::role,
        "Minimum role required to read the column, above the table's; `\"none\"` denies it to every role. Roles without it read the other columns through a `TenantView`; with `\"none\"` the field is read as `Default::default()`."
    ),
    key!(
        "insert",
        "insert = \"admin\"",
        insert: Item::role,
        "Minimum role required to set the column on INSERT, or `\"none\"`. The column is not in `New…`: `.set(Project::NAME, …)` writes it."
    ),
    key!(
        "update",
        "update = \"admin\"",
        update: Item::role,
        "Minimum role required to update the column, or `\"none\"`. The column is not in `…Changes`: `.set(Project::NAME, …)` writes it."
    ),
    key!(
        "skip",
        "skip",
        skip: Item::flag,
        "The field has no column and is read as `Default::default()`. Cannot be combined with other attributes."
    ),
];

/// Writes the rows of a documentation table.
#[cfg(test)]
pub(crate) fn documentation<A>(keys: &[Key<A>]) -> String {
    let rows = keys.iter().map(|key| format!("| `{}` | {} |\n", key.form, key.doc));
    format!("| attribute | description |\n|---|---|\n{}", rows.collect::<String>())
}
