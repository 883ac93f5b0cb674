-- What the application roles (the roles $2 without the owners $3) can reach in the database and what is neither in the
-- schemas $1, which the audit compares with the declaration, nor shipped by the server or an extension. One row per
-- finding, as JSON: its kind (a variant of `Bypass` in audit/bypass.rs) and that variant's fields, unquoted; NULL in a
-- list of roles is PUBLIC. The definitions of shipped objects are compared by inventory.sql.
WITH RECURSIVE our_schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1)
),
our_role AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname = ANY ($2)
),
-- Application roles and login roles, without the owners.
actor AS (
    SELECT * FROM our_role WHERE rolname <> ALL ($3)
),
extension AS (
    SELECT classid, objid, refobjid FROM pg_depend WHERE deptype = 'e'
),
-- Roles that bypass RLS, that have the privileges of the product's roles, or that can obtain either.
powerful AS (
    SELECT role.oid, role.rolname
    FROM pg_roles AS role
    WHERE role.rolsuper OR role.rolbypassrls
       OR role.rolcreaterole AND current_setting('server_version_num')::integer < 160000
       OR EXISTS (SELECT FROM our_role WHERE pg_has_role(role.oid, our_role.oid, 'MEMBER'))
       OR EXISTS (
           SELECT FROM pg_roles AS predefined
           WHERE predefined.rolname IN ('pg_execute_server_program', 'pg_read_all_data', 'pg_read_server_files', 'pg_write_server_files')
             AND pg_has_role(role.oid, predefined.oid, 'USAGE')
       )
),
-- The privileges on each relation and its columns.
relation_privilege AS (
    SELECT class.oid AS relation, acl.grantee, acl.privilege_type
    FROM pg_class AS class CROSS JOIN LATERAL aclexplode(class.relacl) AS acl
    UNION
    SELECT attrelid, acl.grantee, acl.privilege_type
    FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) AS acl
    WHERE attacl IS NOT NULL
),
-- The relations that the application roles can use, with the privileges and the roles that have them.
usable AS (
    SELECT class.oid, class.relname, class.relkind, class.relowner, class.relnamespace, namespace.nspname,
        array_agg(DISTINCT CASE WHEN entry.grantee <> 0 THEN pg_get_userbyid(entry.grantee)::text END) AS by,
        string_agg(DISTINCT entry.privilege_type, ', ') AS privileges,
        bool_or(entry.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')) AS writable
    FROM relation_privilege AS entry
    JOIN pg_class AS class ON class.oid = entry.relation
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN actor ON (entry.grantee = 0 OR pg_has_role(actor.oid, entry.grantee, 'MEMBER'))
        AND has_schema_privilege(actor.oid, class.relnamespace, 'USAGE')
    GROUP BY class.oid, namespace.nspname
),
-- Usable relations outside the schemas $1. An extension's relations are compared by inventory.sql, and the migrations
-- table has a kind of its own. The first OID that initdb does not assign is 16384.
outside AS (
    SELECT usable.*, CASE usable.relkind
            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'table'
        END AS what
    FROM usable
    WHERE usable.oid >= 16384 AND usable.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND usable.nspname <> ALL ($1)
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_class'::regclass AND objid = usable.oid)
      AND NOT (usable.nspname = 'public' AND usable.relname = '_sqlx_migrations')
),
-- The relations whose triggers a write by an application role can fire: those that it can write, their partitions and
-- children, the relations that their views and rules use, and those to which a foreign key passes the change on.
written AS (
    SELECT oid FROM usable WHERE writable
    UNION
    SELECT next.relation
    FROM written
    CROSS JOIN LATERAL (
        SELECT inhrelid AS relation FROM pg_inherits WHERE inhparent = written.oid
        UNION ALL
        SELECT conrelid FROM pg_constraint
        WHERE confrelid = written.oid AND contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))
        UNION ALL
        SELECT depend.refobjid
        FROM pg_rewrite AS rule
        JOIN pg_depend AS depend
            ON depend.classid = 'pg_rewrite'::regclass AND depend.objid = rule.oid AND depend.refclassid = 'pg_class'::regclass
        WHERE rule.ev_class = written.oid AND depend.refobjid <> written.oid
    ) AS next
),
-- Routines that the application roles can call. Among those of extensions, only SECURITY DEFINER functions count here.
callable AS (
    SELECT routine.oid, namespace.nspname, routine.proname, routine.proowner, routine.prosecdef, language.lanpltrusted,
        pg_get_function_identity_arguments(routine.oid) AS arguments, allowed.by, origin.extension,
        left(encode(sha256(convert_to(concat_ws(chr(31), language.lanname, routine.prosecdef, routine.proconfig, routine.probin,
            routine.prosrc, pg_get_function_sqlbody(routine.oid)), 'UTF8')), 'hex'), 8) AS definition
    FROM pg_proc AS routine
    JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
    JOIN pg_language AS language ON language.oid = routine.prolang
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee)::text END) AS by
        FROM aclexplode(COALESCE(routine.proacl, acldefault('f', routine.proowner))) AS acl
        JOIN actor ON acl.grantee = 0 OR pg_has_role(actor.oid, acl.grantee, 'MEMBER')
        WHERE has_schema_privilege(actor.oid, routine.pronamespace, 'USAGE')
           -- A view, a cast or an operator can call the function even if the caller lacks USAGE on its schema.
           OR EXISTS (
               SELECT FROM pg_depend AS depend
               WHERE depend.refclassid = 'pg_proc'::regclass AND depend.refobjid = routine.oid AND depend.deptype IN ('n', 'a')
                 AND depend.classid NOT IN ('pg_trigger'::regclass, 'pg_event_trigger'::regclass)
           )
    ) AS allowed
    CROSS JOIN LATERAL (
        SELECT (
            SELECT format('%s %s', extname, extversion) FROM extension JOIN pg_extension ON pg_extension.oid = refobjid
            WHERE classid = 'pg_proc'::regclass AND objid = routine.oid
        ) AS extension
    ) AS origin
    WHERE routine.oid >= 16384 AND routine.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
      -- The comparison with the declaration covers the schemas $1; objects in pg_catalog have a kind of their own.
      AND CASE WHEN origin.extension IS NOT NULL THEN routine.prosecdef ELSE namespace.nspname <> ALL ($1) AND namespace.nspname <> 'pg_catalog' END
      AND allowed.by IS NOT NULL
),
-- Triggers outside the comparison with the declaration that such writes fire.
fired AS (
    SELECT namespace.nspname, class.relname, trigger.tgname, routine.prosecdef, routine.proowner, routine.oid AS routine,
        format('%I.%I()', home.nspname, routine.proname) AS function
    FROM written
    JOIN pg_trigger AS trigger ON trigger.tgrelid = written.oid
    JOIN pg_class AS class ON class.oid = trigger.tgrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_proc AS routine ON routine.oid = trigger.tgfoid
    JOIN pg_namespace AS home ON home.oid = routine.pronamespace
    WHERE NOT trigger.tgisinternal AND trigger.tgenabled <> 'D'
      AND (
          namespace.nspname <> ALL ($1)
          OR EXISTS (SELECT FROM extension WHERE classid = 'pg_class'::regclass AND objid = class.oid)
      )
      -- A partition's copy of a trigger is reported with the parent, if that can be written.
      AND NOT EXISTS (
          SELECT FROM pg_trigger AS origin JOIN written AS parent ON parent.oid = origin.tgrelid WHERE origin.oid = trigger.tgparentid
      )
),
-- Shipped objects, TOAST tables (which store the long values of all tables) and objects of extensions, with their
-- privileges.
shipped AS (
    SELECT 'pg_class'::regclass AS classid, class.oid, 0 AS part, class.oid::regclass::text AS name,
        CASE WHEN relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS what, '' AS columns, relacl AS acl,
        -- initdb grants SELECT on information_schema after it has recorded its grants in pg_init_privs.
        CASE relnamespace
            WHEN 'information_schema'::regnamespace THEN ARRAY[makeaclitem(0, relowner, 'SELECT', false)]
            ELSE acldefault(CASE WHEN relkind = 'S' THEN 's' ELSE 'r' END::"char", relowner)
        END AS fallback, extension.objid IS NOT NULL AS installed
    FROM pg_class AS class
    LEFT JOIN extension ON extension.classid = 'pg_class'::regclass AND extension.objid = class.oid
    WHERE relacl IS NOT NULL AND (class.oid < 16384 OR relnamespace = 'pg_toast'::regnamespace OR extension.objid IS NOT NULL)
    UNION ALL
    SELECT 'pg_class'::regclass, attrelid, attnum, attrelid::regclass::text, 'TABLE', format(' (%I)', attname), attacl,
        acldefault('c', relowner), extension.objid IS NOT NULL
    FROM pg_attribute
    JOIN pg_class AS class ON class.oid = attrelid
    LEFT JOIN extension ON extension.classid = 'pg_class'::regclass AND extension.objid = attrelid
    WHERE attacl IS NOT NULL AND (attrelid < 16384 OR extension.objid IS NOT NULL)
    UNION ALL
    SELECT 'pg_proc'::regclass, routine.oid, 0, routine.oid::regprocedure::text, 'ROUTINE', '', proacl, acldefault('f', proowner),
        extension.objid IS NOT NULL
    FROM pg_proc AS routine
    LEFT JOIN extension ON extension.classid = 'pg_proc'::regclass AND extension.objid = routine.oid
    WHERE proacl IS NOT NULL AND (routine.oid < 16384 OR extension.objid IS NOT NULL)
    UNION ALL
    SELECT 'pg_language'::regclass, language.oid, 0, format('%I', lanname), 'LANGUAGE', '', lanacl, acldefault('l', lanowner), true
    FROM pg_language AS language
    WHERE lanacl IS NOT NULL
),
-- User-defined objects in pg_catalog, which is searched before every other schema, and additions to what it contains.
shadow (classid, oid, what, name, fix) AS (
    SELECT 'pg_proc'::regclass::oid, oid, 'routine', format('pg_catalog.%s', oid::regprocedure),
        format('DROP ROUTINE pg_catalog.%s', oid::regprocedure)
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'pg_operator'::regclass, oid, 'operator', format('pg_catalog.%s', oid::regoperator),
        format('DROP OPERATOR pg_catalog.%s', oid::regoperator)
    FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'pg_class'::regclass, class.oid, item.type, item.identity, format('DROP %s %s', upper(item.type), item.identity)
    FROM pg_class AS class
    CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, class.oid, 0) AS item
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND class.oid >= 16384
    UNION ALL
    SELECT 'pg_conversion'::regclass, conversion.oid, item.type, item.identity, format('DROP CONVERSION %s', item.identity)
    FROM pg_conversion AS conversion
    CROSS JOIN LATERAL pg_identify_object('pg_conversion'::regclass, conversion.oid, 0) AS item
    WHERE connamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'pg_cast'::regclass, cast_.oid, 'cast', format('(%s AS %s)', castsource::regtype, casttarget::regtype),
        format('DROP CAST (%s AS %s)', castsource::regtype, casttarget::regtype)
    FROM pg_cast AS cast_
    JOIN pg_type AS source ON source.oid = castsource
    JOIN pg_type AS target ON target.oid = casttarget
    WHERE 'pg_catalog'::regnamespace = ALL (ARRAY[source.typnamespace, target.typnamespace])
    UNION ALL
    SELECT 'pg_amop'::regclass, member.oid, 'operator', format('%s (%s, %s) in the operator family pg_catalog.%I USING %I',
            member.amopstrategy, amoplefttype::regtype, amoprighttype::regtype, opfname, amname),
        format('ALTER OPERATOR FAMILY pg_catalog.%I USING %I DROP OPERATOR %s (%s, %s)', opfname, amname,
            member.amopstrategy, amoplefttype::regtype, amoprighttype::regtype)
    FROM pg_amop AS member JOIN pg_opfamily AS family ON family.oid = amopfamily JOIN pg_am ON pg_am.oid = opfmethod
    WHERE family.oid < 16384
    UNION ALL
    SELECT 'pg_amproc'::regclass, member.oid, 'function', format('%s (%s, %s) in the operator family pg_catalog.%I USING %I',
            member.amprocnum, amproclefttype::regtype, amprocrighttype::regtype, opfname, amname),
        format('ALTER OPERATOR FAMILY pg_catalog.%I USING %I DROP FUNCTION %s (%s, %s)', opfname, amname,
            member.amprocnum, amproclefttype::regtype, amprocrighttype::regtype)
    FROM pg_amproc AS member JOIN pg_opfamily AS family ON family.oid = amprocfamily JOIN pg_am ON pg_am.oid = opfmethod
    WHERE family.oid < 16384
),
found AS (
    -- More than three relations of one kind, owner and set of grants in a schema are one finding.
    SELECT 'outside_relations' AS kind, jsonb_build_object(
        'schema', nspname, 'what', what, 'owner', pg_get_userbyid(relowner), 'grantees', by, 'privileges', privileges,
        'relations', jsonb_agg(relname ORDER BY relname COLLATE "C"), 'definition', CASE WHEN what IN ('view', 'materialized view') THEN
            left(encode(sha256(convert_to(string_agg(pg_get_viewdef(oid), chr(31) ORDER BY relname COLLATE "C"), 'UTF8')), 'hex'), 8)
        END
    ) AS fields
    FROM (
        SELECT outside.*, CASE WHEN count(*) OVER (PARTITION BY nspname, what, relowner, by, privileges) <= 3 THEN oid END AS single
        FROM outside WHERE what <> 'foreign table'
    ) AS outside
    GROUP BY nspname, what, relowner, by, privileges, single
    UNION ALL
    SELECT 'outside_foreign_table', jsonb_build_object(
        'table', jsonb_build_array(outside.nspname, outside.relname), 'grantees', outside.by, 'server', server.srvname
    )
    FROM outside
    JOIN pg_foreign_table AS entry ON entry.ftrelid = outside.oid
    JOIN pg_foreign_server AS server ON server.oid = entry.ftserver
    UNION ALL
    SELECT 'foreign_data_wrapper', jsonb_build_object('wrapper', wrapper.fdwname, 'grantee', actor.rolname)
    FROM pg_foreign_data_wrapper AS wrapper
    CROSS JOIN LATERAL aclexplode(wrapper.fdwacl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
    UNION ALL
    SELECT 'foreign_server', jsonb_build_object('server', server.srvname, 'grantee', actor.rolname)
    FROM pg_foreign_server AS server
    CROSS JOIN LATERAL aclexplode(server.srvacl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
    UNION ALL
    SELECT 'definer_function', jsonb_build_object(
        'function', jsonb_build_array(nspname, proname, arguments), 'callers', by, 'owner', pg_get_userbyid(proowner),
        'extension', extension
    )
    FROM callable
    WHERE prosecdef AND (NOT lanpltrusted OR proowner IN (SELECT oid FROM powerful))
    UNION ALL
    SELECT 'untrusted_function', jsonb_build_object('function', jsonb_build_array(nspname, proname, arguments), 'callers', by)
    FROM callable
    WHERE NOT prosecdef AND NOT lanpltrusted
    UNION ALL
    SELECT 'outside_functions', jsonb_build_object(
        'schema', nspname, 'owner', pg_get_userbyid(proowner), 'callers', by,
        'functions', jsonb_agg(jsonb_build_array(nspname, proname, arguments) ORDER BY proname COLLATE "C", arguments COLLATE "C"),
        'definition', left(encode(sha256(convert_to(
            string_agg(definition, '' ORDER BY proname COLLATE "C", arguments COLLATE "C"), 'UTF8')), 'hex'), 8)
    )
    FROM (
        SELECT callable.*, CASE WHEN count(*) OVER (PARTITION BY nspname, proowner, by) <= 3 THEN oid END AS single
        FROM callable
        WHERE lanpltrusted AND extension IS NULL AND NOT (prosecdef AND proowner IN (SELECT oid FROM powerful))
    ) AS callable
    GROUP BY nspname, proowner, by, single
    UNION ALL
    SELECT 'language', jsonb_build_object('language', language.lanname)
    FROM pg_language AS language
    WHERE language.oid >= 16384 AND language.lanpltrusted
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_language'::regclass AND objid = language.oid)
      AND EXISTS (SELECT FROM actor WHERE has_language_privilege(actor.oid, language.oid, 'USAGE'))
    UNION ALL
    -- A trigger calls its function whether or not the writing role has EXECUTE on the function.
    SELECT 'definer_trigger', jsonb_build_object(
        'table', jsonb_build_array(nspname, relname), 'trigger', tgname, 'owner', pg_get_userbyid(proowner)
    )
    FROM fired
    WHERE prosecdef AND proowner IN (SELECT oid FROM powerful)
    UNION ALL
    SELECT 'outside_trigger', jsonb_build_object('table', jsonb_build_array(nspname, relname), 'trigger', tgname, 'function', function)
    FROM fired
    WHERE NOT (prosecdef AND proowner IN (SELECT oid FROM powerful)) AND routine >= 16384
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_proc'::regclass AND objid = routine)
    UNION ALL
    SELECT 'outside_rule', jsonb_build_object('table', jsonb_build_array(namespace.nspname, class.relname), 'rule', rule.rulename)
    FROM (SELECT oid FROM outside UNION SELECT oid FROM written) AS source
    JOIN pg_class AS class ON class.oid = source.oid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_rewrite AS rule ON rule.ev_class = class.oid AND rule.rulename <> '_RETURN'
    WHERE class.oid >= 16384 AND namespace.nspname <> ALL ($1)
      -- Rules that use a table of the schemas $1 are reported with that table.
      AND NOT EXISTS (
          SELECT FROM pg_depend AS depend
          JOIN pg_class AS target ON target.oid = depend.refobjid
          JOIN our_schema ON our_schema.oid = target.relnamespace
          WHERE depend.classid = 'pg_rewrite'::regclass AND depend.objid = rule.oid AND depend.refclassid = 'pg_class'::regclass
      )
    UNION ALL
    SELECT 'event_trigger', jsonb_build_object('trigger', trigger.evtname, 'event', trigger.evtevent)
    FROM pg_event_trigger AS trigger
    WHERE trigger.evtenabled <> 'D'
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_event_trigger'::regclass AND objid = trigger.oid)
    UNION ALL
    SELECT 'large_objects', jsonb_build_object('objects', jsonb_agg(entry.oid::bigint ORDER BY entry.oid), 'grantees', entry.by)
    FROM (
        SELECT large.oid, array_agg(DISTINCT CASE WHEN acl.grantee <> 0 THEN pg_get_userbyid(acl.grantee)::text END) AS by
        FROM pg_largeobject_metadata AS large
        CROSS JOIN LATERAL aclexplode(large.lomacl) AS acl
        JOIN actor ON acl.grantee = 0 OR pg_has_role(actor.oid, acl.grantee, 'MEMBER')
        GROUP BY large.oid
    ) AS entry
    GROUP BY entry.by
    UNION ALL
    SELECT 'leakproof_function', jsonb_build_object(
        'function', jsonb_build_array(namespace.nspname, routine.proname, pg_get_function_identity_arguments(routine.oid))
    )
    FROM pg_proc AS routine
    JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
    WHERE routine.proleakproof AND namespace.nspname <> ALL ($1) AND routine.oid >= 16384
    UNION ALL
    SELECT 'shadowing_object', jsonb_build_object('what', shadow.what, 'object', shadow.name, 'fix', shadow.fix)
    FROM shadow
    WHERE shadow.oid >= 16384
      AND NOT EXISTS (SELECT FROM extension WHERE classid = shadow.classid AND objid = shadow.oid)
    UNION ALL
    SELECT 'connecting_function', jsonb_build_object(
        'function', jsonb_build_array(namespace.nspname, routine.proname, pg_get_function_identity_arguments(routine.oid)),
        'extension', installed.extname
    )
    FROM pg_extension AS installed
    JOIN extension ON extension.refobjid = installed.oid AND extension.classid = 'pg_proc'::regclass
    JOIN pg_proc AS routine ON routine.oid = extension.objid
    JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
    WHERE installed.extname IN ('adminpack', 'aws_lambda', 'aws_s3', 'dblink', 'http', 'pg_background', 'pg_net', 'plproxy')
      AND EXISTS (
          SELECT FROM actor
          WHERE has_function_privilege(actor.oid, routine.oid, 'EXECUTE')
            AND has_schema_privilege(actor.oid, routine.pronamespace, 'USAGE')
      )
    UNION ALL
    SELECT 'parameter_privilege', jsonb_build_object(
        'parameter', setting.parname, 'privilege', acl.privilege_type, 'grantee', actor.rolname
    )
    FROM pg_parameter_acl AS setting
    CROSS JOIN LATERAL aclexplode(setting.paracl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
    UNION ALL
    -- Privileges of application roles on shipped objects, and privileges beyond those that initdb or the extension's
    -- script grants to PUBLIC.
    SELECT 'system_privilege', jsonb_build_object(
        'privilege', acl.privilege_type || shipped.columns, 'keyword', shipped.what, 'object', shipped.name, 'grantee', actor.rolname
    )
    FROM shipped
    CROSS JOIN LATERAL aclexplode(shipped.acl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    LEFT JOIN pg_init_privs AS first
        ON first.classoid = shipped.classid AND first.objoid = shipped.oid AND first.objsubid = shipped.part
    WHERE (acl.grantee = 0 OR actor.oid IS NOT NULL)
      AND NOT (
          (acl.grantee = 0 OR shipped.installed)
          AND EXISTS (
              SELECT FROM aclexplode(COALESCE(first.initprivs, shipped.fallback)) AS was
              WHERE was.grantee = 0 AND was.privilege_type = acl.privilege_type
          )
      )
    UNION ALL
    -- Objects in the schemas $1 of a class that cannot be declared, such as operators, collations and statistics.
    SELECT 'untracked_object', jsonb_build_object('what', item.type, 'object', item.identity)
    FROM our_schema
    JOIN pg_depend AS depend ON depend.refclassid = 'pg_namespace'::regclass AND depend.refobjid = our_schema.oid
    CROSS JOIN LATERAL pg_identify_object(depend.classid, depend.objid, depend.objsubid) AS item
    WHERE depend.classid NOT IN (
            'pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_default_acl'::regclass, 'pg_extension'::regclass,
            'pg_publication_namespace'::regclass
        )
      AND NOT EXISTS (SELECT FROM extension WHERE classid = depend.classid AND objid = depend.objid)
)
SELECT (fields || jsonb_build_object('kind', kind))::text FROM found
