-- Grants EXECUTE on set_config to PUBLIC in this database again, as is PostgreSQL's default.
DO $harden$
BEGIN
    GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC;
    IF NOT has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE') THEN
        RAISE EXCEPTION 'PUBLIC still has no EXECUTE on set_config in the database %', current_database()
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$harden$;
