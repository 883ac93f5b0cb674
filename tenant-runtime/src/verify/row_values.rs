//! The values generated for a column, and which values of a row are mutually exclusive.

use std::collections::BTreeSet;

use super::{
    VerifyError,
    catalog::{Catalog, LiveColumn},
    fixture::{Fixture, Row},
    principals::{NAMES, key},
    row_data::RowFactory,
    row_factory::Target,
    session::Session,
    values::{Seed, candidates},
};
use crate::{
    ident::literal,
    model::def::{ColumnDef, TableDef},
};

impl RowFactory<'_> {
    /// Returns the values of a column, and whether they can be the same for several rows.
    pub(super) async fn generated_values(
        &mut self,
        session: &mut Session,
        catalog: &Catalog,
        target: Target<'_>,
        column: &ColumnDef,
    ) -> Result<(Vec<String>, bool), VerifyError> {
        let key: Vec<_> = key(column.ty, self.number).filter(|_| column.id).into_iter().collect();
        let conditions = target.live.conditions_of(column.name);
        if !key.is_empty() && conditions.is_empty() {
            return Ok((key, false));
        }
        if let Some(labels) = column.ty.labels() {
            return Ok((labels.labels.iter().map(|label| (*label).to_owned()).collect(), true));
        }
        let Some(live) = target.live.columns.get(column.name) else { return Ok((Vec::new(), false)) };
        let mark = format!("verify-{}-{}", NAMES[target.tenant].to_lowercase(), self.number);
        let seed = Seed::new(mark, self.number, &conditions);
        let found = candidates(&catalog.types, live.ty, live.modifier, &seed);
        let valid = self.castable(session, live, found.unsure).await?;
        let kind = catalog.types.get(&live.ty).map(|ty| ty.kind);
        Ok(([key, found.texts, valid].concat(), matches!(kind, Some('d' | 'e'))))
    }

    /// Returns the texts that can be cast to the type of a column.
    async fn castable(
        &mut self,
        session: &mut Session,
        live: &LiveColumn,
        texts: Vec<String>,
    ) -> Result<Vec<String>, VerifyError> {
        let known = self.casts.entry(live.sql.clone()).or_default();
        let unknown: Vec<_> =
            texts.iter().filter(|text| !known.contains_key(*text)).map(|text| literal(text)).collect();
        if !unknown.is_empty() {
            // A failed cast would abort the transaction, so a block in the database catches it.
            let body = format!(
                "DECLARE
                     one text;
                     valid text[] := '{{}}';
                 BEGIN
                     FOREACH one IN ARRAY ARRAY[{}]::text[] LOOP
                         BEGIN
                             EXECUTE 'SELECT (' || pg_catalog.quote_literal(one) || '::{})::text';
                             valid := valid || one;
                         EXCEPTION WHEN others THEN
                             NULL;
                         END;
                     END LOOP;
                     PERFORM pg_catalog.set_config('tenant_verify.valid', pg_catalog.to_json(valid)::text, true);
                 END",
                unknown.join(", "),
                live.sql.replace('\'', "''")
            );
            let asked = format!("DO {}; SELECT pg_catalog.current_setting('tenant_verify.valid')", literal(&body));
            let valid = session.row(&asked).await?.into_iter().flatten().next().unwrap_or_default();
            let valid: BTreeSet<String> = serde_json::from_str(&valid).unwrap_or_default();
            known.extend(
                texts
                    .iter()
                    .map(|text| (text.clone(), valid.contains(text)))
                    .filter(|(text, is_valid)| *is_valid || unknown.contains(&literal(text))),
            );
        }
        Ok(texts.into_iter().filter(|text| known.get(text).copied().unwrap_or_default()).collect())
    }

    /// Returns a row with a value in a column that another column can exclude: with the values that belong to it in another row.
    pub(super) fn with_value_in(&self, fixture: &Fixture, def: &'static TableDef, template: &Row, column: &str) -> Row {
        let mut row = template.clone();
        let tenant = def.tenant_column();
        let is_like = |other: &&Row| {
            other.value(column).is_some() && tenant.is_none_or(|tenant| other.value(tenant) == template.value(tenant))
        };
        let live = self.catalog.as_ref().and_then(|catalog| catalog.table(def.name));
        if let (None, Some(live)) = (row.value(column), live)
            && let Some(other) = fixture.rows_of(def.name).find(is_like)
        {
            let connected = live.connected([column]);
            let is_copied = |own: &&ColumnDef| {
                !own.id && Some(own.name) != tenant && def.owner != Some(own.name) && connected.contains(own.name)
            };
            for own in def.columns.iter().filter(is_copied) {
                row.values.insert(own.name, other.values.get(own.name).cloned().flatten());
                row.listed.insert(own.name);
            }
        }
        row
    }
}
