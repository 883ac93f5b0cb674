-- The functions in the schemas $1, except those of extensions. One row per function, as JSON.
SELECT jsonb_build_object(
    'object', jsonb_build_object('function', jsonb_build_array(
        jsonb_build_array(namespace.nspname, routine.proname),
        (
            SELECT COALESCE(jsonb_agg(format_type(type, NULL) ORDER BY place), '[]')
            FROM unnest(routine.proargtypes::oid[]) WITH ORDINALITY AS argument (type, place)
        )
    )),
    'state', jsonb_build_object(
        'kind', CASE routine.prokind
            WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'window function'
        END,
        'owner', pg_get_userbyid(routine.proowner),
        'language', language.lanname,
        'arguments', COALESCE(to_jsonb(routine.proargnames[1:routine.pronargs]), '[]'),
        'returns', CASE
            -- The columns of RETURNS TABLE.
            WHEN routine.proargmodes IS NULL THEN to_jsonb(
                CASE WHEN routine.proretset THEN 'SETOF ' ELSE '' END || format_type(routine.prorettype, NULL)
            )
            ELSE (
                SELECT jsonb_agg(jsonb_build_array(argument.mode, argument.name, format_type(argument.type, NULL)) ORDER BY argument.place)
                FROM unnest(routine.proargmodes, routine.proargnames, routine.proallargtypes)
                    WITH ORDINALITY AS argument (mode, name, type, place)
                WHERE argument.mode <> 'i'
            )
        END,
        'security_definer', routine.prosecdef,
        'leakproof', routine.proleakproof,
        'volatility', CASE routine.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
        'parallel', CASE routine.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
        'strict', routine.proisstrict,
        'defaults', routine.pronargdefaults,
        -- A support function lets the planner replace a call.
        'support', NULLIF(routine.prosupport::oid, 0)::regproc::text,
        'settings', COALESCE(to_jsonb(routine.proconfig), '[]'),
        'body', btrim(COALESCE(pg_get_function_sqlbody(routine.oid), routine.prosrc), E' \n\r\t'),
        'comment', obj_description(routine.oid, 'pg_proc')
    )
)::text
FROM pg_proc AS routine
JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
JOIN pg_language AS language ON language.oid = routine.prolang
WHERE namespace.nspname = ANY ($1)
  AND NOT EXISTS (
      SELECT FROM pg_depend AS depend
      WHERE depend.classid = 'pg_proc'::regclass AND depend.objid = routine.oid AND depend.deptype = 'e'
  )
