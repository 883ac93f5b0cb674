{heading}-- Something else makes them. What they lack, or have too much, would open a door or stop the app, so nothing is made until
-- they are as they must be.
DO $roles$
DECLARE
    wanted record;
    taken record;
    differing text;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
    wrong text[] := ARRAY[]::text[];
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
{roles}
        ) AS role (name, login, inherit, connections)
    LOOP
        SELECT * INTO taken FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted.name;
        IF NOT FOUND THEN
            wrong := wrong || format(
                'the role %1$s is missing: CREATE ROLE %1$I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %2$s %3$s'
                    ' CONNECTION LIMIT %4$s',
                wanted.name, CASE WHEN wanted.login THEN 'LOGIN' ELSE 'NOLOGIN' END,
                CASE WHEN wanted.inherit THEN 'INHERIT' ELSE 'NOINHERIT' END, wanted.connections);
            CONTINUE;
        END IF;
        differing := concat_ws(' ',
            CASE WHEN taken.rolsuper THEN 'NOSUPERUSER' END,
            CASE WHEN taken.rolcreatedb THEN 'NOCREATEDB' END,
            CASE WHEN taken.rolcreaterole THEN 'NOCREATEROLE' END,
            CASE WHEN taken.rolreplication THEN 'NOREPLICATION' END,
            CASE WHEN taken.rolbypassrls THEN 'NOBYPASSRLS' END,
            CASE WHEN taken.rolcanlogin <> wanted.login THEN CASE WHEN wanted.login THEN 'LOGIN' ELSE 'NOLOGIN' END END,
            CASE WHEN taken.rolinherit <> wanted.inherit THEN CASE WHEN wanted.inherit THEN 'INHERIT' ELSE 'NOINHERIT' END END,
            CASE WHEN taken.rolconnlimit <> wanted.connections THEN 'CONNECTION LIMIT ' || wanted.connections END);
        IF differing <> '' THEN
            wrong := wrong || format('the role %1$s has other attributes: ALTER ROLE %1$I %2$s', wanted.name, differing);
        END IF;
    END LOOP;
    -- The options of a membership are there since PostgreSQL 16.
    FOR wanted IN
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
        IF wanted.is_odd THEN
            wrong := wrong || format('%1$s is a member of %2$s, and must not be: REVOKE %2$I FROM %1$I', wanted.member, wanted.role);
        ELSIF wanted.is_missing OR wanted.is_other THEN
            wrong := wrong || format('%1$s is %3$s member of %2$s: GRANT %2$I TO %1$I%4$s', wanted.member, wanted.role,
                CASE WHEN wanted.is_missing THEN 'no' ELSE 'with other options a' END,
                CASE WHEN has_options THEN ' WITH ' || wanted.options ELSE '' END);
        END IF;
        IF wanted.admin AND NOT wanted.is_odd THEN
            wrong := wrong || format('%1$s may make others members of %2$s: REVOKE ADMIN OPTION FOR %2$I FROM %1$I',
                wanted.member, wanted.role);
        END IF;
    END LOOP;
    FOR wanted IN
        SELECT * FROM (VALUES
{settings}
        ) AS setting (login, name, value)
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_db_role_setting AS fixed, unnest(fixed.setconfig) AS item
            WHERE fixed.setrole = to_regrole(quote_ident(wanted.login))
              AND fixed.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
              AND starts_with(item, wanted.name || '=')
        ) THEN
            wrong := wrong || format('%1$s has no %2$s: ALTER ROLE %1$I SET %2$I = %3$L', wanted.login, wanted.name, wanted.value);
        END IF;
    END LOOP;
    FOR wanted IN
        SELECT name FROM (VALUES {owners}) AS owner (name) WHERE to_regrole(quote_ident(name)) IS NOT NULL
    LOOP
        IF NOT (pg_has_role(wanted.name, 'USAGE') AND pg_has_role(wanted.name, CASE WHEN has_options THEN 'SET' ELSE 'MEMBER' END))
        THEN
            wrong := wrong || format('who applies this may not act as %1$s: GRANT %1$I TO %2$I%3$s', wanted.name, current_user,
                CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END);
        END IF;
    END LOOP;
    IF wrong <> ARRAY[]::text[] THEN
        RAISE EXCEPTION USING MESSAGE = E'the roles are made elsewhere, and are not as they must be:\n- '
            || array_to_string(wrong, E';\n- ') || ';';
    END IF;
END
$roles$;
