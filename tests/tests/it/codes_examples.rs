//! Sources of the examples on the pages of the codes that no SQL on the page makes.

/// The golden case of `golden/evolve` from which the example of a migration note comes.
pub(super) const CASES: [(&str, &str); 15] = [
    ("TM101", "drop_table"),
    ("TM102", "drop_column"),
    ("TM103", "change_column_types"),
    ("TM201", "change_column_types"),
    ("TM202", "partitioned_table"),
    ("TM203", "foreign_keys"),
    ("TM204", "backfill"),
    ("TM205", "rename_column"),
    ("TM206", "column_privileges"),
    ("TM207", "column_privileges"),
    ("TM208", "change_one_policy"),
    ("TM209", "rename_labels"),
    ("TM210", "add_membership_table"),
    ("TM211", "change_column_types"),
    ("TM212", "sensitive_columns"),
];

/// A subscription as in the example of TA220, without a publishing server.
pub(super) const SUBSCRIPTION: &str =
    "CREATE SUBSCRIPTION copy CONNECTION 'host=127.0.0.1 port=1' PUBLICATION everything
        WITH (connect = false);
    INSERT INTO pg_subscription_rel SELECT oid, 'app.projects'::regclass, 'r', NULL FROM pg_subscription;
    ALTER SUBSCRIPTION copy ENABLE";

/// A function as a provider's build could contain it.
pub(super) const VENDOR: &str = "SET LOCAL allow_system_table_mods = on;
    INSERT INTO pg_proc SELECT (jsonb_populate_record(routine, '{\"oid\": 9876, \"proname\": \"vendor_version\"}')).*
        FROM pg_proc AS routine WHERE proname = 'version'";
