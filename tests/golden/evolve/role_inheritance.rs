// Adds and drops roles, changes role inheritance and the connection limit. Revokes come before grants, so that no role has
// more privileges in between than before or after.

pub mod v1 {
    use tenant_runtime::{TenantTable, tenancy};

    tenancy! {
        pub Clinic {
            key: i64,
            schema: "clinic",
            role_prefix: "clinic_",
            tenant_setting: "clinic.id",
            user_setting: "clinic.person",
            connection_limit: 20,
            roles: { Staff, Nurse: Staff, Clerk: Staff, Head: Nurse + Clerk },
        }
    }

    #[derive(TenantTable)]
    #[tenant(org = "clinic_id", select = "staff", insert = "nurse", update = "nurse", delete = "head")]
    pub struct Chart {
        pub id: i64,
        pub clinic_id: i64,
        pub text: String,
    }

    #[derive(TenantTable)]
    #[tenant(org = "clinic_id", select = "clerk", insert = "clerk")]
    pub struct Invoice {
        pub id: i64,
        pub clinic_id: i64,
        pub cents: i64,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, tenancy};

    tenancy! {
        pub Clinic {
            key: i64,
            schema: "clinic",
            role_prefix: "clinic_",
            tenant_setting: "clinic.id",
            user_setting: "clinic.person",
            connection_limit: 40,
            roles: { Staff, Nurse: Staff, Doctor: Nurse, Head: Doctor },
        }
    }

    #[derive(TenantTable)]
    #[tenant(org = "clinic_id", select = "staff", insert = "nurse", update = "doctor", delete = "head")]
    pub struct Chart {
        pub id: i64,
        pub clinic_id: i64,
        pub text: String,
    }

    #[derive(TenantTable)]
    #[tenant(org = "clinic_id", select = "head", insert = "head")]
    pub struct Invoice {
        pub id: i64,
        pub clinic_id: i64,
        pub cents: i64,
    }
}

/*
role `clinic_doctor` is new
role `clinic_service` has changed
`clinic_doctor` including `clinic_nurse` is new
`clinic_head` including `clinic_doctor` is new
`clinic_service` becoming `clinic_doctor` is new
policy `update_rows` of `clinic.charts` has changed
UPDATE (text) on `clinic.charts` for `clinic_nurse` is gone
UPDATE (text) on `clinic.charts` for `clinic_doctor` is new
policy `select_rows` of `clinic.invoices` has changed
policy `insert_rows` of `clinic.invoices` has changed
SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_clerk` is gone
INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_clerk` is gone
SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_head` is new
INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_head` is new
`clinic_service` becoming `clinic_clerk` is gone
`clinic_head` including `clinic_clerk` is gone
`clinic_head` including `clinic_nurse` is gone
`clinic_clerk` including `clinic_staff` is gone
role `clinic_clerk` is gone
careful TM206: no more UPDATE (text) on `clinic.charts` for `clinic_nurse`.
careful TM206: no more SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_clerk`.
careful TM206: no more INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_clerk`.
careful TM206: no more `clinic_head` including `clinic_nurse`.
careful TM208: who sees or writes which rows changes: policy `update_rows` of `clinic.charts` has changed.
careful TM208: who sees or writes which rows changes: policy `select_rows` of `clinic.invoices` has changed.
careful TM208: who sees or writes which rows changes: policy `insert_rows` of `clinic.invoices` has changed.
careful TM207: from now on UPDATE (text) on `clinic.charts` for `clinic_doctor`.
careful TM207: from now on SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_head`.
careful TM207: from now on INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_head`.
careful TM206: no more role `clinic_clerk`.

== 0002_change_roles.up.sql ===========================================================================
-- Changes the database of tenant-tests:
--   role `clinic_doctor` is new
--   role `clinic_service` has changed
--   `clinic_doctor` including `clinic_nurse` is new
--   `clinic_head` including `clinic_doctor` is new
--   `clinic_service` becoming `clinic_doctor` is new
--   policy `update_rows` of `clinic.charts` has changed
--   UPDATE (text) on `clinic.charts` for `clinic_nurse` is gone
--   UPDATE (text) on `clinic.charts` for `clinic_doctor` is new
--   policy `select_rows` of `clinic.invoices` has changed
--   policy `insert_rows` of `clinic.invoices` has changed
--   SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_clerk` is gone
--   INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_clerk` is gone
--   SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_head` is new
--   INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_head` is new
--   `clinic_service` becoming `clinic_clerk` is gone
--   `clinic_head` including `clinic_clerk` is gone
--   `clinic_head` including `clinic_nurse` is gone
--   `clinic_clerk` including `clinic_staff` is gone
--   role `clinic_clerk` is gone
--
-- Generated by `cargo run --bin gen-migrations` from the structs that derive TenantTable.
-- Review it, commit it, and do not edit it once it has run anywhere.

-- Under FORCE the owner is bound by the policies too: what it cannot see shall be an error, not silence.
SET LOCAL row_security = off;
-- Whoever waits for a table keeps all others waiting, so it gives up soon, and can be run again.
SET LOCAL lock_timeout = '5s';

-- Roles -------------------------------------------------------------------------------------------
-- They belong to the whole cluster, so another database of tenant-tests may have made them already.
DO $roles$
DECLARE
    wanted record;
    taken record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('clinic_doctor', 'NOLOGIN INHERIT', 'tenant-tests: bundles the rights of a role')
        ) AS role (name, attributes, mark)
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                wanted.name, wanted.attributes);
            EXECUTE format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.mark);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            SELECT r.*, shobj_description(r.oid, 'pg_authid') AS mark INTO taken
                FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted.name;
            IF taken.mark IS DISTINCT FROM wanted.mark THEN
                RAISE EXCEPTION 'the role % exists and was not made for this product', wanted.name
                    USING HINT = 'Choose another role prefix, or, if the role is meant, say so with: '
                        || format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.mark);
            END IF;
            IF taken.rolsuper OR taken.rolcreatedb OR taken.rolcreaterole OR taken.rolreplication OR taken.rolbypassrls
                OR (taken.rolcanlogin AND wanted.attributes NOT LIKE 'LOGIN%')
                OR (taken.rolinherit AND wanted.attributes LIKE '% NOINHERIT%')
            THEN
                RAISE EXCEPTION 'the role % exists with attributes that it must not have', wanted.name
                    USING HINT = format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                        wanted.name, wanted.attributes);
            END IF;
        END;
    END LOOP;
END
$roles$;

ALTER ROLE clinic_service CONNECTION LIMIT 40;

SET LOCAL ROLE clinic_schema_owner;

REVOKE SELECT (id, clinic_id, text) ON clinic.charts FROM clinic_staff;
REVOKE INSERT (clinic_id, text) ON clinic.charts FROM clinic_nurse;
-- careful TM206: no more UPDATE (text) on `clinic.charts` for `clinic_nurse`.
REVOKE UPDATE (text) ON clinic.charts FROM clinic_nurse;
REVOKE DELETE ON clinic.charts FROM clinic_head;

-- careful TM206: no more SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_clerk`.
REVOKE SELECT (id, clinic_id, cents) ON clinic.invoices FROM clinic_clerk;
-- careful TM206: no more INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_clerk`.
REVOKE INSERT (clinic_id, cents) ON clinic.invoices FROM clinic_clerk;

RESET ROLE;

-- careful TM206: no more `clinic_head` including `clinic_nurse`.
DO $members$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        SELECT gone.role, gone.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
            ('clinic_clerk', 'clinic_service'),
            ('clinic_clerk', 'clinic_head'),
            ('clinic_nurse', 'clinic_head'),
            ('clinic_staff', 'clinic_clerk')
        ) AS gone (role, member)
        JOIN pg_auth_members AS m
            ON pg_get_userbyid(m.roleid) = gone.role AND pg_get_userbyid(m.member) = gone.member
    LOOP
        EXECUTE format('REVOKE %I FROM %I', lost.role, lost.member)
            || CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN format(' GRANTED BY %I', lost.grantor) ELSE '' END;
    END LOOP;
END
$members$;

-- A tier has the rights of the application_roles below it. The login has none until it says SET ROLE.
DO $members$
DECLARE
    wanted record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('clinic_nurse',  'clinic_doctor',  'INHERIT TRUE, SET FALSE'),
            ('clinic_doctor', 'clinic_head',    'INHERIT TRUE, SET FALSE'),
            ('clinic_doctor', 'clinic_service', 'INHERIT FALSE, SET TRUE')
        ) AS membership (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', wanted.role, wanted.member)
            || CASE WHEN has_options THEN ' WITH ' || wanted.options ELSE '' END;
    END LOOP;
END
$members$;

SET LOCAL ROLE clinic_schema_owner;

-- careful TM208: who sees or writes which rows changes: policy `update_rows` of `clinic.charts` has changed.
ALTER POLICY update_rows ON clinic.charts
    TO clinic_doctor
    USING (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint))
    WITH CHECK (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint));
COMMENT ON POLICY update_rows ON clinic.charts IS 'The role doctor, and every role that includes it, may update the rows of the tenant in the context, and move none to another tenant.';

-- careful TM208: who sees or writes which rows changes: policy `select_rows` of `clinic.invoices` has changed.
ALTER POLICY select_rows ON clinic.invoices
    TO clinic_head
    USING (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint));
COMMENT ON POLICY select_rows ON clinic.invoices IS 'The role head, and every role that includes it, may read the rows of the tenant in the context.';
-- careful TM208: who sees or writes which rows changes: policy `insert_rows` of `clinic.invoices` has changed.
ALTER POLICY insert_rows ON clinic.invoices
    TO clinic_head
    WITH CHECK (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint));
COMMENT ON POLICY insert_rows ON clinic.invoices IS 'The role head, and every role that includes it, may insert rows of the tenant in the context.';

GRANT SELECT (id, clinic_id, text) ON clinic.charts TO clinic_staff;
GRANT INSERT (clinic_id, text) ON clinic.charts TO clinic_nurse;
-- careful TM207: from now on UPDATE (text) on `clinic.charts` for `clinic_doctor`.
GRANT UPDATE (text) ON clinic.charts TO clinic_doctor;
GRANT DELETE ON clinic.charts TO clinic_head;

-- careful TM207: from now on SELECT (id, clinic_id, cents) on `clinic.invoices` for `clinic_head`.
GRANT SELECT (id, clinic_id, cents) ON clinic.invoices TO clinic_head;
-- careful TM207: from now on INSERT (clinic_id, cents) on `clinic.invoices` for `clinic_head`.
GRANT INSERT (clinic_id, cents) ON clinic.invoices TO clinic_head;

RESET ROLE;

-- careful TM206: no more role `clinic_clerk`.
-- Roles -------------------------------------------------------------------------------------------
DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['clinic_clerk'] LOOP
        BEGIN
            EXECUTE format('DROP ROLE IF EXISTS %I', name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'the role % stays: another database uses it', name;
        END;
    END LOOP;
END
$roles$;

== 0002_change_roles.down.sql =========================================================================
-- Undoes what the migration of this number changes in tenant-tests.
-- Generated by `cargo run --bin gen-migrations` from the structs that derive TenantTable.

-- Under FORCE the owner is bound by the policies too: what it cannot see shall be an error, not silence.
SET LOCAL row_security = off;
-- Whoever waits for a table keeps all others waiting, so it gives up soon, and can be run again.
SET LOCAL lock_timeout = '5s';

-- Roles -------------------------------------------------------------------------------------------
-- They belong to the whole cluster, so another database of tenant-tests may have made them already.
DO $roles$
DECLARE
    wanted record;
    taken record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('clinic_clerk', 'NOLOGIN INHERIT', 'tenant-tests: bundles the rights of a role')
        ) AS role (name, attributes, mark)
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                wanted.name, wanted.attributes);
            EXECUTE format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.mark);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            SELECT r.*, shobj_description(r.oid, 'pg_authid') AS mark INTO taken
                FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted.name;
            IF taken.mark IS DISTINCT FROM wanted.mark THEN
                RAISE EXCEPTION 'the role % exists and was not made for this product', wanted.name
                    USING HINT = 'Choose another role prefix, or, if the role is meant, say so with: '
                        || format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.mark);
            END IF;
            IF taken.rolsuper OR taken.rolcreatedb OR taken.rolcreaterole OR taken.rolreplication OR taken.rolbypassrls
                OR (taken.rolcanlogin AND wanted.attributes NOT LIKE 'LOGIN%')
                OR (taken.rolinherit AND wanted.attributes LIKE '% NOINHERIT%')
            THEN
                RAISE EXCEPTION 'the role % exists with attributes that it must not have', wanted.name
                    USING HINT = format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                        wanted.name, wanted.attributes);
            END IF;
        END;
    END LOOP;
END
$roles$;

SET LOCAL ROLE clinic_schema_owner;

REVOKE INSERT (clinic_id, cents) ON clinic.invoices FROM clinic_head;
REVOKE SELECT (id, clinic_id, cents) ON clinic.invoices FROM clinic_head;

REVOKE DELETE ON clinic.charts FROM clinic_head;
REVOKE UPDATE (text) ON clinic.charts FROM clinic_doctor;
REVOKE INSERT (clinic_id, text) ON clinic.charts FROM clinic_nurse;
REVOKE SELECT (id, clinic_id, text) ON clinic.charts FROM clinic_staff;

-- careful TM208: who sees or writes which rows changes: policy `insert_rows` of `clinic.invoices` has changed.
ALTER POLICY insert_rows ON clinic.invoices
    TO clinic_clerk
    WITH CHECK (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint));
COMMENT ON POLICY insert_rows ON clinic.invoices IS 'The role clerk, and every role that includes it, may insert rows of the tenant in the context.';
-- careful TM208: who sees or writes which rows changes: policy `select_rows` of `clinic.invoices` has changed.
ALTER POLICY select_rows ON clinic.invoices
    TO clinic_clerk
    USING (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint));
COMMENT ON POLICY select_rows ON clinic.invoices IS 'The role clerk, and every role that includes it, may read the rows of the tenant in the context.';

-- careful TM208: who sees or writes which rows changes: policy `update_rows` of `clinic.charts` has changed.
ALTER POLICY update_rows ON clinic.charts
    TO clinic_nurse
    USING (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint))
    WITH CHECK (clinic_id = (SELECT NULLIF(current_setting('clinic.id', true), '')::bigint));
COMMENT ON POLICY update_rows ON clinic.charts IS 'The role nurse, and every role that includes it, may update the rows of the tenant in the context, and move none to another tenant.';

RESET ROLE;

DO $members$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        SELECT gone.role, gone.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
            ('clinic_doctor', 'clinic_service'),
            ('clinic_doctor', 'clinic_head'),
            ('clinic_nurse',  'clinic_doctor')
        ) AS gone (role, member)
        JOIN pg_auth_members AS m
            ON pg_get_userbyid(m.roleid) = gone.role AND pg_get_userbyid(m.member) = gone.member
    LOOP
        EXECUTE format('REVOKE %I FROM %I', lost.role, lost.member)
            || CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN format(' GRANTED BY %I', lost.grantor) ELSE '' END;
    END LOOP;
END
$members$;

-- A tier has the rights of the application_roles below it. The login has none until it says SET ROLE.
DO $members$
DECLARE
    wanted record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('clinic_staff', 'clinic_clerk',   'INHERIT TRUE, SET FALSE'),
            ('clinic_nurse', 'clinic_head',    'INHERIT TRUE, SET FALSE'),
            ('clinic_clerk', 'clinic_head',    'INHERIT TRUE, SET FALSE'),
            ('clinic_clerk', 'clinic_service', 'INHERIT FALSE, SET TRUE')
        ) AS membership (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', wanted.role, wanted.member)
            || CASE WHEN has_options THEN ' WITH ' || wanted.options ELSE '' END;
    END LOOP;
END
$members$;

SET LOCAL ROLE clinic_schema_owner;

GRANT INSERT (clinic_id, cents) ON clinic.invoices TO clinic_clerk;
GRANT SELECT (id, clinic_id, cents) ON clinic.invoices TO clinic_clerk;

GRANT DELETE ON clinic.charts TO clinic_head;
GRANT UPDATE (text) ON clinic.charts TO clinic_nurse;
GRANT INSERT (clinic_id, text) ON clinic.charts TO clinic_nurse;
GRANT SELECT (id, clinic_id, text) ON clinic.charts TO clinic_staff;

RESET ROLE;

ALTER ROLE clinic_service CONNECTION LIMIT 20;

-- careful TM206: no more role `clinic_doctor`.
-- Roles -------------------------------------------------------------------------------------------
DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['clinic_doctor'] LOOP
        BEGIN
            EXECUTE format('DROP ROLE IF EXISTS %I', name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'the role % stays: another database uses it', name;
        END;
    END LOOP;
END
$roles$;
*/
