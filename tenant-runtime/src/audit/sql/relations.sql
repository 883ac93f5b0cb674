-- The relations in the schemas $1 with their columns, constraints, indexes, policies, triggers and rules. One row per
-- fact, as JSON. Relations of extensions are excluded, and so are constraints, indexes and triggers that a partition
-- has from its parent.
WITH relation AS (
    SELECT class.*, jsonb_build_array(namespace.nspname, class.relname) AS name
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = ANY ($1)
      AND class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (
          SELECT FROM pg_depend AS depend
          WHERE depend.classid = 'pg_class'::regclass AND depend.objid = class.oid AND depend.deptype = 'e'
      )
),
-- The column names for a list of column numbers, in the order of the list.
constraint_columns AS (
    SELECT con.oid, con.contype, con.conname, con.conrelid, relation.name AS relation_name,
        (
            SELECT jsonb_agg(attribute.attname ORDER BY key.place)
            FROM unnest(con.conkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_attribute AS attribute ON attribute.attrelid = con.conrelid AND attribute.attnum = key.number
        ) AS columns,
        (
            SELECT jsonb_agg(attribute.attname ORDER BY key.place)
            FROM unnest(con.confkey) WITH ORDINALITY AS key (number, place)
            JOIN pg_attribute AS attribute ON attribute.attrelid = con.confrelid AND attribute.attnum = key.number
        ) AS target_columns,
        (
            SELECT jsonb_agg(attribute.attname ORDER BY attribute.attname)
            FROM unnest(con.confdelsetcols) AS key (number)
            JOIN pg_attribute AS attribute ON attribute.attrelid = con.conrelid AND attribute.attnum = key.number
        ) AS set_columns
    FROM relation
    JOIN pg_constraint AS con ON con.conrelid = relation.oid
    -- NOT NULL is a property of columns, and constraint triggers are reported as triggers.
    WHERE con.contype NOT IN ('n', 't')
      AND con.conparentid = 0 AND (con.conislocal OR NOT relation.relispartition)
),
index_shape AS (
    SELECT index.indexrelid, index.indrelid,
        jsonb_build_object(
            'method', method.amname,
            'unique', index.indisunique,
            'columns', (
                SELECT jsonb_agg(
                    COALESCE(attribute.attname, pg_get_indexdef(index.indexrelid, key.place::integer, false))
                    ORDER BY key.place
                )
                FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, place)
                LEFT JOIN pg_attribute AS attribute
                    ON attribute.attrelid = index.indrelid AND attribute.attnum = NULLIF(key.number, 0)
            ),
            'included', index.indnatts - index.indnkeyatts,
            'predicate', pg_get_expr(index.indpred, index.indrelid),
            'nulls_distinct', NOT index.indnullsnotdistinct,
            'usable', index.indisvalid AND index.indisready AND index.indislive,
            -- For each column that differs from the defaults: its collation, operator class and order.
            'options', (
                SELECT COALESCE(NULLIF(jsonb_agg(key.options ORDER BY key.place), jsonb_agg(''::text)), '[]')
                FROM (
                    SELECT key.place, concat_ws(
                        ' ',
                        CASE WHEN key.collated_by NOT IN (0, COALESCE(attribute.attcollation, 100))
                            THEN (SELECT 'COLLATE ' || collname FROM pg_collation WHERE oid = key.collated_by) END,
                        CASE WHEN NOT class.opcdefault THEN class.opcname END,
                        CASE WHEN key.flags & 1 = 1 THEN 'DESC' END,
                        CASE key.flags & 3 WHEN 1 THEN 'NULLS LAST' WHEN 2 THEN 'NULLS FIRST' END
                    ) AS options
                    FROM unnest(index.indclass::oid[], index.indcollation::oid[], index.indoption::int2[])
                        WITH ORDINALITY AS key (class, collated_by, flags, place)
                    JOIN pg_opclass AS class ON class.oid = key.class
                    LEFT JOIN pg_attribute AS attribute
                        ON attribute.attrelid = index.indrelid AND attribute.attnum = index.indkey[key.place - 1]
                ) AS key
            )
        ) AS shape
    FROM relation
    JOIN pg_index AS index ON index.indrelid = relation.oid
    JOIN pg_class AS class ON class.oid = index.indexrelid
    JOIN pg_am AS method ON method.oid = class.relam
)
SELECT jsonb_build_object(
    'object', jsonb_build_object('relation', relation.name),
    'state', jsonb_build_object(
        'kind', CASE relation.relkind
            WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' ELSE 'foreign table'
        END,
        'owner', pg_get_userbyid(relation.relowner),
        'security_invoker', EXISTS (
            SELECT FROM pg_options_to_table(relation.reloptions)
            WHERE option_name = 'security_invoker' AND option_value::boolean
        ),
        -- Foreign keys are checked with the privileges of the table owner.
        'owner_has_all', relation.relacl IS NULL OR NOT EXISTS (
            SELECT privilege_type FROM aclexplode(acldefault('r', relation.relowner)) WHERE grantee = relation.relowner
            EXCEPT SELECT privilege_type FROM aclexplode(relation.relacl) WHERE grantee = relation.relowner
        ),
        'row_security', relation.relrowsecurity,
        'forced', relation.relforcerowsecurity,
        'logged', relation.relpersistence = 'p',
        -- The partitioning strategy, then the columns; NULL in place of an expression.
        'partitioned_by', (
            SELECT to_jsonb(array_agg(CASE part.partstrat WHEN 'h' THEN 'hash' WHEN 'l' THEN 'list' ELSE 'range' END) || array_agg(
                (SELECT attname::text FROM pg_attribute WHERE attrelid = relation.oid AND attnum = key.number)
                ORDER BY key.place
            ))
            FROM pg_partitioned_table AS part
            CROSS JOIN LATERAL unnest(part.partattrs::int2[]) WITH ORDINALITY AS key (number, place)
            WHERE part.partrelid = relation.oid
            GROUP BY part.partrelid
        ),
        'partition', pg_get_expr(relation.relpartbound, relation.oid),
        'parents', (
            SELECT COALESCE(
                jsonb_agg(jsonb_build_array(parent.relnamespace::regnamespace::name, parent.relname) ORDER BY parent.relname),
                '[]'
            )
            FROM pg_inherits JOIN pg_class AS parent ON parent.oid = pg_inherits.inhparent
            WHERE pg_inherits.inhrelid = relation.oid
        ),
        -- Internal triggers enforce foreign keys, and a partition has its parent's triggers. An administrator can
        -- disable both.
        'triggers_enabled', NOT EXISTS (
            SELECT FROM pg_trigger AS trigger
            WHERE trigger.tgrelid = relation.oid AND (trigger.tgisinternal OR trigger.tgparentid <> 0)
              AND trigger.tgenabled <> 'O'
        ),
        'comment', obj_description(relation.oid, 'pg_class')
    )
)::text
FROM relation
WHERE relation.relkind <> 'S'
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('sequence', relation.name),
    'state', jsonb_build_object('owner', pg_get_userbyid(relation.relowner), 'of', (
        SELECT jsonb_build_array(owned.name, attribute.attname)
        FROM pg_depend AS depend
        JOIN relation AS owned ON owned.oid = depend.refobjid
        JOIN pg_attribute AS attribute ON attribute.attrelid = owned.oid AND attribute.attnum = depend.refobjsubid
        WHERE depend.classid = 'pg_class'::regclass AND depend.objid = relation.oid AND depend.deptype = 'i'
    ),
        'type', format_type(sequence.seqtypid, NULL), 'start', sequence.seqstart, 'increment', sequence.seqincrement,
        'minimum', sequence.seqmin, 'maximum', sequence.seqmax, 'cache', sequence.seqcache, 'cycle', sequence.seqcycle,
        'persistence', relation.relpersistence
    )
)::text
FROM relation
JOIN pg_sequence AS sequence ON sequence.seqrelid = relation.oid
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('column', jsonb_build_array(relation.name, attribute.attname)),
    'state', jsonb_build_object(
        'type', format_type(attribute.atttypid, attribute.atttypmod),
        'not_null', attribute.attnotnull AND NOT EXISTS (
            SELECT FROM pg_constraint AS con
            WHERE con.conrelid = relation.oid AND con.contype = 'n' AND con.conkey = ARRAY[attribute.attnum]
              AND NOT con.convalidated
        ),
        'default', pg_get_expr(fallback.adbin, fallback.adrelid),
        'identity', NULLIF(attribute.attidentity::text, ''),
        'generated', NULLIF(attribute.attgenerated::text, ''),
        'collation', (
            SELECT jsonb_build_array(namespace.nspname, rules.collname)
            FROM pg_type AS type
            JOIN pg_collation AS rules ON rules.oid = attribute.attcollation
            JOIN pg_namespace AS namespace ON namespace.oid = rules.collnamespace
            WHERE type.oid = attribute.atttypid AND type.typcollation <> attribute.attcollation
        ),
        -- Whether ANALYZE skips the column, in the table and in each partition.
        'sensitive', NOT EXISTS (
            SELECT FROM pg_attribute AS own
            WHERE (own.attrelid = relation.oid OR own.attrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = relation.oid))
              AND own.attname = attribute.attname AND COALESCE(own.attstattarget, -1) <> 0
        ),
        -- The statistics objects with an expression of the column, which ANALYZE computes all the same.
        'expression_statistics', (
            SELECT COALESCE(jsonb_agg(jsonb_build_array(own.stxnamespace::regnamespace::name, own.stxname) ORDER BY own.stxname), '[]')
            FROM pg_statistic_ext AS own
            JOIN pg_attribute AS part ON part.attrelid = own.stxrelid AND part.attname = attribute.attname
            WHERE own.stxexprs IS NOT NULL AND COALESCE(own.stxstattarget, -1) <> 0
              AND (own.stxrelid = relation.oid OR own.stxrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = relation.oid))
              AND EXISTS (
                  SELECT FROM pg_depend AS depend
                  WHERE depend.classid = 'pg_statistic_ext'::regclass AND depend.objid = own.oid
                    AND depend.refclassid = 'pg_class'::regclass AND depend.refobjid = part.attrelid
                    AND depend.refobjsubid = part.attnum
              )
        ),
        'comment', col_description(relation.oid, attribute.attnum)
    )
)::text
FROM relation
JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN pg_attrdef AS fallback ON fallback.adrelid = relation.oid AND fallback.adnum = attribute.attnum
-- A partition's columns are those of its parent, which are reported.
WHERE relation.relkind <> 'S' AND NOT relation.relispartition
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('constraint', jsonb_build_array(con.relation_name, con.conname)),
    'state', jsonb_strip_nulls(jsonb_build_object(
        'kind', CASE con.contype
            WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key'
            ELSE 'exclude'
        END,
        -- For a check constraint the expression already names the columns.
        'columns', CASE WHEN con.contype <> 'c' THEN con.columns END,
        'condition', pg_get_expr(entry.conbin, entry.conrelid),
        'target', CASE WHEN con.contype = 'f' THEN jsonb_build_array(target_schema.nspname, target.relname) END,
        'target_columns', con.target_columns,
        'on_delete', CASE WHEN con.contype = 'f' THEN entry.confdeltype END,
        'on_delete_set', con.set_columns,
        'on_update', CASE WHEN con.contype = 'f' THEN entry.confupdtype END,
        'match', CASE WHEN con.contype = 'f' THEN entry.confmatchtype END,
        'deferrable', entry.condeferrable,
        'deferred', CASE WHEN con.contype = 'f' THEN entry.condeferred END,
        'valid', entry.convalidated,
        -- Since PostgreSQL 18 a constraint can be NOT ENFORCED.
        'enforced', COALESCE((to_jsonb(entry) ->> 'conenforced')::boolean, true),
        'temporal', COALESCE((to_jsonb(entry) ->> 'conperiod')::boolean, false),
        'inherited', NOT entry.connoinherit OR con.contype <> 'c',
        'operators', (
            SELECT jsonb_agg(operator.oprname ORDER BY key.place)
            FROM unnest(entry.conexclop) WITH ORDINALITY AS key (number, place)
            JOIN pg_operator AS operator ON operator.oid = key.number
        ),
        'index', CASE WHEN con.contype IN ('p', 'u', 'x') THEN shape.shape END
    ))
)::text
FROM constraint_columns AS con
JOIN pg_constraint AS entry ON entry.oid = con.oid
LEFT JOIN pg_class AS target ON target.oid = entry.confrelid
LEFT JOIN pg_namespace AS target_schema ON target_schema.oid = target.relnamespace
LEFT JOIN index_shape AS shape ON shape.indexrelid = entry.conindid
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('index', jsonb_build_array(relation.name, class.relname)),
    'state', shape.shape
)::text
FROM index_shape AS shape
JOIN relation ON relation.oid = shape.indrelid
JOIN pg_class AS class ON class.oid = shape.indexrelid
WHERE NOT class.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint AS con WHERE con.conindid = shape.indexrelid AND con.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('policy', jsonb_build_array(relation.name, policy.polname)),
    'state', jsonb_build_object(
        'permissive', policy.polpermissive,
        'command', CASE policy.polcmd
            WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' ELSE 'DELETE'
        END,
        -- NULL stands for PUBLIC.
        'roles', (
            SELECT jsonb_agg(CASE WHEN role <> 0 THEN pg_get_userbyid(role) END ORDER BY pg_get_userbyid(role))
            FROM unnest(policy.polroles) AS role
        ),
        'using', pg_get_expr(policy.polqual, policy.polrelid),
        'check', pg_get_expr(policy.polwithcheck, policy.polrelid),
        'comment', obj_description(policy.oid, 'pg_policy')
    )
)::text
FROM relation
JOIN pg_policy AS policy ON policy.polrelid = relation.oid
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('trigger', jsonb_build_array(relation.name, trigger.tgname)),
    'state', jsonb_build_object(
        'function', jsonb_build_array(function_schema.nspname, function.proname),
        -- Bits: 1 each row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate, 64 instead.
        'events', trigger.tgtype,
        'constraint', trigger.tgconstraint <> 0,
        'deferred', trigger.tgdeferrable AND trigger.tginitdeferred,
        'enabled', trigger.tgenabled,
        'arguments', encode(trigger.tgargs, 'escape'),
        'conditional', trigger.tgqual IS NOT NULL OR trigger.tgattr <> ''
            OR trigger.tgnewtable IS NOT NULL OR trigger.tgoldtable IS NOT NULL
    )
)::text
FROM relation
JOIN pg_trigger AS trigger ON trigger.tgrelid = relation.oid
JOIN pg_proc AS function ON function.oid = trigger.tgfoid
JOIN pg_namespace AS function_schema ON function_schema.oid = function.pronamespace
WHERE NOT trigger.tgisinternal AND trigger.tgparentid = 0
UNION ALL
SELECT jsonb_build_object(
    'object', jsonb_build_object('rule', jsonb_build_array(relation.name, rule.rulename)),
    'state', jsonb_build_object('definition', pg_get_ruledef(rule.oid))
)::text
FROM relation
JOIN pg_rewrite AS rule ON rule.ev_class = relation.oid
WHERE rule.rulename <> '_RETURN'
