-- A digest of the objects that the server ships, those objects if the digest is not $1, and the objects of extensions,
-- each with a hash of its definition. The columns: the extension with its version, NULL for an object of the server; the
-- class; the name; the hash; and for an extension's object its address, whether it was added after the extension was
-- installed or updated (NULL: unknown), and whether it belongs to another owner than the extension. Names and definitions
-- do not contain the schemas of extensions, which the installation chooses.
WITH prefix AS (
    -- The schemas of extensions, as a pattern.
    SELECT '(' || string_agg(DISTINCT CASE
            WHEN nspname ~ '^[a-z_][a-z0-9_]*$' THEN '\m' || nspname ELSE regexp_replace(format('%I', nspname), '(\W)', '\\\1', 'g')
        END, '|') || ')\.' AS schemas
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema')
),
-- After pg_upgrade every object of an extension is newer than the extension, so that nothing follows from it.
origin AS (
    SELECT depend.classid, depend.objid, installed.extowner, format('%s %s', installed.extname, installed.extversion) AS origin,
        format('%s %s', replace(upper(item.type), '-', ' '), item.identity) AS address,
        CASE WHEN NOT bool_and(newer.than_extension) OVER (PARTITION BY installed.oid) THEN newer.than_extension END AS added
    FROM pg_extension AS installed
    JOIN pg_depend AS depend
        ON depend.refclassid = 'pg_extension'::regclass AND depend.refobjid = installed.oid AND depend.deptype = 'e'
    CROSS JOIN LATERAL (SELECT age(depend.xmin) < age(installed.xmin) AS than_extension) AS newer
    CROSS JOIN LATERAL pg_identify_object(depend.classid, depend.objid, 0) AS item
),
-- The names of the types of each routine's arguments, and of all its arguments if some are output arguments.
arguments AS (
    SELECT routine.oid, string_agg(typname, ',' ORDER BY place) FILTER (WHERE argument.input) AS types,
        string_agg(typname, ',' ORDER BY place) FILTER (WHERE NOT argument.input) AS all_types
    FROM pg_proc AS routine
    CROSS JOIN LATERAL (
        SELECT true AS input, type, place FROM unnest(routine.proargtypes::oid[]) WITH ORDINALITY AS input (type, place)
        UNION ALL
        SELECT false, type, place FROM unnest(routine.proallargtypes) WITH ORDINALITY AS output (type, place)
    ) AS argument
    JOIN pg_type ON pg_type.oid = argument.type
    GROUP BY routine.oid
),
-- What PUBLIC could do with an object when it was created. A GRANT followed by ALTER EXTENSION … ADD would be recorded, too.
first_privilege AS (
    SELECT classoid, objoid, COALESCE(
        (SELECT string_agg(privilege_type, ' ' ORDER BY privilege_type) FROM aclexplode(initprivs) WHERE grantee = 0), 'none'
    ) AS public
    FROM pg_init_privs WHERE objsubid = 0
),
definition (classid, objid, class, name, owner, state) AS (
    SELECT 'pg_proc'::regclass::oid, routine.oid, 'routine', concat(
            CASE WHEN namespace.nspname = 'information_schema' THEN 'information_schema.' END, routine.proname, '(', arguments.types, ')'
        ), routine.proowner, array_to_string(ARRAY[
            routine.prokind::text, language.lanname::text, result.typname::text, routine.proretset::text,
            routine.prosecdef::text, routine.proleakproof::text, routine.proisstrict::text, routine.provolatile::text,
            routine.proparallel::text, routine.proconfig::text, routine.probin, routine.prosrc,
            pg_get_function_sqlbody(routine.oid), NULLIF(routine.prosupport::oid, 0)::regproc::text,
            NULLIF(routine.provariadic, 0)::regtype::text, pg_get_expr(routine.proargdefaults, 0),
            arguments.all_types, CASE WHEN aggregate.aggfnoid IS NOT NULL THEN
                concat_ws(' ', aggkind, aggnumdirectargs, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn,
                    aggmtransfn, aggminvtransfn, aggmfinalfn, aggfinalextra, aggfinalmodify, agginitval, aggminitval)
            END, first.public
        ], chr(31), chr(30))
    FROM pg_proc AS routine
    JOIN pg_namespace AS namespace ON namespace.oid = routine.pronamespace
    JOIN pg_language AS language ON language.oid = routine.prolang
    JOIN pg_type AS result ON result.oid = routine.prorettype
    LEFT JOIN pg_aggregate AS aggregate ON aggregate.aggfnoid = routine.oid
    LEFT JOIN arguments ON arguments.oid = routine.oid
    LEFT JOIN first_privilege AS first ON first.classoid = 'pg_proc'::regclass AND first.objoid = routine.oid
    WHERE routine.oid < 16384 OR routine.oid IN (SELECT objid FROM origin WHERE classid = 'pg_proc'::regclass)
    UNION ALL
    SELECT 'pg_class'::regclass, class.oid, 'relation', concat(
            CASE WHEN namespace.nspname = 'information_schema' THEN 'information_schema.' END, class.relname
        ), class.relowner, array_to_string(ARRAY[
            class.relkind::text, class.reloptions::text, class.relrowsecurity::text,
            CASE WHEN class.relkind IN ('v', 'm') THEN pg_get_viewdef(class.oid) END,
            (SELECT string_agg(pg_get_ruledef(oid), ' ' ORDER BY rulename) FROM pg_rewrite WHERE ev_class = class.oid AND rulename <> '_RETURN'),
            (SELECT string_agg(pg_get_triggerdef(oid), ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = class.oid AND NOT tgisinternal),
            first.public
        ], chr(31), chr(30))
    FROM pg_class AS class
    JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN first_privilege AS first ON first.classoid = 'pg_class'::regclass AND first.objoid = class.oid
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND namespace.nspname <> 'pg_toast'
      AND (class.oid < 16384 OR class.oid IN (SELECT objid FROM origin WHERE classid = 'pg_class'::regclass))
    UNION ALL
    SELECT 'pg_operator'::regclass, operator.oid, 'operator',
        format('%s(%s,%s)', oprname, lefthand.typname, righthand.typname), oprowner, array_to_string(ARRAY[
            code.proname::text, result.typname::text, oprcanmerge::text, oprcanhash::text, oprrest::regproc::text, oprjoin::regproc::text
        ], chr(31), chr(30))
    FROM pg_operator AS operator
    LEFT JOIN pg_type AS lefthand ON lefthand.oid = oprleft
    LEFT JOIN pg_type AS righthand ON righthand.oid = oprright
    LEFT JOIN pg_type AS result ON result.oid = oprresult
    LEFT JOIN pg_proc AS code ON code.oid = oprcode
    UNION ALL
    SELECT 'pg_cast'::regclass, cast_.oid, 'cast', format('%s to %s', source.typname, target.typname), NULL, array_to_string(ARRAY[
            code.proname::text, castcontext::text, castmethod::text
        ], chr(31), chr(30))
    FROM pg_cast AS cast_
    JOIN pg_type AS source ON source.oid = castsource
    JOIN pg_type AS target ON target.oid = casttarget
    LEFT JOIN pg_proc AS code ON code.oid = castfunc
    UNION ALL
    SELECT 'pg_type'::regclass, type.oid, 'type', type.typname, type.typowner, array_to_string(ARRAY[
            typtype::text, typlen::text, typinput::regproc::text, typoutput::regproc::text, typreceive::regproc::text, typsend::regproc::text,
            typmodin::regproc::text, typmodout::regproc::text, typanalyze::regproc::text, to_jsonb(type) ->> 'typsubscript',
            (SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY conname) FROM pg_constraint WHERE contypid = type.oid)
        ], chr(31), chr(30))
    FROM pg_type AS type
    WHERE typtype <> 'c' AND typcategory <> 'A'
    UNION ALL
    SELECT 'pg_language'::regclass, oid, 'language', lanname, lanowner, array_to_string(ARRAY[
            lanpltrusted::text, lanplcallfoid::regproc::text, laninline::regproc::text, lanvalidator::regproc::text
        ], chr(31), chr(30))
    FROM pg_language
    UNION ALL
    SELECT 'pg_am'::regclass, oid, 'access-method', amname, NULL, array_to_string(ARRAY[amtype::text, amhandler::text], chr(31), chr(30))
    FROM pg_am
    UNION ALL
    SELECT 'pg_event_trigger'::regclass, oid, 'event-trigger', evtname, evtowner, array_to_string(ARRAY[
            evtevent::text, evttags::text, (SELECT proname::text FROM pg_proc WHERE pg_proc.oid = evtfoid)
        ], chr(31), chr(30))
    FROM pg_event_trigger
    UNION ALL
    -- The members of an operator family that the server ships.
    SELECT 'pg_opfamily'::regclass, family.oid, 'operator-family', format('%s using %s', opfname, amname), opfowner,
        array_to_string(ARRAY[operators.members, functions.members], chr(31), chr(30))
    FROM pg_opfamily AS family
    JOIN pg_am ON pg_am.oid = opfmethod
    LEFT JOIN (
        SELECT amopfamily AS family, string_agg(
            concat_ws(' ', amopstrategy, amoppurpose, l.typname, r.typname, o.oprname), ',' ORDER BY amop.oid
        ) AS members
        FROM pg_amop AS amop JOIN pg_type AS l ON l.oid = amoplefttype JOIN pg_type AS r ON r.oid = amoprighttype
        JOIN pg_operator AS o ON o.oid = amopopr
        WHERE amopfamily >= 16384 OR amop.oid < 16384
        GROUP BY amopfamily
    ) AS operators ON operators.family = family.oid
    LEFT JOIN (
        SELECT amprocfamily AS family, string_agg(
            concat_ws(' ', amprocnum, l.typname, r.typname, p.proname), ',' ORDER BY amproc.oid
        ) AS members
        FROM pg_amproc AS amproc JOIN pg_type AS l ON l.oid = amproclefttype JOIN pg_type AS r ON r.oid = amprocrighttype
        JOIN pg_proc AS p ON p.oid = amproc
        WHERE amprocfamily >= 16384 OR amproc.oid < 16384
        GROUP BY amprocfamily
    ) AS functions ON functions.family = family.oid
    UNION ALL
    -- Objects of extensions of other classes, such as collations, by their names only.
    SELECT origin.classid, origin.objid, replace(item.type, ' ', '-'),
        COALESCE(item.name, regexp_replace(item.identity, COALESCE(prefix.schemas, '$^'), '@.', 'g')), NULL, ''
    FROM origin
    CROSS JOIN prefix
    CROSS JOIN LATERAL pg_identify_object(origin.classid, origin.objid, 0) AS item
    WHERE origin.classid NOT IN (
        'pg_am'::regclass, 'pg_cast'::regclass, 'pg_class'::regclass, 'pg_event_trigger'::regclass, 'pg_language'::regclass,
        'pg_operator'::regclass, 'pg_opfamily'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass
    )
),
shipped AS (
    SELECT origin.origin, definition.class, definition.name::text, left(encode(sha256(convert_to(
            concat(definition.owner IS NULL OR definition.owner IN (10, origin.extowner), chr(31), CASE
                WHEN origin.origin IS NULL OR prefix.schemas IS NULL THEN definition.state
                ELSE regexp_replace(definition.state, prefix.schemas, '@.', 'g')
            END), 'UTF8')), 'hex'), 16) AS hash,
        origin.address, origin.added, definition.owner NOT IN (10, origin.extowner) AS of_other_owner
    FROM definition
    CROSS JOIN prefix
    LEFT JOIN origin USING (classid, objid)
    -- The first OID that initdb does not assign is 16384.
    WHERE origin.origin IS NOT NULL OR definition.objid < 16384
),
server AS (
    SELECT encode(sha256(convert_to(
        string_agg(concat_ws(' ', class, name, hash), E'\n' ORDER BY concat_ws(' ', class, name, hash) COLLATE "C"), 'UTF8'
    )), 'hex') AS digest
    FROM shipped WHERE origin IS NULL
)
SELECT NULL AS origin, 'digest' AS class, '' AS name, digest AS hash, NULL AS address, NULL::boolean AS added, NULL::boolean AS of_other_owner
FROM server
UNION ALL
SELECT shipped.* FROM shipped CROSS JOIN server WHERE shipped.origin IS NOT NULL OR server.digest <> $1
