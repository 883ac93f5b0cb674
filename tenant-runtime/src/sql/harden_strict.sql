-- Revokes from PUBLIC, in this database, EXECUTE on the functions with which SQL of the app's login could read or disturb
-- other sessions, or leave data where no policy applies: session activity and locks, signals, advisory locks, NOTIFY,
-- snapshots, large objects, and queries within XML functions. The app calls none of them. Monitoring roles keep what they
-- read, and pg_signal_backend keeps signals.
DO $harden$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT oid::regprocedure AS function,
            CASE
                WHEN proname IN ('pg_terminate_backend', 'pg_cancel_backend') THEN 'pg_signal_backend'
                WHEN proname ~ '^pg_(stat_get|lock_status)' THEN 'pg_monitor'
            END AS keeper
        FROM pg_catalog.pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND (
            proname ~ '^(lo_|be_lo_|loread$|lowrite$|query_to_xml)' OR proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
            OR proname IN (
                'pg_cancel_backend', 'pg_export_snapshot', 'pg_lock_status', 'pg_notify', 'pg_stat_get_activity',
                'pg_stat_get_backend_activity', 'pg_stat_get_live_tuples', 'pg_terminate_backend'
            )
        )
    LOOP
        IF target.keeper IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', target.function, target.keeper);
        END IF;
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', target.function);
        -- REVOKE by a role that does not own the function may only raise a warning: check the result.
        IF has_function_privilege('public', target.function, 'EXECUTE') THEN
            RAISE EXCEPTION 'PUBLIC still has EXECUTE on % in the database %', target.function, current_database()
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
END
$harden$;
