-- What leads around the declaration of the schemas $1 and the roles $2, of which $3 own something. One row for each door: its kind, names (which are
-- quoted by whoever reads them), and a detail for people. What extensions bring is left out, unless it says otherwise.
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
-- Those who act for the app, without the owners.
actor AS (
    SELECT * FROM our_role WHERE rolname <> ALL ($3)
),
extension AS (
    SELECT classid, objid, refobjid FROM pg_depend WHERE deptype = 'e'
),
-- Views on the tables, and on those views.
reader AS (
    SELECT our_table.oid FROM our_table WHERE our_table.relkind IN ('v', 'm')
    UNION
    SELECT rule.ev_class
    FROM (SELECT oid FROM our_table UNION ALL SELECT oid FROM reader) AS source
    JOIN pg_depend AS depend
        ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = source.oid AND depend.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS rule ON rule.oid = depend.objid AND rule.rulename = '_RETURN'
),
-- A membership counts if the member inherits, may become the role, or may give itself either. Before PostgreSQL 16 it may.
edge AS (
    SELECT entry.roleid, entry.member, pg_get_userbyid(entry.grantor) AS grantor
    FROM pg_auth_members AS entry
    WHERE entry.admin_option
       OR COALESCE((to_jsonb(entry) ->> 'inherit_option')::boolean, true)
       OR COALESCE((to_jsonb(entry) ->> 'set_option')::boolean, true)
),
-- What each login can become, and by which membership of its own it begins. Who audits may do all of it, and so may the
-- superuser that every cluster has.
outsider AS (
    SELECT role.* FROM pg_roles AS role
    WHERE role.oid <> 10 AND role.rolname <> session_user AND role.rolname <> ALL ($2)
),
reach AS (
    SELECT outsider.oid AS login, outsider.oid AS role, NULL::oid AS through FROM outsider WHERE outsider.rolcanlogin
    UNION
    SELECT reach.login, edge.roleid, COALESCE(reach.through, edge.roleid)
    FROM reach JOIN edge ON edge.member = reach.role
),
-- What the server ships, with the privileges on it as they are and as they were. In pg_toast lie the long values of tables.
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
-- Roles whom the app's policies do not bind, or who can come to be so.
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
-- Functions with an owner's or a library's power, and who of the app's may call them.
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
           -- A view, a cast or an operator calls it from wherever it is.
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
      -- Those in the schemas $1 are undeclared, and told as that. Of an extension, those in C are its own affair.
      AND CASE
          WHEN origin.installed
          THEN routine.prosecdef AND routine.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
          ELSE (routine.prosecdef OR NOT language.lanpltrusted) AND namespace.nspname <> ALL ($1)
      END
      AND callable.by IS NOT NULL
)
SELECT CASE class.relkind WHEN 'v' THEN 'view' ELSE 'copy' END AS kind,
    ARRAY[namespace.nspname::text, class.relname::text] AS names, pg_get_userbyid(class.relowner)::text AS detail
FROM reader
JOIN pg_class AS class ON class.oid = reader.oid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind = 'm' OR class.relkind = 'v' AND NOT EXISTS (
    SELECT FROM pg_options_to_table(class.reloptions)
    WHERE option_name = 'security_invoker' AND option_value::boolean
)
UNION ALL
-- What else writes or reads the tables when somebody writes another one.
SELECT DISTINCT 'rule', ARRAY[namespace.nspname::text, class.relname::text, rule.rulename::text], our_table.relname::text
FROM our_table
JOIN pg_depend AS depend
    ON depend.refclassid = 'pg_class'::regclass AND depend.refobjid = our_table.oid AND depend.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite AS rule ON rule.oid = depend.objid AND rule.rulename <> '_RETURN'
JOIN pg_class AS class ON class.oid = rule.ev_class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname <> ALL ($1)
UNION ALL
SELECT 'foreign table', ARRAY[nspname::text, relname::text], NULL FROM our_table WHERE relkind = 'f'
UNION ALL
-- What an extension has in the schemas $1 is left out of them otherwise.
SELECT 'installed', ARRAY[our_table.nspname::text, our_table.relname::text] || granted.to, installed.extname::text
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
SELECT 'foreign table elsewhere', ARRAY[namespace.nspname::text, class.relname::text] || granted.to, server.srvname::text
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
SELECT 'foreign data wrapper', ARRAY[wrapper.fdwname::text, COALESCE(actor.rolname::text, '')], NULL
FROM pg_foreign_data_wrapper AS wrapper
CROSS JOIN LATERAL aclexplode(wrapper.fdwacl) AS acl
LEFT JOIN actor ON actor.oid = acl.grantee
WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
UNION ALL
SELECT 'foreign server', ARRAY[server.srvname::text, COALESCE(actor.rolname::text, '')], NULL
FROM pg_foreign_server AS server
CROSS JOIN LATERAL aclexplode(server.srvacl) AS acl
LEFT JOIN actor ON actor.oid = acl.grantee
WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
UNION ALL
SELECT CASE WHEN power.prosecdef THEN 'definer' ELSE 'untrusted' END,
    ARRAY[power.nspname::text, power.proname::text, power.arguments] || power.by, owner.rolname::text
FROM power
JOIN pg_roles AS owner ON owner.oid = power.proowner
WHERE NOT power.lanpltrusted OR owner.oid IN (SELECT oid FROM powerful)
UNION ALL
-- A trigger calls its function, whether or not who writes may.
SELECT 'definer trigger', ARRAY[namespace.nspname::text, class.relname::text, trigger.tgname::text], powerful.rolname::text
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
SELECT 'event trigger', ARRAY[trigger.evtname::text], trigger.evtevent::text
FROM pg_event_trigger AS trigger
WHERE trigger.evtenabled <> 'D'
  AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_event_trigger'::regclass AND objid = trigger.oid)
UNION ALL
SELECT CASE WHEN child.relispartition THEN 'partition' ELSE 'child' END,
    ARRAY[our_table.nspname::text, our_table.relname::text, namespace.nspname::text, child.relname::text], NULL
FROM our_table
JOIN pg_inherits ON pg_inherits.inhparent = our_table.oid
JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
JOIN pg_namespace AS namespace ON namespace.oid = child.relnamespace
WHERE namespace.nspname <> ALL ($1)
UNION ALL
SELECT 'publication of all', ARRAY[publication.pubname::text], NULL FROM pg_publication AS publication WHERE publication.puballtables
UNION ALL
SELECT DISTINCT 'subscription', ARRAY[subscription.subname::text], NULL
FROM our_table
JOIN pg_subscription_rel AS entry ON entry.srrelid = our_table.oid
JOIN pg_subscription AS subscription ON subscription.oid = entry.srsubid
WHERE subscription.subenabled
UNION ALL
SELECT 'publication', ARRAY[publication.pubname::text, our_table.nspname::text, our_table.relname::text], NULL
FROM our_table
JOIN pg_publication_rel AS entry ON entry.prrelid = our_table.oid
JOIN pg_publication AS publication ON publication.oid = entry.prpubid
UNION ALL
SELECT 'publication of schema', ARRAY[publication.pubname::text, our_schema.nspname::text], NULL
FROM our_schema
JOIN pg_publication_namespace AS entry ON entry.pnnspid = our_schema.oid
JOIN pg_publication AS publication ON publication.oid = entry.pnpubid
UNION ALL
-- Superusers need no membership, and are told by themselves.
SELECT 'member', ARRAY[our_role.rolname::text, outsider.rolname::text, edge.grantor::text], (
    SELECT string_agg(DISTINCT login.rolname::text, ', ')
    FROM reach JOIN outsider AS login ON login.oid = reach.login
    WHERE reach.role = outsider.oid AND reach.login <> outsider.oid
)
FROM edge
JOIN our_role ON our_role.oid = edge.roleid
JOIN outsider ON outsider.oid = edge.member AND NOT outsider.rolsuper
UNION ALL
SELECT 'unbound', ARRAY[login.rolname::text, role.rolname::text] || through.rolname::text,
    CASE WHEN role.rolsuper THEN 'SUPERUSER' WHEN role.rolbypassrls THEN 'BYPASSRLS' WHEN role.rolreplication THEN 'REPLICATION' END
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
SELECT 'create role', ARRAY[outsider.rolname::text], NULL
FROM outsider
WHERE outsider.rolcanlogin AND outsider.rolcreaterole AND NOT outsider.rolsuper
  AND current_setting('server_version_num')::integer < 160000
UNION ALL
SELECT 'foreign key', ARRAY[namespace.nspname::text, class.relname::text, con.conname::text], our_table.relname::text
FROM our_table
JOIN pg_constraint AS con ON con.confrelid = our_table.oid AND con.contype = 'f' AND con.conparentid = 0
JOIN pg_class AS class ON class.oid = con.conrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname <> ALL ($1)
UNION ALL
SELECT 'leakproof', ARRAY[namespace.nspname::text, routine.proname::text, pg_get_function_identity_arguments(routine.oid)], NULL
FROM pg_proc AS routine
JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
WHERE routine.proleakproof AND namespace.nspname <> ALL ($1)
  -- What the server ships so marked was made by the first transaction of all, and not changed since.
  AND (namespace.nspname <> 'pg_catalog' OR routine.xmin::text <> '1')
UNION ALL
-- What was put beside what the server ships, by others than extensions: functions find it wherever they look.
SELECT 'shadow', ARRAY[shadow.what], shadow.name
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
-- The first number that is not the server's own.
WHERE shadow.oid >= 16384
  AND NOT EXISTS (SELECT FROM extension WHERE classid = shadow.classid AND objid = shadow.oid)
UNION ALL
SELECT 'connecting', ARRAY[namespace.nspname::text, routine.proname::text, pg_get_function_identity_arguments(routine.oid)],
    installed.extname::text
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
-- Rows of pg_shdepend that say who owns what.
SELECT DISTINCT 'owned', ARRAY[actor.rolname::text], pg_describe_object(depend.classid, depend.objid, depend.objsubid)
FROM pg_shdepend AS depend
JOIN actor ON actor.oid = depend.refobjid
WHERE depend.refclassid = 'pg_authid'::regclass AND depend.deptype = 'o'
  AND depend.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND (depend.classid <> 'pg_database'::regclass OR depend.objid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND depend.classid <> 'pg_default_acl'::regclass
  AND NOT EXISTS (SELECT FROM our_table WHERE depend.classid = 'pg_class'::regclass AND depend.objid = our_table.oid)
UNION ALL
SELECT 'parameter', ARRAY[setting.parname, acl.privilege_type, COALESCE(actor.rolname::text, '')], NULL
FROM pg_parameter_acl AS setting
CROSS JOIN LATERAL aclexplode(setting.paracl) AS acl
LEFT JOIN actor ON actor.oid = acl.grantee
WHERE acl.grantee = 0 OR actor.oid IS NOT NULL
UNION ALL
-- What the app's roles were given, and what everybody was given beyond what everybody has.
SELECT 'shipped', ARRAY[acl.privilege_type || shipped.columns, shipped.what, COALESCE(actor.rolname::text, '')], shipped.name
FROM shipped
CROSS JOIN LATERAL aclexplode(shipped.acl) AS acl
LEFT JOIN actor ON actor.oid = acl.grantee
LEFT JOIN pg_init_privs AS first
    ON first.classoid = shipped.classid AND first.objoid = shipped.oid AND first.objsubid = shipped.part
WHERE actor.oid IS NOT NULL
   -- Everybody may call a routine of which nothing else is said.
   OR acl.grantee = 0 AND (shipped.what = 'TABLE' OR first.objoid IS NOT NULL) AND NOT EXISTS (
       SELECT FROM aclexplode(first.initprivs) AS was WHERE was.grantee = 0 AND was.privilege_type = acl.privilege_type
   )
UNION ALL
-- Which migrations ran, in sqlx's table, wherever that is.
SELECT DISTINCT 'history', ARRAY[namespace.nspname::text, class.relname::text, COALESCE(actor.rolname::text, '')], NULL
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
SELECT 'server setting', ARRAY[name], reset_val
FROM pg_settings
WHERE name IN ('row_security', 'session_replication_role', 'standard_conforming_strings') AND reset_val <> boot_val
  AND source NOT IN ('database', 'user', 'database user', 'client')
UNION ALL
SELECT 'set_config', ARRAY[]::text[], NULL
WHERE has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE')
