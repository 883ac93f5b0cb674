//! Deleted rows of tables with a `soft_delete` field: reading, restoring and removing them.

use futures_core::future::BoxFuture;

use super::{
    access::{May, MayRead, MayUse, RoleOf},
    cmd,
    executor::TenantExecutor,
    filter::{Condition, Filter},
    list::{List, attempt, read},
    reads::{by_key, not_found},
    statement::Statement,
    table::{Purge, Restore},
    tenant_table::TenantTable,
    view::TenantView as _,
};
use crate::error::Result;

/// Methods for the deleted rows of a table with a `soft_delete` field; implemented for every struct that derives `TenantTable`.
///
/// On such a table, [`Repository::delete`](super::methods::Repository::delete) sets the time of the deletion. All methods of
/// [`Repository`](super::methods::Repository) leave deleted rows out, and the policies hide them from your own SQL. The methods here
/// show them to a role that can restore them, for their statement only.
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
/// # use sqlx::types::chrono::{DateTime, Utc};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "admin", purge = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
/// # async fn f(tx: &mut TenantTx<Admin>, id: Uuid) -> Result<()> {
/// Project::delete(&mut *tx, id).await?;
/// assert!(Project::find(&mut *tx, id).await?.is_none());
/// let project = Project::restore(&mut *tx, id).await?;
/// # Ok(()) }
/// ```
pub trait DeletedRows: TenantTable {
    /// Reads deleted rows: set a filter, an order and a limit, and await the list.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use sqlx::types::chrono::{DateTime, Utc};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
    /// # async fn f(tx: &mut TenantTx<Admin>) -> Result<()> {
    /// let latest = Project::list_deleted(&mut *tx).order(Project::DELETED_AT.desc()).limit(20).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Repository::list`](super::methods::Repository::list).
    fn list_deleted<'h, H>(handle: H) -> List<'h, Self, H>
    where
        Self: Restore,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Restore, Self, Self::RestoreRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        List::of(handle, Condition::Deleted)
    }

    /// Restores the deleted row with this key and returns it.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use sqlx::types::chrono::{DateTime, Utc};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
    /// # async fn f(tx: &mut TenantTx<Admin>, id: Uuid) -> Result<()> {
    /// match Project::restore(&mut *tx, id).await {
    ///     Err(Error::UniqueViolation { constraint, .. }) => println!("another project has the value of {constraint} by now"),
    ///     restored => println!("{}", restored?.name),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`](crate::Error::NotFound) if the context cannot restore a deleted row with this key; also if the row is not deleted.
    /// - [`Error::UniqueViolation`](crate::Error::UniqueViolation) if a row that is not deleted has a value of a unique key by now.
    /// - [`Error::Forbidden`](crate::Error::Forbidden) if a policy rejects the restored row.
    /// - The other errors of [`Repository::update`](super::methods::Repository::update).
    fn restore<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<Self>>
    where
        Self: Restore,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Restore, Self, Self::RestoreRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(async move {
            let condition = by_key::<Self>(id).and(Condition::Deleted);
            let statement = Statement::new(Self::TABLE, handle.ctx().tenant_id());
            let call = statement.restore(&condition, &Self::columns());
            let call = call.writes(attempt::<Self, H::Role>("restore rows of"));
            handle.call(call, |answer| read(answer.rows.first().ok_or_else(not_found::<Self>)?)).await
        })
    }

    /// Removes the deleted row with this key.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use sqlx::types::chrono::{DateTime, Utc};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "admin", purge = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
    /// # async fn f(tx: &mut TenantTx<Admin>, id: Uuid) -> Result<()> {
    /// Project::purge(&mut *tx, id).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`](crate::Error::NotFound) if the context cannot remove a deleted row with this key; also if the row is not deleted.
    /// - [`Error::ForeignKeyViolation`](crate::Error::ForeignKeyViolation) if other rows still reference the row.
    /// - The other errors of [`Repository::delete`](super::methods::Repository::delete).
    fn purge<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<()>>
    where
        Self: Purge,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Purge, Self, Self::PurgeRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(async move {
            let purged = purge::<Self, H>(handle, by_key::<Self>(id)).await?;
            if purged == 0 { Err(not_found::<Self>()) } else { Ok(()) }
        })
    }

    /// Removes the deleted rows that match a condition, and returns their number.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use sqlx::types::chrono::{DateTime, Utc};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "admin", purge = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
    /// # async fn f(tx: &mut TenantTx<Admin>, last_month: DateTime<Utc>) -> Result<()> {
    /// let removed: u64 = Project::purge_where(&mut *tx, Project::DELETED_AT.lt(last_month)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`purge`](Self::purge), except `NotFound`.
    fn purge_where<'h, H, N>(handle: H, filter: Filter<Self, N>) -> BoxFuture<'h, Result<u64>>
    where
        Self: Purge,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Purge, Self, Self::PurgeRole> + RoleOf<Self::Tenancy> + MayUse<Self, N>,
    {
        Box::pin(purge::<Self, H>(handle, filter.into_condition()))
    }
}

impl<T: TenantTable> DeletedRows for T {}

async fn purge<T: Purge, H: TenantExecutor>(handle: H, condition: Condition) -> Result<u64> {
    let condition = condition.and(Condition::Deleted);
    let statement = Statement::new(T::TABLE, handle.ctx().tenant_id()).delete(&condition);
    let call = statement.writes(attempt::<T, H::Role>("purge rows of"));
    handle.call(call, |answer| Ok(answer.affected)).await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        db::BoundStatement,
        model::def::{ColumnDef, ScopeDef, SoftDeleteDef, SqlType, TableDef, TableName},
        repo::{statement::Rows, value::Values},
        roles::Organizations,
        tenant::Tenancy as _,
    };

    static PAGES: TableDef = TableDef {
        name: TableName { schema: "app", table: "pages" },
        scope: ScopeDef::Tenant { column: "org" },
        columns: &[
            ColumnDef { id: true, ..ColumnDef::blank("id", SqlType::Uuid, false) },
            ColumnDef::blank("org", SqlType::Uuid, false),
            ColumnDef::blank("slug", SqlType::Text, false),
            ColumnDef::blank("gone", SqlType::Timestamptz, true),
        ],
        soft_delete: Some(SoftDeleteDef { column: "gone", restore: Some("admin"), purge: Some("admin") }),
        ..TableDef::blank(Organizations::DEF)
    };

    fn on() -> Statement {
        Statement::new(&PAGES, &Uuid::nil())
    }

    fn text(statement: BoundStatement) -> (String, bool) {
        (statement.sql.as_str().to_owned(), statement.shows_deleted)
    }

    #[test]
    fn each_statement_leaves_deleted_rows_out_unless_it_asks_for_them() {
        let null = || Condition::Null { column: "slug" };
        let rows = |condition| Rows { condition, order: Vec::new(), limit: None };
        let values = || Values::of(vec!["slug"], vec![Box::new(crate::repo::value::Scalar("x".to_owned()))]);
        let hidden = |sql: &str| (sql.to_owned(), false);
        let kept = "org = $1 AND gone IS NULL";
        assert_eq!(
            text(on().count(&Condition::All(Vec::new()))),
            hidden(&format!("SELECT count(*) FROM app.pages WHERE {kept}"))
        );
        let select = text(on().select(&["id"], None, &[], &rows(null())));
        assert_eq!(select, hidden(&format!("SELECT id FROM app.pages WHERE {kept} AND slug IS NULL")));
        let delete = text(on().delete(&null()));
        let set = "UPDATE app.pages SET gone = transaction_timestamp()";
        assert_eq!(delete, hidden(&format!("{set} WHERE {kept} AND slug IS NULL")));
        let upsert = text(on().upsert(values(), &["slug"], &["slug"], &[])).0;
        assert!(upsert.ends_with("DO UPDATE SET slug = EXCLUDED.slug WHERE t.org = $1 AND t.gone IS NULL"), "{upsert}");
        let deleted = || null().and(Condition::Deleted);
        let shown = |sql: &str| (format!("{sql} WHERE org = $1 AND (slug IS NULL AND gone IS NOT NULL)"), true);
        assert_eq!(text(on().delete(&deleted())), shown("DELETE FROM app.pages"));
        assert_eq!(text(on().restore(&deleted(), &[])), shown("UPDATE app.pages SET gone = NULL"));
        assert_eq!(text(on().select(&["id"], None, &[], &rows(deleted()))), shown("SELECT id FROM app.pages"));
    }
}
