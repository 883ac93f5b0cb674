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
role `app_function_owner` is new
role `app_no_tenant` is new
`app_service` becoming `app_no_tenant` is new
schema `app_auth` is new
the lock on what `app_function_owner` makes is new
`app_viewer` using schema `app_auth` is new
`app_no_tenant` using schema `app_auth` is new
`app_schema_owner` using schema `app_auth` is new
function `app_auth.add_member` is new
function `app_auth.authorized_tenant_id` is new
function `app_auth.change_member` is new
function `app_auth.create_tenant` is new
function `app_auth.my_tenants` is new
function `app_auth.prevent_last_manager_removal` is new
function `app_auth.remove_member` is new
function `app_auth.sign_up` is new
`app_function_owner` using schema `app` is new
table `app.club_members` is new
policy `tenant_isolation` of `app.clubs` has changed
policy `function_owner_select` of `app.clubs` is new
policy `function_owner_insert` of `app.clubs` is new
policy `update_rows` of `app.clubs` is gone
UPDATE (name) on `app.clubs` for `app_admin` is gone
SELECT (id) on `app.clubs` for `app_function_owner` is new
INSERT (name) on `app.clubs` for `app_function_owner` is new
policy `tenant_isolation` of `app.persons` is new
policy `select_rows` of `app.persons` has changed
policy `function_owner_select` of `app.persons` is new
policy `function_owner_insert` of `app.persons` is new
SELECT (id) on `app.persons` for `app_function_owner` is new
INSERT (name) on `app.persons` for `app_function_owner` is new
careful TM206: no more UPDATE (name) on `app.clubs` for `app_admin`.
careful TM208: who sees or writes which rows changes: policy `update_rows` of `app.clubs` is gone.
careful TM208: who sees or writes which rows changes: policy `tenant_isolation` of `app.clubs` has changed.
careful TM208: who sees or writes which rows changes: policy `function_owner_select` of `app.clubs` is new.
careful TM208: who sees or writes which rows changes: policy `function_owner_insert` of `app.clubs` is new.
careful TM208: who sees or writes which rows changes: policy `tenant_isolation` of `app.persons` is new.
careful TM208: who sees or writes which rows changes: policy `select_rows` of `app.persons` has changed.
careful TM208: who sees or writes which rows changes: policy `function_owner_select` of `app.persons` is new.
careful TM208: who sees or writes which rows changes: policy `function_owner_insert` of `app.persons` is new.
careful TM207: from now on SELECT (id) on `app.clubs` for `app_function_owner`.
careful TM207: from now on INSERT (name) on `app.clubs` for `app_function_owner`.
careful TM207: from now on SELECT (id) on `app.persons` for `app_function_owner`.
careful TM207: from now on INSERT (name) on `app.persons` for `app_function_owner`.

== 0002_add_club_members.up.sql =======================================================================
-- Changes the database of tenant-tests:
--   role `app_function_owner` is new
--   role `app_no_tenant` is new
--   `app_service` becoming `app_no_tenant` is new
--   schema `app_auth` is new
--   the lock on what `app_function_owner` makes is new
--   `app_viewer` using schema `app_auth` is new
--   `app_no_tenant` using schema `app_auth` is new
--   `app_schema_owner` using schema `app_auth` is new
--   function `app_auth.add_member` is new
--   function `app_auth.authorized_tenant_id` is new
--   function `app_auth.change_member` is new
--   function `app_auth.create_tenant` is new
--   function `app_auth.my_tenants` is new
--   function `app_auth.prevent_last_manager_removal` is new
--   function `app_auth.remove_member` is new
--   function `app_auth.sign_up` is new
--   `app_function_owner` using schema `app` is new
--   table `app.club_members` is new
--   policy `tenant_isolation` of `app.clubs` has changed
--   policy `function_owner_select` of `app.clubs` is new
--   policy `function_owner_insert` of `app.clubs` is new
--   policy `update_rows` of `app.clubs` is gone
--   UPDATE (name) on `app.clubs` for `app_admin` is gone
--   SELECT (id) on `app.clubs` for `app_function_owner` is new
--   INSERT (name) on `app.clubs` for `app_function_owner` is new
--   policy `tenant_isolation` of `app.persons` is new
--   policy `select_rows` of `app.persons` has changed
--   policy `function_owner_select` of `app.persons` is new
--   policy `function_owner_insert` of `app.persons` is new
--   SELECT (id) on `app.persons` for `app_function_owner` is new
--   and 1 more
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
            ('app_function_owner', 'NOLOGIN INHERIT', 'tenant-tests: owns the functions'),
            ('app_no_tenant',      'NOLOGIN INHERIT', 'tenant-tests: a user who acts in no tenant')
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

-- Who applies this acts as the owners.
DO $owners$
DECLARE
    wanted record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR wanted IN SELECT name FROM (VALUES ('app_function_owner')) AS owner (name) LOOP
        IF NOT (pg_has_role(wanted.name, 'USAGE')
            AND pg_has_role(wanted.name, CASE WHEN has_options THEN 'SET' ELSE 'MEMBER' END))
        THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted.name)
                || CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
        END IF;
    END LOOP;
END
$owners$;

-- Schema app_auth ---------------------------------------------------------------------------------
CREATE SCHEMA app_auth AUTHORIZATION app_function_owner;

SET LOCAL ROLE app_function_owner;

-- Defaults ----------------------------------------------------------------------------------------
-- Everybody may run a new function and use a new type, unless the one who makes it says otherwise.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

GRANT USAGE ON SCHEMA app_auth TO app_viewer, app_no_tenant, app_schema_owner;

SET LOCAL ROLE app_schema_owner;

GRANT USAGE ON SCHEMA app TO app_function_owner;

SET LOCAL ROLE app_schema_owner;

REVOKE SELECT (id, name) ON app.clubs FROM app_viewer;
-- careful TM206: no more UPDATE (name) on `app.clubs` for `app_admin`.
REVOKE UPDATE (name) ON app.clubs FROM app_admin;

REVOKE SELECT (id, name) ON app.persons FROM app_viewer;

RESET ROLE;

-- A tier has the rights of the application_roles below it. The login has none until it says SET ROLE.
DO $members$
DECLARE
    wanted record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('app_no_tenant', 'app_service', 'INHERIT FALSE, SET TRUE')
        ) AS membership (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', wanted.role, wanted.member)
            || CASE WHEN has_options THEN ' WITH ' || wanted.options ELSE '' END;
    END LOOP;
END
$members$;

SET LOCAL ROLE app_schema_owner;

-- careful TM208: who sees or writes which rows changes: policy `update_rows` of `app.clubs` is gone.
DROP POLICY update_rows ON app.clubs;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
-- They look across what their callers may see, so nobody may call one who is not named.

CREATE FUNCTION app_auth.add_member(p_user uuid, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
        RAISE EXCEPTION 'only a member whose role includes admin manages members' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'a member cannot give a role above the own one' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.club_members (club_id, person_id, role) VALUES (tenant, p_user, p_role);
END
$function$;
COMMENT ON FUNCTION app_auth.add_member(uuid, text) IS 'Adds a member to the tenant in the context; for those whose role includes admin.';
GRANT EXECUTE ON FUNCTION app_auth.add_member(uuid, text) TO app_admin;

CREATE FUNCTION app_auth.authorized_tenant_id() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
COMMENT ON FUNCTION app_auth.authorized_tenant_id() IS 'The tenant in the context, for a member there whose role includes the role of the transaction; else NULL.';
GRANT EXECUTE ON FUNCTION app_auth.authorized_tenant_id() TO app_viewer, app_schema_owner;

CREATE FUNCTION app_auth.change_member(p_user uuid, p_role text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
        RAISE EXCEPTION 'only a member whose role includes admin manages members' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'a member cannot change a role above the own one' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF ((caller_role, p_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'a member cannot give a role above the own one' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('admin') AND p_role NOT IN ('admin') THEN
        IF NOT EXISTS (
            SELECT FROM app.club_members AS m
            WHERE m.club_id = tenant AND m.role IN ('admin') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'the tenant would be left without anyone who manages its members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    UPDATE app.club_members AS m SET role = p_role WHERE m.club_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.change_member(uuid, text) IS 'Changes a member''s role in the tenant in the context; for those whose role includes admin.';
GRANT EXECUTE ON FUNCTION app_auth.change_member(uuid, text) TO app_admin;

CREATE FUNCTION app_auth.create_tenant(p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
    organization uuid;
    caller constant uuid := NULLIF(current_setting('app.user_id', true), '')::uuid;
BEGIN
    IF caller IS NULL THEN
        RAISE EXCEPTION 'only a signed-in user founds an organization' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO app.clubs (name) VALUES (p_name) RETURNING id INTO organization;
    INSERT INTO app.club_members (club_id, person_id, role) VALUES (organization, caller, 'admin');
    RETURN organization;
END
$function$;
COMMENT ON FUNCTION app_auth.create_tenant(text) IS 'Makes a tenant, of which the user in the context becomes admin.';
GRANT EXECUTE ON FUNCTION app_auth.create_tenant(text) TO app_no_tenant;

CREATE FUNCTION app_auth.my_tenants() RETURNS TABLE (organization uuid, member_role text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
        SELECT m.club_id, m.role
        FROM app.club_members AS m
        WHERE m.person_id = NULLIF(current_setting('app.user_id', true), '')::uuid
        ORDER BY m.club_id;
END
$function$;
COMMENT ON FUNCTION app_auth.my_tenants() IS 'The tenants of the user in the context, with the user''s role in each.';
GRANT EXECUTE ON FUNCTION app_auth.my_tenants() TO app_no_tenant;

CREATE FUNCTION app_auth.prevent_last_manager_removal() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (SELECT FROM app.clubs AS t WHERE t.id = OLD.club_id)
        AND NOT EXISTS (SELECT FROM app.club_members AS m WHERE m.club_id = OLD.club_id AND m.role IN ('admin'))
    THEN
        RAISE EXCEPTION 'the tenant would be left without anyone who manages its members' USING ERRCODE = 'TT001';
    END IF;
    RETURN NULL;
END
$function$;
COMMENT ON FUNCTION app_auth.prevent_last_manager_removal() IS 'Refuses to leave a tenant that still exists without anyone who manages its members.';
GRANT EXECUTE ON FUNCTION app_auth.prevent_last_manager_removal() TO app_schema_owner;

CREATE FUNCTION app_auth.remove_member(p_user uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
        RAISE EXCEPTION 'only a member whose role includes admin manages members' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT m.role INTO old_role FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = p_user;
    IF old_role IS NULL THEN
        RETURN false;
    END IF;
    IF ((caller_role, old_role) IN (VALUES ('viewer', 'viewer'), ('member', 'member'), ('member', 'viewer'), ('admin', 'admin'), ('admin', 'member'), ('admin', 'viewer'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'a member cannot remove a role above the own one' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF old_role IN ('admin') THEN
        IF NOT EXISTS (
            SELECT FROM app.club_members AS m
            WHERE m.club_id = tenant AND m.role IN ('admin') AND m.person_id <> p_user
        ) THEN
            RAISE EXCEPTION 'the tenant would be left without anyone who manages its members' USING ERRCODE = 'TT001';
        END IF;
    END IF;
    DELETE FROM app.club_members AS m WHERE m.club_id = tenant AND m.person_id = p_user;
    RETURN true;
END
$function$;
COMMENT ON FUNCTION app_auth.remove_member(uuid) IS 'Removes a member from the tenant in the context; for those who manage members, and for oneself.';
GRANT EXECUTE ON FUNCTION app_auth.remove_member(uuid) TO app_viewer;

CREATE FUNCTION app_auth.sign_up(p_name text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
    user_key uuid;
BEGIN
    INSERT INTO app.persons (name) VALUES (p_name) RETURNING id INTO user_key;
    RETURN user_key;
END
$function$;
COMMENT ON FUNCTION app_auth.sign_up(text) IS 'Adds a user, who is a member of no tenant yet.';
GRANT EXECUTE ON FUNCTION app_auth.sign_up(text) TO app_no_tenant;

SET LOCAL ROLE app_schema_owner;

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

-- careful TM208: who sees or writes which rows changes: policy `tenant_isolation` of `app.clubs` has changed.
ALTER POLICY tenant_isolation ON app.clubs
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = (SELECT app_auth.authorized_tenant_id()) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = (SELECT app_auth.authorized_tenant_id()) END);
-- careful TM208: who sees or writes which rows changes: policy `function_owner_select` of `app.clubs` is new.
CREATE POLICY function_owner_select ON app.clubs AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY function_owner_select ON app.clubs IS 'The functions in app_auth may select any row; each of them says which.';
-- careful TM208: who sees or writes which rows changes: policy `function_owner_insert` of `app.clubs` is new.
CREATE POLICY function_owner_insert ON app.clubs AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY function_owner_insert ON app.clubs IS 'The functions in app_auth may insert any row; each of them says which.';

-- careful TM208: who sees or writes which rows changes: policy `tenant_isolation` of `app.persons` is new.
CREATE POLICY tenant_isolation ON app.persons AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = ANY (ARRAY(SELECT m.person_id FROM app.club_members AS m WHERE m.club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE id = ANY (ARRAY(SELECT m.person_id FROM app.club_members AS m WHERE m.club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))) END);
COMMENT ON POLICY tenant_isolation ON app.persons IS 'Whoever asks and whatever other policies allow: only rows of the tenant in the context.';
-- careful TM208: who sees or writes which rows changes: policy `select_rows` of `app.persons` has changed.
ALTER POLICY select_rows ON app.persons
    USING (id = ANY (ARRAY(SELECT m.person_id FROM app.club_members AS m WHERE m.club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))));
COMMENT ON POLICY select_rows ON app.persons IS 'The role viewer, and every role that includes it, may read the rows that members of the tenant in the context have.';
-- careful TM208: who sees or writes which rows changes: policy `function_owner_select` of `app.persons` is new.
CREATE POLICY function_owner_select ON app.persons AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY function_owner_select ON app.persons IS 'The functions in app_auth may select any row; each of them says which.';
-- careful TM208: who sees or writes which rows changes: policy `function_owner_insert` of `app.persons` is new.
CREATE POLICY function_owner_insert ON app.persons AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY function_owner_insert ON app.persons IS 'The functions in app_auth may insert any row; each of them says which.';

-- Access to app.club_members ----------------------------------------------------------------------
CREATE POLICY tenant_isolation ON app.club_members AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE club_id = (SELECT app_auth.authorized_tenant_id()) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE club_id = (SELECT app_auth.authorized_tenant_id()) END);
COMMENT ON POLICY tenant_isolation ON app.club_members IS 'Whoever asks and whatever other policies allow: only rows of the tenant in the context.';

CREATE POLICY select_rows ON app.club_members AS PERMISSIVE FOR SELECT TO app_viewer
    USING (club_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY select_rows ON app.club_members IS 'The role viewer, and every role that includes it, may read the rows of the tenant in the context.';

CREATE POLICY function_owner_select ON app.club_members AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY function_owner_select ON app.club_members IS 'The functions in app_auth may select any row; each of them says which.';

CREATE POLICY function_owner_insert ON app.club_members AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY function_owner_insert ON app.club_members IS 'The functions in app_auth may insert any row; each of them says which.';

CREATE POLICY function_owner_update ON app.club_members AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY function_owner_update ON app.club_members IS 'The functions in app_auth may update any row; each of them says which.';

CREATE POLICY function_owner_delete ON app.club_members AS PERMISSIVE FOR DELETE TO app_function_owner
    USING (true);
COMMENT ON POLICY function_owner_delete ON app.club_members IS 'The functions in app_auth may delete any row; each of them says which.';

CREATE CONSTRAINT TRIGGER prevent_last_manager_removal AFTER UPDATE OR DELETE ON app.club_members DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION app_auth.prevent_last_manager_removal();

GRANT SELECT (club_id, person_id, role) ON app.club_members TO app_viewer;
GRANT SELECT (club_id, person_id, role) ON app.club_members TO app_function_owner;
GRANT INSERT (club_id, person_id, role) ON app.club_members TO app_function_owner;
GRANT UPDATE (role) ON app.club_members TO app_function_owner;
GRANT DELETE ON app.club_members TO app_function_owner;

GRANT SELECT (id, name) ON app.clubs TO app_viewer;
-- careful TM207: from now on SELECT (id) on `app.clubs` for `app_function_owner`.
GRANT SELECT (id) ON app.clubs TO app_function_owner;
-- careful TM207: from now on INSERT (name) on `app.clubs` for `app_function_owner`.
GRANT INSERT (name) ON app.clubs TO app_function_owner;

GRANT SELECT (id, name) ON app.persons TO app_viewer;
-- careful TM207: from now on SELECT (id) on `app.persons` for `app_function_owner`.
GRANT SELECT (id) ON app.persons TO app_function_owner;
-- careful TM207: from now on INSERT (name) on `app.persons` for `app_function_owner`.
GRANT INSERT (name) ON app.persons TO app_function_owner;

RESET ROLE;

== 0002_add_club_members.down.sql =====================================================================
-- tenant: loses data: app.club_members
-- Undoes what the migration of this number changes in tenant-tests.
-- Generated by `cargo run --bin gen-migrations` from the structs that derive TenantTable.

-- Under FORCE the owner is bound by the policies too: what it cannot see shall be an error, not silence.
SET LOCAL row_security = off;
-- Whoever waits for a table keeps all others waiting, so it gives up soon, and can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

REVOKE INSERT (name) ON app.persons FROM app_function_owner;
REVOKE SELECT (id) ON app.persons FROM app_function_owner;
REVOKE SELECT (id, name) ON app.persons FROM app_viewer;

REVOKE INSERT (name) ON app.clubs FROM app_function_owner;
REVOKE SELECT (id) ON app.clubs FROM app_function_owner;
REVOKE SELECT (id, name) ON app.clubs FROM app_viewer;

-- Access to app.club_members ----------------------------------------------------------------------
DROP POLICY function_owner_delete ON app.club_members;
DROP POLICY function_owner_update ON app.club_members;
DROP POLICY function_owner_insert ON app.club_members;
DROP POLICY function_owner_select ON app.club_members;
DROP POLICY select_rows ON app.club_members;
DROP POLICY tenant_isolation ON app.club_members;

DROP POLICY function_owner_insert ON app.persons;
DROP POLICY function_owner_select ON app.persons;
-- careful TM208: who sees or writes which rows changes: policy `select_rows` of `app.persons` has changed.
ALTER POLICY select_rows ON app.persons
    USING (true);
COMMENT ON POLICY select_rows ON app.persons IS 'The role viewer, and every role that includes it, may read every row: they belong to no tenant.';
DROP POLICY tenant_isolation ON app.persons;

DROP POLICY function_owner_insert ON app.clubs;
DROP POLICY function_owner_select ON app.clubs;
-- careful TM208: who sees or writes which rows changes: policy `tenant_isolation` of `app.clubs` has changed.
ALTER POLICY tenant_isolation ON app.clubs
    USING (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));

-- DESTRUCTIVE TM101: table `app.club_members` goes with all its rows.
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

CREATE POLICY update_rows ON app.clubs AS PERMISSIVE FOR UPDATE TO app_admin
    USING (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
    WITH CHECK (id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY update_rows ON app.clubs IS 'The role admin, and every role that includes it, may update the rows of the tenant in the context, and move none to another tenant.';

RESET ROLE;

DO $members$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        SELECT gone.role, gone.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
            ('app_no_tenant', 'app_service')
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

SET LOCAL ROLE app_schema_owner;

GRANT SELECT (id, name) ON app.persons TO app_viewer;

GRANT UPDATE (name) ON app.clubs TO app_admin;
GRANT SELECT (id, name) ON app.clubs TO app_viewer;

SET LOCAL ROLE app_schema_owner;

REVOKE USAGE ON SCHEMA app FROM app_function_owner;

SET LOCAL ROLE app_function_owner;

REVOKE USAGE ON SCHEMA app_auth FROM app_schema_owner, app_no_tenant, app_viewer;

-- Defaults ----------------------------------------------------------------------------------------
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC;

DROP SCHEMA app_auth;

RESET ROLE;

-- careful TM206: no more role `app_no_tenant`.
-- careful TM206: no more role `app_function_owner`.
-- Roles -------------------------------------------------------------------------------------------
DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['app_no_tenant', 'app_function_owner'] LOOP
        BEGIN
            EXECUTE format('DROP ROLE IF EXISTS %I', name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'the role % stays: another database uses it', name;
        END;
    END LOOP;
END
$roles$;
*/
