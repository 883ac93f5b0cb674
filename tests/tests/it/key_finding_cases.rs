//! Invalid keys of several columns, and invalid foreign keys to them.

use tenant_runtime::model::def::{
    ColumnDef, ForeignKeyDef, OnDelete, ReferenceDef, ScopeDef, SqlType, TableDef, TableName,
};

use super::{
    finding_cases::Case,
    sample_declarations::{
        ID, MEMBERS, NAME, ORG, ORG_IN_KEY, ROLE, TITLE, USER, column, invitation_columns, invitations, leak, members,
        projects, refers, tasks, users,
    },
};

const CAMPAIGN: ColumnDef = ColumnDef { id: true, ..column("campaign", SqlType::Int8) };
const NUMBER: ColumnDef = ColumnDef { id: true, ..column("number", SqlType::Int8) };
const ADS: TableName = TableName { schema: "app", table: "ads" };

/// A table whose key has two columns and the tenant column.
fn ads() -> TableDef {
    TableDef {
        rust_name: "Ad",
        line: 100,
        name: ADS,
        columns: &[ORG_IN_KEY, CAMPAIGN, NUMBER],
        update: None,
        ..projects()
    }
}

/// Tasks with a foreign key of these columns to the ads.
fn to_ads(listed: &'static [&'static str], on_delete: OnDelete, nullable: bool) -> TableDef {
    let integer = |name| ColumnDef { nullable, ..column(name, SqlType::Int8) };
    let reference = ReferenceDef::new(ADS, on_delete);
    TableDef {
        foreign_keys: leak(vec![ForeignKeyDef { columns: listed, reference }]),
        ..tasks([integer("campaign"), integer("number"), TITLE])
    }
}

pub(super) fn key_cases() -> Vec<Case> {
    use OnDelete::{Cascade, NoAction, SetNull};
    const BOTH: &[&str] = &["campaign", "number"];
    let users = TableDef { columns: leak(vec![ID, ColumnDef { id: true, ..NAME }]), ..users(MEMBERS) };
    let collated = ColumnDef { collation: Some("C"), id: true, ..column("code", SqlType::Text) };
    let codes = TableDef { columns: leak(vec![ORG_IN_KEY, CAMPAIGN, collated]), ..ads() };
    let to_codes = TableDef {
        columns: leak(vec![ID, ORG, column("campaign", SqlType::Int8), column("code", SqlType::Text)]),
        ..to_ads(&["campaign", "code"], NoAction, false)
    };
    vec![
        (
            "key of several columns without the tenant column",
            vec![TableDef { columns: &[ORG, CAMPAIGN, NUMBER], ..ads() }],
        ),
        (
            "key of several columns with a nullable column",
            vec![TableDef {
                columns: leak(vec![ORG_IN_KEY, CAMPAIGN, ColumnDef { nullable: true, ..NUMBER }]),
                ..ads()
            }],
        ),
        ("users with a key of several columns", vec![members([USER, ROLE]), users]),
        (
            "invitations with a key of several columns",
            vec![
                members([USER, ROLE]),
                TableDef {
                    columns: leak([ID, ORG_IN_KEY, CAMPAIGN].into_iter().chain(invitation_columns()).collect()),
                    ..invitations([])
                },
            ],
        ),
        ("reference of one column to a key of several", vec![ads(), tasks([refers("ad", "ads", NoAction)])]),
        ("foreign key with fewer columns than the key", vec![ads(), to_ads(&["campaign"], NoAction, false)]),
        (
            "foreign key with more columns than the key",
            vec![
                projects(),
                TableDef {
                    foreign_keys: leak(vec![ForeignKeyDef {
                        columns: BOTH,
                        reference: ReferenceDef::new(projects().name, NoAction),
                    }]),
                    ..to_ads(BOTH, NoAction, false)
                },
            ],
        ),
        ("foreign key with the wrong type", vec![ads(), to_ads(&["campaign", "title"], NoAction, false)]),
        ("foreign key with the wrong collation", vec![codes, to_codes]),
        ("foreign key with an unknown column", vec![ads(), to_ads(&["campaign", "numbre"], NoAction, false)]),
        ("foreign key with the tenant column", vec![ads(), to_ads(&["organization_id", "number"], NoAction, false)]),
        ("foreign key with the same column twice", vec![ads(), to_ads(&["number", "number"], NoAction, false)]),
        (
            "two foreign keys with the same columns",
            vec![ads(), {
                let key = || ForeignKeyDef { columns: BOTH, reference: ReferenceDef::new(ADS, NoAction) };
                TableDef { foreign_keys: leak(vec![key(), key()]), ..to_ads(BOTH, NoAction, false) }
            }],
        ),
        ("foreign key to an unregistered table", vec![to_ads(BOTH, NoAction, false)]),
        ("set_null on a foreign key of NOT NULL columns", vec![ads(), to_ads(BOTH, SetNull, false)]),
        (
            "foreign key that cascades to a table without delete privilege",
            vec![ads(), TableDef { delete: None, ..to_ads(BOTH, Cascade, false) }],
        ),
        (
            "foreign key of a global table to a tenant table",
            vec![
                ads(),
                TableDef {
                    scope: ScopeDef::Global,
                    insert: None,
                    update: None,
                    delete: None,
                    ..to_ads(BOTH, NoAction, false)
                },
            ],
        ),
        (
            "parent with a key of several columns",
            vec![ads(), {
                let column = refers("ad", "ads", NoAction);
                TableDef {
                    scope: ScopeDef::Parent { column: "ad", tenant: "organization_id" },
                    columns: leak(vec![ID, ORG, column, TITLE]),
                    ..tasks([])
                }
            }],
        ),
    ]
}
