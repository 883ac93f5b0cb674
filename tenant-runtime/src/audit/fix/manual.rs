//! Fixes that require manual steps: SQL comments with the statements of each step.

use super::FixWriter;
use crate::{
    audit::{
        catalog::{Name, State},
        partition::PARTS,
    },
    ident::{literal, quoted},
};

/// Writes lines as SQL comments. Line breaks in names are replaced, because a line break would end the comment.
pub(in crate::audit) fn comment_lines<'l>(lines: impl IntoIterator<Item = &'l str>) -> String {
    let lines = lines.into_iter().map(|line| format!("-- {}", line.replace(char::is_control, " ")));
    lines.collect::<Vec<_>>().join("\n")
}

impl FixWriter<'_> {
    /// Returns the steps that move the rows of a table or partition into a table or partition with the declared layout.
    pub(super) fn move_rows(&self, name: &Name, live: &State) -> String {
        let of = self.partition(name).map(|(table, ..)| Name::from(table));
        let whole = of.as_ref().unwrap_or(name);
        let Some((_, table)) = self.table(whole) else { return String::new() };
        let aside = quoted(&format!("{}_aside", name.schema.chars().take(20).collect::<String>())).to_string();
        let (there, here) = (format!("{aside}.{}", quoted(&name.name)), whole.quoted());
        let copied = table.columns.iter().filter(|column| column.generated().is_none());
        let columns = copied.map(|column| column.name.quoted().to_string()).collect::<Vec<_>>().join(", ");
        let parts: Vec<Name> =
            live.get(PARTS).cloned().and_then(|parts| serde_json::from_value(parts).ok()).unwrap_or_default();
        let away = parts.iter().chain([name]);
        let away = away.map(|part| format!("   ALTER TABLE {} SET SCHEMA {aside};", part.quoted()));
        let counted = table.columns.iter().filter(|column| column.is_identity());
        let counted = counted.map(|column| {
            let (table, name, column) = (literal(&here), literal(column.name.as_str()), column.name.quoted());
            format!("   SELECT setval(pg_get_serial_sequence({table}, {name}), (SELECT max({column}) FROM {here}));")
        });
        let mut steps = vec![
            "The rows have to be moved, which requires manual steps. Stop the app, and run these steps as a superuser:"
                .to_owned(),
            "1. Move the table to a schema that application roles cannot access.".to_owned(),
            format!("   CREATE SCHEMA {aside};"),
        ];
        steps.extend(of.map(|of| format!("   ALTER TABLE {} DETACH PARTITION {};", of.quoted(), name.quoted())));
        steps.extend(away);
        steps.extend([
            "2. Audit again: the table is reported as missing. Run only the fix that creates it.".to_owned(),
            "3. Copy the rows back, without entries in the change log.".to_owned(),
            format!("   ALTER TABLE {here} DISABLE TRIGGER USER;"),
            format!("   INSERT INTO {here} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {there};"),
        ]);
        steps.extend(counted);
        steps.extend([
            format!("   ALTER TABLE {here} ENABLE TRIGGER USER;"),
            "4. Audit again and run all fixes: foreign keys of other tables still reference the moved table."
                .to_owned(),
            "5. Drop the moved table.".to_owned(),
            format!("   DROP TABLE {there};"),
            format!("   DROP SCHEMA {aside};"),
        ]);
        comment_lines(steps.iter().map(String::as_str))
    }
}
