-- Gives set_config back to PUBLIC in this database, as PostgreSQL ships it.
DO $harden$
BEGIN
    GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC;
    IF NOT has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE') THEN
        RAISE EXCEPTION 'PUBLIC may still not call set_config in the database %', current_database()
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$harden$;
