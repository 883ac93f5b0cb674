//! The labels of enum types: PostgreSQL can add and rename labels, but neither remove nor reorder them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Refusal, Stage, Step};
use crate::{
    diff::{Change, SchemaObject, resolve},
    model::schema::{EnumType, QualifiedName, Schema},
};

/// Returns the enum types of both schemas, as SQL names them.
pub(super) fn names(before: &Schema, after: &Schema) -> BTreeSet<String> {
    before.enums.keys().chain(after.enums.keys()).map(QualifiedName::quoted).collect()
}

/// Returns the steps of a change: new labels in an earlier file, and then the other changes.
pub(super) fn steps(before: &SchemaObject, after: &SchemaObject, old: &Schema, new: &Schema) -> Vec<Step> {
    let (SchemaObject::Enum { ty: was, .. }, SchemaObject::Enum { name, ty }) = (before, after) else {
        return Vec::new();
    };
    let grown = EnumType { labels: with_old_texts(name, ty, was, old, new), users: was.users.clone() };
    let item = |ty: &EnumType| SchemaObject::Enum { name: name.clone(), ty: ty.clone() };
    let change = |stage, before: &EnumType, after: &EnumType| {
        let action = Action::Alter { before: item(before), after: item(after) };
        (before != after).then_some(Step { stage, action })
    };
    change(Stage::Labels, was, &grown).into_iter().chain(change(Stage::Main, &grown, ty)).collect()
}

/// Returns the later labels, with the earlier texts of those that are renamed.
fn with_old_texts(name: &QualifiedName, ty: &EnumType, was: &EnumType, old: &Schema, new: &Schema) -> Vec<String> {
    let none = BTreeMap::new();
    let declared = new.renames.enums.get(name).unwrap_or(&none);
    let applied = old.renames.enums.get(name).unwrap_or(&none);
    let labels = was.labels.iter().cloned().collect();
    let moves = resolve(&labels, declared, applied).moves;
    let previous: BTreeMap<_, _> = moves.iter().map(|(from, to)| (to, from)).collect();
    ty.labels.iter().map(|label| (*previous.get(label).unwrap_or(&label)).clone()).collect()
}

/// Returns a refusal if PostgreSQL cannot change an enum type, or the type of a column, as declared.
pub(super) fn refuse(change: &Change, old: &Schema, new: &Schema) -> Option<Refusal> {
    match change {
        Change::Alter { before: SchemaObject::Enum { ty: was, .. }, after: SchemaObject::Enum { name, ty } } => {
            refuse_labels(name, was, ty, old, new)
        }
        Change::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: SchemaObject::Column { table, column },
        } if before.ty != column.ty => {
            let place = format!("column `{table}.{}`", column.name);
            let (was, is) = (old.enum_of(&before.ty), new.enum_of(&column.ty));
            if was.is_some() && is.is_some() {
                return Some(Refusal {
                    what: format!(
                        "cannot change {place} from the enum type `{}` to the enum type `{}`: PostgreSQL has no conversion",
                        before.ty, column.ty
                    ),
                    help: "keep the name of the type: `#[tenant(native = \"…\")]` on the enum; or remove `native`, generate that \
                           migration, and then add `native` again"
                        .to_owned(),
                });
            }
            let checked = old.tables.get(table)?.checks.iter().filter_map(|check| check.labels.as_ref());
            let labels = checked.into_iter().find(|labels| labels.column == column.name)?;
            let missing = labels.labels.iter().find(|label| is.is_some_and(|ty| !ty.labels.contains(label)))?;
            Some(Refusal {
                what: format!(
                    "cannot change {place} to the enum type `{}`: existing rows can have the label `{missing}`, which the type lacks",
                    column.ty
                ),
                help: "change the labels in one migration, and add `native` in a later one".to_owned(),
            })
        }
        _ => None,
    }
}

fn refuse_labels(name: &QualifiedName, was: &EnumType, ty: &EnumType, old: &Schema, new: &Schema) -> Option<Refusal> {
    const WAY_OUT: &str = "remove `native` from the enum, which makes the column text with a check constraint, and generate that \
        migration; then change the labels, and add `native` again afterwards";
    let grown = with_old_texts(name, ty, was, old, new);
    if let Some(lost) = was.labels.iter().find(|label| !grown.contains(label)) {
        return Some(Refusal {
            what: format!(
                "the declaration removes the label `{lost}` of the enum type `{name}`, and PostgreSQL cannot remove a label"
            ),
            help: format!(
                "if it was renamed, add `#[tenant(renamed_from = \"{lost}\")]` to its variant; or keep the variant; or {WAY_OUT}"
            ),
        });
    }
    let kept: Vec<_> = grown.iter().filter(|label| was.labels.contains(label)).collect();
    if kept.len() != was.labels.len() {
        return Some(Refusal {
            what: format!("a new label of the enum type `{name}` has the text of a label that is renamed"),
            help: "rename the label in one migration, and add the new one in a later migration".to_owned(),
        });
    }
    (!kept.into_iter().eq(&was.labels)).then(|| Refusal {
        what: format!("the labels of the enum type `{name}` have another order, and PostgreSQL cannot reorder labels"),
        help: format!("restore the order of the variants; or {WAY_OUT}"),
    })
}
