// Removes, reorders and reuses labels of enum types, changes one type to another, and text to a type without a label: all refused.

pub mod v1 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum State {
        Open,
        Done,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum Kind {
        Task,
        Job,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum Level {
        Low,
        High,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum Mood {
        Sad,
    }

    #[derive(Debug, TenantEnum)]
    pub enum Color {
        Red,
        Green,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub state: State,
        pub kind: Kind,
        pub level: Level,
        pub mood: Mood,
        pub color: Color,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum State {
        Done,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum Kind {
        Job,
        Task,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum Level {
        #[tenant(renamed_from = "low")]
        Lowest,
        Low,
        High,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native = "feeling")]
    pub enum Mood {
        Sad,
    }

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum Color {
        Red,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub state: State,
        pub kind: Kind,
        pub level: Level,
        pub mood: Mood,
        pub color: Color,
    }
}

/*
error: the labels of the enum type `app.kind` have another order, and PostgreSQL cannot reorder labels
  help: restore the order of the variants; or remove `native` from the enum, which makes the column text with a check constraint, and generate that migration; then change the labels, and add `native` again afterwards

error: a new label of the enum type `app.level` has the text of a label that is renamed
  help: rename the label in one migration, and add the new one in a later migration

error: the declaration removes the label `open` of the enum type `app.state`, and PostgreSQL cannot remove a label
  help: if it was renamed, add `#[tenant(renamed_from = "open")]` to its variant; or keep the variant; or remove `native` from the enum, which makes the column text with a check constraint, and generate that migration; then change the labels, and add `native` again afterwards

error: cannot change column `app.notes.mood` from the enum type `app.mood` to the enum type `app.feeling`: PostgreSQL has no conversion
  help: keep the name of the type: `#[tenant(native = "…")]` on the enum; or remove `native`, generate that migration, and then add `native` again

error: cannot change column `app.notes.color` to the enum type `app.color`: existing rows can have the label `green`, which the type lacks
  help: change the labels in one migration, and add `native` in a later one
*/
