//! Questions about the changes and steps of a plan, which an index by object answers without reading all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Plan, Step};
use crate::{
    diff::{Change, Identity, Membership, SchemaObject},
    ident::Ident,
};

/// The changes of a plan, and its objects under temporary names, by the identity of the object.
#[derive(Debug, Clone, Default)]
pub(super) struct ChangeIndex {
    /// The positions of the changes that concern an object. A renamed object has two identities.
    changes: BTreeMap<Identity, Vec<usize>>,
    /// The positions of the displaced objects by their temporary names.
    displaced: BTreeMap<Identity, usize>,
    /// The objects that one step drops and another one adds.
    recreated: BTreeSet<Identity>,
}

impl ChangeIndex {
    pub(super) fn of(changes: &[Change], displaced: &[(SchemaObject, SchemaObject)], steps: &[Step]) -> Self {
        let mut index = Self::default();
        for (at, change) in changes.iter().enumerate() {
            let identities: BTreeSet<_> = match change {
                Change::Add(item) | Change::Drop(item) => [item.identity()].into(),
                Change::Alter { before, after } | Change::Rename { before, after } => {
                    [before.identity(), after.identity()].into()
                }
            };
            for identity in identities {
                index.changes.entry(identity).or_default().push(at);
            }
        }
        for (at, (temporary, _)) in displaced.iter().enumerate() {
            index.displaced.entry(temporary.identity()).or_insert(at);
        }
        let dropped: BTreeSet<_> = steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Drop(item) => Some(item.identity()),
                _ => None,
            })
            .collect();
        let added = steps.iter().filter_map(|step| match &step.action {
            Action::Add(item) | Action::AddUnchecked(item) => Some(item.identity()),
            _ => None,
        });
        index.recreated = added.filter(|identity| dropped.contains(identity)).collect();
        index
    }
}

impl Plan {
    /// Returns the changes that concern an object, before or after the change.
    pub(super) fn changes_of(&self, identity: &Identity) -> impl Iterator<Item = &Change> {
        self.index.changes.get(identity).into_iter().flatten().map(|at| &self.changes[*at])
    }

    /// Returns whether adding an object is one of the changes. A step can also re-create an object for another change.
    pub(super) fn adds(&self, item: &SchemaObject) -> bool {
        self.changes_of(&item.identity()).any(|change| matches!(change, Change::Add(other) if other == item))
    }

    /// Returns whether dropping an object is one of the changes.
    pub(super) fn drops(&self, item: &SchemaObject) -> bool {
        self.changes_of(&item.identity()).any(|change| matches!(change, Change::Drop(other) if other == item))
    }

    /// Returns whether one of the changes alters an object so that the result is this object.
    pub(super) fn changes_to(&self, item: &SchemaObject) -> bool {
        self.changes_of(&item.identity()).any(|change| matches!(change, Change::Alter { after, .. } if after == item))
    }

    /// Returns whether the models rename an object. A rename can take several steps, some of them from temporary names.
    pub(super) fn renames(&self, item: &SchemaObject) -> bool {
        self.changes_of(&item.identity()).any(|change| matches!(change, Change::Rename { .. }))
    }

    /// Returns whether a grant or a membership is added or dropped because its columns or its role are added or dropped.
    pub(super) fn is_consequence(&self, item: &SchemaObject) -> bool {
        let is_added_or_dropped =
            |identity| self.changes_of(&identity).any(|change| matches!(change, Change::Add(_) | Change::Drop(_)));
        match item {
            SchemaObject::Grant { table, grant } => {
                let column = |name: &Ident| is_added_or_dropped(Identity::of_column(table, name));
                !grant.columns.is_empty() && grant.columns.iter().all(column)
            }
            SchemaObject::Membership(Membership { role, member, .. }) => {
                [role, member].into_iter().any(|role| is_added_or_dropped(Identity::of_role(role)))
            }
            _ => false,
        }
    }

    /// Returns whether an object is dropped and re-created so that an object on which it depends can change.
    pub(crate) fn makes_again(&self, item: &SchemaObject) -> bool {
        self.index.recreated.contains(&item.identity())
    }

    /// Returns whether the definition changes of an object that PostgreSQL cannot alter: a
    /// constraint or a trigger, which is dropped and added again.
    pub(crate) fn redefines(&self, item: &SchemaObject) -> bool {
        let kind = matches!(
            item,
            SchemaObject::Key { .. }
                | SchemaObject::Index { .. }
                | SchemaObject::Check { .. }
                | SchemaObject::ForeignKey { .. }
                | SchemaObject::Trigger { .. }
        );
        let identity = item.identity();
        kind && self.changes_of(&identity).any(|change| matches!(change, Change::Drop(_)))
            && self.changes_of(&identity).any(|change| matches!(change, Change::Add(_)))
    }

    /// Returns an object under its own name, if a migration drops it under a temporary name.
    pub(crate) fn under_own_name<'p>(&'p self, item: &'p SchemaObject) -> &'p SchemaObject {
        self.index.displaced.get(&item.identity()).map_or(item, |at| &self.displaced[*at].1)
    }

    /// Returns whether a grant is on columns that the migration drops under temporary names.
    pub(super) fn is_of_displaced(&self, item: &SchemaObject) -> bool {
        let SchemaObject::Grant { table, grant } = item else { return false };
        let is_displaced = |name: &Ident| self.index.displaced.contains_key(&Identity::of_column(table, name));
        !grant.columns.is_empty() && grant.columns.iter().all(is_displaced)
    }
}
