//! Generates the next migrations from the models and the migrations folder.

use std::collections::{BTreeMap, BTreeSet};

use super::folder::{Contents, Folder, FolderError, Written};
use crate::{
    analyze::{Checked, Findings, check},
    model::migration_hints::Renames,
    plan::{Advisory, Plan, Refusals, UnconfirmedDataLoss, plan},
    registry::Models,
    sql::{self, Migration},
};

/// The migrations that bring a folder up to date with the models.
///
/// ```no_run
/// # use std::collections::BTreeSet;
/// # use tenant_runtime::{migrate::{folder::Folder, generate::{GenerateError, generate}}, models};
/// # fn f() -> Result<(), GenerateError> {
/// let folder = Folder::new("migrations");
/// let generated = generate(&models![], &folder)?;
/// generated.notes().iter().for_each(|note| eprintln!("{note}"));
/// if !generated.is_nothing() {
///     generated.write(&folder, &BTreeSet::new())?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Generated {
    /// The schema that the models declare, with the warnings about it.
    pub checked: Checked,
    /// The steps from the schema of the folder to the schema of the models.
    pub plan: Plan,
    /// The next migrations in the order in which they run; none if the migrations match the models.
    pub migrations: Vec<Migration>,
    /// The names and contents of the next migrations' files, in the order in which they are written.
    pub files: Vec<(String, String)>,
    /// Hand-written files that the snapshot does not list yet.
    pub by_hand: Vec<String>,
    /// The gaps that those files leave in the numbers, described in a sentence each.
    pub gaps: Vec<String>,
    /// The previous names that earlier migrations have applied.
    applied: Renames,
    /// The folder before these migrations, without its schema.
    contents: Contents,
}

/// Generates the next migrations without writing anything.
///
/// ```no_run
/// use tenant_runtime::{migrate::{folder::Folder, generate::generate}, models};
///
/// let generated = generate(&models![], &Folder::new("migrations"))?;
/// for (name, sql) in &generated.files {
///     println!("{name}: {} lines", sql.lines().count());
/// }
/// # Ok::<(), tenant_runtime::migrate::generate::GenerateError>(())
/// ```
///
/// # Errors
///
/// - [`GenerateError::Models`] if the models have errors.
/// - [`GenerateError::Folder`] if the folder cannot be read or does not match its snapshot.
/// - [`GenerateError::Refused`] if a change is unsupported or ambiguous.
pub fn generate(models: &Models, folder: &Folder) -> Result<Generated, GenerateError> {
    let checked = check(models)?;
    let mut contents = folder.contents()?;
    let before = std::mem::take(&mut contents.snapshot.schema);
    let plan = plan(&before, &checked.schema, &checked.hints)?;
    let migrations = sql::migrations(&plan);
    let files = contents.named(&migrations);
    folder.check_unknown(&contents, &files)?;
    let gaps = contents.gaps();
    let by_hand = contents.by_hand.clone();
    Ok(Generated { checked, plan, migrations, files, by_hand, gaps, applied: before.renames, contents })
}

impl Generated {
    /// Returns whether there is nothing to write.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.migrations.is_empty() && self.by_hand.is_empty()
    }

    /// Returns the attributes that earlier migrations have applied and that can be removed from the models, each with its place.
    ///
    /// ```no_run
    /// # use tenant_runtime::migrate::generate::Generated;
    /// # fn f(generated: Generated) {
    /// for attribute in generated.applied_renames() {
    ///     println!("can be removed: {attribute}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn applied_renames(&self) -> Vec<String> {
        let (declared, applied) = (&self.checked.schema.renames, &self.applied);
        let none = BTreeMap::new();
        let tables = in_both(&declared.tables, &applied.tables);
        let tables = tables.map(|(to, from)| format!("`renamed_from = \"{}\"` of table `{to}`", from.table));
        let columns = in_both(&declared.columns, &applied.columns);
        let columns =
            columns.map(|((table, column), from)| format!("`renamed_from = \"{from}\"` of column `{table}.{column}`"));
        let labels = declared.labels.iter().flat_map(|(place, labels)| {
            let (table, column) = place;
            in_both(labels, applied.labels.get(place).unwrap_or(&none))
                .map(move |(to, from)| format!("`renamed_from = \"{from}\"` of label `{to}` in `{table}.{column}`"))
        });
        tables.chain(columns).chain(labels).collect()
    }

    /// Returns whether the models no longer declare a previous name that the snapshot lists. The snapshot then has to forget it:
    /// declared again later, it is a new rename.
    fn forgets_renames(&self) -> bool {
        let (declared, applied) = (&self.checked.schema.renames, &self.applied);
        in_both(&applied.tables, &declared.tables).count() < applied.tables.len()
            || in_both(&applied.columns, &declared.columns).count() < applied.columns.len()
            || in_both(&applied.labels, &declared.labels).count() < applied.labels.len()
    }

    /// Writes the migrations and the snapshot, if there is anything to write. `drops` confirms data loss by the name of the
    /// table or column, such as `app.projects` or `app.projects.title`.
    ///
    /// ```no_run
    /// # use std::collections::BTreeSet;
    /// # use tenant_runtime::migrate::{folder::Folder, generate::{GenerateError, Generated}};
    /// # fn f(generated: Generated, folder: &Folder) -> Result<(), GenerateError> {
    /// let drops = BTreeSet::from(["app.projects.title".to_owned()]);
    /// if let Some(written) = generated.write(folder, &drops)? {
    ///     println!("wrote {} files", written.files.len());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`GenerateError::UnconfirmedDataLoss`] if a change would lose data and `drops` does not confirm it.
    /// - [`GenerateError::Folder`] if the folder cannot be written, or no longer matches its snapshot.
    pub fn write(&self, folder: &Folder, drops: &BTreeSet<String>) -> Result<Option<Written>, GenerateError> {
        self.plan.confirm(drops)?;
        if self.is_nothing() && !self.forgets_renames() {
            return Ok(None);
        }
        Ok(Some(folder.write_after(&self.contents, &self.files, &self.migrations, &self.checked.schema)?))
    }

    /// Returns the risks of all steps that are not safe.
    #[must_use]
    pub fn notes(&self) -> Vec<Advisory> {
        self.plan.steps().iter().filter_map(|step| self.plan.note(&step.action)).collect()
    }
}

/// Returns the entries of a map that another map has too.
fn in_both<'m, K: Ord, V: PartialEq>(
    map: &'m BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) -> impl Iterator<Item = (&'m K, &'m V)> {
    map.iter().filter(|(key, value)| other.get(*key) == Some(*value))
}

/// The reason why nothing was generated.
///
/// ```no_run
/// # use tenant_runtime::{migrate::{folder::Folder, generate::{GenerateError, generate}}, models};
/// match generate(&models![], &Folder::new("migrations")) {
///     Ok(generated) => println!("{} migrations", generated.migrations.len()),
///     Err(GenerateError::Models(findings)) => eprintln!("{findings}"),
///     Err(error) => eprintln!("{error}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The models have errors.
    #[error(transparent)]
    Models(#[from] Findings),
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A change is unsupported or ambiguous.
    #[error(transparent)]
    Refused(#[from] Refusals),
    /// A change would lose data, and the loss was not confirmed.
    #[error(transparent)]
    UnconfirmedDataLoss(#[from] UnconfirmedDataLoss),
}
