// Deleted rows are kept from now on; the column is renamed, and deletions remove rows again.

use sqlx::types::chrono;
use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

pub mod v1 {
    use super::*;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub body: String,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "note_id", select = "viewer", insert = "member")]
    pub struct Mark {
        pub id: Uuid,
        #[tenant(references = Note)]
        pub note_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", delete = "member", restore = "member", purge = "member")]
    pub struct Task {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(soft_delete)]
        pub removed: Option<chrono::DateTime<chrono::Utc>>,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", delete = "member", restore = "admin")]
    pub struct Draft {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(soft_delete)]
        pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
    }
}

pub mod v2 {
    use super::*;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "member", restore = "admin")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub body: String,
        #[tenant(soft_delete)]
        pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "note_id", select = "viewer", insert = "member")]
    pub struct Mark {
        pub id: Uuid,
        #[tenant(references = Note)]
        pub note_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", delete = "member", restore = "admin", purge = "admin")]
    pub struct Task {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(soft_delete, renamed_from = "removed")]
        pub removed_at: Option<chrono::DateTime<chrono::Utc>>,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", delete = "member")]
    pub struct Draft {
        pub id: Uuid,
        pub org: Uuid,
        pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
    }
}

/*
rename column `app.tasks.removed` to `removed_at`
change policy `select_viewer` on `app.drafts`
add policy `delete_member` on `app.drafts`
drop policy `restore_admin` on `app.drafts`
drop policy `read_deleted_admin` on `app.drafts`
drop policy `soft_delete_member` on `app.drafts`
revoke UPDATE (deleted_at) on `app.drafts` from `app_member`
revoke UPDATE (deleted_at) on `app.drafts` from `app_admin`
grant DELETE on `app.drafts` to `app_member`
change policy `select_viewer` on `app.marks`
change policy `insert_member` on `app.marks`
add column `app.notes.deleted_at`
change policy `select_viewer` on `app.notes`
change policy `update_member` on `app.notes`
add policy `soft_delete_member` on `app.notes`
add policy `read_deleted_admin` on `app.notes`
add policy `restore_admin` on `app.notes`
drop policy `delete_member` on `app.notes`
revoke DELETE on `app.notes` from `app_member`
grant SELECT (deleted_at) on `app.notes` to `app_viewer`
grant UPDATE (deleted_at) on `app.notes` to `app_member`
grant UPDATE (deleted_at) on `app.notes` to `app_admin`
change policy `read_deleted_member` on `app.tasks` and rename it to `read_deleted_admin`
change policy `restore_member` on `app.tasks` and rename it to `restore_admin`
change policy `purge_member` on `app.tasks` and rename it to `purge_admin`
revoke DELETE on `app.tasks` from `app_member`
grant UPDATE (removed_at) on `app.tasks` to `app_admin`
grant DELETE on `app.tasks` to `app_admin`
warning TM205: running app versions that still use column `app.tasks.removed` will fail.
warning TM206: revokes UPDATE (deleted_at) on `app.drafts` from `app_member`.
warning TM206: revokes UPDATE (deleted_at) on `app.drafts` from `app_admin`.
warning TM206: revokes DELETE on `app.notes` from `app_member`.
warning TM206: revokes DELETE on `app.tasks` from `app_member`.
warning TM208: drops policy `restore_admin` on `app.drafts`, which controls the rows that roles can read or write.
warning TM208: drops policy `read_deleted_admin` on `app.drafts`, which controls the rows that roles can read or write.
warning TM208: drops policy `soft_delete_member` on `app.drafts`, which controls the rows that roles can read or write.
warning TM208: drops policy `delete_member` on `app.notes`, which controls the rows that roles can read or write.
warning TM208: changes policy `select_viewer` on `app.drafts`, which no longer hides deleted rows: all roles with SELECT see them again.
warning TM208: adds policy `delete_member` on `app.drafts`, which controls the rows that roles can read or write.
warning TM208: changes policy `select_viewer` on `app.marks`, which controls the rows that roles can read or write.
warning TM208: changes policy `insert_member` on `app.marks`, which controls the rows that roles can read or write.
warning TM208: changes policy `select_viewer` on `app.notes`, which controls the rows that roles can read or write.
warning TM208: changes policy `update_member` on `app.notes`, which controls the rows that roles can read or write.
warning TM208: adds policy `soft_delete_member` on `app.notes`, which controls the rows that roles can read or write.
warning TM208: adds policy `read_deleted_admin` on `app.notes`, which controls the rows that roles can read or write.
warning TM208: adds policy `restore_admin` on `app.notes`, which controls the rows that roles can read or write.
warning TM208: changes policy `read_deleted_member` on `app.tasks` and rename it to `read_deleted_admin`, which controls the rows that roles can read or write.
warning TM208: changes policy `restore_member` on `app.tasks` and rename it to `restore_admin`, which controls the rows that roles can read or write.
warning TM208: changes policy `purge_member` on `app.tasks` and rename it to `purge_admin`, which controls the rows that roles can read or write.
warning TM207: grants DELETE on `app.drafts` to `app_member`.
warning TM207: grants UPDATE (removed_at) on `app.tasks` to `app_admin`.
warning TM207: grants DELETE on `app.tasks` to `app_admin`.

== 0002_change_tables.up.sql ==========================================================================
-- Changes the database of tenant-tests:
--   rename column `app.tasks.removed` to `removed_at`
--   change policy `select_viewer` on `app.drafts`
--   add policy `delete_member` on `app.drafts`
--   drop policy `restore_admin` on `app.drafts`
--   drop policy `read_deleted_admin` on `app.drafts`
--   drop policy `soft_delete_member` on `app.drafts`
--   revoke UPDATE (deleted_at) on `app.drafts` from `app_member`
--   revoke UPDATE (deleted_at) on `app.drafts` from `app_admin`
--   grant DELETE on `app.drafts` to `app_member`
--   change policy `select_viewer` on `app.marks`
--   change policy `insert_member` on `app.marks`
--   add column `app.notes.deleted_at`
--   change policy `select_viewer` on `app.notes`
--   change policy `update_member` on `app.notes`
--   add policy `soft_delete_member` on `app.notes`
--   add policy `read_deleted_admin` on `app.notes`
--   add policy `restore_admin` on `app.notes`
--   drop policy `delete_member` on `app.notes`
--   revoke DELETE on `app.notes` from `app_member`
--   grant SELECT (deleted_at) on `app.notes` to `app_viewer`
--   grant UPDATE (deleted_at) on `app.notes` to `app_member`
--   grant UPDATE (deleted_at) on `app.notes` to `app_admin`
--   change policy `read_deleted_member` on `app.tasks` and rename it to `read_deleted_admin`
--   change policy `restore_member` on `app.tasks` and rename it to `restore_admin`
--   change policy `purge_member` on `app.tasks` and rename it to `purge_admin`
--   revoke DELETE on `app.tasks` from `app_member`
--   grant UPDATE (removed_at) on `app.tasks` to `app_admin`
--   grant DELETE on `app.tasks` to `app_admin`
--
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a
-- timeout the transaction is rolled back, and the migration can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

-- warning TM205: running app versions that still use column `app.tasks.removed` will fail.
ALTER TABLE app.tasks RENAME COLUMN removed TO removed_at;

REVOKE SELECT (id, org, deleted_at) ON app.drafts FROM app_viewer;
-- warning TM206: revokes UPDATE (deleted_at) on `app.drafts` from `app_member`.
REVOKE UPDATE (deleted_at) ON app.drafts FROM app_member;
-- warning TM206: revokes UPDATE (deleted_at) on `app.drafts` from `app_admin`.
REVOKE UPDATE (deleted_at) ON app.drafts FROM app_admin;

REVOKE SELECT (id, note_id, org) ON app.marks FROM app_viewer;
REVOKE INSERT (note_id) ON app.marks FROM app_member;

REVOKE SELECT (id, org, body) ON app.notes FROM app_viewer;
REVOKE INSERT (org, body) ON app.notes FROM app_member;
REVOKE UPDATE (body) ON app.notes FROM app_member;
-- warning TM206: revokes DELETE on `app.notes` from `app_member`.
REVOKE DELETE ON app.notes FROM app_member;

REVOKE SELECT (id, org, removed_at) ON app.tasks FROM app_viewer;
REVOKE UPDATE (removed_at) ON app.tasks FROM app_member;
-- warning TM206: revokes DELETE on `app.tasks` from `app_member`.
REVOKE DELETE ON app.tasks FROM app_member;

-- warning TM208: drops policy `restore_admin` on `app.drafts`, which controls the rows that roles can read or write.
DROP POLICY restore_admin ON app.drafts;
-- warning TM208: drops policy `read_deleted_admin` on `app.drafts`, which controls the rows that roles can read or write.
DROP POLICY read_deleted_admin ON app.drafts;
-- warning TM208: drops policy `soft_delete_member` on `app.drafts`, which controls the rows that roles can read or write.
DROP POLICY soft_delete_member ON app.drafts;

-- warning TM208: drops policy `delete_member` on `app.notes`, which controls the rows that roles can read or write.
DROP POLICY delete_member ON app.notes;

ALTER TABLE app.notes ADD COLUMN deleted_at timestamptz;

-- warning TM208: changes policy `select_viewer` on `app.drafts`, which no longer hides deleted rows: all roles with SELECT see them again.
ALTER POLICY select_viewer ON app.drafts
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
-- warning TM208: adds policy `delete_member` on `app.drafts`, which controls the rows that roles can read or write.
CREATE POLICY delete_member ON app.drafts AS PERMISSIVE FOR DELETE TO app_member
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY delete_member ON app.drafts IS 'Allows member and the roles that include it to DELETE rows of the current tenant.';

-- warning TM208: changes policy `select_viewer` on `app.marks`, which controls the rows that roles can read or write.
ALTER POLICY select_viewer ON app.marks
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (EXISTS (SELECT FROM app.notes AS parent WHERE parent.org = app.marks.org AND parent.id = app.marks.note_id OFFSET 0)));
COMMENT ON POLICY select_viewer ON app.marks IS 'Allows viewer and the roles that include it to SELECT rows of the current tenant. Limited to rows whose parent is visible to the user.';
-- warning TM208: changes policy `insert_member` on `app.marks`, which controls the rows that roles can read or write.
ALTER POLICY insert_member ON app.marks
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (EXISTS (SELECT FROM app.notes AS parent WHERE parent.org = app.marks.org AND parent.id = app.marks.note_id OFFSET 0)));
COMMENT ON POLICY insert_member ON app.marks IS 'Allows member and the roles that include it to INSERT rows of the current tenant. Limited to rows whose parent is visible to the user.';

-- warning TM208: changes policy `select_viewer` on `app.notes`, which controls the rows that roles can read or write.
ALTER POLICY select_viewer ON app.notes
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL OR deleted_at = transaction_timestamp()));
-- warning TM208: changes policy `update_member` on `app.notes`, which controls the rows that roles can read or write.
ALTER POLICY update_member ON app.notes
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL));
-- warning TM208: adds policy `soft_delete_member` on `app.notes`, which controls the rows that roles can read or write.
CREATE POLICY soft_delete_member ON app.notes AS PERMISSIVE FOR UPDATE TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at = transaction_timestamp()));
COMMENT ON POLICY soft_delete_member ON app.notes IS 'Allows member and the roles that include it to mark rows of the current tenant as deleted.';
-- warning TM208: adds policy `read_deleted_admin` on `app.notes`, which controls the rows that roles can read or write.
CREATE POLICY read_deleted_admin ON app.notes AS PERMISSIVE FOR SELECT TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NOT NULL AND (SELECT current_setting('app.deleted_rows', true)) = 'shown'));
COMMENT ON POLICY read_deleted_admin ON app.notes IS 'Allows admin and the roles that include it to SELECT deleted rows of the current tenant, if the statement asks for them.';
-- warning TM208: adds policy `restore_admin` on `app.notes`, which controls the rows that roles can read or write.
CREATE POLICY restore_admin ON app.notes AS PERMISSIVE FOR UPDATE TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NOT NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL));
COMMENT ON POLICY restore_admin ON app.notes IS 'Allows admin and the roles that include it to restore deleted rows of the current tenant.';

-- warning TM208: changes policy `read_deleted_member` on `app.tasks` and rename it to `read_deleted_admin`, which controls the rows that roles can read or write.
ALTER POLICY read_deleted_member ON app.tasks RENAME TO read_deleted_admin;
ALTER POLICY read_deleted_admin ON app.tasks
    TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NOT NULL AND (SELECT current_setting('app.deleted_rows', true)) = 'shown'));
COMMENT ON POLICY read_deleted_admin ON app.tasks IS 'Allows admin and the roles that include it to SELECT deleted rows of the current tenant, if the statement asks for them.';
-- warning TM208: changes policy `restore_member` on `app.tasks` and rename it to `restore_admin`, which controls the rows that roles can read or write.
ALTER POLICY restore_member ON app.tasks RENAME TO restore_admin;
ALTER POLICY restore_admin ON app.tasks
    TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NOT NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NULL));
COMMENT ON POLICY restore_admin ON app.tasks IS 'Allows admin and the roles that include it to restore deleted rows of the current tenant.';
-- warning TM208: changes policy `purge_member` on `app.tasks` and rename it to `purge_admin`, which controls the rows that roles can read or write.
ALTER POLICY purge_member ON app.tasks RENAME TO purge_admin;
ALTER POLICY purge_admin ON app.tasks
    TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NOT NULL));
COMMENT ON POLICY purge_admin ON app.tasks IS 'Allows admin and the roles that include it to DELETE deleted rows of the current tenant.';

GRANT SELECT (id, org, deleted_at) ON app.drafts TO app_viewer;
-- warning TM207: grants DELETE on `app.drafts` to `app_member`.
GRANT DELETE ON app.drafts TO app_member;

GRANT SELECT (id, note_id, org) ON app.marks TO app_viewer;
GRANT INSERT (note_id) ON app.marks TO app_member;

GRANT SELECT (id, org, body, deleted_at) ON app.notes TO app_viewer;
GRANT INSERT (org, body) ON app.notes TO app_member;
GRANT UPDATE (body, deleted_at) ON app.notes TO app_member;
GRANT UPDATE (deleted_at) ON app.notes TO app_admin;

GRANT SELECT (id, org, removed_at) ON app.tasks TO app_viewer;
GRANT UPDATE (removed_at) ON app.tasks TO app_member;
-- warning TM207: grants UPDATE (removed_at) on `app.tasks` to `app_admin`.
GRANT UPDATE (removed_at) ON app.tasks TO app_admin;
-- warning TM207: grants DELETE on `app.tasks` to `app_admin`.
GRANT DELETE ON app.tasks TO app_admin;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0002_change_tables.down.sql ========================================================================
-- tenant: loses data: app.notes.deleted_at
-- `gen-migrations revert` reads the line above, and runs this file only with --allow-data-loss.
-- Reverts the up file with the same number, which changes the database of tenant-tests.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a
-- timeout the transaction is rolled back, and the migration can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

REVOKE DELETE ON app.tasks FROM app_admin;
REVOKE UPDATE (removed_at) ON app.tasks FROM app_admin;
REVOKE UPDATE (removed_at) ON app.tasks FROM app_member;
REVOKE SELECT (id, org, removed_at) ON app.tasks FROM app_viewer;

REVOKE UPDATE (deleted_at) ON app.notes FROM app_admin;
REVOKE UPDATE (body, deleted_at) ON app.notes FROM app_member;
REVOKE INSERT (org, body) ON app.notes FROM app_member;
REVOKE SELECT (id, org, body, deleted_at) ON app.notes FROM app_viewer;

REVOKE INSERT (note_id) ON app.marks FROM app_member;
REVOKE SELECT (id, note_id, org) ON app.marks FROM app_viewer;

REVOKE DELETE ON app.drafts FROM app_member;
REVOKE SELECT (id, org, deleted_at) ON app.drafts FROM app_viewer;

-- warning TM208: changes policy `purge_admin` on `app.tasks` and rename it to `purge_member`, which controls the rows that roles can read or write.
ALTER POLICY purge_admin ON app.tasks RENAME TO purge_member;
ALTER POLICY purge_member ON app.tasks
    TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NOT NULL));
COMMENT ON POLICY purge_member ON app.tasks IS 'Allows member and the roles that include it to DELETE deleted rows of the current tenant.';
-- warning TM208: changes policy `restore_admin` on `app.tasks` and rename it to `restore_member`, which controls the rows that roles can read or write.
ALTER POLICY restore_admin ON app.tasks RENAME TO restore_member;
ALTER POLICY restore_member ON app.tasks
    TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NOT NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NULL));
COMMENT ON POLICY restore_member ON app.tasks IS 'Allows member and the roles that include it to restore deleted rows of the current tenant.';
-- warning TM208: changes policy `read_deleted_admin` on `app.tasks` and rename it to `read_deleted_member`, which controls the rows that roles can read or write.
ALTER POLICY read_deleted_admin ON app.tasks RENAME TO read_deleted_member;
ALTER POLICY read_deleted_member ON app.tasks
    TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (removed_at IS NOT NULL AND (SELECT current_setting('app.deleted_rows', true)) = 'shown'));
COMMENT ON POLICY read_deleted_member ON app.tasks IS 'Allows member and the roles that include it to SELECT deleted rows of the current tenant, if the statement asks for them.';

DROP POLICY restore_admin ON app.notes;
DROP POLICY read_deleted_admin ON app.notes;
DROP POLICY soft_delete_member ON app.notes;
-- warning TM208: changes policy `update_member` on `app.notes`, which controls the rows that roles can read or write.
ALTER POLICY update_member ON app.notes
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
    WITH CHECK (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
-- warning TM208: changes policy `select_viewer` on `app.notes`, which no longer hides deleted rows: all roles with SELECT see them again.
ALTER POLICY select_viewer ON app.notes
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));

-- warning TM208: changes policy `insert_member` on `app.marks`, which controls the rows that roles can read or write.
ALTER POLICY insert_member ON app.marks
    WITH CHECK (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY insert_member ON app.marks IS 'Allows member and the roles that include it to INSERT rows of the current tenant.';
-- warning TM208: changes policy `select_viewer` on `app.marks`, which controls the rows that roles can read or write.
ALTER POLICY select_viewer ON app.marks
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY select_viewer ON app.marks IS 'Allows viewer and the roles that include it to SELECT rows of the current tenant.';

DROP POLICY delete_member ON app.drafts;
-- warning TM208: changes policy `select_viewer` on `app.drafts`, which controls the rows that roles can read or write.
ALTER POLICY select_viewer ON app.drafts
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL OR deleted_at = transaction_timestamp()));

-- destructive TM102: drops column `app.notes.deleted_at` and its values.
ALTER TABLE app.notes DROP COLUMN deleted_at;

CREATE POLICY delete_member ON app.notes AS PERMISSIVE FOR DELETE TO app_member
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY delete_member ON app.notes IS 'Allows member and the roles that include it to DELETE rows of the current tenant.';

CREATE POLICY soft_delete_member ON app.drafts AS PERMISSIVE FOR UPDATE TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at = transaction_timestamp()));
COMMENT ON POLICY soft_delete_member ON app.drafts IS 'Allows member and the roles that include it to mark rows of the current tenant as deleted.';
CREATE POLICY read_deleted_admin ON app.drafts AS PERMISSIVE FOR SELECT TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NOT NULL AND (SELECT current_setting('app.deleted_rows', true)) = 'shown'));
COMMENT ON POLICY read_deleted_admin ON app.drafts IS 'Allows admin and the roles that include it to SELECT deleted rows of the current tenant, if the statement asks for them.';
CREATE POLICY restore_admin ON app.drafts AS PERMISSIVE FOR UPDATE TO app_admin
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NOT NULL))
    WITH CHECK ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (deleted_at IS NULL));
COMMENT ON POLICY restore_admin ON app.drafts IS 'Allows admin and the roles that include it to restore deleted rows of the current tenant.';

GRANT DELETE ON app.tasks TO app_member;
GRANT UPDATE (removed_at) ON app.tasks TO app_member;
GRANT SELECT (id, org, removed_at) ON app.tasks TO app_viewer;

GRANT DELETE ON app.notes TO app_member;
GRANT UPDATE (body) ON app.notes TO app_member;
GRANT INSERT (org, body) ON app.notes TO app_member;
GRANT SELECT (id, org, body) ON app.notes TO app_viewer;

GRANT INSERT (note_id) ON app.marks TO app_member;
GRANT SELECT (id, note_id, org) ON app.marks TO app_viewer;

GRANT UPDATE (deleted_at) ON app.drafts TO app_admin;
GRANT UPDATE (deleted_at) ON app.drafts TO app_member;
GRANT SELECT (id, org, deleted_at) ON app.drafts TO app_viewer;

-- warning TM205: running app versions that still use column `app.tasks.removed_at` will fail.
ALTER TABLE app.tasks RENAME COLUMN removed_at TO removed;

RESET ROLE;

SET LOCAL search_path = DEFAULT;
*/
