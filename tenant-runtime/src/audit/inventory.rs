//! The inventory: the definitions of the objects that PostgreSQL and its extensions ship, and the comparison of a
//! database with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::finding::{self, Finding, first_names};
use crate::{
    db::{Inventory, Shipped},
    ident::quoted,
    snapshot::hash,
};

/// The pinned inventory, one section for each set of major versions and for each version of an extension.
///
/// `cargo test … inventory` compares it with a server; with `TENANT_UPDATE_INVENTORY=1` the test writes it.
const PINNED: &str = include_str!("inventory.txt");

/// The hashes that an object can have, by its class and name.
type Section<'a> = BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>;

/// Compares what the server and its extensions ship with the inventory.
pub(super) fn find(inventory: &Inventory, major: u32) -> Vec<Finding> {
    let sections = &*SECTIONS;
    let (members, shipped): (Vec<_>, Vec<_>) = inventory.objects.iter().partition(|row| row.origin.is_some());
    let mut found = match sections.get(format!("PostgreSQL {major}").as_str()) {
        Some(section) => of_server(&shipped, section, major),
        None => vec![unknown_release(major)],
    };
    let mut by_extension: BTreeMap<&str, Vec<&Shipped>> = BTreeMap::new();
    for member in members {
        by_extension.entry(member.origin.as_deref().unwrap_or_default()).or_default().push(member);
    }
    for (extension, members) in by_extension {
        found.extend(match sections.get(extension) {
            Some(section) => of_known_extension(extension, &members, section),
            None => of_unknown_extension(extension, &members),
        });
    }
    found
}

/// Returns whether the inventory contains a version of an extension, such as `citext 1.6`.
pub(super) fn contains(extension: &str) -> bool {
    SECTIONS.contains_key(extension)
}

/// The inventory by the titles of its sections.
static SECTIONS: LazyLock<BTreeMap<String, Section<'static>>> = LazyLock::new(|| sections(PINNED));

/// The digests of what the major versions ship.
static DIGESTS: LazyLock<BTreeMap<u32, String>> = LazyLock::new(|| {
    let majors = SECTIONS.iter().filter_map(|(title, section)| {
        let major = title.strip_prefix("PostgreSQL ")?.parse().ok()?;
        let objects = section
            .iter()
            .flat_map(|((class, name), hashes)| hashes.iter().map(move |hash| format!("{class} {name} {hash}")));
        Some((major, objects.collect::<BTreeSet<_>>()))
    });
    majors.map(|(major, lines)| (major, hash(&lines.into_iter().collect::<Vec<_>>().join("\n")))).collect()
});

/// Returns the digest of what a major version ships, as `inventory.sql` computes it.
pub(super) fn digest_of(major: u32) -> Option<&'static str> {
    DIGESTS.get(&major).map(String::as_str)
}

/// Parses the inventory. A section for several major versions is added to each of them.
fn sections(text: &str) -> BTreeMap<String, Section<'_>> {
    let mut sections: BTreeMap<String, Section<'_>> = BTreeMap::new();
    let mut current: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = match title.strip_prefix("PostgreSQL ") {
                Some(majors) => majors.split(' ').map(|major| format!("PostgreSQL {major}")).collect(),
                None => vec![title.to_owned()],
            };
        } else if let Some(((class, rest), hash)) =
            line.rsplit_once(' ').and_then(|(object, hash)| Some((object.split_once(' ')?, hash)))
        {
            for title in &current {
                sections.entry(title.clone()).or_default().entry((class, rest)).or_default().insert(hash);
            }
        }
    }
    sections
}

fn of_server(rows: &[&Shipped], section: &Section<'_>, major: u32) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for row in rows {
        match section.get(&(row.class.as_str(), row.name.as_str())) {
            None => unknown.push(*row),
            Some(hashes) if hashes.contains(row.hash.as_str()) => {}
            Some(_) => found.push(altered(row, major)),
        }
    }
    if !unknown.is_empty() {
        found.push(unknown_builtins(&unknown));
    }
    found
}

fn of_known_extension(extension: &str, members: &[&Shipped], section: &Section<'_>) -> Vec<Finding> {
    let judged = members.iter().map(|member| match section.get(&(member.class.as_str(), member.name.as_str())) {
        None => Some(foreign_member(extension, member, "the installed version does not contain it")),
        Some(hashes) if hashes.contains(member.hash.as_str()) => None,
        Some(_) => Some(altered_member(extension, member)),
    });
    judged.flatten().collect()
}

/// Judges the objects of an extension that the inventory does not know: what its script cannot have made is a finding,
/// and a note counts the rest.
fn of_unknown_extension(extension: &str, members: &[&Shipped]) -> Vec<Finding> {
    let reason = |member: &Shipped| match (member.added, member.of_other_owner) {
        (Some(true), _) => Some("it was added after the extension was installed or updated"),
        (_, Some(true)) => Some("it belongs to another owner than the extension"),
        _ => None,
    };
    let foreign = members.iter().filter_map(|member| Some(foreign_member(extension, member, reason(member)?)));
    let mut found: Vec<_> = foreign.collect();
    let rest = members.len() - found.len();
    found.push(Finding::new(
        &finding::UNCHECKED,
        format!("extension {}", name_of(extension)),
        format!("the inventory does not contain version {}; objects not compared: {rest}", version_of(extension)),
        String::new(),
    ));
    found
}

/// Returns the quoted name of an extension.
fn name_of(extension: &str) -> String {
    quoted(extension.rsplit_once(' ').map_or(extension, |(name, _)| name)).to_string()
}

fn version_of(extension: &str) -> &str {
    extension.rsplit_once(' ').map_or("", |(_, version)| version)
}

/// Returns an object's class and name, in words.
fn described(row: &Shipped) -> String {
    format!("{} {}", row.class.replace('-', " "), row.name)
}

fn altered(row: &Shipped, major: u32) -> Finding {
    Finding::new(
        &finding::ALTERED,
        format!("built-in {}", described(row)),
        format!("it differs from the server's release in its definition, properties or owner (hash {})", row.hash),
        format!(
            "-- Restore the definition as a superuser: compare the object with the same object in a new cluster of\n\
             -- PostgreSQL {major} (for a function, with `pg_get_functiondef`)."
        ),
    )
}

fn unknown_builtins(rows: &[&Shipped]) -> Finding {
    let names: Vec<_> = rows.iter().map(|row| described(row)).collect();
    let objects: Vec<_> = rows.iter().map(|row| format!("{} {}", described(row), row.hash)).collect();
    let (shown, digest) = (first_names(&names), digest(&objects));
    Finding::new(
        &finding::VENDOR,
        "server",
        format!("it has built-in objects that PostgreSQL does not ship: {shown} (hash {digest})"),
        "-- If they come with your provider's build of the server, accept this finding in the baseline.\n\
         -- Otherwise find out who added them."
            .to_owned(),
    )
}

fn unknown_release(major: u32) -> Finding {
    Finding::new(
        &finding::UNCHECKED,
        "server",
        format!("the inventory does not contain PostgreSQL {major}, so the built-in objects were not compared"),
        String::new(),
    )
}

/// Names an object of an extension.
fn member_of(extension: &str, member: &Shipped) -> String {
    format!("{} of the extension {}", described(member), name_of(extension))
}

fn foreign_member(extension: &str, member: &Shipped, what: &str) -> Finding {
    let address = member.address.as_deref().unwrap_or_default();
    Finding::new(
        &finding::FOREIGN_MEMBER,
        member_of(extension, member),
        format!("{what} (hash {})", member.hash),
        format!("ALTER EXTENSION {} DROP {address};", name_of(extension)),
    )
    .with_caution("the object is then checked like any other: run the audit again after the fix")
}

fn altered_member(extension: &str, member: &Shipped) -> Finding {
    Finding::new(
        &finding::FOREIGN_MEMBER,
        member_of(extension, member),
        format!(
            "it differs from version {} in its definition, properties or owner (hash {})",
            version_of(extension),
            member.hash
        ),
        format!(
            "-- Restore the definition as a superuser: compare the object with the same object in a database in which you\n\
             -- have run `CREATE EXTENSION {} VERSION '{}'`.",
            name_of(extension),
            version_of(extension).replace('\'', "''")
        ),
    )
}

/// Returns a short hash of names, so that an accepted finding does not accept other objects.
fn digest(names: &[String]) -> String {
    hash(&names.join("\n")).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_inventory_is_in_a_section() {
        let sections = &*SECTIONS;
        for major in 15..=18 {
            let section = &sections[&format!("PostgreSQL {major}")];
            assert!(section.len() > 4_500, "{major}: {}", section.len());
            assert!(section.values().all(|hashes| hashes.len() == 1), "{major}");
        }
        assert!(sections.contains_key("plpgsql 1.0") && sections.contains_key("pg_trgm 1.6"));
        let lines = PINNED.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
        assert!(lines.into_iter().all(|line| line.rsplit(' ').next().is_some_and(|hash| hash.len() == 16)));
    }

    #[test]
    fn digest_depends_on_every_name() {
        let names = |names: &[&str]| digest(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_ne!(names(&["a", "b"]), names(&["a", "c"]));
        assert_ne!(names(&["ab"]), names(&["a", "b"]));
    }
}
