// The expression of a generated column changes, with its unique constraint, its check, its policy and its privileges; a column
// becomes generated; another one ceases to be; a column changes its type and another its name, which expressions read; a generated
// column is added and one is dropped.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", using(update = "slug <> 'fixed'"))]
    #[tenant(index(slug, size))]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub title: String,
        #[tenant(generated = "lower(title)", unique, check = "length(slug) < 100")]
        pub slug: String,
        #[tenant(generated = "length(body)")]
        pub size: i32,
        pub total: Option<i32>,
        #[tenant(generated = "left(title, 1)", index, select = "admin")]
        pub initial: Option<String>,
        pub body: String,
        pub cents: i32,
        #[tenant(generated = "cents * 2", index)]
        pub twice: i64,
        #[tenant(generated = "upper(body)")]
        pub loud: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", using(update = "slug <> 'fixed'"))]
    #[tenant(index(slug, size))]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub title: String,
        #[tenant(generated = "lower(trim(title))", unique, check = "length(slug) < 100")]
        pub slug: String,
        #[tenant(generated = "length(text)")]
        pub size: i32,
        #[tenant(generated = "cents::integer + 1")]
        pub total: Option<i32>,
        #[tenant(index, select = "admin")]
        pub initial: Option<String>,
        #[tenant(renamed_from = "body")]
        pub text: String,
        pub cents: i64,
        #[tenant(generated = "cents * 2", index)]
        pub twice: i64,
        #[tenant(generated = "size_of IS NULL OR size_of > 1")]
        pub is_large: bool,
        pub size_of: Option<i32>,
    }
}

/*
error: the next migration would delete data, so no migration was written:
  - drops column `app.notes.total` and its values (TM102)
    if `total` was renamed to `size_of`, add `#[tenant(renamed_from = "total")]` to `size_of`
    to confirm, re-run with `--drop app.notes.total`

rename column `app.notes.body` to `text`
change column `app.notes.slug`: value from generated as `lower(title)` to generated as `lower(trim(title))`
change column `app.notes.total`: value from not generated to generated as `cents::integer + 1`
change column `app.notes.initial`: value from generated as `left(title, 1)` to not generated
change column `app.notes.cents`: type from `integer` to `bigint`
add column `app.notes.is_large`
add column `app.notes.size_of`
drop column `app.notes.loud`
revoke SELECT (loud) on `app.notes` from `app_viewer`
revoke INSERT (total) on `app.notes` from `app_member`
revoke UPDATE (total) on `app.notes` from `app_member`
grant SELECT (is_large, size_of) on `app.notes` to `app_viewer`
grant INSERT (initial, size_of) on `app.notes` to `app_member`
grant UPDATE (initial, size_of) on `app.notes` to `app_member`
warning TM205: running app versions that still use column `app.notes.body` will fail.
warning TM205: drops column `app.notes.loud`; running app versions that still use it will fail.
destructive TM102: drops column `app.notes.total` and its values.
warning TM201: changes column `app.notes.cents` from `integer` to `bigint`; blocks reads and writes while the table is rewritten.
warning TM201: adds column `app.notes.is_large` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
warning TM201: adds column `app.notes.slug` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
warning TM201: adds column `app.notes.total` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails for a row.
warning TM201: adds column `app.notes.twice` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
warning TM203: building the unique constraint `notes_org_slug_key` on `app.notes` fails if duplicate values exist.

== 0002_change_notes.up.sql ===========================================================================
-- Changes the database of tenant-tests:
--   rename column `app.notes.body` to `text`
--   change column `app.notes.slug`: value from generated as `lower(title)` to generated as `lower(trim(title))`
--   change column `app.notes.total`: value from not generated to generated as `cents::integer + 1`
--   change column `app.notes.initial`: value from generated as `left(title, 1)` to not generated
--   change column `app.notes.cents`: type from `integer` to `bigint`
--   add column `app.notes.is_large`
--   add column `app.notes.size_of`
--   drop column `app.notes.loud`
--   revoke SELECT (loud) on `app.notes` from `app_viewer`
--   revoke INSERT (total) on `app.notes` from `app_member`
--   revoke UPDATE (total) on `app.notes` from `app_member`
--   grant SELECT (is_large, size_of) on `app.notes` to `app_viewer`
--   grant INSERT (initial, size_of) on `app.notes` to `app_member`
--   grant UPDATE (initial, size_of) on `app.notes` to `app_member`
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

-- warning TM205: running app versions that still use column `app.notes.body` will fail.
ALTER TABLE app.notes RENAME COLUMN body TO text;

REVOKE SELECT (id, org, title, slug, size, total, text, cents, twice, loud) ON app.notes FROM app_viewer;
REVOKE SELECT (initial) ON app.notes FROM app_admin;
REVOKE INSERT (org, title, total, text, cents) ON app.notes FROM app_member;
REVOKE UPDATE (title, total, text, cents) ON app.notes FROM app_member;

-- Dropped because the following changes require it; re-created below.
DROP POLICY update_member ON app.notes;

ALTER TABLE app.notes DROP CONSTRAINT notes_org_slug_key;
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP CONSTRAINT notes_slug_check;
DROP INDEX app.notes_org_initial_idx;
DROP INDEX app.notes_org_slug_size_idx;
DROP INDEX app.notes_org_twice_idx;
-- The column keeps its values.
ALTER TABLE app.notes ALTER COLUMN initial DROP EXPRESSION;
-- warning TM205: drops column `app.notes.loud`; running app versions that still use it will fail.
ALTER TABLE app.notes DROP COLUMN loud;
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP COLUMN slug;
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP COLUMN twice;
-- destructive TM102: drops column `app.notes.total` and its values.
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP COLUMN total;
-- warning TM201: changes column `app.notes.cents` from `integer` to `bigint`; blocks reads and writes while the table is rewritten.
ALTER TABLE app.notes ALTER COLUMN cents TYPE bigint USING cents::bigint;
ALTER TABLE app.notes ADD COLUMN size_of integer;
-- warning TM201: adds column `app.notes.is_large` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
ALTER TABLE app.notes ADD COLUMN is_large boolean NOT NULL GENERATED ALWAYS AS (size_of IS NULL OR size_of > 1) STORED;
-- warning TM201: adds column `app.notes.slug` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
ALTER TABLE app.notes ADD COLUMN slug text NOT NULL GENERATED ALWAYS AS (lower(trim(title))) STORED;
-- warning TM201: adds column `app.notes.total` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails for a row.
ALTER TABLE app.notes ADD COLUMN total integer GENERATED ALWAYS AS (cents::integer + 1) STORED;
-- warning TM201: adds column `app.notes.twice` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
ALTER TABLE app.notes ADD COLUMN twice bigint NOT NULL GENERATED ALWAYS AS (cents * 2) STORED;
ALTER TABLE app.notes ADD CONSTRAINT notes_slug_check CHECK (length(slug) < 100) NOT VALID;

CREATE POLICY update_member ON app.notes AS PERMISSIVE FOR UPDATE TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (slug <> 'fixed'))
    WITH CHECK (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY update_member ON app.notes IS 'Allows member and the roles that include it to UPDATE rows of the current tenant, but not to move them to another tenant.';

GRANT SELECT (id, org, title, slug, size, total, text, cents, twice, is_large, size_of) ON app.notes TO app_viewer;
GRANT SELECT (initial) ON app.notes TO app_admin;
GRANT INSERT (org, title, initial, text, cents, size_of) ON app.notes TO app_member;
GRANT UPDATE (title, initial, text, cents, size_of) ON app.notes TO app_member;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0002_change_notes.down.sql =========================================================================
-- tenant: loses data: app.notes.size_of, app.notes.initial
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

REVOKE UPDATE (title, initial, text, cents, size_of) ON app.notes FROM app_member;
REVOKE INSERT (org, title, initial, text, cents, size_of) ON app.notes FROM app_member;
REVOKE SELECT (initial) ON app.notes FROM app_admin;
REVOKE SELECT (id, org, title, slug, size, total, text, cents, twice, is_large, size_of) ON app.notes FROM app_viewer;

-- Dropped because the following changes require it; re-created below.
DROP POLICY update_member ON app.notes;

ALTER TABLE app.notes DROP CONSTRAINT notes_slug_check;
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP COLUMN twice;
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP COLUMN total;
-- Dropped because the following changes require it; re-created below.
ALTER TABLE app.notes DROP COLUMN slug;
-- warning TM205: drops column `app.notes.is_large`; running app versions that still use it will fail.
ALTER TABLE app.notes DROP COLUMN is_large;
-- destructive TM102: drops column `app.notes.size_of` and its values.
ALTER TABLE app.notes DROP COLUMN size_of;
-- warning TM201: changes column `app.notes.cents` from `bigint` to `integer`; blocks reads and writes while the table is rewritten, and fails if a value cannot be converted.
ALTER TABLE app.notes ALTER COLUMN cents TYPE integer USING cents::integer;
ALTER TABLE app.notes ADD COLUMN total integer;
-- warning TM201: adds column `app.notes.twice` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
ALTER TABLE app.notes ADD COLUMN twice bigint NOT NULL GENERATED ALWAYS AS (cents * 2) STORED;
-- warning TM201: adds column `app.notes.slug` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
ALTER TABLE app.notes ADD COLUMN slug text NOT NULL GENERATED ALWAYS AS (lower(title)) STORED;
-- warning TM201: adds column `app.notes.loud` and writes it in every row; blocks reads and writes of the table while the rows are rewritten; fails if the expression fails or is NULL for a row.
ALTER TABLE app.notes ADD COLUMN loud text NOT NULL GENERATED ALWAYS AS (upper(text)) STORED;
-- destructive TM102: drops column `app.notes.initial` and its values, and adds it as a generated column.
-- PostgreSQL cannot make a column of a table generated: it is dropped, and added again.
ALTER TABLE app.notes DROP COLUMN initial;
ALTER TABLE app.notes ADD COLUMN initial text GENERATED ALWAYS AS (left(title, 1)) STORED;
CREATE INDEX notes_org_twice_idx ON app.notes (org, twice);
CREATE INDEX notes_org_slug_size_idx ON app.notes (org, slug, size);
CREATE INDEX notes_org_initial_idx ON app.notes (org, initial);
ALTER TABLE app.notes ADD CONSTRAINT notes_slug_check CHECK (length(slug) < 100);
-- warning TM202: blocks writes while the unique constraint `notes_org_slug_key` on `app.notes` is built; fails if duplicate values exist.
ALTER TABLE app.notes ADD CONSTRAINT notes_org_slug_key UNIQUE (org, slug);

CREATE POLICY update_member ON app.notes AS PERMISSIVE FOR UPDATE TO app_member
    USING ((org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
        AND (slug <> 'fixed'))
    WITH CHECK (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY update_member ON app.notes IS 'Allows member and the roles that include it to UPDATE rows of the current tenant, but not to move them to another tenant.';

GRANT UPDATE (title, total, text, cents) ON app.notes TO app_member;
GRANT INSERT (org, title, total, text, cents) ON app.notes TO app_member;
GRANT SELECT (initial) ON app.notes TO app_admin;
GRANT SELECT (id, org, title, slug, size, total, text, cents, twice, loud) ON app.notes TO app_viewer;

-- warning TM205: running app versions that still use column `app.notes.text` will fail.
ALTER TABLE app.notes RENAME COLUMN text TO body;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0003_change_notes_index.up.sql =====================================================================
-- no-transaction
-- Builds an index without blocking reads and writes.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

-- warning TM203: building the unique constraint `notes_org_slug_key` on `app.notes` fails if duplicate values exist.
CREATE UNIQUE INDEX CONCURRENTLY notes_org_slug_key ON app.notes (org, slug);

== 0003_change_notes_index.down.sql ===================================================================
-- no-transaction
-- Drops the index, unless it was dropped together with its constraint.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

DROP INDEX CONCURRENTLY IF EXISTS app.notes_org_slug_key;

== 0004_change_notes_index.up.sql =====================================================================
-- no-transaction
-- Builds an index without blocking reads and writes.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

CREATE INDEX CONCURRENTLY notes_org_initial_idx ON app.notes (org, initial);

== 0004_change_notes_index.down.sql ===================================================================
-- no-transaction
-- Drops the index, unless it was dropped together with its constraint.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

DROP INDEX CONCURRENTLY IF EXISTS app.notes_org_initial_idx;

== 0005_change_notes_index.up.sql =====================================================================
-- no-transaction
-- Builds an index without blocking reads and writes.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

CREATE INDEX CONCURRENTLY notes_org_slug_size_idx ON app.notes (org, slug, size);

== 0005_change_notes_index.down.sql ===================================================================
-- no-transaction
-- Drops the index, unless it was dropped together with its constraint.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

DROP INDEX CONCURRENTLY IF EXISTS app.notes_org_slug_size_idx;

== 0006_change_notes_index.up.sql =====================================================================
-- no-transaction
-- Builds an index without blocking reads and writes.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

CREATE INDEX CONCURRENTLY notes_org_twice_idx ON app.notes (org, twice);

== 0006_change_notes_index.down.sql ===================================================================
-- no-transaction
-- Drops the index, unless it was dropped together with its constraint.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

DROP INDEX CONCURRENTLY IF EXISTS app.notes_org_twice_idx;

== 0007_change_notes_keys.up.sql ======================================================================
-- Makes the changes that require the indexes of the preceding migrations.
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

ALTER TABLE app.notes ADD CONSTRAINT notes_org_slug_key UNIQUE USING INDEX notes_org_slug_key;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0007_change_notes_keys.down.sql ====================================================================
-- Reverts the changes that require the indexes of the preceding migrations.
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

ALTER TABLE app.notes DROP CONSTRAINT notes_org_slug_key;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0008_change_notes_validate.up.sql ==================================================================
-- Validates existing rows without blocking reads and writes.
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

ALTER TABLE app.notes VALIDATE CONSTRAINT notes_slug_check;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0008_change_notes_validate.down.sql ================================================================
-- Reverts the changes that followed the validation of existing rows.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;

SET LOCAL search_path = DEFAULT;
*/
