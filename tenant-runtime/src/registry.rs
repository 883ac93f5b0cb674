//! The tables that were derived in the crates that are linked into this program.

use std::path::Path;

use crate::model::def::TableDef;

/// One derived table. Submitted by the derive.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static TableDef);

inventory::collect!(Registered);

/// The models of a program: what the generator works on. Made by [`models!`](crate::models).
#[derive(Debug, Clone)]
pub struct Models {
    /// The product's name: that of the package in which `models!` stands.
    product: &'static str,
    /// That package's folder, under which the migrations live.
    manifest_dir: &'static str,
    /// The crates that `models!` names, as written.
    crates: &'static [&'static str],
    /// The tables, sorted by name.
    tables: Vec<&'static TableDef>,
}

impl Models {
    /// Collects the derived tables of all linked crates, in the order of their names.
    #[doc(hidden)]
    #[must_use]
    pub fn linked(product: &'static str, manifest_dir: &'static str, crates: &'static [&'static str]) -> Self {
        let tables = inventory::iter::<Registered>().map(|registered| registered.0).collect();
        Self { product, manifest_dir, crates, tables }.sorted()
    }

    /// Takes exactly the given tables, in place of those that were found.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Models, TenantTable};
    /// # fn f<Project: TenantTable, Task: TenantTable>(models: Models) {
    /// let models = models.only([Project::TABLE, Task::TABLE]);
    /// # }
    /// ```
    #[must_use]
    pub fn only(mut self, tables: impl IntoIterator<Item = &'static TableDef>) -> Self {
        self.tables = tables.into_iter().collect();
        self.sorted()
    }

    /// Returns the product's name, by which its roles are marked.
    #[must_use]
    pub fn product(&self) -> &'static str {
        self.product
    }

    /// Returns the folder of the package in which `models!` stands, as it was when the program was built.
    #[must_use]
    pub fn package_folder(&self) -> &'static Path {
        Path::new(self.manifest_dir)
    }

    /// Returns the crates that `models!` names.
    #[must_use]
    pub fn crates(&self) -> &'static [&'static str] {
        self.crates
    }

    /// Returns the tables, sorted by schema and name.
    #[must_use]
    pub fn tables(&self) -> &[&'static TableDef] {
        &self.tables
    }

    /// The linker decides in which order tables are found, and it differs between builds, so the order is made here.
    fn sorted(mut self) -> Self {
        self.tables.sort_by_key(|table| (table.name, table.file, table.line));
        self
    }
}

/// Collects the tables derived in the named crates (and in the crate where it stands).
///
/// A library that a program never names is not linked, and its tables would be missing without a word; naming it here
/// links it.
///
/// ```
/// let models = tenant_runtime::models![];
/// assert_eq!(models.product(), env!("CARGO_PKG_NAME"));
/// ```
#[macro_export]
macro_rules! models {
    ($($krate:ident),* $(,)?) => {{
        $(use $krate as _;)*
        $crate::Models::linked(
            ::core::env!("CARGO_PKG_NAME"),
            ::core::env!("CARGO_MANIFEST_DIR"),
            &[$(::core::stringify!($krate)),*],
        )
    }};
}
