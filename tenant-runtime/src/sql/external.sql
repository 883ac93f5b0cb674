{heading}-- These roles are created outside the migrations. A missing attribute or membership would break the app, and an extra one
-- could bypass the policies, so the migration fails until all roles match the list below.
DO $roles$
DECLARE
    expected record;
    existing record;
    differing text;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
    wrong text[] := ARRAY[]::text[];
BEGIN
    FOR expected IN
        SELECT * FROM (VALUES
{roles}
        ) AS role (name, login, inherit, connections)
    LOOP
        SELECT * INTO existing FROM pg_catalog.pg_roles AS r WHERE r.rolname = expected.name;
        IF NOT FOUND THEN
            wrong := wrong || format(
                'role %1$s does not exist: CREATE ROLE %1$I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %2$s %3$s'
                    ' CONNECTION LIMIT %4$s',
                expected.name, CASE WHEN expected.login THEN 'LOGIN' ELSE 'NOLOGIN' END,
                CASE WHEN expected.inherit THEN 'INHERIT' ELSE 'NOINHERIT' END, expected.connections);
            CONTINUE;
        END IF;
        differing := concat_ws(' ',
            CASE WHEN existing.rolsuper THEN 'NOSUPERUSER' END,
            CASE WHEN existing.rolcreatedb THEN 'NOCREATEDB' END,
            CASE WHEN existing.rolcreaterole THEN 'NOCREATEROLE' END,
            CASE WHEN existing.rolreplication THEN 'NOREPLICATION' END,
            CASE WHEN existing.rolbypassrls THEN 'NOBYPASSRLS' END,
            CASE WHEN existing.rolcanlogin <> expected.login THEN CASE WHEN expected.login THEN 'LOGIN' ELSE 'NOLOGIN' END END,
            CASE WHEN existing.rolinherit <> expected.inherit THEN CASE WHEN expected.inherit THEN 'INHERIT' ELSE 'NOINHERIT' END END,
            CASE WHEN existing.rolconnlimit <> expected.connections THEN 'CONNECTION LIMIT ' || expected.connections END);
        IF differing <> '' THEN
            wrong := wrong || format('role %1$s has other attributes than required: ALTER ROLE %1$I %2$s', expected.name, differing);
        END IF;
    END LOOP;
    -- Memberships have options since PostgreSQL 16.
    FOR expected IN
        WITH declared AS (
            SELECT * FROM (VALUES
{memberships}
            ) AS membership (role, member, inherits, options)
        ), ours AS (
            SELECT role.oid, role.rolname FROM pg_catalog.pg_roles AS role
            WHERE role.rolname IN (SELECT d.role FROM declared AS d UNION SELECT d.member FROM declared AS d UNION VALUES {owners})
        ), actual AS (
            SELECT pg_get_userbyid(entry.roleid) AS role, member.rolname AS member, bool_or(entry.admin_option) AS admin,
                bool_or((to_jsonb(entry) ->> 'inherit_option')::boolean) AS inherits,
                bool_or((to_jsonb(entry) ->> 'set_option')::boolean) AS sets
            FROM pg_catalog.pg_auth_members AS entry
            JOIN ours AS member ON member.oid = entry.member
            GROUP BY 1, 2
        )
        SELECT COALESCE(d.role, a.role) AS role, COALESCE(d.member, a.member) AS member, d.options,
            d.role IS NULL AS is_odd, a.role IS NULL AS is_missing, a.admin,
            has_options AND (a.inherits <> d.inherits OR a.sets = d.inherits) AS is_other
        FROM declared AS d
        FULL JOIN actual AS a ON a.role = d.role AND a.member = d.member
        ORDER BY 2, 1
    LOOP
        IF expected.is_odd THEN
            wrong := wrong || format('role %1$s must not be a member of %2$s: REVOKE %2$I FROM %1$I', expected.member, expected.role);
        ELSIF expected.is_missing OR expected.is_other THEN
            wrong := wrong || format('role %1$s is %3$s of %2$s: GRANT %2$I TO %1$I%4$s', expected.member, expected.role,
                CASE WHEN expected.is_missing THEN 'not a member' ELSE 'a member with other options' END,
                CASE WHEN has_options THEN ' WITH ' || expected.options ELSE '' END);
        END IF;
        IF expected.admin AND NOT expected.is_odd THEN
            wrong := wrong || format('role %1$s must not have the admin option on %2$s: REVOKE ADMIN OPTION FOR %2$I FROM %1$I',
                expected.member, expected.role);
        END IF;
    END LOOP;
    FOR expected IN
        SELECT * FROM (VALUES
{settings}
        ) AS setting (login, name, value)
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_db_role_setting AS fixed, unnest(fixed.setconfig) AS item
            WHERE fixed.setrole = to_regrole(quote_ident(expected.login))
              AND fixed.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
              AND starts_with(item, expected.name || '=')
        ) THEN
            wrong := wrong || format('role %1$s has no setting of %2$s: ALTER ROLE %1$I SET %2$I = %3$L', expected.login, expected.name, expected.value);
        END IF;
    END LOOP;
    FOR expected IN
        SELECT name FROM (VALUES {owners}) AS owner (name) WHERE to_regrole(quote_ident(name)) IS NOT NULL
    LOOP
        IF NOT (pg_has_role(expected.name, 'USAGE') AND pg_has_role(expected.name, CASE WHEN has_options THEN 'SET' ELSE 'MEMBER' END))
        THEN
            wrong := wrong || format('role %2$s, which applies this migration, cannot act as %1$s: GRANT %1$I TO %2$I%3$s', expected.name, current_user,
                CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END);
        END IF;
    END LOOP;
    IF wrong <> ARRAY[]::text[] THEN
        RAISE EXCEPTION USING MESSAGE = E'the externally created roles do not match the requirements; fix each of them as an administrator:\n- '
            || array_to_string(wrong, E';\n- ') || ';';
    END IF;
END
$roles$;
