-- The schemas $1, and the privileges on the database, on the schemas, on their objects, and on objects created later.
-- $2 contains the roles, and $3 the roles that own objects. One row per fact, as JSON. Owners are excluded, because
-- they have every privilege.
WITH scope AS (
    SELECT namespace.*, namespace.nspname = ANY ($1) AS ours
    FROM pg_namespace AS namespace
    -- Excludes the schemas of temporary tables.
    WHERE namespace.nspname !~ '^pg_(toast_)?temp_'
),
ours AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname = ANY ($2)
),
extension AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
own_type AS (
    SELECT scope.nspname, type.*
    FROM scope JOIN pg_type AS type ON type.typnamespace = scope.oid
    -- Excludes row types and array types.
    WHERE scope.ours AND type.typtype <> 'p' AND type.typcategory <> 'A'
      AND (type.typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = type.typrelid) = 'c')
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_type'::regclass AND objid = type.oid)
),
-- All objects with an ACL. A NULL ACL stands for the built-in default.
item AS (
    SELECT '"database"'::jsonb AS object, datdba AS owner, COALESCE(datacl, acldefault('d', datdba)) AS acl, 'database' AS kind
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT jsonb_build_object('schema', nspname), nspowner, COALESCE(nspacl, acldefault('n', nspowner)),
        CASE WHEN ours THEN 'ours' ELSE 'schema' END
    FROM scope
    UNION ALL
    SELECT jsonb_build_object(
            CASE relkind WHEN 'S' THEN 'sequence' ELSE 'relation' END, jsonb_build_array(nspname, relname)
        ), relowner, COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)), 'ours'
    FROM scope JOIN pg_class ON relnamespace = scope.oid
    WHERE ours AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid)
    UNION ALL
    SELECT jsonb_build_object('column', jsonb_build_array(jsonb_build_array(nspname, relname), attname)), relowner, attacl, 'ours'
    FROM scope JOIN pg_class ON relnamespace = scope.oid
    JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE ours AND attacl IS NOT NULL AND NOT attisdropped
    UNION ALL
    SELECT jsonb_build_object('function', jsonb_build_array(
            jsonb_build_array(nspname, proname),
            (SELECT COALESCE(jsonb_agg(format_type(type, NULL) ORDER BY place), '[]')
             FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS argument (type, place))
        )), proowner, COALESCE(proacl, acldefault('f', proowner)), 'ours'
    FROM scope JOIN pg_proc ON pronamespace = scope.oid
    WHERE ours AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid)
    UNION ALL
    SELECT jsonb_build_object('type', jsonb_build_array(nspname, typname)), typowner,
        COALESCE(typacl, acldefault('T', typowner)), 'ours'
    FROM own_type
),
privilege AS (
    SELECT item.object, item.kind, acl.privilege_type, acl.grantee,
        jsonb_agg(DISTINCT pg_get_userbyid(acl.grantor)) FILTER (WHERE acl.grantor <> item.owner) AS others,
        bool_or(acl.is_grantable) AS grantable
    FROM item
    CROSS JOIN LATERAL aclexplode(item.acl) AS acl
    WHERE acl.grantee <> item.owner
    GROUP BY item.object, item.kind, acl.privilege_type, acl.grantee
)
SELECT jsonb_build_object(
    'object', jsonb_build_object('schema', scope.nspname),
    'state', jsonb_build_object('owner', pg_get_userbyid(scope.nspowner))
)::text
FROM scope
WHERE ours
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('type', jsonb_build_array(nspname, typname)),
    'state', jsonb_build_object('owner', pg_get_userbyid(typowner), 'labels', (
        SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = own_type.oid
    ))
)::text
FROM own_type
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('privilege', jsonb_build_object(
        'on', privilege.object,
        'privilege', privilege.privilege_type,
        'to', CASE WHEN privilege.grantee <> 0 THEN pg_get_userbyid(privilege.grantee) END
    )),
    'state', jsonb_build_object('grantable', privilege.grantable, 'granted_by_others', COALESCE(privilege.others, '[]'))
)::text
FROM privilege
LEFT JOIN ours ON ours.oid = privilege.grantee
-- Other roles can have CONNECT on the database and privileges on other schemas. The query reports privileges of PUBLIC
-- and of the product's roles, and CREATE on other schemas.
WHERE CASE privilege.kind
    WHEN 'ours' THEN true
    WHEN 'database' THEN privilege.grantee = 0 OR ours.oid IS NOT NULL
    -- pg_catalog is searched first for every unqualified name; pg_toast stores the long values of all tenants.
    ELSE (privilege.privilege_type = 'CREATE' OR privilege.object ->> 'schema' = 'pg_toast')
        AND (privilege.grantee = 0 OR ours.oid IS NOT NULL)
END
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('default_privilege', jsonb_build_object(
        'by', pg_get_userbyid(fallback.maker),
        'schema', fallback.schema,
        'on', CASE fallback.kind
            WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES'
            WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS'
        END,
        'privilege', acl.privilege_type,
        'to', CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee) END
    )),
    'state', jsonb_build_object('grantable', acl.is_grantable)
)::text
FROM (
    -- Objects that the owners of the schemas create, in any schema.
    SELECT owner.oid AS maker, kind.kind, NULL::name AS schema,
        COALESCE(set.defaclacl, acldefault(kind.kind, owner.oid)) AS acl
    FROM (SELECT oid FROM ours WHERE rolname = ANY ($3)) AS owner
    CROSS JOIN (VALUES ('f'::"char"), ('T')) AS kind (kind)
    LEFT JOIN pg_default_acl AS set
        ON set.defaclrole = owner.oid AND set.defaclnamespace = 0 AND set.defaclobjtype = kind.kind
    UNION ALL
    -- Default privileges that have been changed.
    SELECT set.defaclrole, set.defaclobjtype, scope.nspname, set.defaclacl
    FROM pg_default_acl AS set
    LEFT JOIN scope ON scope.oid = set.defaclnamespace
    WHERE NOT (
        set.defaclnamespace = 0 AND set.defaclobjtype IN ('f', 'T')
        AND EXISTS (SELECT FROM ours WHERE ours.oid = set.defaclrole AND ours.rolname = ANY ($3))
    )
      AND (
          scope.ours OR set.defaclnamespace = 0 AND (
              EXISTS (SELECT FROM ours WHERE ours.oid = set.defaclrole)
              OR EXISTS (SELECT FROM aclexplode(set.defaclacl) AS acl JOIN ours ON ours.oid = acl.grantee)
          )
      )
) AS fallback
CROSS JOIN LATERAL aclexplode(fallback.acl) AS acl
WHERE acl.grantee <> fallback.maker
