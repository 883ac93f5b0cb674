//! Checks and lowers unique constraints, indexes and exclusion constraints.

use super::{
    column_ident,
    finding::{Findings, field_place, place},
    is_tenants_table,
    key::key_name,
    list,
    row_expression::{self, Use, columns_once},
    sql_expr::Parsed,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, IndexDef, IndexKeyDef, IndexKindDef, IndexPartDef, ScopeDef, SqlType, TableDef, UniqueScope},
        schema::{Index, IndexKey, IndexKind, IndexPart, Key, Operator},
    },
};

/// The unique constraints of a table, and its indexes with the exclusion constraints.
#[derive(Default)]
pub(super) struct Indexes {
    pub(super) uniques: Vec<Key>,
    pub(super) indexes: Vec<Index>,
}

/// Lowers the unique constraints, indexes and exclusion constraints. On tenant tables each starts with the tenant column, except for
/// those that are declared for all tenants and for index methods that are not ordered; otherwise an error about a duplicate would
/// reveal values of other tenants.
pub(super) fn indexes(def: &TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Indexes {
    // Each row of the tenants table has its own tenant ID, so a key that starts with it would compare no two rows.
    let tenant = tenant.filter(|_| !is_tenants_table(def));
    let mut all = Indexes::default();
    for column in def.columns {
        let part = [IndexPartDef::column(column.name)];
        if let Some(scope) = column.unique {
            let kind = IndexKindDef::Unique { scope, nulls_not_distinct: false };
            all.add(def, tenant, &IndexDef::blank(kind, &part), &field_place(def, column), findings);
        }
        if column.index {
            all.add(def, tenant, &IndexDef::blank(IndexKindDef::Plain, &part), &field_place(def, column), findings);
        }
    }
    for index in def.indexes {
        all.add(def, tenant, index, &place(def), findings);
    }
    if let Some(invitation) = def.invitation {
        // Invitations are looked up without a tenant. The index is not unique: a duplicate error would reveal a token.
        let name = key_name(def.name.table, [invitation.token], "idx");
        all.indexes.push(Index::of_columns(name, [column_ident(invitation.token)]));
    }
    all
}

impl Indexes {
    fn add(
        &mut self,
        def: &TableDef,
        tenant: Option<&ColumnDef>,
        declared: &IndexDef<'_>,
        place: &str,
        findings: &mut Findings,
    ) {
        let Some(index) = lower(def, tenant, declared, place, findings) else { return };
        match index.plain_columns() {
            Some(columns)
                if index.kind == (IndexKind::Unique { nulls_not_distinct: false }) && index.include.is_empty() =>
            {
                let columns = columns.into_iter().cloned().collect();
                self.uniques.push(Key { name: index.name, columns });
            }
            _ => self.indexes.push(index),
        }
    }
}

fn lower(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    declared: &IndexDef<'_>,
    place: &str,
    findings: &mut Findings,
) -> Option<Index> {
    check_columns(def, declared, place, findings)?;
    let (kind, default_method, suffix) = match declared.kind {
        IndexKindDef::Plain => (IndexKind::Plain, BTREE, "idx"),
        IndexKindDef::Unique { nulls_not_distinct, .. } => (IndexKind::Unique { nulls_not_distinct }, BTREE, "key"),
        IndexKindDef::Exclusion => (IndexKind::Exclusion, "gist", "excl"),
    };
    let method = declared.method.unwrap_or(default_method);
    check_method(def, declared, method, place, findings);
    warn_unused(def, declared, method, place, findings);
    let mut parts = Vec::new();
    let mut words = Vec::new();
    for part in declared.parts {
        let (part, of_name) = lower_part(def, declared.kind, part, place, findings)?;
        words.push(of_name);
        parts.push(part);
    }
    let starts_with_tenant = match declared.kind {
        IndexKindDef::Plain => method == BTREE,
        IndexKindDef::Unique { scope, .. } => scope == UniqueScope::Tenant,
        IndexKindDef::Exclusion => true,
    };
    if let Some(tenant) = tenant.map(|tenant| column_ident(tenant.name)).filter(|_| starts_with_tenant)
        && !parts.iter().any(|part| part.as_column() == Some(&tenant))
    {
        words.insert(0, tenant.to_string());
        let operator = (declared.kind == IndexKindDef::Exclusion).then(Operator::equals);
        parts.insert(0, IndexPart { operator, ..IndexPart::column(tenant) });
    }
    check_partitions(def, declared.kind, &parts, place, findings);
    check_extension(def, method, &parts, place, findings);
    let name = match declared.name {
        Some(name) => ident(name, "name", place, findings)?,
        None => key_name(def.name.table, words.iter().map(String::as_str), suffix),
    };
    let condition = match declared.condition {
        Some(text) => Some(row_expression::parse(def, place, Use::INDEX_CONDITION, text, findings)?.expression),
        None => None,
    };
    Some(Index {
        name,
        kind,
        method: ident(method, "using", place, findings)?,
        parts,
        include: declared.include.iter().map(|name| column_ident(name)).collect(),
        condition,
    })
}

const BTREE: &str = "btree";

/// Lowers a part, and returns its words in the name of the index.
fn lower_part(
    def: &TableDef,
    kind: IndexKindDef,
    part: &IndexPartDef,
    place: &str,
    findings: &mut Findings,
) -> Option<(IndexPart, String)> {
    let (key, words) = match part.key {
        IndexKeyDef::Column(name) => (IndexKey::Column(column_ident(name)), name.to_owned()),
        IndexKeyDef::Expression(text) => {
            let Parsed { expression, tree } = row_expression::parse(def, place, Use::INDEX_EXPRESSION, text, findings)?;
            (IndexKey::Expression(expression), columns_once(&tree).join("_"))
        }
    };
    let operator = match (kind, part.operator) {
        (IndexKindDef::Exclusion, Some(text)) => match Operator::parse(text) {
            Some(operator) => Some(operator),
            None => {
                let help = "write an operator of PostgreSQL, such as `=` or `&&`";
                findings.error(place, format!("{text:?} is not an operator"), help);
                return None;
            }
        },
        _ => None,
    };
    let operator_class = match part.operator_class {
        Some(text) => {
            let names: Option<Vec<_>> = text.split('.').map(|name| ident(name, "ops", place, findings)).collect();
            Some(names?)
        }
        None => None,
    };
    let (descending, nulls_first) = (part.descending, part.nulls_first.unwrap_or(part.descending));
    Some((IndexPart { key, operator_class, descending, nulls_first, operator }, words))
}

fn ident(name: &str, what: &str, place: &str, findings: &mut Findings) -> Option<Ident> {
    Ident::new(name)
        .map_err(|error| {
            findings.error(place, format!("`{what}` of an index: {error}"), format!("set another `{what}`"))
        })
        .ok()
}

/// Checks that the table has all columns of an index; `None` if it does not.
fn check_columns(def: &TableDef, declared: &IndexDef<'_>, place: &str, findings: &mut Findings) -> Option<()> {
    let columns = declared.parts.iter().filter_map(|part| match part.key {
        IndexKeyDef::Column(name) => Some(name),
        IndexKeyDef::Expression(_) => None,
    });
    let columns = columns.chain(declared.include.iter().copied());
    let unknown: Vec<_> = columns.filter(|name| column(def, name).is_none()).collect();
    if unknown.is_empty() {
        return Some(());
    }
    findings.error(
        place,
        format!("`{}` has no column {}", def.rust_name, list(unknown)),
        format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
    );
    None
}

fn column<'a>(def: &'a TableDef, name: &str) -> Option<&'a ColumnDef> {
    def.columns.iter().find(|column| column.name == name)
}

/// Checks that the method supports the options. Only PostgreSQL knows the methods of extensions.
fn check_method(def: &TableDef, declared: &IndexDef<'_>, method: &str, place: &str, findings: &mut Findings) {
    let of = format!("an index of `{}` with the method `{method}`", def.rust_name);
    if matches!(declared.kind, IndexKindDef::Unique { .. }) && method != BTREE {
        findings.error(place, format!("{of} cannot be unique"), "remove `using`: only `btree` indexes can be unique");
    }
    let is_ordered = |part: &IndexPartDef| part.descending || part.nulls_first.is_some();
    if method != BTREE && declared.parts.iter().any(is_ordered) {
        let help = "remove `desc`, `nulls first` and `nulls last`: only `btree` indexes are ordered";
        findings.error(place, format!("{of} has no order"), help);
    }
    if !declared.include.is_empty() && !matches!(method, BTREE | "gist" | "spgist") {
        let help = "remove `include`: only the methods `btree`, `gist` and `spgist` support it";
        findings.error(place, format!("{of} cannot include other columns"), help);
    }
}

/// Warns of a method that supports the type of a column only with an extension, which is not declared.
fn check_extension(def: &TableDef, method: &str, parts: &[IndexPart], place: &str, findings: &mut Findings) {
    let extension = match method {
        "gist" => "btree_gist",
        "gin" => "btree_gin",
        _ => return,
    };
    // Ranges, full-text vectors, arrays and documents have operator classes of PostgreSQL; other types cannot be known here.
    let is_scalar = |ty| !matches!(ty, SqlType::Custom(_) | SqlType::Array(_) | SqlType::Jsonb);
    let needs = |part: &&IndexPart| {
        let column = part.as_column().and_then(|name| column(def, name.as_str()));
        part.operator_class.is_none() && column.is_some_and(|column| is_scalar(column.ty))
    };
    let column = parts.iter().find(needs).and_then(IndexPart::as_column);
    if let Some(column) = column.filter(|_| !def.tenancy.extensions.iter().any(|other| other.name == extension)) {
        findings.warning(
            place,
            format!(
                "an index of `{}` with the method `{method}` contains `{column}`: this type requires the extension `{extension}`, \
                 which is not declared",
                def.rust_name
            ),
            format!(
                "add `extensions: {{ {extension}: \"ext\" }}` to `tenancy!`, with the schema in which the extension is or should be"
            ),
        );
    }
}

/// Warns of an index that no query of an application role can use.
fn warn_unused(def: &TableDef, declared: &IndexDef<'_>, method: &str, place: &str, findings: &mut Findings) {
    if declared.kind != IndexKindDef::Plain || def.scope == ScopeDef::Global {
        return;
    }
    let is_of_tenant = |part: &&IndexPartDef| {
        let IndexKeyDef::Column(name) = part.key else { return false };
        def.tenant_column() == Some(name)
    };
    let Some(part) = declared.parts.iter().find(|part| !is_of_tenant(part)) else { return };
    let is_unused = match part.key {
        IndexKeyDef::Column(name) => {
            !matches!(method, BTREE | "hash") || column(def, name).is_some_and(|column| !is_leakproof(column.ty))
        }
        IndexKeyDef::Expression(_) => true,
    };
    // An index with a declared order serves the queries with that order.
    if !is_unused || part.descending || part.nulls_first.is_some() {
        return;
    }
    let (what, because) = match part.key {
        IndexKeyDef::Column(name) => (format!("the index on `{name}`"), "the operators of this type are"),
        IndexKeyDef::Expression(text) => (format!("the index on `{text}`"), "its functions and operators are"),
    };
    findings.warning(
        place,
        format!("row-level security prevents the use of {what}"),
        format!(
            "{because} not marked LEAKPROOF, so PostgreSQL checks the policy on every row first; the index serves only roles without \
             policies. Add a column of a plain type (text, numbers, uuid, dates) that is computed from this one, and index that column"
        ),
    );
}

/// Checks that an index that compares rows contains the tenant column of a partitioned table.
fn check_partitions(def: &TableDef, kind: IndexKindDef, parts: &[IndexPart], place: &str, findings: &mut Findings) {
    let ScopeDef::Tenant { column } = def.scope else { return };
    if def.partitions.is_none() || kind == IndexKindDef::Plain {
        return;
    }
    if !parts.iter().any(|part| part.as_column().is_some_and(|name| name.as_str() == column)) {
        findings.error(
            place,
            format!("a unique key of the partitioned table `{}` must include the tenant column", def.rust_name),
            "remove `global` or `partition_by_hash`: PostgreSQL compares rows only within a partition",
        );
    }
}

/// Returns whether a type's `=` operator is LEAKPROOF, so that PostgreSQL can use an index on the column before it
/// checks the policies.
fn is_leakproof(ty: SqlType) -> bool {
    !matches!(ty, SqlType::Numeric | SqlType::Jsonb | SqlType::Enum(_) | SqlType::Array(_) | SqlType::Custom(_))
}
