//! The SQL of pgaudit: the statement classes that pgaudit logs in this database.

use super::heading;
use crate::{ident::literal, model::pgaudit::LogClasses};

/// The setting with the statement classes that pgaudit logs.
pub(crate) const SETTING: &str = "pgaudit.log";

/// Sets the logged classes on the database: a setting of a role would not apply to other login roles, such as the role
/// that migrates.
pub(super) fn set(classes: &LogClasses) -> String {
    format!(
        "{}-- Applies to all sessions in this database. Only superusers and roles with SET on the parameter can change it; the
-- roles of the app are neither.
DO $pgaudit$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET {SETTING} = %L', current_database(), {});
EXCEPTION WHEN insufficient_privilege THEN
    -- No error if the server does not load pgaudit: nothing is logged then, which the audit command reports.
    IF EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = '{SETTING}') THEN
        RAISE EXCEPTION '%', SQLERRM
            USING HINT = format('As a superuser, run: GRANT SET ON PARAMETER {SETTING} TO %I;', current_user);
    END IF;
END
$pgaudit$;
",
        heading("pgaudit"),
        literal(classes.as_str()),
    )
}

/// Resets the setting to the server's value.
pub(super) fn reset() -> String {
    format!(
        "{}DO $pgaudit$
BEGIN
    EXECUTE format('ALTER DATABASE %I RESET {SETTING}', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE '{SETTING} was not reset: %', SQLERRM;
END
$pgaudit$;
",
        heading("pgaudit"),
    )
}
