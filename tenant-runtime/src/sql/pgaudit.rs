//! The SQL of pgaudit: what it logs in this database.

use super::heading;
use crate::{ident::literal, model::pgaudit::LogClasses};

/// The setting by which pgaudit knows what to log.
pub(crate) const SETTING: &str = "pgaudit.log";

/// Has pgaudit log, whoever logs in: a setting of a role would count for logins alone, and whoever migrates has another one.
pub(super) fn set(classes: &LogClasses) -> String {
    format!(
        "{}-- Of any session here, whoever logs in. Only a superuser, or whom one granted the parameter, changes it: not the app.
DO $pgaudit$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET {SETTING} = %L', current_database(), {});
EXCEPTION WHEN insufficient_privilege THEN
    -- Where the server does not load pgaudit, nothing can be logged, and the audit says so.
    IF EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = '{SETTING}') THEN
        RAISE EXCEPTION '%', SQLERRM
            USING HINT = format('Have a superuser run: GRANT SET ON PARAMETER {SETTING} TO %I;', current_user);
    END IF;
END
$pgaudit$;
",
        heading("What pgaudit logs"),
        literal(classes.as_str()),
    )
}

/// Leaves it to the server's own setting again.
pub(super) fn reset() -> String {
    format!(
        "{}DO $pgaudit$
BEGIN
    EXECUTE format('ALTER DATABASE %I RESET {SETTING}', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE '{SETTING} stays as it is: %', SQLERRM;
END
$pgaudit$;
",
        heading("What pgaudit logs"),
    )
}
