//! The repository methods of derived structs, limited by the declaration and the context's role.

use futures_core::future::BoxFuture;

use super::{
    access::{May, MayRead, MayUse, RoleOf},
    cmd,
    column::UniqueKey,
    executor::TenantExecutor,
    filter::Filter,
    list::List,
    reads::{self, Count, by_key, not_found},
    table::{Delete, Insert, Select, Update},
    tenant_table::TenantTable,
    writes::{self, InsertBuilder, UpdateBuilder},
};
use crate::error::Result;

/// Methods that read and write a table; implemented for every struct that derives `TenantTable`.
///
/// Each method's first argument is a handle: `&mut tx` runs in an open transaction, `&db.scope(&ctx)` in a new one. The
/// tenant comes from the context and is never a parameter. A command that requires a higher role does not compile:
///
/// ```compile_fail
/// # use tenant_runtime::{repo::{access::RoleOf, methods::Repository, table::Delete}, roles::*, *};
/// # async fn f<Project>(mut tx: TenantTx<Viewer>, id: Project::Id) -> Result<()>
/// # where Project: Delete<Tenancy = Organizations, DeleteRole = Admin> {
/// Project::delete(&mut tx, id).await?; // requires role `Admin`; this context has role `Viewer`
/// # Ok(()) }
/// ```
///
/// Code that is generic over tables states the required permissions as bounds from [`access`](super::access):
///
/// ```
/// use tenant_runtime::{Result, Role, prelude::*, repo::{access::{May, RoleOf}, cmd, table::Select}};
///
/// async fn are_there_any<T, R>(tx: &mut TenantTx<R>) -> Result<bool>
/// where
///     T: Select,
///     R: Role + RoleOf<T::Tenancy> + May<cmd::Read, T, T::SelectRole>,
/// {
///     Ok(T::count(tx).await? > 0)
/// }
/// ```
pub trait Repository: TenantTable {
    /// Reads the row with this key; `None` if no such row is visible to the context.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, id: Uuid) -> Result<()> {
    /// if let Some(project) = Project::find(&mut *tx, id).await? {
    ///     println!("{}", project.name);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Forbidden`](crate::Error::Forbidden) if the database does not grant the role SELECT on the columns.
    /// - [`Error::NotMigrated`](crate::Error::NotMigrated) if the database lacks the table or a column.
    /// - [`Error::Aborted`](crate::Error::Aborted) if an earlier statement of the transaction failed.
    /// - [`Error::TimedOut`](crate::Error::TimedOut) if the server cancelled the statement, [`Error::Retryable`](crate::Error::Retryable) if it rolled the transaction back.
    /// - [`Error::Database`](crate::Error::Database) for other server or connection errors, and for a value of the wrong type.
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin).
    fn find<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<Option<Self>>>
    where
        Self: Select,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        reads::find(handle, id)
    }

    /// Reads the row with this key.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Viewer>, id: Uuid) -> Result<()> {
    /// match Project::get(&db.scope(&ctx), id).await {
    ///     Ok(project) => println!("{}", project.name),
    ///     Err(Error::NotFound { .. }) => println!("no such project"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`](crate::Error::NotFound) if no row with this key is visible to the context.
    /// - The errors of [`find`](Self::find).
    fn get<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<Self>>
    where
        Self: Select,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        reads::get(handle, id)
    }

    /// Reads the rows with these keys that are visible to the context, ordered by key.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, ids: [Uuid; 3]) -> Result<()> {
    /// let projects = Project::find_many(&mut *tx, ids).await?;
    /// println!("{} of 3 are visible", projects.len());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`find`](Self::find).
    fn find_many<'h, H, I>(handle: H, ids: I) -> BoxFuture<'h, Result<Vec<Self>>>
    where
        Self: Select,
        I: IntoIterator<Item = Self::Id>,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        reads::find_many(handle, ids.into_iter().collect())
    }

    /// Reads rows: set a filter, an order and a limit, and await the list.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, name: String, archived: bool }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let projects = Project::list(&mut *tx)
    ///     .filter(Project::NAME.starts_with("a") & !Project::ARCHIVED.eq(true))
    ///     .order(Project::NAME.desc())
    ///     .limit(20)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidCursor`](crate::Error::InvalidCursor) for a cursor of another list.
    /// - The errors of [`find`](Self::find).
    fn list<'h, H>(handle: H) -> List<'h, Self, H>
    where
        Self: Select,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        List::new(handle)
    }

    /// Counts the rows that are visible to the context: set a filter, and await the count.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, archived: bool }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let open = Project::count(&mut *tx).filter(Project::ARCHIVED.eq(false)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`find`](Self::find).
    fn count<'h, H>(handle: H) -> Count<'h, Self, H>
    where
        Self: Select,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Read, Self, Self::SelectRole> + RoleOf<Self::Tenancy>,
    {
        Count::new(handle)
    }

    /// Returns whether a visible row matches a condition.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, name: String) -> Result<()> {
    /// if Project::exists(&mut *tx, Project::NAME.eq(name)).await? {
    ///     println!("the name is in use");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`find`](Self::find).
    fn exists<'h, H, N>(handle: H, filter: Filter<Self, N>) -> BoxFuture<'h, Result<bool>>
    where
        Self: Select,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Read, Self, Self::SelectRole> + RoleOf<Self::Tenancy> + MayUse<Self, N>,
    {
        reads::exists::<Self, H>(handle, filter.into_condition())
    }

    /// Inserts a row for the context's tenant and returns the stored row, with its defaults.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "member")]
    /// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, name: String, #[tenant(insert = "admin")] budget: Option<i64> }
    /// # async fn f(tx: &mut TenantTx<Admin>) -> Result<()> {
    /// let project = Project::insert(&mut *tx, NewProject { name: "Bridge".into() }).await?;
    /// let funded = Project::insert(&mut *tx, NewProject { name: "Tunnel".into() }).set(Project::BUDGET, 500).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// A column with an `insert` role is not part of the struct; use [`set`](InsertBuilder::set) for it.
    ///
    /// # Errors
    ///
    /// - [`Error::UniqueViolation`](crate::Error::UniqueViolation), [`Error::ForeignKeyViolation`](crate::Error::ForeignKeyViolation), [`Error::CheckViolation`](crate::Error::CheckViolation) if the row violates a constraint.
    /// - [`Error::Forbidden`](crate::Error::Forbidden) if a policy rejects the row, or the database does not grant the role INSERT.
    /// - [`Error::NoUser`](crate::Error::NoUser) if the table has an `owner` column and the context has no user.
    /// - [`Error::NotMigrated`](crate::Error::NotMigrated), [`Error::Aborted`](crate::Error::Aborted), [`Error::TimedOut`](crate::Error::TimedOut), [`Error::Retryable`](crate::Error::Retryable) or [`Error::Database`](crate::Error::Database) as for [`find`](Self::find).
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin) and
    ///   [`TenantTx::commit`](crate::TenantTx::commit).
    fn insert<'h, H>(handle: H, new: Self::New) -> InsertBuilder<'h, Self, H>
    where
        Self: Insert,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Insert, Self, Self::InsertRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        InsertBuilder::new(handle, new)
    }

    /// Inserts rows for the context's tenant and returns them in the given order: all of them or none.
    ///
    /// Rows that omit the same columns are inserted by one statement, with an array for each column. A table with an
    /// array column requires one statement per row.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "member")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Member>) -> Result<()> {
    /// let names = ["Bridge", "Tunnel"];
    /// let rows = names.map(|name| NewProject { name: name.into() });
    /// let projects: Vec<Project> = Project::insert_many(&mut *tx, rows).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// On a table with a `counter`, insert at most 1000 rows in each transaction: the time grows with the square of their number.
    ///
    /// # Errors
    ///
    /// The errors of [`insert`](Self::insert).
    fn insert_many<'h, H, I>(handle: H, rows: I) -> BoxFuture<'h, Result<Vec<Self>>>
    where
        Self: Insert,
        I: IntoIterator<Item = Self::New>,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Insert, Self, Self::InsertRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(writes::insert_many(handle, rows.into_iter().collect()))
    }

    /// Inserts a row, or updates the existing row with the same unique key (`INSERT … ON CONFLICT DO UPDATE`). Returns the
    /// stored row.
    ///
    /// The key is one of the `BY_…` constants. On an existing row, omitted columns, the owner, the parent and columns
    /// with an `update` role stay unchanged.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
    /// # struct Project { id: Uuid, organization_id: Uuid, #[tenant(unique)] name: String, budget: i64 }
    /// # async fn f(tx: &mut TenantTx<Member>) -> Result<()> {
    /// let new = NewProject { name: "Bridge".into(), budget: 500 };
    /// let project = Project::upsert(&mut *tx, new, Project::BY_NAME).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::UniqueViolation`](crate::Error::UniqueViolation) if the row conflicts with a row under another unique
    ///   key; if the table has no other columns to update, also if the row already exists.
    /// - [`Error::Forbidden`](crate::Error::Forbidden) if a policy hides the existing row or rejects the new one, or the database does not grant the role INSERT or
    ///   UPDATE.
    /// - The other errors of [`insert`](Self::insert).
    fn upsert<'h, H, K>(handle: H, new: Self::New, key: K) -> BoxFuture<'h, Result<Self>>
    where
        Self: Insert + Update,
        K: UniqueKey<Self>,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Insert, Self, Self::InsertRole> + May<cmd::Update, Self, Self::UpdateRole>,
        H::Role: MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(writes::upsert(handle, new, key.columns()))
    }

    /// Updates the row with this key and returns it. Without changes, the row is only read.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Member, Viewer}};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, name: String, lead: Option<uuid::Uuid> }
    /// # async fn f(tx: &mut TenantTx<Member>, id: uuid::Uuid) -> Result<()> {
    /// let changes = ProjectChanges { name: Some("Bridge".into()), lead: Some(None) };
    /// let project = Project::update(&mut *tx, id, changes).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// A column with an `update` role is not part of the struct; use [`set`](UpdateBuilder::set) for it.
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`](crate::Error::NotFound) if the context cannot update a row with this key.
    /// - [`Error::UniqueViolation`](crate::Error::UniqueViolation), [`Error::ForeignKeyViolation`](crate::Error::ForeignKeyViolation), [`Error::CheckViolation`](crate::Error::CheckViolation) if the changed row violates a constraint.
    /// - [`Error::Forbidden`](crate::Error::Forbidden) if a policy rejects the changed row, or the database does not grant the role UPDATE.
    /// - [`Error::NotMigrated`](crate::Error::NotMigrated), [`Error::Aborted`](crate::Error::Aborted), [`Error::TimedOut`](crate::Error::TimedOut), [`Error::Retryable`](crate::Error::Retryable) or [`Error::Database`](crate::Error::Database) as for [`find`](Self::find).
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin) and
    ///   [`TenantTx::commit`](crate::TenantTx::commit).
    fn update<'h, H>(handle: H, id: Self::Id, changes: Self::Changes) -> UpdateBuilder<'h, Self, H, Self>
    where
        Self: Update,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Update, Self, Self::UpdateRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        UpdateBuilder::one(handle, id, changes)
    }

    /// Updates the rows that match a condition and that the context can update, and returns their number. Without
    /// changes, no statement runs and the number is 0.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, archived: bool }
    /// # async fn f(tx: &mut TenantTx<Member>) -> Result<()> {
    /// let old = Project::NAME.starts_with("2024");
    /// let changes = ProjectChanges { archived: Some(true), ..ProjectChanges::default() };
    /// let archived: u64 = Project::update_where(&mut *tx, old, changes).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`update`](Self::update), except `NotFound`.
    fn update_where<'h, H, N>(
        handle: H,
        filter: Filter<Self, N>,
        changes: Self::Changes,
    ) -> UpdateBuilder<'h, Self, H, u64>
    where
        Self: Update,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Update, Self, Self::UpdateRole> + RoleOf<Self::Tenancy> + MayUse<Self, N>,
    {
        UpdateBuilder::all(handle, filter.into_condition(), changes)
    }

    /// Deletes the row with this key.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, archived: bool }
    /// # async fn f(tx: &mut TenantTx<Admin>, id: Uuid) -> Result<()> {
    /// match Project::delete(&mut *tx, id).await {
    ///     Err(Error::ForeignKeyViolation { .. }) => println!("the project still has tasks"),
    ///     deleted => deleted?,
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`](crate::Error::NotFound) if the context cannot delete a row with this key.
    /// - [`Error::ForeignKeyViolation`](crate::Error::ForeignKeyViolation) if other rows still reference the row.
    /// - [`Error::Forbidden`](crate::Error::Forbidden) if the database does not grant the role DELETE.
    /// - [`Error::NotMigrated`](crate::Error::NotMigrated), [`Error::Aborted`](crate::Error::Aborted), [`Error::TimedOut`](crate::Error::TimedOut), [`Error::Retryable`](crate::Error::Retryable) or [`Error::Database`](crate::Error::Database) as for [`find`](Self::find).
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin) and
    ///   [`TenantTx::commit`](crate::TenantTx::commit).
    fn delete<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<()>>
    where
        Self: Delete,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Delete, Self, Self::DeleteRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(async move {
            let deleted = writes::delete::<Self, H>(handle, by_key::<Self>(id)).await?;
            if deleted == 0 { Err(not_found::<Self>()) } else { Ok(()) }
        })
    }

    /// Deletes the rows that match a condition and that the context can delete, and returns their number.
    ///
    /// To delete all rows, pass [`Filter::all_rows`].
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, archived: bool }
    /// # async fn f(tx: &mut TenantTx<Admin>) -> Result<()> {
    /// let deleted: u64 = Project::delete_where(&mut *tx, Project::ARCHIVED.eq(true)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`delete`](Self::delete), except `NotFound`.
    fn delete_where<'h, H, N>(handle: H, filter: Filter<Self, N>) -> BoxFuture<'h, Result<u64>>
    where
        Self: Delete,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Delete, Self, Self::DeleteRole> + RoleOf<Self::Tenancy> + MayUse<Self, N>,
    {
        Box::pin(writes::delete::<Self, H>(handle, filter.into_condition()))
    }
}

impl<T: TenantTable> Repository for T {}
