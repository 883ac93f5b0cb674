-- The extensions $1 with their schemas. $2 contains the product's roles. One row per extension, as JSON.
SELECT jsonb_build_object(
    'object', jsonb_build_object('extension', extname),
    'state', jsonb_build_object(
        'schema', nspname,
        -- The application roles and the owners of objects without USAGE on the schema; PUBLIC can have it.
        'roles_without_usage', (
            SELECT COALESCE(jsonb_agg(rolname ORDER BY rolname), '[]')
            FROM pg_roles
            WHERE rolname = ANY ($2) AND NOT rolcanlogin AND NOT has_schema_privilege(oid, extnamespace, 'USAGE')
        )
    )
)::text
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = ANY ($1)
