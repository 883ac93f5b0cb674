-- Ways to bypass the policies of the schemas $1 and the roles $2; the roles $3 among them own objects. One row per
-- bypass, as JSON: its kind (a variant of `Bypass` in bypass.rs) and that variant's fields, unquoted. What the
-- application roles can reach is in reachable.sql.
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
    SELECT 'predefined_role', jsonb_build_object('login', login.rolname, 'role', role.rolname, 'through', through.rolname)
    FROM reach
    JOIN outsider AS login ON login.oid = reach.login
    JOIN pg_roles AS role ON role.oid = reach.role
    JOIN pg_roles AS through ON through.oid = reach.through
    WHERE NOT login.rolsuper
      AND role.rolname IN ('pg_create_subscription', 'pg_maintain', 'pg_read_all_data', 'pg_read_all_stats', 'pg_write_all_data')
    UNION ALL
    SELECT 'database_owner', jsonb_build_object('database', datname, 'owner', outsider.rolname)
    FROM pg_database JOIN outsider ON outsider.oid = datdba AND NOT outsider.rolsuper
    WHERE datname = current_database()
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
    WHERE (
            name IN (
                'allow_system_table_mods', 'lo_compat_privileges', 'row_security', 'session_replication_role', 'standard_conforming_strings'
            ) AND reset_val <> boot_val
            -- pgaudit can be loaded in this way, too.
            OR name IN ('local_preload_libraries', 'session_preload_libraries') AND EXISTS (
                SELECT FROM regexp_split_to_table(reset_val, ',') AS library WHERE btrim(library, ' "') NOT IN ('', 'pgaudit')
            )
        )
      AND source NOT IN ('database', 'user', 'database user', 'client')
    UNION ALL
    SELECT 'preloaded_libraries', jsonb_build_object('libraries', jsonb_agg(btrim(library, ' "') ORDER BY library))
    FROM pg_settings CROSS JOIN LATERAL regexp_split_to_table(reset_val, ',') AS library
    WHERE name = 'shared_preload_libraries'
      AND btrim(library, ' "') NOT IN ('', 'auto_explain', 'pg_prewarm', 'pg_stat_statements', 'pgaudit')
    HAVING count(*) > 0
    UNION ALL
    SELECT 'unreadable_settings', jsonb_build_object('settings', jsonb_agg(wanted.name))
    FROM (VALUES ('local_preload_libraries'), ('session_preload_libraries'), ('shared_preload_libraries')) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM pg_settings WHERE pg_settings.name = wanted.name)
    HAVING count(*) > 0
    UNION ALL
    SELECT 'set_config', '{}'::jsonb
    WHERE has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE')
)
SELECT (fields || jsonb_build_object('kind', kind))::text FROM found
