//! The registry of derived tables in all crates linked into the program.

use std::path::Path;

use crate::model::def::TableDef;

/// A derived table. Submitted by the derive.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static TableDef);

inventory::collect!(Registered);

/// The models of a program, the input of the generator. Created by [`models!`](crate::models).
///
/// ```
/// let models = tenant_runtime::models![];
/// println!("{} in {}, with {:?}", models.product(), models.package_folder().display(), models.crates());
/// for table in models.tables() {
///     println!("{} ({}:{})", table.name, table.file, table.line);
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Models {
    /// The product name, which is the name of the package that calls `models!`.
    product: &'static str,
    /// The folder of that package, which contains the migrations folder.
    manifest_dir: &'static str,
    /// The crates named in `models!`, as written.
    crates: &'static [&'static str],
    /// The tables, sorted by name.
    tables: Vec<&'static TableDef>,
}

impl Models {
    /// Collects the derived tables of all linked crates, sorted by name.
    #[doc(hidden)]
    #[must_use]
    pub fn linked(product: &'static str, manifest_dir: &'static str, crates: &'static [&'static str]) -> Self {
        let tables = inventory::iter::<Registered>().map(|registered| registered.0).collect();
        Self { product, manifest_dir, crates, tables }.sorted()
    }

    /// Replaces the registered tables with the given ones.
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

    /// Returns the product name, which is part of the comments on its roles.
    #[must_use]
    pub fn product(&self) -> &'static str {
        self.product
    }

    /// Returns the folder of the package that calls `models!`, as it was when the package was built.
    #[must_use]
    pub fn package_folder(&self) -> &'static Path {
        Path::new(self.manifest_dir)
    }

    /// Returns the crates named in `models!`.
    #[must_use]
    pub fn crates(&self) -> &'static [&'static str] {
        self.crates
    }

    /// Returns the tables, sorted by schema and name.
    #[must_use]
    pub fn tables(&self) -> &[&'static TableDef] {
        &self.tables
    }

    /// Sorts the tables, because the linker's order differs between builds.
    fn sorted(mut self) -> Self {
        self.tables.sort_by_key(|table| (table.name, table.file, table.line));
        self
    }
}

/// Collects the tables derived in the named crates and in the calling crate.
///
/// A library that a program does not reference is not linked, so its tables would be silently missing. Naming it here
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
