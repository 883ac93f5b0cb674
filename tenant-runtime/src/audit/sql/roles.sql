-- The roles $1, their memberships, and the settings that their sessions start with. One row per fact, as JSON.
WITH ours AS (
    SELECT * FROM pg_roles WHERE rolname = ANY ($1)
),
-- The option columns have existed since PostgreSQL 16.
membership AS (
    SELECT member.rolname AS member, role.rolname AS role, entry.admin_option, to_jsonb(entry) AS entry,
        pg_get_userbyid(entry.grantor) AS grantor
    FROM pg_auth_members AS entry
    JOIN pg_roles AS role ON role.oid = entry.roleid
    JOIN pg_roles AS member ON member.oid = entry.member
    WHERE role.rolname = ANY ($1) OR member.rolname = ANY ($1)
)
SELECT jsonb_build_object(
    'object', jsonb_build_object('role', rolname),
    'state', jsonb_build_object(
        'login', rolcanlogin,
        'inherit', rolinherit,
        'superuser', rolsuper,
        'bypass_rls', rolbypassrls,
        'create_role', rolcreaterole,
        'create_db', rolcreatedb,
        'replication', rolreplication,
        'connection_limit', rolconnlimit,
        -- The comment on a role starts with the product name.
        'product', split_part(shobj_description(oid, 'pg_authid'), ': ', 1)
    )
)::text
FROM ours
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('membership', jsonb_build_object('role', role, 'member', member)),
    'state', jsonb_strip_nulls(jsonb_build_object(
        'admin', bool_or(admin_option),
        'inherit', bool_or((entry ->> 'inherit_option')::boolean),
        'set', bool_or((entry ->> 'set_option')::boolean),
        'granted_by', jsonb_agg(DISTINCT grantor)
    ))
)::text
FROM membership
GROUP BY role, member
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('setting', jsonb_build_object(
        'role', ours.rolname, 'here', fixed.setdatabase <> 0, 'name', lower(split_part(item, '=', 1))
    )),
    'state', jsonb_build_object('value', substr(item, strpos(item, '=') + 1))
)::text
FROM pg_db_role_setting AS fixed
LEFT JOIN ours ON ours.oid = fixed.setrole
CROSS JOIN LATERAL unnest(fixed.setconfig) AS item
WHERE (ours.oid IS NOT NULL OR fixed.setrole = 0)
  AND (fixed.setdatabase = 0 OR fixed.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
  -- Settings for all roles are left to the operator, except those that change the role, the context, or how statements
  -- are parsed.
  AND (
      ours.oid IS NOT NULL
      OR lower(split_part(item, '=', 1)) IN (
          'lo_compat_privileges', 'local_preload_libraries', 'role', 'row_security', 'session_authorization', 'session_preload_libraries',
          'session_replication_role', 'standard_conforming_strings'
      )
      OR strpos(split_part(item, '=', 1), '.') > 0
  )
