//! Tables declared in function bodies, two with the same name, are registered.
#![deny(warnings)]

fn first() -> &'static str {
    use tenant_runtime::{TenantEnum, TenantTable, roles::Viewer};

    #[derive(Debug, TenantTable)]
    #[tenant(global, select = "viewer", insert = "viewer", table = "first")]
    struct Inner {
        id: i64,
        kind: Kind,
    }

    #[derive(Debug, TenantEnum)]
    enum Kind {
        OnlyRole,
    }

    let _ = NewInner { kind: Kind::OnlyRole };
    let Inner { id: _, kind: _ } = Inner { id: 1, kind: Kind::OnlyRole };
    Inner::TABLE_NAME.table
}

fn second() -> &'static str {
    use tenant_runtime::TenantTable;

    #[derive(Debug, TenantTable)]
    #[tenant(global, table = "second")]
    struct Inner {
        #[tenant(references = Inner)]
        id: i64,
    }

    let Inner { id: _ } = Inner { id: 1 };
    Inner::TABLE_NAME.table
}

fn main() {
    let tables: Vec<_> = tenant_runtime::models![].tables().iter().map(|table| table.name.table).collect();
    assert_eq!(tables, [first(), second()]);
}
