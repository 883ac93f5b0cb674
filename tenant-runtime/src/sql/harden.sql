-- Revokes EXECUTE on set_config from PUBLIC in this database. With set_config, injected SQL can change the tenant ID within
-- a single SELECT. The app sets the context with SET LOCAL, a separate statement that requires no function.
DO $harden$
BEGIN
    REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
    -- REVOKE by a role that does not own the function may only raise a warning: check the result.
    IF has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE') THEN
        RAISE EXCEPTION 'PUBLIC still has EXECUTE on set_config in the database %', current_database()
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$harden$;
