-- The expressions of the temporary table $2 in the server's form, named as objects of the schema $1. One row per
-- expression, as JSON.
WITH scratch AS (
    SELECT class.oid, jsonb_build_array($1::text, class.relname) AS name
    FROM pg_class AS class
    WHERE class.relname = $2 AND class.relnamespace = pg_my_temp_schema()
),
written AS (
    SELECT jsonb_build_object('column', jsonb_build_array(scratch.name, attribute.attname)) AS object,
        'type' AS property, format_type(attribute.atttypid, attribute.atttypmod) AS text
    FROM scratch JOIN pg_attribute AS attribute ON attribute.attrelid = scratch.oid AND attribute.attnum > 0
    UNION ALL
    SELECT jsonb_build_object('column', jsonb_build_array(scratch.name, attribute.attname)),
        'collation', jsonb_build_array(namespace.nspname, rules.collname)::text
    FROM scratch
    JOIN pg_attribute AS attribute ON attribute.attrelid = scratch.oid AND attribute.attnum > 0
    JOIN pg_type AS type ON type.oid = attribute.atttypid AND type.typcollation <> attribute.attcollation
    JOIN pg_collation AS rules ON rules.oid = attribute.attcollation
    JOIN pg_namespace AS namespace ON namespace.oid = rules.collnamespace
    UNION ALL
    SELECT jsonb_build_object('column', jsonb_build_array(scratch.name, attribute.attname)),
        'default', pg_get_expr(fallback.adbin, fallback.adrelid)
    FROM scratch
    JOIN pg_attrdef AS fallback ON fallback.adrelid = scratch.oid
    JOIN pg_attribute AS attribute ON attribute.attrelid = scratch.oid AND attribute.attnum = fallback.adnum
    UNION ALL
    SELECT jsonb_build_object('constraint', jsonb_build_array(scratch.name, con.conname)),
        'condition', pg_get_expr(con.conbin, con.conrelid)
    FROM scratch JOIN pg_constraint AS con ON con.conrelid = scratch.oid AND con.contype = 'c'
    UNION ALL
    SELECT jsonb_build_object('policy', jsonb_build_array(scratch.name, policy.polname)), clause.property, clause.text
    FROM scratch
    JOIN pg_policy AS policy ON policy.polrelid = scratch.oid
    CROSS JOIN LATERAL (
        VALUES ('using', pg_get_expr(policy.polqual, policy.polrelid)),
            ('check', pg_get_expr(policy.polwithcheck, policy.polrelid))
    ) AS clause (property, text)
)
SELECT jsonb_build_object('object', object, 'property', property, 'text', text)::text
FROM written
WHERE text IS NOT NULL
