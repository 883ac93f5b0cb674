-- Grants PUBLIC again, in this database, what `harden --strict` has revoked, and revokes what that has granted.
DO $harden$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT routine.oid::regprocedure AS function,
            CASE
                WHEN proname IN ('pg_terminate_backend', 'pg_cancel_backend') THEN 'pg_signal_backend'
                WHEN proname ~ '^pg_(stat_get|lock_status)' THEN 'pg_monitor'
            END AS keeper,
            -- By default, PUBLIC cannot call functions such as lo_export, which initdb has restricted.
            first.initprivs IS NULL OR EXISTS (SELECT FROM aclexplode(first.initprivs) AS acl WHERE acl.grantee = 0) AS is_public
        FROM pg_catalog.pg_proc AS routine
        LEFT JOIN pg_catalog.pg_init_privs AS first
            ON first.classoid = 'pg_proc'::regclass AND first.objoid = routine.oid AND first.objsubid = 0
        WHERE pronamespace = 'pg_catalog'::regnamespace AND (
            proname ~ '^(lo_|be_lo_|loread$|lowrite$|query_to_xml)' OR proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
            OR proname IN (
                'pg_cancel_backend', 'pg_export_snapshot', 'pg_lock_status', 'pg_notify', 'pg_stat_get_activity',
                'pg_stat_get_backend_activity', 'pg_stat_get_live_tuples', 'pg_terminate_backend'
            )
        )
    LOOP
        IF target.keeper IS NOT NULL THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', target.function, target.keeper);
        END IF;
        IF target.is_public THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', target.function);
            IF NOT has_function_privilege('public', target.function, 'EXECUTE') THEN
                RAISE EXCEPTION 'PUBLIC still has no EXECUTE on % in the database %', target.function, current_database()
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
        END IF;
    END LOOP;
END
$harden$;
