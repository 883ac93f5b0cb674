//! The migrations folder: what is written into it, and what a run leaves that died while it wrote.

use tenant_runtime::{migrate::folder::Folder, model::schema::Schema, sql::Migration};
use tenant_tests::Scratch;

/// Migrations that are written together, as when an index is to be built outside a transaction.
fn migrations() -> Vec<Migration> {
    let migration = |description: &str, transaction: bool| Migration {
        description: description.to_owned(),
        transaction,
        up: format!("-- up of {description}\n"),
        down: format!("-- down of {description}\n"),
    };
    vec![migration("one", true), migration("two", false), migration("three", true)]
}

fn write(folder: &Scratch) {
    Folder::new(folder.path()).write(&migrations(), &Schema::default()).expect("it can be written");
}

#[test]
fn migrations_that_belong_together_get_numbers_one_after_the_other() {
    let folder = Scratch::new();
    folder.write("0003_by_hand.sql", "SELECT 1;");
    write(&folder);
    assert_eq!(
        folder.files().into_keys().collect::<Vec<_>>(),
        [
            "0003_by_hand.sql",
            "0004_one.down.sql",
            "0004_one.up.sql",
            "0005_two.down.sql",
            "0005_two.up.sql",
            "0006_three.down.sql",
            "0006_three.up.sql",
            "snapshot.json",
        ]
    );
}

#[test]
fn a_run_that_was_killed_between_any_two_files_is_completed_by_the_next() {
    let folder = Scratch::new();
    write(&folder);
    let whole = folder.files();
    let in_order: Vec<String> = ["0001_one", "0002_two", "0003_three"]
        .iter()
        .flat_map(|name| [format!("{name}.up.sql"), format!("{name}.down.sql")])
        .chain(["snapshot.json".to_owned()])
        .collect();
    let mut wrong = Vec::new();
    for killed_after in 0..in_order.len() {
        for name in &in_order[killed_after..] {
            std::fs::remove_file(folder.join(name)).expect("it is there");
            folder.write(&format!(".{name}.4711.tmp"), "half of");
        }
        write(&folder);
        if folder.files() != whole {
            wrong.push((killed_after, folder.files().into_keys().collect::<Vec<_>>()));
        }
    }
    assert_eq!(wrong, Vec::<(usize, Vec<String>)>::new());
}
