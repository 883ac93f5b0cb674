-- Properties that let the login of this session bypass RLS. One row per fact; its kind is a variant of `Kind` in
-- login_check.rs. $1 contains the prefixes of context settings, and $2 the roles that the login must not be able to
-- assume. Every name is qualified, because the session's search_path is not trusted yet.
WITH login AS (
    SELECT * FROM pg_catalog.pg_roles WHERE rolname = session_user
),
-- The login itself and the roles that it can assume. A superuser can assume all of them, so it is reported once.
reach AS (
    SELECT role.*, (
        SELECT min(direct.rolname::text)
        FROM pg_catalog.pg_auth_members AS membership
        JOIN pg_catalog.pg_roles AS direct ON direct.oid = membership.roleid
        WHERE membership.member = login.oid AND pg_catalog.pg_has_role(direct.oid, role.oid, 'MEMBER')
    ) AS through
    FROM login
    JOIN pg_catalog.pg_roles AS role ON pg_catalog.pg_has_role(login.oid, role.oid, 'MEMBER')
    WHERE NOT login.rolsuper
),
-- Relations with RLS, except those of extensions.
relation AS (
    SELECT class.oid, class.oid::pg_catalog.regclass::text AS name, class.relowner, class.relacl
    FROM pg_catalog.pg_class AS class
    WHERE class.relrowsecurity
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend AS depend
          WHERE depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND depend.objid = class.oid AND depend.deptype = 'e'
      )
),
-- Relations on which the login has privileges without SET ROLE.
usable AS (
    SELECT relation.*
    FROM login, relation
    WHERE NOT login.rolsuper
      AND (
          pg_catalog.has_table_privilege(login.oid, relation.oid, 'DELETE, TRUNCATE, TRIGGER')
          OR pg_catalog.has_any_column_privilege(login.oid, relation.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
      )
),
-- The grantee of such a privilege: the login, PUBLIC, or a role from which the login inherits. A role such as
-- pg_read_all_data is in no ACL, and privileges inherited from an owner are reported as ownership.
holder AS (
    SELECT DISTINCT usable.oid, usable.name, acl.grantee
    FROM login, usable
    CROSS JOIN LATERAL (
        SELECT item.grantee FROM pg_catalog.aclexplode(usable.relacl) AS item
        UNION
        SELECT item.grantee
        FROM pg_catalog.pg_attribute AS attribute
        CROSS JOIN LATERAL pg_catalog.aclexplode(attribute.attacl) AS item
        WHERE attribute.attrelid = usable.oid AND attribute.attnum > 0
    ) AS acl
    WHERE acl.grantee <> usable.relowner
      AND (acl.grantee = 0 OR pg_catalog.pg_has_role(login.oid, acl.grantee, 'USAGE'))
    UNION
    SELECT usable.oid, usable.name, role.oid
    FROM login, usable
    JOIN pg_catalog.pg_roles AS role ON role.rolname IN ('pg_read_all_data', 'pg_write_all_data')
    WHERE pg_catalog.pg_has_role(login.oid, role.oid, 'USAGE')
)
SELECT 'login'::text AS kind, session_user::text AS name, NULL::text AS through, (
    SELECT nullif(login.rolconnlimit, -1)::text FROM login
) AS detail
UNION ALL
SELECT 'attribute', attribute.name, NULL, NULL
FROM login
CROSS JOIN LATERAL (
    VALUES ('SUPERUSER', login.rolsuper), ('BYPASSRLS', login.rolbypassrls AND NOT login.rolsuper),
        ('CREATEROLE', login.rolcreaterole AND NOT login.rolsuper),
        ('CREATEDB', login.rolcreatedb AND NOT login.rolsuper),
        ('REPLICATION', login.rolreplication AND NOT login.rolsuper)
) AS attribute (name, present)
WHERE attribute.present
UNION ALL
SELECT 'privileged_role', reach.rolname::text, reach.through, power.detail
FROM login, reach
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN reach.rolsuper THEN 'SUPERUSER'
        WHEN reach.rolbypassrls THEN 'BYPASSRLS'
        WHEN reach.rolcreaterole THEN 'CREATEROLE'
        WHEN reach.rolreplication THEN 'REPLICATION'
        WHEN reach.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
        THEN 'access to server files and programs'
    END AS detail
) AS power
WHERE reach.oid <> login.oid AND power.detail IS NOT NULL
UNION ALL
SELECT 'system_role', reach.rolname::text, reach.through, NULL
FROM reach
WHERE reach.rolname = ANY ($2)
UNION ALL
SELECT 'owner', reach.rolname::text, min(reach.through), string_agg(relation.name, ', ' ORDER BY relation.name)
FROM reach
JOIN relation ON relation.relowner = reach.oid
GROUP BY reach.rolname
UNION ALL
-- SECURITY DEFINER functions, whose owner can have policies that do not apply to the login. Functions of extensions do
-- not belong to the app, and functions that the login owns give it no further access.
SELECT 'definer_owner', reach.rolname::text, min(reach.through),
    string_agg(routine.oid::pg_catalog.regprocedure::text, ', ' ORDER BY routine.oid::pg_catalog.regprocedure::text)
FROM login, reach
JOIN pg_catalog.pg_proc AS routine ON routine.proowner = reach.oid
WHERE reach.oid <> login.oid AND routine.prosecdef
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS depend
      WHERE depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND depend.objid = routine.oid AND depend.deptype = 'e'
  )
GROUP BY reach.rolname
UNION ALL
SELECT CASE WHEN holder.grantee = 0 THEN 'public_privilege' ELSE 'privilege' END, COALESCE(min(role.rolname::text), 'public'),
    min(reach.through),
    string_agg(holder.name, ', ' ORDER BY holder.name)
FROM holder
LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = holder.grantee
LEFT JOIN reach ON reach.oid = holder.grantee
GROUP BY holder.grantee
UNION ALL
-- Settings of other databases do not apply to this session.
SELECT CASE
        WHEN fixed.setrole <> 0 AND fixed.setdatabase <> 0 THEN 'login_in_database_setting'
        WHEN fixed.setrole <> 0 THEN 'login_setting'
        WHEN fixed.setdatabase <> 0 THEN 'database_setting'
        ELSE 'server_setting'
    END, setting.name, database.datname::text, NULL
FROM login
JOIN pg_catalog.pg_db_role_setting AS fixed ON fixed.setrole IN (login.oid, 0)
LEFT JOIN pg_catalog.pg_database AS database ON database.oid = fixed.setdatabase
CROSS JOIN LATERAL (
    SELECT pg_catalog.lower(pg_catalog.split_part(item, '=', 1)) AS name FROM pg_catalog.unnest(fixed.setconfig) AS item
) AS setting
WHERE (fixed.setdatabase = 0 OR database.datname = pg_catalog.current_database())
  AND (
      setting.name IN (
          'role', 'session_authorization', 'row_security', 'session_replication_role', 'standard_conforming_strings'
      )
      -- A search_path for the whole database is common, and each transaction sets its own.
      OR setting.name = 'search_path' AND fixed.setrole <> 0
      OR setting.name LIKE '%.%' AND pg_catalog.split_part(setting.name, '.', 1) = ANY ($1)
  )
UNION ALL
-- From postgresql.conf or from the URL: the statement filter reads statements as the server does with this setting on.
SELECT 'string_syntax', setting.name, NULL, setting.source
FROM pg_catalog.pg_settings AS setting
WHERE setting.name = 'standard_conforming_strings' AND setting.setting <> 'on'
  AND setting.source NOT IN ('global', 'database', 'user', 'database user')
ORDER BY 1, 2, 3
