-- A hash of the objects that isolate tenants in the schemas that the roles $1 own: RLS, policies, privileges, columns,
-- constraints, unique indexes, functions and triggers, and the roles with privileges. The hash depends neither on OIDs
-- nor on the order in which the objects were created.
WITH home AS (
    SELECT namespace.oid, namespace.nspname, namespace.nspacl, owner.rolname AS owner
    FROM pg_namespace AS namespace
    JOIN pg_roles AS owner ON owner.oid = namespace.nspowner
    WHERE owner.rolname = ANY ($1)
),
relation AS (
    SELECT class.*, format('%I.%I', home.nspname, class.relname) AS name
    FROM home JOIN pg_class AS class ON class.relnamespace = home.oid
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
),
fact (text, acl) AS (
    SELECT format('schema %I of %I', nspname, owner), nspacl FROM home
    UNION ALL
    SELECT format('relation %s %s of %s %s %s %s %s %s', name, relkind, pg_get_userbyid(relowner), relrowsecurity,
        relforcerowsecurity, reloptions, pg_get_expr(relpartbound, oid),
        (SELECT array_agg(inhparent::regclass::text ORDER BY 1) FROM pg_inherits WHERE inhrelid = relation.oid)), relacl
    FROM relation
    UNION ALL
    -- Signatures of contexts depend on the numbers that a connection takes at once, and on their survival of a crash.
    SELECT format('sequence %s %s %s %s %s %s %s %s', name, format_type(seqtypid, NULL), seqincrement, seqmin, seqmax, seqcache,
        seqcycle, relpersistence), NULL
    FROM relation JOIN pg_sequence ON seqrelid = relation.oid
    UNION ALL
    -- A statistics target of 0 marks a sensitive column.
    SELECT format('column %s.%I %s %s %s %s %s %s %s', name, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
        attgenerated, pg_get_expr(adbin, adrelid), COALESCE(attstattarget, -1) = 0,
        (SELECT format('%s.%I', collnamespace::regnamespace, collname) FROM pg_collation WHERE pg_collation.oid = attcollation)), attacl
    FROM relation
    JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT format('policy %I of %s %s %s to %s using %s check %s', polname, name, polpermissive, polcmd,
        (SELECT array_agg(pg_get_userbyid(role) ORDER BY pg_get_userbyid(role)) FROM unnest(polroles) AS role),
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), NULL
    FROM relation JOIN pg_policy ON polrelid = relation.oid
    UNION ALL
    SELECT format('constraint %I of %s %s', conname, name, pg_get_constraintdef(pg_constraint.oid)), NULL
    FROM relation JOIN pg_constraint ON conrelid = relation.oid
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(indexrelid)), NULL
    FROM relation JOIN pg_index ON indrelid = relation.oid AND indisunique
    UNION ALL
    SELECT format('trigger %s %s', pg_get_triggerdef(pg_trigger.oid), tgenabled), NULL
    FROM relation JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal
    UNION ALL
    -- The names of foreign key triggers contain OIDs.
    SELECT DISTINCT format('server''s trigger of %s %s', name, tgenabled), NULL::aclitem[]
    FROM relation JOIN pg_trigger ON tgrelid = relation.oid AND tgisinternal
    UNION ALL
    SELECT format('rule %s', pg_get_ruledef(pg_rewrite.oid)), NULL
    FROM relation JOIN pg_rewrite ON ev_class = relation.oid
    UNION ALL
    -- The definition contains volatility, SECURITY DEFINER, the settings and the body.
    SELECT format('routine %s of %s %s', oid::regprocedure, pg_get_userbyid(proowner),
        CASE WHEN prokind IN ('f', 'p') THEN pg_get_functiondef(oid) END), proacl
    FROM pg_proc WHERE pronamespace IN (SELECT oid FROM home)
),
role AS (
    SELECT pg_roles.* FROM pg_roles
    WHERE rolname = ANY ($1) OR oid IN (SELECT item.grantee FROM fact CROSS JOIN LATERAL aclexplode(fact.acl) AS item)
),
line (text) AS (
    SELECT concat_ws(' ', text, (SELECT string_agg(item::text, ' ' ORDER BY item::text COLLATE "C") FROM unnest(acl) AS item))
    FROM fact
    UNION ALL
    SELECT format('role %I %s %s %s %s', rolname, rolcanlogin, rolinherit, rolsuper, rolbypassrls) FROM role
    UNION ALL
    -- One line per membership, regardless of the grantor. The options have existed since PostgreSQL 16.
    SELECT DISTINCT format('%I in %I %s %s %s', member.rolname, role.rolname, entry.admin_option,
        to_jsonb(entry) ->> 'inherit_option', to_jsonb(entry) ->> 'set_option')
    FROM pg_auth_members AS entry JOIN role ON role.oid = entry.roleid JOIN role AS member ON member.oid = entry.member
)
SELECT encode(sha256(convert_to(string_agg(text, E'\n' ORDER BY text COLLATE "C"), 'UTF8')), 'hex') FROM line
