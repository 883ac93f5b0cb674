-- Ways to bypass the policies of the schemas $1 and the roles $2; the roles $3 among them own objects. One row per
-- bypass, as JSON: its kind (a variant of `Bypass` in bypass.rs) and that variant's fields, unquoted. Members of
-- extensions are excluded unless a branch states otherwise.
WITH RECURSIVE our_schema AS (
    SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1)
),
our_role AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname = ANY ($2)
),
our_table AS (
    SELECT class.oid, our_schema.nspname, class.relname, class.relkind
    FROM our_schema JOIN pg_class AS class ON class.relnamespace = our_schema.oid
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f')
),
-- Application roles and login roles, without the owners.
actor AS (
    SELECT * FROM our_role WHERE rolname <> ALL ($3)
),
extension AS (
    SELECT classid, objid, refobjid FROM pg_depend WHERE deptype = 'e'
),
-- Views on the tables, and views on those views.
reader AS (
    SELECT our_table.oid FROM our_table WHERE our_table.relkind IN ('v', 'm')
    UNION
    SELECT rule.ev_class
    FROM (SELECT oid FROM our_table UNION ALL SELECT oid FROM reader) AS source
    JOIN pg_depend AS depend
        ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = source.oid AND depend.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS rule ON rule.oid = depend.objid AND rule.rulename = '_RETURN'
),
-- Memberships that give privileges: the member inherits, can SET ROLE, or has the admin option and can grant itself either.
-- Before PostgreSQL 16 every membership allows SET ROLE.
edge AS (
    SELECT entry.roleid, entry.member, pg_get_userbyid(entry.grantor) AS grantor
    FROM pg_auth_members AS entry
    WHERE entry.admin_option
       OR COALESCE((to_jsonb(entry) ->> 'inherit_option')::boolean, true)
       OR COALESCE((to_jsonb(entry) ->> 'set_option')::boolean, true)
),
-- Roles outside the product. The login that runs the audit and the bootstrap superuser (OID 10) are excluded.
outsider AS (
    SELECT role.* FROM pg_roles AS role
    WHERE role.oid <> 10 AND role.rolname <> session_user AND role.rolname <> ALL ($2)
),
-- The roles that each outside login can reach through these memberships, with the direct membership that leads to each.
reach AS (
    SELECT outsider.oid AS login, outsider.oid AS role, NULL::oid AS through FROM outsider WHERE outsider.rolcanlogin
    UNION
    SELECT reach.login, edge.roleid, COALESCE(reach.through, edge.roleid)
    FROM reach JOIN edge ON edge.member = reach.role
),
-- System catalogs, TOAST tables (which store the long values of all tables) and built-in functions, with their
-- privileges.
shipped AS (
    SELECT 'pg_class'::regclass AS classid, oid, 0 AS part, oid::regclass::text AS name, 'TABLE' AS what, '' AS columns, relacl AS acl
    FROM pg_class WHERE relnamespace IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace) AND relacl IS NOT NULL
    UNION ALL
    SELECT 'pg_class'::regclass, attrelid, attnum, attrelid::regclass::text, 'TABLE', format(' (%I)', attname), attacl
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'pg_catalog'::regnamespace AND attacl IS NOT NULL
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, oid::regprocedure::text, 'ROUTINE', '', proacl
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proacl IS NOT NULL
),
-- Roles that bypass RLS, that have the privileges of the product's roles, or that can obtain either.
powerful AS (
    SELECT role.oid, role.rolname
    FROM pg_roles AS role
    WHERE role.rolsuper OR role.rolbypassrls
       OR role.rolcreaterole AND current_setting('server_version_num')::integer < 160000
       OR EXISTS (SELECT FROM our_role WHERE pg_has_role(role.oid, our_role.oid, 'MEMBER'))
       OR EXISTS (
           SELECT FROM unnest(ARRAY['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files']) AS reaching
           WHERE pg_has_role(role.oid, reaching, 'USAGE')
       )
),
-- SECURITY DEFINER functions and functions in untrusted languages, with the application roles that can call them.
power AS (
    SELECT routine.oid, namespace.nspname, routine.proname, routine.proowner, routine.prosecdef, language.lanpltrusted,
        pg_get_function_identity_arguments(routine.oid) AS arguments, callable.by
    FROM pg_proc AS routine
    JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
    JOIN pg_language AS language ON language.oid = routine.prolang
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT CASE WHEN acl.grantee = 0 THEN NULL ELSE pg_get_userbyid(acl.grantee)::text END) AS by
        FROM aclexplode(COALESCE(routine.proacl, acldefault('f', routine.proowner))) AS acl
        JOIN actor ON acl.grantee = 0 OR pg_has_role(actor.oid, acl.grantee, 'USAGE')
        WHERE has_schema_privilege(actor.oid, routine.pronamespace, 'USAGE')
           -- A view, a cast or an operator can call the function even if the caller lacks USAGE on its schema.
           OR EXISTS (
               SELECT FROM pg_depend AS depend
               WHERE depend.refclassid = 'pg_proc'::regclass AND depend.refobjid = routine.oid AND depend.deptype IN ('n', 'a')
                 AND depend.classid NOT IN ('pg_trigger'::regclass, 'pg_event_trigger'::regclass)
           )
    ) AS callable
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM extension WHERE classid = 'pg_proc'::regclass AND objid = routine.oid) AS installed
    ) AS origin
    WHERE namespace.nspname NOT IN ('pg_catalog', 'information_schema')
      -- Functions in the schemas $1 are reported as undeclared functions. For extensions, only SECURITY DEFINER
      -- functions count.
      AND CASE
          WHEN origin.installed
          THEN routine.prosecdef AND routine.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
          ELSE (routine.prosecdef OR NOT language.lanpltrusted) AND namespace.nspname <> ALL ($1)
      END
      AND callable.by IS NOT NULL
),
-- Bypasses by kind.
found AS (
    SELECT 'view' AS kind, jsonb_build_object(
        'view', jsonb_build_array(namespace.nspname, class.relname), 'owner', pg_get_userbyid(class.relowner)
    ) AS fields
    FROM reader
    JOIN pg_class AS class ON class.oid = reader.oid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.relkind = 'v' AND NOT EXISTS (
        SELECT FROM pg_options_to_table(class.reloptions)
        WHERE option_name = 'security_invoker' AND option_value::boolean
    )
    UNION ALL
    SELECT 'materialized_view', jsonb_build_object('view', jsonb_build_array(namespace.nspname, class.relname))
    FROM reader
    JOIN pg_class AS class ON class.oid = reader.oid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.relkind = 'm'
    UNION ALL
    -- Rewrite rules of other tables that read or write a declared table.
    SELECT DISTINCT 'rule', jsonb_build_object(
        'table', jsonb_build_array(namespace.nspname, class.relname), 'rule', rule.rulename, 'target', our_table.relname
    )
    FROM our_table
    JOIN pg_depend AS depend
        ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = our_table.oid AND depend.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS rule ON rule.oid = depend.objid AND rule.rulename <> '_RETURN'
    JOIN pg_class AS class ON class.oid = rule.ev_class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname <> ALL ($1)
    UNION ALL
    SELECT 'foreign_table', jsonb_build_object('table', jsonb_build_array(nspname, relname)) FROM our_table WHERE relkind = 'f'
    UNION ALL
    -- Extension tables in the schemas $1, which the comparison with the declaration excludes.
    SELECT 'extension_table', jsonb_build_object(
        'table', jsonb_build_array(our_table.nspname, our_table.relname), 'grantees', granted.to, 'extension', installed.extname
    )
    FROM our_table
    JOIN extension ON extension.classid = 'pg_class'::regclass AND extension.objid = our_table.oid
    JOIN pg_extension AS installed ON installed.oid = extension.refobjid
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT actor.rolname::text) AS to
        FROM pg_class AS class
        CROSS JOIN LATERAL aclexplode(class.relacl) AS acl
        LEFT JOIN actor ON actor.oid = acl.grantee
        WHERE class.oid = our_table.oid AND (acl.grantee = 0 OR actor.oid IS NOT NULL)
    ) AS granted
    WHERE granted.to IS NOT NULL
    UNION ALL
    SELECT 'outside_foreign_table', jsonb_build_object(
        'table', jsonb_build_array(namespace.nspname, class.relname), 'grantees', granted.to, 'server', server.srvname
    )
    FROM pg_foreign_table AS entry
    JOIN pg_class AS class ON class.oid = entry.ftrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_foreign_server AS server ON server.oid = entry.ftserver
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT actor.rolname::text) AS to
        FROM (
            SELECT acl.grantee FROM aclexplode(class.relacl) AS acl
            UNION
            SELECT acl.grantee FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) AS acl WHERE attrelid = class.oid
        ) AS acl
        LEFT JOIN actor ON actor.oid = acl.grantee
        WHERE actor.oid IS NOT NULL
           OR acl.grantee = 0 AND EXISTS (SELECT FROM actor WHERE has_schema_privilege(actor.oid, class.relnamespace, 'USAGE'))
    ) AS granted
    WHERE namespace.nspname <> ALL ($1) AND granted.to IS NOT NULL
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
        'function', jsonb_build_array(power.nspname, power.proname, power.arguments), 'callers', power.by, 'owner', owner.rolname
    )
    FROM power
    JOIN pg_roles AS owner ON owner.oid = power.proowner
    WHERE power.prosecdef AND (NOT power.lanpltrusted OR owner.oid IN (SELECT oid FROM powerful))
    UNION ALL
    SELECT 'untrusted_function', jsonb_build_object(
        'function', jsonb_build_array(power.nspname, power.proname, power.arguments), 'callers', power.by
    )
    FROM power
    WHERE NOT power.prosecdef AND NOT power.lanpltrusted
    UNION ALL
    -- A trigger calls its function whether or not the writing role has EXECUTE on the function.
    SELECT 'definer_trigger', jsonb_build_object(
        'table', jsonb_build_array(namespace.nspname, class.relname), 'trigger', trigger.tgname, 'owner', powerful.rolname
    )
    FROM pg_trigger AS trigger
    JOIN pg_class AS class ON class.oid = trigger.tgrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_proc AS routine ON routine.oid = trigger.tgfoid
    JOIN powerful ON powerful.oid = routine.proowner
    WHERE routine.prosecdef AND NOT trigger.tgisinternal AND trigger.tgparentid = 0 AND trigger.tgenabled <> 'D'
      AND namespace.nspname <> ALL ($1)
      AND EXISTS (
          SELECT FROM actor
          WHERE has_schema_privilege(actor.oid, class.relnamespace, 'USAGE')
            AND (
                has_table_privilege(actor.oid, class.oid, 'DELETE, TRUNCATE')
                OR has_any_column_privilege(actor.oid, class.oid, 'INSERT, UPDATE')
            )
      )
    UNION ALL
    SELECT 'event_trigger', jsonb_build_object('trigger', trigger.evtname, 'event', trigger.evtevent)
    FROM pg_event_trigger AS trigger
    WHERE trigger.evtenabled <> 'D'
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_event_trigger'::regclass AND objid = trigger.oid)
    UNION ALL
    SELECT CASE WHEN child.relispartition THEN 'partition' ELSE 'child' END, jsonb_build_object(
        'parent', jsonb_build_array(our_table.nspname, our_table.relname), 'table', jsonb_build_array(namespace.nspname, child.relname)
    )
    FROM our_table
    JOIN pg_inherits ON pg_inherits.inhparent = our_table.oid
    JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
    JOIN pg_namespace AS namespace ON namespace.oid = child.relnamespace
    WHERE namespace.nspname <> ALL ($1)
    UNION ALL
    SELECT 'publication_of_all_tables', jsonb_build_object('publication', publication.pubname)
    FROM pg_publication AS publication
    WHERE publication.puballtables
    UNION ALL
    SELECT DISTINCT 'subscription', jsonb_build_object('subscription', subscription.subname)
    FROM our_table
    JOIN pg_subscription_rel AS entry ON entry.srrelid = our_table.oid
    JOIN pg_subscription AS subscription ON subscription.oid = entry.srsubid
    WHERE subscription.subenabled
    UNION ALL
    SELECT 'publication_of_table', jsonb_build_object(
        'publication', publication.pubname, 'table', jsonb_build_array(our_table.nspname, our_table.relname)
    )
    FROM our_table
    JOIN pg_publication_rel AS entry ON entry.prrelid = our_table.oid
    JOIN pg_publication AS publication ON publication.oid = entry.prpubid
    UNION ALL
    SELECT 'publication_of_schema', jsonb_build_object(
        'publication', publication.pubname, 'schema', our_schema.nspname
    )
    FROM our_schema
    JOIN pg_publication_namespace AS entry ON entry.pnnspid = our_schema.oid
    JOIN pg_publication AS publication ON publication.oid = entry.pnpubid
    UNION ALL
    -- Superusers need no membership; they are reported as logins that bypass RLS.
    SELECT 'member', jsonb_build_object(
        'role', our_role.rolname, 'member', outsider.rolname, 'grantor', edge.grantor, 'logins', (
            SELECT string_agg(DISTINCT login.rolname::text, ', ')
            FROM reach JOIN outsider AS login ON login.oid = reach.login
            WHERE reach.role = outsider.oid AND reach.login <> outsider.oid
        )
    )
    FROM edge
    JOIN our_role ON our_role.oid = edge.roleid
    JOIN outsider ON outsider.oid = edge.member AND NOT outsider.rolsuper
    UNION ALL
    SELECT 'bypassing_login', jsonb_build_object(
        'login', login.rolname, 'role', role.rolname, 'through', through.rolname,
        'attribute', CASE
            WHEN role.rolsuper THEN 'SUPERUSER' WHEN role.rolbypassrls THEN 'BYPASSRLS' WHEN role.rolreplication THEN 'REPLICATION'
        END
    )
    FROM reach
    JOIN outsider AS login ON login.oid = reach.login
    JOIN pg_roles AS role ON role.oid = reach.role
    LEFT JOIN pg_roles AS through ON through.oid = reach.through
    WHERE (NOT login.rolsuper OR reach.login = reach.role)
      AND (
          role.rolsuper OR role.rolbypassrls OR role.rolreplication
          OR role.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
      )
    UNION ALL
    SELECT 'create_role', jsonb_build_object('login', outsider.rolname)
    FROM outsider
    WHERE outsider.rolcanlogin AND outsider.rolcreaterole AND NOT outsider.rolsuper
      AND current_setting('server_version_num')::integer < 160000
    UNION ALL
    SELECT 'foreign_key', jsonb_build_object(
        'table', jsonb_build_array(namespace.nspname, class.relname), 'constraint', con.conname, 'target', our_table.relname
    )
    FROM our_table
    JOIN pg_constraint AS con ON con.confrelid = our_table.oid AND con.contype = 'f' AND con.conparentid = 0
    JOIN pg_class AS class ON class.oid = con.conrelid
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname <> ALL ($1)
    UNION ALL
    SELECT 'leakproof_function', jsonb_build_object(
        'function', jsonb_build_array(namespace.nspname, routine.proname, pg_get_function_identity_arguments(routine.oid))
    )
    FROM pg_proc AS routine
    JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
    WHERE routine.proleakproof AND namespace.nspname <> ALL ($1)
      -- Built-in LEAKPROOF functions were created by the bootstrap transaction and have not been changed since.
      AND (namespace.nspname <> 'pg_catalog' OR routine.xmin::text <> '1')
    UNION ALL
    -- User-defined objects in pg_catalog, which is searched before every other schema.
    SELECT 'shadowing_object', jsonb_build_object('keyword', shadow.what, 'object', shadow.name)
    FROM (
        SELECT 'pg_proc'::regclass AS classid, oid, 'ROUTINE' AS what, format('pg_catalog.%s', oid::regprocedure) AS name
        FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        UNION ALL
        SELECT 'pg_operator'::regclass, oid, 'OPERATOR', format('pg_catalog.%s', oid::regoperator)
        FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
        UNION ALL
        SELECT 'pg_cast'::regclass, cast_.oid, 'CAST', format('(%s AS %s)', castsource::regtype, casttarget::regtype)
        FROM pg_cast AS cast_
        JOIN pg_type AS source ON source.oid = castsource
        JOIN pg_type AS target ON target.oid = casttarget
        WHERE 'pg_catalog'::regnamespace = ALL (ARRAY[source.typnamespace, target.typnamespace])
    ) AS shadow
    -- The first OID that initdb does not assign.
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
    -- pg_shdepend records the owners of objects.
    SELECT DISTINCT 'owned_object', jsonb_build_object(
        'role', actor.rolname, 'object', pg_describe_object(depend.classid, depend.objid, depend.objsubid)
    )
    FROM pg_shdepend AS depend
    JOIN actor ON actor.oid = depend.refobjid
    WHERE depend.refclassid = 'pg_authid'::regclass AND depend.deptype = 'o'
      AND depend.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND (depend.classid <> 'pg_database'::regclass OR depend.objid = (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND depend.classid <> 'pg_default_acl'::regclass
      AND NOT EXISTS (SELECT FROM our_table WHERE depend.classid = 'pg_class'::regclass AND depend.objid = our_table.oid)
    UNION ALL
    SELECT 'parameter_privilege', jsonb_build_object(
        'parameter', setting.parname, 'privilege', acl.privilege_type, 'grantee', actor.rolname
    )
    FROM pg_parameter_acl AS setting
    CROSS JOIN LATERAL aclexplode(setting.paracl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
    UNION ALL
    -- Privileges of application roles on system objects, and privileges of PUBLIC beyond those that initdb grants.
    SELECT 'system_privilege', jsonb_build_object(
        'privilege', acl.privilege_type || shipped.columns, 'keyword', shipped.what, 'object', shipped.name, 'grantee', actor.rolname
    )
    FROM shipped
    CROSS JOIN LATERAL aclexplode(shipped.acl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    LEFT JOIN pg_init_privs AS first
        ON first.classoid = shipped.classid AND first.objoid = shipped.oid AND first.objsubid = shipped.part
    WHERE actor.oid IS NOT NULL
       -- PUBLIC has EXECUTE on a routine without an entry in pg_init_privs.
       OR acl.grantee = 0 AND (shipped.what = 'TABLE' OR first.objoid IS NOT NULL) AND NOT EXISTS (
           SELECT FROM aclexplode(first.initprivs) AS was WHERE was.grantee = 0 AND was.privilege_type = acl.privilege_type
       )
    UNION ALL
    -- sqlx's table of applied migrations, in whichever schema it is.
    SELECT DISTINCT 'migrations_table', jsonb_build_object(
        'table', jsonb_build_array(namespace.nspname, class.relname), 'grantee', actor.rolname
    )
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN (
        SELECT oid AS relation, relacl AS acl FROM pg_class UNION ALL SELECT attrelid, attacl FROM pg_attribute
    ) AS list ON list.relation = class.oid
    CROSS JOIN LATERAL aclexplode(list.acl) AS acl
    LEFT JOIN actor ON actor.oid = acl.grantee
    WHERE class.relname = '_sqlx_migrations' AND class.relkind = 'r' AND namespace.nspname <> ALL ($1)
      AND acl.privilege_type <> 'SELECT' AND (acl.grantee = 0 OR actor.oid IS NOT NULL)
    UNION ALL
    SELECT 'server_setting', jsonb_build_object('setting', name, 'value', reset_val)
    FROM pg_settings
    WHERE name IN ('row_security', 'session_replication_role', 'standard_conforming_strings') AND reset_val <> boot_val
      AND source NOT IN ('database', 'user', 'database user', 'client')
    UNION ALL
    SELECT 'set_config', '{}'::jsonb
    WHERE has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE')
)
SELECT (fields || jsonb_build_object('kind', kind))::text FROM found
