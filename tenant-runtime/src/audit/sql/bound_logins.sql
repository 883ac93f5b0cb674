-- The bindings of the logins $1 to the roles $2, with what each login is and can do beyond its role. $3 contains the
-- product's roles, $4 the roles that own objects. One row per binding, as JSON.
SELECT jsonb_build_object(
    'login', binding.login,
    'role', binding.role,
    'exists', login.oid IS NOT NULL,
    'is_ours', binding.login = ANY ($3),
    'attributes', (
        SELECT COALESCE(jsonb_agg(attribute.name), '[]')
        FROM (VALUES
            ('SUPERUSER', login.rolsuper), ('BYPASSRLS', login.rolbypassrls), ('CREATEROLE', login.rolcreaterole),
            ('CREATEDB', login.rolcreatedb), ('REPLICATION', login.rolreplication), ('INHERIT', login.rolinherit)
        ) AS attribute (name, is_set)
        WHERE attribute.is_set
    ),
    -- Before PostgreSQL 16, the attribute INHERIT decides whether a member inherits, and every member can SET ROLE.
    'is_member', EXISTS (
        SELECT FROM pg_auth_members AS entry JOIN pg_roles AS role ON role.oid = entry.roleid
        WHERE entry.member = login.oid AND role.rolname = binding.role
          AND COALESCE((to_jsonb(entry) ->> 'set_option')::boolean, true)
    ),
    'excess', (
        SELECT COALESCE(jsonb_agg(jsonb_build_array(role.rolname, pg_get_userbyid(entry.grantor)) ORDER BY role.rolname), '[]')
        FROM pg_auth_members AS entry JOIN pg_roles AS role ON role.oid = entry.roleid
        WHERE entry.member = login.oid
          AND (
              role.rolname <> binding.role OR entry.admin_option
              OR COALESCE((to_jsonb(entry) ->> 'inherit_option')::boolean, false)
          )
    ),
    -- Administrators, who can act as the owners, and superusers need no membership in the login.
    'members', (
        SELECT COALESCE(jsonb_agg(jsonb_build_array(member.rolname, pg_get_userbyid(entry.grantor)) ORDER BY member.rolname), '[]')
        FROM pg_auth_members AS entry JOIN pg_roles AS member ON member.oid = entry.member
        WHERE entry.roleid = login.oid AND NOT member.rolsuper
          AND NOT EXISTS (SELECT FROM pg_roles AS owner WHERE owner.rolname = ANY ($4) AND pg_has_role(member.oid, owner.oid, 'MEMBER'))
    )
)::text
FROM unnest($1::text[], $2::text[]) AS binding (login, role)
LEFT JOIN pg_roles AS login ON login.rolname = binding.login
