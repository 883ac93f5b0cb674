//! Declarations of tables that keep deleted rows, with mistakes.

use tenant_runtime::model::def::{ColumnDef, OnDelete, ScopeDef, SoftDeleteDef, SqlType, TableDef};

use super::{
    finding_cases::Case,
    sample_declarations::{ID, NAME, ORG, ORG_IN_KEY, column, leak, projects, refers, tasks},
};

/// Tables that keep deleted rows.
pub(super) fn soft_delete_cases() -> Vec<Case> {
    const DELETED_AT: ColumnDef =
        ColumnDef { app_assigned: false, ..ColumnDef::blank("deleted_at", SqlType::Timestamptz, true) };
    const SOFT: SoftDeleteDef = SoftDeleteDef { column: "deleted_at", restore: Some("admin"), purge: Some("admin") };
    let kept = |soft, column: ColumnDef| TableDef {
        soft_delete: Some(soft),
        columns: leak(vec![ID, ORG, NAME, column]),
        ..projects()
    };
    let with = |soft| vec![kept(soft, DELETED_AT)];
    vec![
        ("soft deletion without its column", vec![TableDef { soft_delete: Some(SOFT), ..projects() }]),
        ("time of the deletion of another type", vec![kept(SOFT, ColumnDef { ty: SqlType::Date, ..DELETED_AT })]),
        ("time of the deletion with a default", vec![kept(SOFT, ColumnDef { default: Some("now()"), ..DELETED_AT })]),
        ("restoration by an unknown role", with(SoftDeleteDef { restore: Some("editor"), ..SOFT })),
        ("removal without restoration", with(SoftDeleteDef { restore: None, ..SOFT })),
        ("removal by a role that cannot restore", with(SoftDeleteDef { purge: Some("member"), ..SOFT })),
        ("restoration by a role that cannot read", {
            vec![TableDef {
                select: Some("admin"),
                insert: None,
                update: None,
                ..kept(SoftDeleteDef { restore: Some("viewer"), ..SOFT }, DELETED_AT)
            }]
        }),
        ("restoration of rows that a role cannot update", {
            let columns = leak(vec![ID, ORG, column("created_by", SqlType::Uuid), NAME, DELETED_AT]);
            vec![TableDef {
                owner: Some("created_by"),
                update: None,
                update_own: Some("member"),
                columns,
                ..kept(SOFT, DELETED_AT)
            }]
        }),
        ("soft deletion without a role that deletes", vec![TableDef { delete: None, ..kept(SOFT, DELETED_AT) }]),
        ("soft deletion of a tenant", {
            let columns = leak(vec![ORG_IN_KEY, NAME, DELETED_AT]);
            vec![TableDef { insert: None, columns, ..kept(SOFT, DELETED_AT) }]
        }),
        ("soft deletion of a global row", {
            vec![TableDef {
                scope: ScopeDef::Global,
                insert: None,
                update: None,
                delete: None,
                ..kept(SOFT, DELETED_AT)
            }]
        }),
        ("removal of a parent without the right to remove children", {
            let child =
                TableDef { delete: Some("admin"), ..tasks([refers("project_id", "projects", OnDelete::Cascade)]) };
            vec![kept(SoftDeleteDef { restore: Some("member"), purge: Some("member"), ..SOFT }, DELETED_AT), child]
        }),
    ]
}
