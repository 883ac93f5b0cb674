//! Analysis: turns declarations into a schema, or reports all findings at once.
//!
//! rustc and the derive have checked each struct; the checks here involve several structs, or SQL.

mod auth_functions;
mod change_log;
mod check_constraints;
mod collation;
mod column;
mod computed_column;
mod counter;
mod counter_functions;
mod cross_tenant;
mod deletion_time;
mod enums;
mod exceptions;
pub(crate) mod expression_columns;
mod extensions;
mod finding;
mod functions;
mod grants;
mod index;
mod insert_arguments;
mod invitation;
mod key;
mod membership;
mod migration_hints;
mod policies;
mod policy_condition;
mod policy_recursion;
mod predicates;
mod reference;
pub(crate) mod rewrite_identifiers;
mod row_expression;
pub(crate) mod row_reference;
mod signed_conditions;
mod signed_context;
mod soft_delete;
pub(crate) mod sql_expr;
mod sql_tokens;
mod tenancy;
mod unqualified_names;

use std::{collections::BTreeMap, sync::Arc};

use self::finding::place;
pub use self::finding::{Finding, Findings, Severity};

use crate::{
    ident::{Ident, IdentError, literal},
    model::{
        def::{ColumnDef, ReferenceDef, RuleDef, ScopeDef, TableDef, TableName, TenancyDef},
        migration_hints::MigrationHints,
        schema::{Expression, Function, QualifiedName, Schema, Scope, Table},
    },
    registry::Models,
};

/// A valid schema, with warnings.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The schema.
    pub schema: Schema,
    /// How to migrate from an earlier schema: renames and backfills.
    pub hints: MigrationHints,
    /// Findings that do not prevent generation.
    pub warnings: Findings,
}

/// Validates declarations and derives their schema.
///
/// # Errors
///
/// All errors and warnings, if there is at least one error.
pub fn check(models: &Models) -> Result<Checked, Findings> {
    let mut findings = Findings::default();
    let Some(first) = models.tables().first() else {
        findings.error("", "no model is registered", empty_help(models));
        return Err(findings);
    };
    let tenancy = tenancy::check(first.tenancy, &mut findings);
    let Some(mut tenancy) = tenancy.filter(|_| same_tenancy(models, &mut findings)) else {
        return Err(findings);
    };
    let known = known_tables(models, &mut findings);
    let mut membership = membership::membership(&known, &tenancy, &mut findings);
    if let Some(membership) = &mut membership {
        let users = membership.users.as_ref().map(|(def, _)| *def);
        membership.invitations = invitation::invitations(&known, membership.manager, users, &tenancy, &mut findings);
    }
    membership::check_references(&known, membership.as_ref(), &mut findings);
    membership.iter().for_each(|membership| membership::check_insertable(membership, &mut findings));
    invitation::without_members(&known, &mut findings);
    let log = change_log::change_log(&known, &tenancy, &mut findings);
    let mut tables = BTreeMap::new();
    for (name, def) in &known.by_qualified_name {
        if let Some(table) = table(name, def, &known, membership.as_ref(), log.as_ref(), &tenancy, &mut findings) {
            tables.insert(name.clone(), table);
        }
    }
    policy_recursion::check(&known, membership.as_ref(), &mut findings);
    let mut functions =
        functions::functions(membership.as_ref(), log.as_ref(), &known, &mut tenancy, &mut tables, &mut findings);
    let reads_settings = functions.values().any(Function::is_security_definer);
    let sequences = signed_context::sequences(&tenancy);
    let extensions = extensions::extensions(&tenancy, &tables, &mut functions, &mut findings);
    key::add_tenant_keys(&mut tables);
    key::add_indexes(&mut tables);
    key::check_names(&tables, &mut findings);
    let enums = enums::enums(&known, &tenancy, &mut findings);
    let (renames, mut hints) = migration_hints::migration_hints(&known, &mut findings);
    hints.membership = membership.as_ref().map(|membership| membership.columns(tenancy.def));
    if findings.has_errors() {
        return Err(findings);
    }
    let mut schemas: Vec<Ident> = tables.keys().chain(enums.keys()).map(|name| name.schema.clone()).collect();
    schemas.sort();
    schemas.dedup();
    let schema = Schema {
        product: models.product().to_owned(),
        external_roles: tenancy.def.external_roles,
        pgaudit: tenancy.pgaudit,
        roles: tenancy.roles,
        schemas,
        extensions,
        enums,
        context_settings: context_settings(tenancy.def, reads_settings, &known),
        functions,
        sequences,
        tables: tables.into_iter().map(|(name, table)| (name, Arc::new(table))).collect(),
        renames,
    };
    Ok(Checked { schema, hints, warnings: findings })
}

/// The settings that policies and functions read.
fn context_settings(tenancy: &TenancyDef, functions_read_settings: bool, known: &Known) -> Vec<String> {
    let mut settings = vec![tenancy.tenant_setting.to_owned(), tenancy.user_setting.to_owned()];
    if functions_read_settings {
        // The functions read the transaction's role and the record of a cross-tenant job from settings.
        settings.extend([tenancy.access_setting(), "role".to_owned()]);
    }
    if known.by_qualified_name.values().any(|def| def.soft_delete.is_some()) {
        settings.push(tenancy.deleted_rows_setting());
    }
    if tenancy.signed_context {
        settings.push(tenancy.seal_setting());
    }
    settings.iter_mut().for_each(|name| name.make_ascii_lowercase());
    settings.sort();
    settings.dedup();
    settings
}

/// Returns an attribute's condition with the ID of the given user in place of `caller()`, or with
/// NULL if no user is given.
pub(crate) fn rule_for(rule: &RuleDef, user: Option<&str>, tenancy: &TenancyDef) -> Option<Expression> {
    let ty = tenancy.user.sql_name()?;
    let user = Expression::trusted(format!("{}::{ty}", user.map_or_else(|| "NULL".to_owned(), literal)));
    Some(policy_condition::rule(rule.condition, &user, &|_| true).ok()?.expression)
}

/// All tables, by SQL name, by declared name, and by their names in SQL text.
#[derive(Default)]
struct Known {
    by_name: BTreeMap<TableName, (QualifiedName, &'static TableDef)>,
    by_qualified_name: BTreeMap<QualifiedName, &'static TableDef>,
    by_text: BTreeMap<String, &'static TableDef>,
}

impl Known {
    /// Returns the table with a declared name.
    fn table(&self, name: TableName) -> Option<&'static TableDef> {
        self.by_name.get(&name).map(|(_, def)| *def)
    }

    /// Returns the table that a reference names, with its SQL name.
    fn referenced(&self, reference: ReferenceDef) -> Option<(&QualifiedName, &'static TableDef)> {
        self.by_name.get(&reference.table).map(|(name, def)| (name, *def))
    }

    /// Returns the table that a condition reads. The schema is required: without it, `search_path` of the migrating session would
    /// decide which table is meant.
    fn in_text(&self, name: &str) -> Option<&'static TableDef> {
        self.by_text.get(name).copied()
    }
}

fn empty_help(models: &Models) -> String {
    let package =
        models.crates().first().map_or_else(|| models.product().replace('-', "_"), |krate| (*krate).to_owned());
    if models.crates().is_empty() {
        format!(
            "list the crates with the models, so that they are linked: `tenant_runtime::models![{package}]`; then add \
             `#[derive(TenantTable)]` to a struct there"
        )
    } else {
        format!(
            "`{package}` has no struct with `#[derive(TenantTable)]`: add one, declare its module in `src/lib.rs` (`pub mod \
             models;`), or list the crate that has one"
        )
    }
}

fn same_tenancy(models: &Models, findings: &mut Findings) -> bool {
    let mut same = true;
    for pair in models.tables().windows(2) {
        if pair[0].tenancy != pair[1].tenancy {
            same = false;
            findings.error(
                place(pair[1]),
                format!("`{}` and `{}` belong to different tenancies", pair[1].rust_name, pair[0].rust_name),
                "use roles of the same tenancy in all structs: a migrations directory is generated for one tenancy",
            );
        }
    }
    same
}

fn known_tables(models: &Models, findings: &mut Findings) -> Known {
    let mut known = Known::default();
    for def in models.tables().iter().copied() {
        let Some(name) = qualified_name(def, findings) else { continue };
        if let Some((_, other)) = known.by_name.insert(def.name, (name.clone(), def)) {
            findings.error(
                place(def),
                format!("two structs have the table name `{}`; the other is at {}", def.name, place(other)),
                "set another name on one of them: `#[tenant(table = \"…\")]`",
            );
        }
        known.by_qualified_name.insert(name, def);
    }
    for (name, def) in &known.by_qualified_name {
        for text in [name.to_string(), name.quoted()] {
            known.by_text.entry(text).or_insert(def);
        }
    }
    known
}

fn qualified_name(def: &TableDef, findings: &mut Findings) -> Option<QualifiedName> {
    let schema = ident(def.name.schema, "schema", &place(def), findings);
    let table = ident(def.name.table, "table", &place(def), findings);
    let schema = schema?;
    let reserved = schema.as_str().starts_with("pg_") || matches!(schema.as_str(), "public" | "information_schema");
    if reserved {
        let what = format!("the schema `{schema}` belongs to PostgreSQL or is shared with other software");
        let own = "a schema that only your product uses; the migrations create it";
        if def.name.schema != def.tenancy.schema {
            findings.error(place(def), what, format!("remove `schema = \"…\"`, or use {own}"));
        } else if !findings.as_slice().iter().any(|finding| finding.message == what) {
            // Reported once for the schema, and not for each of its tables.
            findings.error(place(def), what, format!("set another `schema` in `tenancy!`: {own}"));
        }
    }
    Some(QualifiedName { schema, table: table? })
}

fn ident(name: &str, what: &str, place: &str, findings: &mut Findings) -> Option<Ident> {
    Ident::new(name)
        .map_err(|error| {
            let kind = if matches!(error, IdentError::TooLong { .. }) { "a shorter" } else { "another" };
            findings.error(place, format!("{what} name: {error}"), format!("write {kind} `{what} = \"…\"`"));
        })
        .ok()
}

/// Derives one table from its declaration; `None` if an error prevents it.
fn table(
    name: &QualifiedName,
    def: &'static TableDef,
    known: &Known,
    membership: Option<&membership::Membership>,
    log: Option<&change_log::ChangeLog>,
    tenancy: &tenancy::Tenancy,
    findings: &mut Findings,
) -> Option<Table> {
    let tenant = column::tenant(def, known, tenancy, findings)?;
    let columns = column::columns(def, tenancy, findings)?;
    column::check_id(def, tenant, findings)?;
    let foreign_keys = reference::foreign_keys(def, tenant, known, tenancy, findings);
    let rows = predicates::rows(def, tenant, known, membership, tenancy, findings);
    let access = policies::access(def, &rows, membership, log, tenancy, findings);
    let index::Indexes { mut uniques, indexes } = index::indexes(def, tenant, findings);
    counter::add_uniques(def, tenant, &mut uniques);
    let own = membership.filter(|membership| membership.is_table(def));
    let log = log.filter(|_| def.track_changes);
    Some(Table {
        comment: def.doc.trim().to_owned(),
        scope: match def.scope {
            ScopeDef::Tenant { column } => Scope::Tenant(column_ident(column)),
            ScopeDef::Parent { column, .. } => Scope::Parent(column_ident(column)),
            ScopeDef::Shared { .. } => Scope::Shared,
            ScopeDef::Global => Scope::Global,
        },
        columns,
        primary_key: key::primary_key(def),
        uniques,
        checks: check_constraints::checks(def, findings),
        foreign_keys,
        indexes,
        policies: access.policies,
        grants: access.grants,
        triggers: own
            .and_then(|membership| membership.trigger(tenancy))
            .into_iter()
            .chain(log.and_then(|log| log.trigger(def, name, &rows, tenancy, findings)))
            .chain(computed_column::triggers(def, tenancy))
            .chain(counter_functions::triggers(def, tenancy))
            .collect(),
        partitions: key::partitions(def, tenant, findings),
    })
}

/// Returns the identifier of a column whose name [`column::columns`] has validated.
fn column_ident(name: &str) -> Ident {
    Ident::derived([name])
}

/// Returns the columns of the primary key, the tenant column first.
fn id_columns(def: &TableDef) -> Vec<&ColumnDef> {
    let mut columns: Vec<_> = def.columns.iter().filter(|column| column.id).collect();
    columns.sort_by_key(|column| !def.is_tenant_column(column));
    columns
}

/// Returns the column that identifies a row within its tenant; `None` if the key has several such columns.
fn row_id(def: &TableDef) -> Option<&'static ColumnDef> {
    match def.own_key()[..] {
        [id] => Some(id),
        _ => None,
    }
}

/// Returns whether each row of a table is a tenant: the tenant column is its whole key.
fn is_tenants_table(def: &TableDef) -> bool {
    row_id(def).is_some_and(|id| def.is_tenant_column(id))
}

/// Lists names for a message.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
