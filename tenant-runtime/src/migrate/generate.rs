//! Generates the next migrations from the models and the migrations folder.

use std::collections::BTreeSet;

use super::folder::{Folder, FolderError, Written};
use crate::{
    analyze::{Checked, Findings, check},
    ident::Ident,
    model::{
        migration_hints::{ColumnName, Renames},
        schema::QualifiedName,
    },
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
    let contents = folder.contents()?;
    let plan = plan(&contents.snapshot.schema, &checked.schema, &checked.hints)?;
    let migrations = sql::migrations(&plan);
    let files = contents.named(&migrations);
    folder.check_unknown(&contents, &files)?;
    let gaps = contents.gaps();
    let (by_hand, applied) = (contents.by_hand, contents.snapshot.schema.renames);
    Ok(Generated { checked, plan, migrations, files, by_hand, gaps, applied })
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
        let declared = &self.checked.schema.renames;
        let is_applied = |(to, from): &(&QualifiedName, &QualifiedName)| self.applied.tables.get(to) == Some(from);
        let tables = declared.tables.iter().filter(is_applied);
        let tables = tables.map(|(to, from)| format!("`renamed_from = \"{}\"` of table `{to}`", from.table));
        let is_applied = |(to, from): &(&ColumnName, &Ident)| self.applied.columns.get(to) == Some(from);
        let columns = declared.columns.iter().filter(is_applied);
        let columns =
            columns.map(|((table, column), from)| format!("`renamed_from = \"{from}\"` of column `{table}.{column}`"));
        let labels = declared.labels.iter().flat_map(|(place, labels)| {
            let applied = self.applied.labels.get(place);
            let labels = labels.iter().filter(move |(to, from)| applied.is_some_and(|old| old.get(*to) == Some(from)));
            let (table, column) = place;
            labels.map(move |(to, from)| format!("`renamed_from = \"{from}\"` of label `{to}` in `{table}.{column}`"))
        });
        tables.chain(columns).chain(labels).collect()
    }

    /// Returns whether the models no longer declare a previous name that the snapshot lists. The snapshot then has to forget it:
    /// declared again later, it is a new rename.
    fn forgets_renames(&self) -> bool {
        let declared = &self.checked.schema.renames;
        self.applied.tables.iter().any(|(to, from)| declared.tables.get(to) != Some(from))
            || self.applied.columns.iter().any(|(to, from)| declared.columns.get(to) != Some(from))
            || self.applied.labels.iter().any(|(place, labels)| declared.labels.get(place) != Some(labels))
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
        Ok(Some(folder.write(&self.migrations, &self.checked.schema)?))
    }

    /// Returns the risks of all steps that are not safe.
    #[must_use]
    pub fn notes(&self) -> Vec<Advisory> {
        self.plan.steps().iter().filter_map(|step| self.plan.note(&step.action)).collect()
    }
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
