// Adds a membership table, and with it two roles, functions, and policies that check membership.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "id", select = "viewer", update = "admin")]
    pub struct Club {
        pub id: Uuid,
        pub name: String,
    }

    #[derive(TenantTable)]
    #[tenant(global, select = "viewer")]
    pub struct Person {
        pub id: Uuid,
        pub name: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Admin, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "id", select = "viewer", creator_role = "admin")]
    pub struct Club {
        pub id: Uuid,
        pub name: String,
    }

    #[derive(TenantTable)]
    #[tenant(global, visible_through = ClubMember, select = "viewer", sign_up)]
    pub struct Person {
        pub id: Uuid,
        pub name: String,
    }

    #[derive(Debug, Clone, Copy, TenantEnum)]
    pub enum ClubRole {
        Viewer,
        Member,
        Admin,
    }

    #[derive(TenantTable)]
    #[tenant(org = "club_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
    #[tenant(membership(user = "person_id", role = "role"))]
    pub struct ClubMember {
        #[tenant(id, references = Club, on_delete = "cascade")]
        pub club_id: Uuid,
        #[tenant(id, references = Person)]
        pub person_id: Uuid,
        pub role: ClubRole,
    }
}

/*
add role `app_function_owner`
add role `app_no_tenant`
grant `app_no_tenant` to `app_service` (SET ROLE, not inherited)
add schema `app_auth`
revoke default privileges of PUBLIC on objects that `app_function_owner` creates
grant USAGE on schema `app_auth` to `app_viewer`
grant USAGE on schema `app_auth` to `app_no_tenant`
grant USAGE on schema `app_auth` to `app_schema_owner`
add function `app_auth.add_member`
add function `app_auth.authorized_tenant_id`
add function `app_auth.change_member`
add function `app_auth.create_tenant`
add function `app_auth.my_tenants`
add function `app_auth.prevent_last_manager_removal`
add function `app_auth.remove_member`
add function `app_auth.sign_up`
grant USAGE on schema `app` to `app_function_owner`
add table `app.club_members`
change policy `tenant_isolation` on `app.clubs`
add policy `select_function_owner` on `app.clubs`
add policy `insert_function_owner` on `app.clubs`
drop policy `update_admin` on `app.clubs`
revoke UPDATE (name) on `app.clubs` from `app_admin`
grant SELECT (id) on `app.clubs` to `app_function_owner`
grant INSERT (name) on `app.clubs` to `app_function_owner`
add policy `tenant_isolation` on `app.persons`
change policy `select_viewer` on `app.persons`
add policy `select_function_owner` on `app.persons`
add policy `insert_function_owner` on `app.persons`
grant SELECT (id) on `app.persons` to `app_function_owner`
grant INSERT (name) on `app.persons` to `app_function_owner`
warning TM206: revokes UPDATE (name) on `app.clubs` from `app_admin`.
warning TM208: drops policy `update_admin` on `app.clubs`, which controls the rows that roles can read or write.
warning TM210: no user is a member until `app.club_members` has rows, so no role sees any row of a tenant; before the app uses this version, insert the members as a role that bypasses RLS or in a hand-written migration: INSERT INTO app.club_members (club_id, person_id, role) SELECT …;
warning TM208: changes policy `tenant_isolation` on `app.clubs`, which controls the rows that roles can read or write.
warning TM208: adds policy `select_function_owner` on `app.clubs`, which controls the rows that roles can read or write.
warning TM208: adds policy `insert_function_owner` on `app.clubs`, which controls the rows that roles can read or write.
warning TM208: adds policy `tenant_isolation` on `app.persons`, which controls the rows that roles can read or write.
warning TM208: changes policy `select_viewer` on `app.persons`, which controls the rows that roles can read or write.
warning TM208: adds policy `select_function_owner` on `app.persons`, which controls the rows that roles can read or write.
warning TM208: adds policy `insert_function_owner` on `app.persons`, which controls the rows that roles can read or write.
warning TM207: grants SELECT (id) on `app.clubs` to `app_function_owner`.
warning TM207: grants INSERT (name) on `app.clubs` to `app_function_owner`.
warning TM207: grants SELECT (id) on `app.persons` to `app_function_owner`.
warning TM207: grants INSERT (name) on `app.persons` to `app_function_owner`.

== 0002_add_club_members.up.sql =======================================================================
-- Changes the database of tenant-tests:
--   add role `app_function_owner`
--   add role `app_no_tenant`
--   grant `app_no_tenant` to `app_service` (SET ROLE, not inherited)
--   add schema `app_auth`
--   revoke default privileges of PUBLIC on objects that `app_function_owner` creates
--   grant USAGE on schema `app_auth` to `app_viewer`
--   grant USAGE on schema `app_auth` to `app_no_tenant`
--   grant USAGE on schema `app_auth` to `app_schema_owner`
--   add function `app_auth.add_member`
--   add function `app_auth.authorized_tenant_id`
--   add function `app_auth.change_member`
--   add function `app_auth.create_tenant`
--   add function `app_auth.my_tenants`
--   add function `app_auth.prevent_last_manager_removal`
--   add function `app_auth.remove_member`
--   add function `app_auth.sign_up`
--   grant USAGE on schema `app` to `app_function_owner`
--   add table `app.club_members`
--   change policy `tenant_isolation` on `app.clubs`
--   add policy `select_function_owner` on `app.clubs`
--   add policy `insert_function_owner` on `app.clubs`
--   drop policy `update_admin` on `app.clubs`
--   revoke UPDATE (name) on `app.clubs` from `app_admin`
--   grant SELECT (id) on `app.clubs` to `app_function_owner`
--   grant INSERT (name) on `app.clubs` to `app_function_owner`
--   add policy `tenant_isolation` on `app.persons`
--   change policy `select_viewer` on `app.persons`
--   add policy `select_function_owner` on `app.persons`
--   add policy `insert_function_owner` on `app.persons`
--   grant SELECT (id) on `app.persons` to `app_function_owner`
--   and 1 more
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
            ('app_function_owner', 'NOLOGIN INHERIT', 'tenant-tests: owner of the SECURITY DEFINER functions'),
            ('app_no_tenant',      'NOLOGIN INHERIT', 'tenant-tests: role of users without a tenant')
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

-- The role that applies this migration must be able to act as the owner roles: grant it membership if it cannot.
DO $owners$
DECLARE
    owner record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR owner IN SELECT name FROM (VALUES ('app_function_owner')) AS role (name) LOOP
        IF NOT (pg_has_role(owner.name, 'USAGE')
            AND pg_has_role(owner.name, CASE WHEN has_options THEN 'SET' ELSE 'MEMBER' END))
        THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', owner.name)
                || CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
        END IF;
    END LOOP;
END
$owners$;

-- Schema app_auth ---------------------------------------------------------------------------------
CREATE SCHEMA app_auth AUTHORIZATION app_function_owner;

SET LOCAL ROLE app_function_owner;

-- Default privileges ------------------------------------------------------------------------------
-- By default, PUBLIC can execute new functions. Revoke this for functions of this role.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

GRANT USAGE ON SCHEMA app_auth TO app_viewer, app_no_tenant, app_schema_owner;

SET LOCAL ROLE app_schema_owner;

GRANT USAGE ON SCHEMA app TO app_function_owner;

SET LOCAL ROLE app_schema_owner;

REVOKE SELECT (id, name) ON app.clubs FROM app_viewer;
-- warning TM206: revokes UPDATE (name) on `app.clubs` from `app_admin`.
REVOKE UPDATE (name) ON app.clubs FROM app_admin;

REVOKE SELECT (id, name) ON app.persons FROM app_viewer;

RESET ROLE;

-- Application roles inherit the privileges of the roles that they include. Login roles inherit nothing (NOINHERIT): they
-- must run SET ROLE.
DO $members$
DECLARE
    membership record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR membership IN
        SELECT * FROM (VALUES
            ('app_no_tenant', 'app_service', 'INHERIT FALSE, SET TRUE')
        ) AS granted (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', membership.role, membership.member)
            || CASE WHEN has_options THEN ' WITH ' || membership.options ELSE '' END;
    END LOOP;
END
$members$;

SET LOCAL ROLE app_schema_owner;

-- warning TM208: drops policy `update_admin` on `app.clubs`, which controls the rows that roles can read or write.
DROP POLICY update_admin ON app.clubs;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
-- SECURITY DEFINER functions run with the privileges and policies of their owner, not with those of the caller.
-- EXECUTE is granted only to the roles listed.

CREATE FUNCTION app_auth.add_member(p_user uuid, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
BEGIN
    PERFORM FROM app.club_members AS m
        WHERE m.club_id = tenant AND (m.role IN ('admin') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR (caller_role NOT IN ('admin') OR current_setting('role') NOT IN ('app_admin')) THEN
        RAISE EXCEPTION 'managing members requires role admin or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot grant a role that your role does not include' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.club_members (club_id, person_id, role) VALUES (tenant, p_user, p_role);
END
$function$;
COMMENT ON FUNCTION app_auth.add_member(uuid, text) IS 'Adds a member to the current tenant. Requires role admin or a role that includes it.';
GRANT EXECUTE ON FUNCTION app_auth.add_member(uuid, text) TO app_admin;

CREATE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    RETURN (
        SELECT m.club_id
        FROM app.club_members AS m
        WHERE m.club_id = NULLIF(current_setting('app.organization_id', true), '')::uuid
          AND m.person_id = NULLIF(current_setting('app.user_id', true), '')::uuid
          AND CASE current_setting('role')
            WHEN 'app_viewer' THEN m.role IN ('viewer', 'member', 'admin')
            WHEN 'app_member' THEN m.role IN ('member', 'admin')
            WHEN 'app_admin' THEN m.role IN ('admin')
            ELSE false
          END
    );
END
$function$;
COMMENT ON FUNCTION app_auth.authorized_tenant_id() IS 'Returns the ID of the current tenant if the signed-in user is a member of it with a role that includes the role set by SET ROLE; otherwise NULL.';
GRANT EXECUTE ON FUNCTION app_auth.authorized_tenant_id() TO app_viewer, app_schema_owner;

CREATE FUNCTION app_auth.change_member(p_user uuid, p_role text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
    old_role text;
BEGIN
    PERFORM FROM app.club_members AS m
        WHERE m.club_id = tenant AND (m.role IN ('admin') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR (caller_role NOT IN ('admin') OR current_setting('role') NOT IN ('app_admin')) THEN
        RAISE EXCEPTION 'managing members requires role admin or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot change a member whose role is not included in your role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot grant a role that your role does not include' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('admin') AND p_role NOT IN ('admin') THEN
        IF NOT EXISTS (
            SELECT FROM app.club_members AS m
            WHERE m.club_id = tenant AND m.role IN ('admin') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    UPDATE app.club_members AS m SET role = p_role WHERE m.club_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.change_member(uuid, text) IS 'Changes the role of a member of the current tenant. Requires role admin or a role that includes it. Returns false if the user is not a member.';
GRANT EXECUTE ON FUNCTION app_auth.change_member(uuid, text) TO app_admin;

CREATE FUNCTION app_auth.create_tenant(p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    new_tenant_id uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
BEGIN
    IF caller IS NULL THEN
        RAISE EXCEPTION 'creating a tenant requires a signed-in user' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.clubs (name) VALUES (p_name) RETURNING id INTO new_tenant_id;
    INSERT INTO app.club_members (club_id, person_id, role) VALUES (new_tenant_id, caller, 'admin');
    RETURN new_tenant_id;
END
$function$;
COMMENT ON FUNCTION app_auth.create_tenant(text) IS 'Creates a tenant and makes the signed-in user its first member, with role admin.';
GRANT EXECUTE ON FUNCTION app_auth.create_tenant(text) TO app_no_tenant;

CREATE FUNCTION app_auth.my_tenants() RETURNS TABLE (tenant_id uuid, member_role text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    RETURN QUERY
        SELECT m.club_id, m.role
        FROM app.club_members AS m
        WHERE m.person_id = NULLIF(current_setting('app.user_id', true), '')::uuid
        ORDER BY m.club_id;
END
$function$;
COMMENT ON FUNCTION app_auth.my_tenants() IS 'Returns the tenants of the signed-in user, with the user''s role in each.';
GRANT EXECUTE ON FUNCTION app_auth.my_tenants() TO app_no_tenant;

CREATE FUNCTION app_auth.prevent_last_manager_removal() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    IF EXISTS (SELECT FROM app.clubs AS t WHERE t.id = OLD.club_id) THEN
        -- Lock the remaining managers: a concurrent transaction that removes one of them waits.
        PERFORM FROM app.club_members AS m
            WHERE m.club_id = OLD.club_id AND m.role IN ('admin')
            ORDER BY m.person_id
            FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    RETURN NULL;
END
$function$;
COMMENT ON FUNCTION app_auth.prevent_last_manager_removal() IS 'Trigger function: raises an error if a change leaves an existing tenant without a member who can manage members.';
GRANT EXECUTE ON FUNCTION app_auth.prevent_last_manager_removal() TO app_schema_owner;

CREATE FUNCTION app_auth.remove_member(p_user uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    tenant constant uuid := NULLIF(current_setting('app.organization_id', true), '')::uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
    caller_role text;
    old_role text;
BEGIN
    PERFORM FROM app.club_members AS m
        WHERE m.club_id = tenant AND (m.role IN ('admin') OR m.person_id IN (caller, p_user))
        ORDER BY m.person_id
        FOR UPDATE;
    SELECT m.role INTO caller_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = caller;
    IF caller_role IS NULL OR caller IS DISTINCT FROM p_user AND (caller_role NOT IN ('admin') OR current_setting('role') NOT IN ('app_admin')) THEN
        RAISE EXCEPTION 'managing members requires role admin or a role that includes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'cannot remove a member whose role is not included in your role' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('admin') THEN
        IF NOT EXISTS (
            SELECT FROM app.club_members AS m
            WHERE m.club_id = tenant AND m.role IN ('admin') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'cannot remove the last member who can manage members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    DELETE FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.remove_member(uuid) IS 'Removes a member from the current tenant. Requires role admin or a role that includes it, unless the caller leaves the tenant. Returns false if the user is not a member.';
GRANT EXECUTE ON FUNCTION app_auth.remove_member(uuid) TO app_viewer;

CREATE FUNCTION app_auth.sign_up(p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
#variable_conflict use_variable
DECLARE
    new_user_id uuid;
BEGIN
    INSERT INTO app.persons (name) VALUES (p_name) RETURNING id INTO new_user_id;
    RETURN new_user_id;
END
$function$;
COMMENT ON FUNCTION app_auth.sign_up(text) IS 'Creates a user account that is not a member of any tenant yet.';
GRANT EXECUTE ON FUNCTION app_auth.sign_up(text) TO app_no_tenant;

SET LOCAL ROLE app_schema_owner;

-- warning TM210: no user is a member until `app.club_members` has rows, so no role sees any row of a tenant; before the app uses this version, insert the members as a role that bypasses RLS or in a hand-written migration: INSERT INTO app.club_members (club_id, person_id, role) SELECT …;
-- Table app.club_members --------------------------------------------------------------------------
CREATE TABLE app.club_members (
    club_id   uuid NOT NULL,
    person_id uuid NOT NULL,
    role      text NOT NULL,
    CONSTRAINT club_members_pkey PRIMARY KEY (club_id, person_id),
    CONSTRAINT club_members_role_label CHECK (role IN ('viewer', 'member', 'admin')),
    CONSTRAINT club_members_club_id_fkey FOREIGN KEY (club_id)
        REFERENCES app.clubs (id) ON DELETE CASCADE,
    CONSTRAINT club_members_person_id_fkey FOREIGN KEY (person_id)
        REFERENCES app.persons (id)
);
CREATE INDEX club_members_person_id_idx ON app.club_members (person_id);

ALTER TABLE app.club_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.club_members FORCE ROW LEVEL SECURITY;

-- warning TM208: changes policy `tenant_isolation` on `app.clubs`, which controls the rows that roles can read or write.
ALTER POLICY tenant_isolation ON app.clubs
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = (SELECT app_auth.authorized_tenant_id()) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = (SELECT app_auth.authorized_tenant_id()) END);
COMMENT ON POLICY tenant_isolation ON app.clubs IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';
-- warning TM208: adds policy `select_function_owner` on `app.clubs`, which controls the rows that roles can read or write.
CREATE POLICY select_function_owner ON app.clubs AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.clubs IS 'Lets the SECURITY DEFINER functions in app_auth SELECT any row; each function limits the rows itself.';
-- warning TM208: adds policy `insert_function_owner` on `app.clubs`, which controls the rows that roles can read or write.
CREATE POLICY insert_function_owner ON app.clubs AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.clubs IS 'Lets the SECURITY DEFINER functions in app_auth INSERT any row; each function limits the rows itself.';

-- warning TM208: adds policy `tenant_isolation` on `app.persons`, which controls the rows that roles can read or write.
CREATE POLICY tenant_isolation ON app.persons AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = ANY (ARRAY(SELECT m.person_id FROM app.club_members AS m WHERE m.club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = ANY (ARRAY(SELECT m.person_id FROM app.club_members AS m WHERE m.club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))) END);
COMMENT ON POLICY tenant_isolation ON app.persons IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';
-- warning TM208: changes policy `select_viewer` on `app.persons`, which controls the rows that roles can read or write.
ALTER POLICY select_viewer ON app.persons
    USING (id = ANY (ARRAY(SELECT m.person_id FROM app.club_members AS m WHERE m.club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))));
COMMENT ON POLICY select_viewer ON app.persons IS 'Allows viewer and the roles that include it to SELECT the rows of the current tenant''s members.';
-- warning TM208: adds policy `select_function_owner` on `app.persons`, which controls the rows that roles can read or write.
CREATE POLICY select_function_owner ON app.persons AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.persons IS 'Lets the SECURITY DEFINER functions in app_auth SELECT any row; each function limits the rows itself.';
-- warning TM208: adds policy `insert_function_owner` on `app.persons`, which controls the rows that roles can read or write.
CREATE POLICY insert_function_owner ON app.persons AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.persons IS 'Lets the SECURITY DEFINER functions in app_auth INSERT any row; each function limits the rows itself.';

-- Policies and grants of app.club_members ---------------------------------------------------------
CREATE POLICY tenant_isolation ON app.club_members AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE club_id = (SELECT app_auth.authorized_tenant_id()) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE club_id = (SELECT app_auth.authorized_tenant_id()) END);
COMMENT ON POLICY tenant_isolation ON app.club_members IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';

CREATE POLICY select_viewer ON app.club_members AS PERMISSIVE FOR SELECT TO app_viewer
    USING (club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY select_viewer ON app.club_members IS 'Allows viewer and the roles that include it to SELECT rows of the current tenant.';

CREATE POLICY select_function_owner ON app.club_members AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.club_members IS 'Lets the SECURITY DEFINER functions in app_auth SELECT any row; each function limits the rows itself.';

CREATE POLICY insert_function_owner ON app.club_members AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.club_members IS 'Lets the SECURITY DEFINER functions in app_auth INSERT any row; each function limits the rows itself.';

CREATE POLICY update_function_owner ON app.club_members AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY update_function_owner ON app.club_members IS 'Lets the SECURITY DEFINER functions in app_auth UPDATE any row; each function limits the rows itself.';

CREATE POLICY delete_function_owner ON app.club_members AS PERMISSIVE FOR DELETE TO app_function_owner
    USING (true);
COMMENT ON POLICY delete_function_owner ON app.club_members IS 'Lets the SECURITY DEFINER functions in app_auth DELETE any row; each function limits the rows itself.';

CREATE CONSTRAINT TRIGGER prevent_last_manager_removal AFTER UPDATE OR DELETE ON app.club_members DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION app_auth.prevent_last_manager_removal();

GRANT SELECT (club_id, person_id, role) ON app.club_members TO app_viewer;
GRANT SELECT (club_id, person_id, role) ON app.club_members TO app_function_owner;
GRANT INSERT (club_id, person_id, role) ON app.club_members TO app_function_owner;
GRANT UPDATE (role) ON app.club_members TO app_function_owner;
GRANT DELETE ON app.club_members TO app_function_owner;

GRANT SELECT (id, name) ON app.clubs TO app_viewer;
-- warning TM207: grants SELECT (id) on `app.clubs` to `app_function_owner`.
GRANT SELECT (id) ON app.clubs TO app_function_owner;
-- warning TM207: grants INSERT (name) on `app.clubs` to `app_function_owner`.
GRANT INSERT (name) ON app.clubs TO app_function_owner;

GRANT SELECT (id, name) ON app.persons TO app_viewer;
-- warning TM207: grants SELECT (id) on `app.persons` to `app_function_owner`.
GRANT SELECT (id) ON app.persons TO app_function_owner;
-- warning TM207: grants INSERT (name) on `app.persons` to `app_function_owner`.
GRANT INSERT (name) ON app.persons TO app_function_owner;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0002_add_club_members.down.sql =====================================================================
-- tenant: loses data: app.club_members
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

REVOKE INSERT (name) ON app.persons FROM app_function_owner;
REVOKE SELECT (id) ON app.persons FROM app_function_owner;
REVOKE SELECT (id, name) ON app.persons FROM app_viewer;

REVOKE INSERT (name) ON app.clubs FROM app_function_owner;
REVOKE SELECT (id) ON app.clubs FROM app_function_owner;
REVOKE SELECT (id, name) ON app.clubs FROM app_viewer;

-- Policies and grants of app.club_members ---------------------------------------------------------
DROP POLICY delete_function_owner ON app.club_members;
DROP POLICY update_function_owner ON app.club_members;
DROP POLICY insert_function_owner ON app.club_members;
DROP POLICY select_function_owner ON app.club_members;
DROP POLICY select_viewer ON app.club_members;
DROP POLICY tenant_isolation ON app.club_members;

DROP POLICY insert_function_owner ON app.persons;
DROP POLICY select_function_owner ON app.persons;
-- warning TM208: changes policy `select_viewer` on `app.persons`, which controls the rows that roles can read or write.
ALTER POLICY select_viewer ON app.persons
    USING (true);
COMMENT ON POLICY select_viewer ON app.persons IS 'Allows viewer and the roles that include it to SELECT all rows (they belong to no tenant).';
DROP POLICY tenant_isolation ON app.persons;

DROP POLICY insert_function_owner ON app.clubs;
DROP POLICY select_function_owner ON app.clubs;
-- warning TM208: changes policy `tenant_isolation` on `app.clubs`, which controls the rows that roles can read or write.
ALTER POLICY tenant_isolation ON app.clubs
    USING (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY tenant_isolation ON app.clubs IS 'Limits every role to rows of the current tenant, whatever other policies allow.';

-- destructive TM101: drops table `app.club_members` and all its rows.
DROP TABLE app.club_members;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
DROP FUNCTION app_auth.sign_up(text);
DROP FUNCTION app_auth.remove_member(uuid);
DROP FUNCTION app_auth.prevent_last_manager_removal();
DROP FUNCTION app_auth.my_tenants();
DROP FUNCTION app_auth.create_tenant(text);
DROP FUNCTION app_auth.change_member(uuid, text);
DROP FUNCTION app_auth.authorized_tenant_id();
DROP FUNCTION app_auth.add_member(uuid, text);

SET LOCAL ROLE app_schema_owner;

CREATE POLICY update_admin ON app.clubs AS PERMISSIVE FOR UPDATE TO app_admin
    USING (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY update_admin ON app.clubs IS 'Allows admin and the roles that include it to UPDATE rows of the current tenant, but not to move them to another tenant.';

RESET ROLE;

DO $members$
DECLARE
    membership record;
BEGIN
    FOR membership IN
        SELECT revoked.role, revoked.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
            ('app_no_tenant', 'app_service')
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

SET LOCAL ROLE app_schema_owner;

GRANT SELECT (id, name) ON app.persons TO app_viewer;

GRANT UPDATE (name) ON app.clubs TO app_admin;
GRANT SELECT (id, name) ON app.clubs TO app_viewer;

SET LOCAL ROLE app_schema_owner;

REVOKE USAGE ON SCHEMA app FROM app_function_owner;

SET LOCAL ROLE app_function_owner;

REVOKE USAGE ON SCHEMA app_auth FROM app_schema_owner, app_no_tenant, app_viewer;

-- Default privileges ------------------------------------------------------------------------------
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC;

DROP SCHEMA app_auth;

RESET ROLE;

-- warning TM206: drops role `app_no_tenant`.
-- warning TM206: drops role `app_function_owner`.
-- Roles -------------------------------------------------------------------------------------------
DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app_no_tenant', 'app_function_owner'] LOOP
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
