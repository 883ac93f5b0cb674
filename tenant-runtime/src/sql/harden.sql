-- Takes set_config from PUBLIC in this database. With it, injected SQL can change the tenant from within a single SELECT;
-- SET LOCAL, by which the app says who acts, is a statement of its own and needs no function.
DO $harden$
BEGIN
    REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
    -- A REVOKE by somebody who does not own the function only warns.
    IF has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE') THEN
        RAISE EXCEPTION 'PUBLIC may still call set_config in the database %', current_database()
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$harden$;
