//! Decides which of the declared renames apply, and orders renames so that each new name is free when it is given.

use std::collections::{BTreeMap, BTreeSet};

/// The renames of the objects of one kind: the tables of a schema, or the columns of a table.
pub(crate) struct Resolved<N> {
    /// The renames: old name and new name.
    pub(crate) moves: BTreeMap<N, N>,
    /// Pairs of new names that are both declared to have been the same old name, with that name.
    pub(crate) conflicts: Vec<(N, N, N)>,
}

/// Finds the renames that apply.
///
/// A declared rename applies if the old name exists and the rename has not been applied by an earlier migration. One that has been
/// applied applies again only if the object that received the name then is now renamed itself: the attribute now describes another
/// object.
pub(crate) fn resolve<N: Ord + Clone>(
    before: &BTreeSet<N>,
    declared: &BTreeMap<N, N>,
    applied: &BTreeMap<N, N>,
) -> Resolved<N> {
    let mut resolved = Resolved { moves: BTreeMap::new(), conflicts: Vec::new() };
    loop {
        let is_pending = |to: &N, from: &N, moves: &BTreeMap<N, N>| {
            let is_given = moves.values().any(|new| new == to);
            let is_applied = applied.get(to) == Some(from) && !moves.contains_key(to);
            to != from && before.contains(from) && !is_given && !is_applied
        };
        let mut next = None;
        for (to, from) in declared {
            if !is_pending(to, from, &resolved.moves) {
                continue;
            }
            match resolved.moves.get(from) {
                None => next = next.or(Some((from.clone(), to.clone()))),
                Some(other) => {
                    let conflict = (other.clone(), to.clone(), from.clone());
                    if !resolved.conflicts.contains(&conflict) {
                        resolved.conflicts.push(conflict);
                    }
                }
            }
        }
        let Some((from, to)) = next else { return resolved };
        resolved.moves.insert(from, to);
    }
}

/// Renames in the order in which they can run one by one.
pub(crate) struct Ordered<N> {
    /// The single renames: name before and after. A temporary name breaks a cycle.
    pub(crate) steps: Vec<(N, N)>,
    /// The objects that keep no name, because another object receives theirs: temporary name and old name.
    pub(crate) displaced: BTreeMap<N, N>,
}

/// Orders renames. `taken` contains every name that exists before the renames, `reserved` every name that exists after them.
/// `temporary` returns a candidate for a temporary name, from an object's own name and a number from 1 on.
pub(crate) fn in_order<N: Ord + Clone>(
    moves: &BTreeMap<N, N>,
    taken: &BTreeSet<N>,
    reserved: &BTreeSet<N>,
    temporary: impl Fn(&N, u32) -> N,
) -> Ordered<N> {
    let mut ordered = Ordered { steps: Vec::new(), displaced: BTreeMap::new() };
    let mut used: BTreeSet<N> = taken.union(reserved).cloned().collect();
    let mut unused = |name: &N| {
        let mut number = 1;
        while !used.insert(temporary(name, number)) {
            number += 1;
        }
        temporary(name, number)
    };
    let mut taken = taken.clone();
    let mut pending = moves.clone();
    for to in moves.values() {
        if taken.contains(to) && !moves.contains_key(to) {
            let name = unused(to);
            taken.remove(to);
            ordered.steps.push((to.clone(), name.clone()));
            ordered.displaced.insert(name, to.clone());
        }
    }
    while let Some((from, to)) = pending.iter().find(|(_, to)| !taken.contains(*to)).or(pending.iter().next()) {
        let (from, to) = (from.clone(), to.clone());
        pending.remove(&from);
        taken.remove(&from);
        if taken.contains(&to) {
            // Every new name is taken by an object that is renamed itself.
            let name = unused(&from);
            ordered.steps.push((from, name.clone()));
            pending.insert(name, to);
        } else {
            taken.insert(to.clone());
            ordered.steps.push((from, to));
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> BTreeSet<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Reads `new<-old` pairs.
    fn pairs(text: &str) -> BTreeMap<String, String> {
        let pair = |pair: &str| pair.split_once("<-").map(|(new, old)| (new.to_owned(), old.to_owned()));
        text.split_whitespace().filter_map(pair).collect()
    }

    /// Resolves and orders renames; returns the single steps.
    fn steps(before: &str, declared: &str, applied: &str) -> String {
        let before = names(before);
        let Resolved { moves, conflicts } = resolve(&before, &pairs(declared), &pairs(applied));
        assert!(conflicts.is_empty(), "{conflicts:?}");
        let ordered =
            in_order(&moves, &before, &BTreeSet::new(), |name, number| name.to_owned() + &"*".repeat(number as usize));
        ordered.steps.iter().map(|(from, to)| format!("{from}>{to}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn renames_of_any_permutation_are_ordered() {
        for (before, declared, expected) in [
            ("a", "b<-a", "a>b"),
            ("a b", "b<-a c<-b", "b>c a>b"),
            ("a b", "a<-b b<-a", "a>a* b>a a*>b"),
            ("a b c", "a<-b b<-c c<-a", "a>a* b>a c>b a*>c"),
            // `b` is dropped: it makes room under a temporary name.
            ("a b", "b<-a", "b>b* a>b"),
            ("a", "b<-x", ""),
            // The first temporary name is taken.
            ("a b a*", "a<-b b<-a", "a>a** b>a a**>b"),
        ] {
            assert_eq!(steps(before, declared, ""), expected, "{before}: {declared}");
        }
    }

    #[test]
    fn applied_rename_is_not_applied_again() {
        for (before, declared, applied, expected) in [
            ("a b", "a<-b b<-a", "a<-b b<-a", ""),
            // The attribute of an earlier rename stays while the object is renamed again.
            ("b", "b<-a c<-b", "b<-a", "b>c"),
            // The former `b` is now `c`, so `b<-a` describes another object.
            ("a b", "b<-a c<-b", "b<-a", "b>c a>b"),
            // The attribute of the first rename was removed, so the second one is a new rename.
            ("a b", "b<-a", "", "b>b* a>b"),
        ] {
            assert_eq!(steps(before, declared, applied), expected, "{before}: {declared}, applied {applied}");
        }
    }

    #[test]
    fn two_new_names_for_one_object_conflict() {
        let Resolved { moves, conflicts } = resolve(&names("a"), &pairs("b<-a c<-a"), &BTreeMap::new());
        assert_eq!(moves, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        assert_eq!(conflicts, [("b".to_owned(), "c".to_owned(), "a".to_owned())]);
        // The rename to `b` was applied earlier; the `a` of today is another object.
        let applied = resolve(&names("a b"), &pairs("b<-a c<-a"), &pairs("b<-a"));
        assert!(applied.conflicts.is_empty() && applied.moves.contains_key("a"));
    }
}
