// Renames a role and removes another: members keep the renamed role, and members with the removed role get a declared one.

pub mod v1 {
    use tenant_runtime::{TenantEnum, TenantTable, tenancy};
    use uuid::Uuid;

    tenancy! {
        pub Studio {
            key: Uuid,
            role_prefix: "app_",
            roles: { Reader, Editor: Reader, Reviewer: Editor, Boss: Reviewer },
        }
    }

    #[derive(Debug, Clone, Copy, TenantEnum)]
    pub enum StaffRole {
        Reader,
        Editor,
        Reviewer,
        Boss,
    }

    #[derive(TenantTable)]
    #[tenant(org = "studio_id", select = "reader", insert = "boss", update = "boss", delete = "boss")]
    #[tenant(membership(user = "person_id", role = "role"))]
    pub struct Staff {
        #[tenant(id)]
        pub studio_id: Uuid,
        #[tenant(id)]
        pub person_id: Uuid,
        pub role: StaffRole,
    }

    #[derive(TenantTable)]
    #[tenant(org = "studio_id", select = "reader", insert = "editor", delete = "reviewer")]
    pub struct Page {
        pub id: Uuid,
        pub studio_id: Uuid,
        pub text: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantEnum, TenantTable, tenancy};
    use uuid::Uuid;

    tenancy! {
        pub Studio {
            key: Uuid,
            role_prefix: "app_",
            roles: {
                Reader,
                #[tenant(renamed_from = "editor")]
                Writer: Reader,
                Boss: Writer,
            },
        }
    }

    #[derive(Debug, Clone, Copy, TenantEnum)]
    pub enum StaffRole {
        Reader,
        Writer,
        #[tenant(replaces = "reviewer")]
        Boss,
    }

    #[derive(TenantTable)]
    #[tenant(org = "studio_id", select = "reader", insert = "boss", update = "boss", delete = "boss")]
    #[tenant(membership(user = "person_id", role = "role"))]
    pub struct Staff {
        #[tenant(id)]
        pub studio_id: Uuid,
        #[tenant(id)]
        pub person_id: Uuid,
        pub role: StaffRole,
    }

    #[derive(TenantTable)]
    #[tenant(org = "studio_id", select = "reader", insert = "writer", delete = "boss")]
    pub struct Page {
        pub id: Uuid,
        pub studio_id: Uuid,
        pub text: String,
    }
}

/*
add role `app_writer`
grant `app_reader` to `app_writer`
grant `app_writer` to `app_boss`
grant `app_writer` to `app_service` (SET ROLE, not inherited)
change function `app_auth.add_member`
change function `app_auth.authorized_tenant_id`
change function `app_auth.change_member`
change function `app_auth.remove_member`
change policy `insert_editor` on `app.pages` and rename it to `insert_writer`
change policy `delete_reviewer` on `app.pages` and rename it to `delete_boss`
revoke INSERT (studio_id, text) on `app.pages` from `app_editor`
revoke DELETE on `app.pages` from `app_reviewer`
grant INSERT (studio_id, text) on `app.pages` to `app_writer`
grant DELETE on `app.pages` to `app_boss`
drop check constraint `staffs_role_label` on `app.staffs`
add check constraint `staffs_role_label` on `app.staffs`
revoke `app_reviewer` from `app_service`
revoke `app_editor` from `app_service`
revoke `app_reviewer` from `app_boss`
revoke `app_editor` from `app_reviewer`
revoke `app_reader` from `app_editor`
drop role `app_reviewer`
drop role `app_editor`
warning TM206: revokes INSERT (studio_id, text) on `app.pages` from `app_editor`.
warning TM206: revokes DELETE on `app.pages` from `app_reviewer`.
warning TM209: changes `role` in existing rows of `app.staffs` from `editor` to `writer`, `reviewer` to `boss`; blocks reads and writes of the table until the migration commits, and running app versions do not know the new labels.
warning TM208: changes policy `insert_editor` on `app.pages` and rename it to `insert_writer`, which controls the rows that roles can read or write.
warning TM208: changes policy `delete_reviewer` on `app.pages` and rename it to `delete_boss`, which controls the rows that roles can read or write.
warning TM207: grants INSERT (studio_id, text) on `app.pages` to `app_writer`.
warning TM207: grants DELETE on `app.pages` to `app_boss`.
warning TM206: drops role `app_reviewer`; its members get the role `boss`.
warning TM206: drops role `app_editor`; its members get the role `writer`.

== 0002_change_roles.up.sql ===========================================================================
-- Changes the database of tenant-tests:
--   add role `app_writer`
--   grant `app_reader` to `app_writer`
--   grant `app_writer` to `app_boss`
--   grant `app_writer` to `app_service` (SET ROLE, not inherited)
--   change function `app_auth.add_member`
--   change function `app_auth.authorized_tenant_id`
--   change function `app_auth.change_member`
--   change function `app_auth.remove_member`
--   change policy `insert_editor` on `app.pages` and rename it to `insert_writer`
--   change policy `delete_reviewer` on `app.pages` and rename it to `delete_boss`
--   revoke INSERT (studio_id, text) on `app.pages` from `app_editor`
--   revoke DELETE on `app.pages` from `app_reviewer`
--   grant INSERT (studio_id, text) on `app.pages` to `app_writer`
--   grant DELETE on `app.pages` to `app_boss`
--   change check constraint `staffs_role_label` on `app.staffs`
--   revoke `app_reviewer` from `app_service`
--   revoke `app_editor` from `app_service`
--   revoke `app_reviewer` from `app_boss`
--   revoke `app_editor` from `app_reviewer`
--   revoke `app_reader` from `app_editor`
--   drop role `app_reviewer`
--   drop role `app_editor`
--   change labels in `app.staffs.role`: `editor` to `writer`, `reviewer` to `boss`
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

-- Roles -------------------------------------------------------------------------------------------
-- Roles belong to the whole cluster: another database of tenant-tests may have created them already. An existing role is
-- accepted only if its comment marks it as the same role of tenant-tests.
DO $roles$
DECLARE
    expected record;
    existing record;
BEGIN
    FOR expected IN
        SELECT * FROM (VALUES
            ('app_writer', 'NOLOGIN INHERIT', 'tenant-tests: application role')
        ) AS role (name, attributes, mark)
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                expected.name, expected.attributes);
            EXECUTE format('COMMENT ON ROLE %I IS %L', expected.name, expected.mark);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            SELECT r.*, shobj_description(r.oid, 'pg_authid') AS mark INTO existing
                FROM pg_catalog.pg_roles AS r WHERE r.rolname = expected.name;
            IF existing.mark IS DISTINCT FROM expected.mark THEN
                RAISE EXCEPTION 'role % already exists and is not marked as a role of this product', expected.name
                    USING HINT = 'Choose another role prefix, or mark the role to use it: '
                        || format('COMMENT ON ROLE %I IS %L', expected.name, expected.mark);
            END IF;
            IF existing.rolsuper OR existing.rolcreatedb OR existing.rolcreaterole OR existing.rolreplication
                OR existing.rolbypassrls
                OR (existing.rolcanlogin AND expected.attributes NOT LIKE 'LOGIN%')
                OR (existing.rolinherit AND expected.attributes LIKE '% NOINHERIT%')
            THEN
                RAISE EXCEPTION 'role % already exists with attributes that it must not have', expected.name
                    USING HINT = format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                        expected.name, expected.attributes);
            END IF;
        END;
    END LOOP;
END
$roles$;

SET LOCAL ROLE app_schema_owner;

REVOKE SELECT (id, studio_id, text) ON app.pages FROM app_reader;
-- warning TM206: revokes INSERT (studio_id, text) on `app.pages` from `app_editor`.
REVOKE INSERT (studio_id, text) ON app.pages FROM app_editor;
-- warning TM206: revokes DELETE on `app.pages` from `app_reviewer`.
REVOKE DELETE ON app.pages FROM app_reviewer;

REVOKE SELECT (studio_id, person_id, role) ON app.staffs FROM app_reader;
REVOKE SELECT (studio_id, person_id, role) ON app.staffs FROM app_function_owner;
REVOKE INSERT (studio_id, person_id, role) ON app.staffs FROM app_function_owner;
REVOKE UPDATE (role) ON app.staffs FROM app_function_owner;
REVOKE DELETE ON app.staffs FROM app_function_owner;

RESET ROLE;

DO $members$
DECLARE
    membership record;
BEGIN
    FOR membership IN
        SELECT revoked.role, revoked.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
            ('app_reviewer', 'app_service'),
            ('app_editor',   'app_service'),
            ('app_reviewer', 'app_boss'),
            ('app_editor',   'app_reviewer'),
            ('app_reader',   'app_editor')
        ) AS revoked (role, member)
        JOIN pg_auth_members AS m
            ON pg_get_userbyid(m.roleid) = revoked.role AND pg_get_userbyid(m.member) = revoked.member
    LOOP
        EXECUTE format('REVOKE %I FROM %I', membership.role, membership.member)
            || CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN format(' GRANTED BY %I', membership.grantor) ELSE '' END;
    END LOOP;
END
$members$;

-- Application roles inherit the privileges of the roles that they include. Login roles inherit nothing (NOINHERIT): they
-- must run SET ROLE.
DO $members$
DECLARE
    membership record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR membership IN
        SELECT * FROM (VALUES
            ('app_reader', 'app_writer',  'INHERIT TRUE, SET FALSE'),
            ('app_writer', 'app_boss',    'INHERIT TRUE, SET FALSE'),
            ('app_writer', 'app_service', 'INHERIT FALSE, SET TRUE')
        ) AS granted (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', membership.role, membership.member)
            || CASE WHEN has_options THEN ' WITH ' || membership.options ELSE '' END;
    END LOOP;
END
$members$;

SET LOCAL ROLE app_schema_owner;

-- The definition changes: dropped, and added again below.
ALTER TABLE app.staffs DROP CONSTRAINT staffs_role_label;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.add_member(p_user uuid, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
BEGIN
    PERFORM FROM app.staffs AS m
        WHERE m.studio_id = tenant AND (m.role IN ('boss') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR (caller_role NOT IN ('boss') OR current_setting('role') NOT IN ('app_boss')) THEN
        RAISE EXCEPTION 'managing members requires role boss or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('reader', 'reader'), ('writer', 'writer'), ('writer', 'reader'), ('boss', 'boss'), ('boss', 'writer'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot grant a role that your role does not include' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.staffs (studio_id, person_id, role) VALUES (tenant, p_user, p_role);
END
$function$;
COMMENT ON FUNCTION app_auth.add_member(uuid, text) IS 'Adds a member to the current tenant. Requires role boss or a role that includes it.';

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    RETURN (
        SELECT m.studio_id
        FROM app.staffs AS m
        WHERE m.studio_id = NULLIF(current_setting('app.organization_id', true), '')::uuid
          AND m.person_id = NULLIF(current_setting('app.user_id', true), '')::uuid
          AND CASE current_setting('role')
            WHEN 'app_reader' THEN m.role IN ('reader', 'writer', 'boss')
            WHEN 'app_writer' THEN m.role IN ('writer', 'boss')
            WHEN 'app_boss' THEN m.role IN ('boss')
            ELSE false
          END
    );
END
$function$;
COMMENT ON FUNCTION app_auth.authorized_tenant_id() IS 'Returns the ID of the current tenant if the signed-in user is a member of it with a role that includes the role set by SET ROLE; otherwise NULL.';

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.change_member(p_user uuid, p_role text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
    old_role text;
BEGIN
    PERFORM FROM app.staffs AS m
        WHERE m.studio_id = tenant AND (m.role IN ('boss') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR (caller_role NOT IN ('boss') OR current_setting('role') NOT IN ('app_boss')) THEN
        RAISE EXCEPTION 'managing members requires role boss or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('reader', 'reader'), ('writer', 'writer'), ('writer', 'reader'), ('boss', 'boss'), ('boss', 'writer'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot change a member whose role is not included in your role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('reader', 'reader'), ('writer', 'writer'), ('writer', 'reader'), ('boss', 'boss'), ('boss', 'writer'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot grant a role that your role does not include' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('boss') AND p_role NOT IN ('boss') THEN
        IF NOT EXISTS (
            SELECT FROM app.staffs AS m
            WHERE m.studio_id = tenant AND m.role IN ('boss') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    UPDATE app.staffs AS m SET role = p_role WHERE m.studio_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.change_member(uuid, text) IS 'Changes the role of a member of the current tenant. Requires role boss or a role that includes it. Returns false if the user is not a member.';

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.remove_member(p_user uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
    old_role text;
BEGIN
    PERFORM FROM app.staffs AS m
        WHERE m.studio_id = tenant AND (m.role IN ('boss') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR caller IS DISTINCT FROM p_user AND (caller_role NOT IN ('boss') OR current_setting('role') NOT IN ('app_boss')) THEN
        RAISE EXCEPTION 'managing members requires role boss or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('reader', 'reader'), ('writer', 'writer'), ('writer', 'reader'), ('boss', 'boss'), ('boss', 'writer'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot remove a member whose role is not included in your role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('boss') THEN
        IF NOT EXISTS (
            SELECT FROM app.staffs AS m
            WHERE m.studio_id = tenant AND m.role IN ('boss') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    DELETE FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.remove_member(uuid) IS 'Removes a member from the current tenant. Requires role boss or a role that includes it, unless the caller leaves the tenant. Returns false if the user is not a member.';

SET LOCAL ROLE app_schema_owner;

-- warning TM209: changes `role` in existing rows of `app.staffs` from `editor` to `writer`, `reviewer` to `boss`; blocks reads and writes of the table until the migration commits, and running app versions do not know the new labels.
-- NO FORCE exempts only the table owner from the policies, so that it sees all rows.
ALTER TABLE app.staffs NO FORCE ROW LEVEL SECURITY;
-- The triggers do not run: the change log records changes that users make, and members do not change.
ALTER TABLE app.staffs DISABLE TRIGGER USER;
UPDATE app.staffs SET role = CASE role
        WHEN 'editor' THEN 'writer'
        WHEN 'reviewer' THEN 'boss' END
    WHERE role IN ('editor', 'reviewer');
ALTER TABLE app.staffs ENABLE TRIGGER USER;
ALTER TABLE app.staffs FORCE ROW LEVEL SECURITY;
ALTER TABLE app.staffs ADD CONSTRAINT staffs_role_label CHECK (role IN ('reader', 'writer', 'boss'));

-- warning TM208: changes policy `insert_editor` on `app.pages` and rename it to `insert_writer`, which controls the rows that roles can read or write.
ALTER POLICY insert_editor ON app.pages RENAME TO insert_writer;
ALTER POLICY insert_writer ON app.pages
    TO app_writer
    WITH CHECK (studio_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY insert_writer ON app.pages IS 'Allows writer and the roles that include it to INSERT rows of the current tenant.';
-- warning TM208: changes policy `delete_reviewer` on `app.pages` and rename it to `delete_boss`, which controls the rows that roles can read or write.
ALTER POLICY delete_reviewer ON app.pages RENAME TO delete_boss;
ALTER POLICY delete_boss ON app.pages
    TO app_boss
    USING (studio_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY delete_boss ON app.pages IS 'Allows boss and the roles that include it to DELETE rows of the current tenant.';

GRANT SELECT (id, studio_id, text) ON app.pages TO app_reader;
-- warning TM207: grants INSERT (studio_id, text) on `app.pages` to `app_writer`.
GRANT INSERT (studio_id, text) ON app.pages TO app_writer;
-- warning TM207: grants DELETE on `app.pages` to `app_boss`.
GRANT DELETE ON app.pages TO app_boss;

GRANT SELECT (studio_id, person_id, role) ON app.staffs TO app_reader;
GRANT SELECT (studio_id, person_id, role) ON app.staffs TO app_function_owner;
GRANT INSERT (studio_id, person_id, role) ON app.staffs TO app_function_owner;
GRANT UPDATE (role) ON app.staffs TO app_function_owner;
GRANT DELETE ON app.staffs TO app_function_owner;

RESET ROLE;

-- warning TM206: drops role `app_reviewer`; its members get the role `boss`.
-- warning TM206: drops role `app_editor`; its members get the role `writer`.
-- Roles -------------------------------------------------------------------------------------------
DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app_reviewer', 'app_editor'] LOOP
        BEGIN
            EXECUTE format('DROP ROLE IF EXISTS %I', name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'role % is not dropped: objects still depend on it, for example in another database', name;
        END;
    END LOOP;
END
$roles$;

SET LOCAL search_path = DEFAULT;

== 0002_change_roles.down.sql =========================================================================
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

-- Roles -------------------------------------------------------------------------------------------
-- Roles belong to the whole cluster: another database of tenant-tests may have created them already. An existing role is
-- accepted only if its comment marks it as the same role of tenant-tests.
DO $roles$
DECLARE
    expected record;
    existing record;
BEGIN
    FOR expected IN
        SELECT * FROM (VALUES
            ('app_editor',   'NOLOGIN INHERIT', 'tenant-tests: application role'),
            ('app_reviewer', 'NOLOGIN INHERIT', 'tenant-tests: application role')
        ) AS role (name, attributes, mark)
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                expected.name, expected.attributes);
            EXECUTE format('COMMENT ON ROLE %I IS %L', expected.name, expected.mark);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            SELECT r.*, shobj_description(r.oid, 'pg_authid') AS mark INTO existing
                FROM pg_catalog.pg_roles AS r WHERE r.rolname = expected.name;
            IF existing.mark IS DISTINCT FROM expected.mark THEN
                RAISE EXCEPTION 'role % already exists and is not marked as a role of this product', expected.name
                    USING HINT = 'Choose another role prefix, or mark the role to use it: '
                        || format('COMMENT ON ROLE %I IS %L', expected.name, expected.mark);
            END IF;
            IF existing.rolsuper OR existing.rolcreatedb OR existing.rolcreaterole OR existing.rolreplication
                OR existing.rolbypassrls
                OR (existing.rolcanlogin AND expected.attributes NOT LIKE 'LOGIN%')
                OR (existing.rolinherit AND expected.attributes LIKE '% NOINHERIT%')
            THEN
                RAISE EXCEPTION 'role % already exists with attributes that it must not have', expected.name
                    USING HINT = format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                        expected.name, expected.attributes);
            END IF;
        END;
    END LOOP;
END
$roles$;

SET LOCAL ROLE app_schema_owner;

REVOKE DELETE ON app.staffs FROM app_function_owner;
REVOKE UPDATE (role) ON app.staffs FROM app_function_owner;
REVOKE INSERT (studio_id, person_id, role) ON app.staffs FROM app_function_owner;
REVOKE SELECT (studio_id, person_id, role) ON app.staffs FROM app_function_owner;
REVOKE SELECT (studio_id, person_id, role) ON app.staffs FROM app_reader;

REVOKE DELETE ON app.pages FROM app_boss;
REVOKE INSERT (studio_id, text) ON app.pages FROM app_writer;
REVOKE SELECT (id, studio_id, text) ON app.pages FROM app_reader;

-- warning TM208: changes policy `delete_boss` on `app.pages` and rename it to `delete_reviewer`, which controls the rows that roles can read or write.
ALTER POLICY delete_boss ON app.pages RENAME TO delete_reviewer;
ALTER POLICY delete_reviewer ON app.pages
    TO app_reviewer
    USING (studio_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY delete_reviewer ON app.pages IS 'Allows reviewer and the roles that include it to DELETE rows of the current tenant.';
-- warning TM208: changes policy `insert_writer` on `app.pages` and rename it to `insert_editor`, which controls the rows that roles can read or write.
ALTER POLICY insert_writer ON app.pages RENAME TO insert_editor;
ALTER POLICY insert_editor ON app.pages
    TO app_editor
    WITH CHECK (studio_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY insert_editor ON app.pages IS 'Allows editor and the roles that include it to INSERT rows of the current tenant.';

-- The definition changes: dropped, and added again below.
ALTER TABLE app.staffs DROP CONSTRAINT staffs_role_label;
-- warning TM209: changes `role` in existing rows of `app.staffs` from `writer` to `editor`; blocks reads and writes of the table until the migration commits, and running app versions do not know the new labels.
-- NO FORCE exempts only the table owner from the policies, so that it sees all rows.
ALTER TABLE app.staffs NO FORCE ROW LEVEL SECURITY;
-- The triggers do not run: the change log records changes that users make, and members do not change.
ALTER TABLE app.staffs DISABLE TRIGGER USER;
UPDATE app.staffs SET role = CASE role
        WHEN 'writer' THEN 'editor' END
    WHERE role IN ('writer');
ALTER TABLE app.staffs ENABLE TRIGGER USER;
ALTER TABLE app.staffs FORCE ROW LEVEL SECURITY;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.remove_member(p_user uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
    old_role text;
BEGIN
    PERFORM FROM app.staffs AS m
        WHERE m.studio_id = tenant AND (m.role IN ('boss') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR caller IS DISTINCT FROM p_user AND (caller_role NOT IN ('boss') OR current_setting('role') NOT IN ('app_boss')) THEN
        RAISE EXCEPTION 'managing members requires role boss or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('reader', 'reader'), ('editor', 'editor'), ('editor', 'reader'), ('reviewer', 'reviewer'), ('reviewer', 'editor'), ('reviewer', 'reader'), ('boss', 'boss'), ('boss', 'reviewer'), ('boss', 'editor'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot remove a member whose role is not included in your role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('boss') THEN
        IF NOT EXISTS (
            SELECT FROM app.staffs AS m
            WHERE m.studio_id = tenant AND m.role IN ('boss') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    DELETE FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.remove_member(uuid) IS 'Removes a member from the current tenant. Requires role boss or a role that includes it, unless the caller leaves the tenant. Returns false if the user is not a member.';

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.change_member(p_user uuid, p_role text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
    old_role text;
BEGIN
    PERFORM FROM app.staffs AS m
        WHERE m.studio_id = tenant AND (m.role IN ('boss') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR (caller_role NOT IN ('boss') OR current_setting('role') NOT IN ('app_boss')) THEN
        RAISE EXCEPTION 'managing members requires role boss or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('reader', 'reader'), ('editor', 'editor'), ('editor', 'reader'), ('reviewer', 'reviewer'), ('reviewer', 'editor'), ('reviewer', 'reader'), ('boss', 'boss'), ('boss', 'reviewer'), ('boss', 'editor'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot change a member whose role is not included in your role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('reader', 'reader'), ('editor', 'editor'), ('editor', 'reader'), ('reviewer', 'reviewer'), ('reviewer', 'editor'), ('reviewer', 'reader'), ('boss', 'boss'), ('boss', 'reviewer'), ('boss', 'editor'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot grant a role that your role does not include' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('boss') AND p_role NOT IN ('boss') THEN
        IF NOT EXISTS (
            SELECT FROM app.staffs AS m
            WHERE m.studio_id = tenant AND m.role IN ('boss') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    UPDATE app.staffs AS m SET role = p_role WHERE m.studio_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.change_member(uuid, text) IS 'Changes the role of a member of the current tenant. Requires role boss or a role that includes it. Returns false if the user is not a member.';

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    RETURN (
        SELECT m.studio_id
        FROM app.staffs AS m
        WHERE m.studio_id = NULLIF(current_setting('app.organization_id', true), '')::uuid
          AND m.person_id = NULLIF(current_setting('app.user_id', true), '')::uuid
          AND CASE current_setting('role')
            WHEN 'app_reader' THEN m.role IN ('reader', 'editor', 'reviewer', 'boss')
            WHEN 'app_editor' THEN m.role IN ('editor', 'reviewer', 'boss')
            WHEN 'app_reviewer' THEN m.role IN ('reviewer', 'boss')
            WHEN 'app_boss' THEN m.role IN ('boss')
            ELSE false
          END
    );
END
$function$;
COMMENT ON FUNCTION app_auth.authorized_tenant_id() IS 'Returns the ID of the current tenant if the signed-in user is a member of it with a role that includes the role set by SET ROLE; otherwise NULL.';

-- Functions in app_auth ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION app_auth.add_member(p_user uuid, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
BEGIN
    PERFORM FROM app.staffs AS m
        WHERE m.studio_id = tenant AND (m.role IN ('boss') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.staffs AS m WHERE m.studio_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR (caller_role NOT IN ('boss') OR current_setting('role') NOT IN ('app_boss')) THEN
        RAISE EXCEPTION 'managing members requires role boss or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('reader', 'reader'), ('editor', 'editor'), ('editor', 'reader'), ('reviewer', 'reviewer'), ('reviewer', 'editor'), ('reviewer', 'reader'), ('boss', 'boss'), ('boss', 'reviewer'), ('boss', 'editor'), ('boss', 'reader'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot grant a role that your role does not include' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.staffs (studio_id, person_id, role) VALUES (tenant, p_user, p_role);
END
$function$;
COMMENT ON FUNCTION app_auth.add_member(uuid, text) IS 'Adds a member to the current tenant. Requires role boss or a role that includes it.';

SET LOCAL ROLE app_schema_owner;

ALTER TABLE app.staffs ADD CONSTRAINT staffs_role_label CHECK (role IN ('reader', 'editor', 'reviewer', 'boss'));

RESET ROLE;

DO $members$
DECLARE
    membership record;
BEGIN
    FOR membership IN
        SELECT revoked.role, revoked.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
            ('app_writer', 'app_service'),
            ('app_writer', 'app_boss'),
            ('app_reader', 'app_writer')
        ) AS revoked (role, member)
        JOIN pg_auth_members AS m
            ON pg_get_userbyid(m.roleid) = revoked.role AND pg_get_userbyid(m.member) = revoked.member
    LOOP
        EXECUTE format('REVOKE %I FROM %I', membership.role, membership.member)
            || CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN format(' GRANTED BY %I', membership.grantor) ELSE '' END;
    END LOOP;
END
$members$;

-- Application roles inherit the privileges of the roles that they include. Login roles inherit nothing (NOINHERIT): they
-- must run SET ROLE.
DO $members$
DECLARE
    membership record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR membership IN
        SELECT * FROM (VALUES
            ('app_reader',   'app_editor',   'INHERIT TRUE, SET FALSE'),
            ('app_editor',   'app_reviewer', 'INHERIT TRUE, SET FALSE'),
            ('app_reviewer', 'app_boss',     'INHERIT TRUE, SET FALSE'),
            ('app_editor',   'app_service',  'INHERIT FALSE, SET TRUE'),
            ('app_reviewer', 'app_service',  'INHERIT FALSE, SET TRUE')
        ) AS granted (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', membership.role, membership.member)
            || CASE WHEN has_options THEN ' WITH ' || membership.options ELSE '' END;
    END LOOP;
END
$members$;

SET LOCAL ROLE app_schema_owner;

GRANT DELETE ON app.staffs TO app_function_owner;
GRANT UPDATE (role) ON app.staffs TO app_function_owner;
GRANT INSERT (studio_id, person_id, role) ON app.staffs TO app_function_owner;
GRANT SELECT (studio_id, person_id, role) ON app.staffs TO app_function_owner;
GRANT SELECT (studio_id, person_id, role) ON app.staffs TO app_reader;

GRANT DELETE ON app.pages TO app_reviewer;
GRANT INSERT (studio_id, text) ON app.pages TO app_editor;
GRANT SELECT (id, studio_id, text) ON app.pages TO app_reader;

RESET ROLE;

-- warning TM206: drops role `app_writer`; to list the members with this role, run SELECT studio_id, person_id FROM app.staffs WHERE role = 'writer' as a role that bypasses RLS.
-- Roles -------------------------------------------------------------------------------------------
DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app_writer'] LOOP
        BEGIN
            EXECUTE format('DROP ROLE IF EXISTS %I', name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'role % is not dropped: objects still depend on it, for example in another database', name;
        END;
    END LOOP;
END
$roles$;

SET LOCAL search_path = DEFAULT;
*/
