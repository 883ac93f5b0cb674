-- The schemas that the roles $1 own, and the application roles: the roles with privileges in these schemas and the
-- members of those, without administrators.
WITH RECURSIVE home AS (
    SELECT namespace.oid, namespace.nspname, namespace.nspacl
    FROM pg_namespace AS namespace JOIN pg_roles AS owner ON owner.oid = namespace.nspowner
    WHERE owner.rolname = ANY ($1)
),
privilege AS (
    SELECT acl.grantee FROM home CROSS JOIN LATERAL aclexplode(nspacl) AS acl
    UNION
    SELECT acl.grantee FROM home JOIN pg_class ON relnamespace = home.oid CROSS JOIN LATERAL aclexplode(relacl) AS acl
    UNION
    SELECT acl.grantee
    FROM home JOIN pg_class AS class ON relnamespace = home.oid
    JOIN pg_attribute ON attrelid = class.oid
    CROSS JOIN LATERAL aclexplode(attacl) AS acl
    UNION
    SELECT acl.grantee FROM home JOIN pg_proc ON pronamespace = home.oid CROSS JOIN LATERAL aclexplode(proacl) AS acl
),
reached AS (
    SELECT grantee AS oid FROM privilege WHERE grantee <> 0
    UNION
    SELECT entry.member FROM reached JOIN pg_auth_members AS entry ON entry.roleid = reached.oid
)
SELECT
    (SELECT COALESCE(array_agg(nspname::text ORDER BY nspname), '{}') FROM home) AS schemas,
    (
        SELECT COALESCE(array_agg(role.rolname::text ORDER BY role.rolname), '{}')
        FROM reached JOIN pg_roles AS role USING (oid)
        WHERE NOT EXISTS (SELECT FROM pg_roles AS owner WHERE owner.rolname = ANY ($1) AND pg_has_role(role.oid, owner.oid, 'MEMBER'))
    ) AS roles
