-- Inserts up to four rows into each table of the given schemas, for the trial of a migration on a temporary server. Row k has
-- the k-th value in every column, so foreign keys match; the fourth row leaves nullable columns NULL. Rows that violate a
-- constraint are left out. The settings `trial.schemas` and `trial.labels` (column to labels) are the arguments.
DO $rows$
DECLARE
    labels jsonb := current_setting('trial.labels');
    schemas text[] := current_setting('trial.schemas');
    t record;
    names text;
    items text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR t IN
        SELECT c.oid, n.nspname, c.relname
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (schemas) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    LOOP
        FOR k IN 1..4 LOOP
            SELECT string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum),
                   string_agg(
                       CASE
                           WHEN k = 4 AND NOT a.attnotnull THEN 'NULL'
                           WHEN l.list IS NOT NULL
                               THEN pg_catalog.quote_literal(l.list ->> (k % pg_catalog.jsonb_array_length(l.list)))
                           ELSE CASE ty.typcategory
                               WHEN 'N' THEN k::text
                               WHEN 'B' THEN (k % 2 = 0)::text
                               WHEN 'S' THEN pg_catalog.quote_literal(k::text)
                               WHEN 'D' THEN pg_catalog.format(
                                   '%L::%s', CASE ty.typname
                                       WHEN 'time' THEN '10:00:0' || k WHEN 'timetz' THEN '10:00:0' || k || '+00'
                                       ELSE '2020-01-0' || k END, pg_catalog.format_type(a.atttypid, a.atttypmod))
                               WHEN 'A' THEN '''{}'''
                               ELSE pg_catalog.format('%L::%s', CASE ty.typname
                                       WHEN 'uuid' THEN '00000000-0000-4000-8000-00000000000' || k
                                       WHEN 'json' THEN '{}' WHEN 'jsonb' THEN '{}'
                                       WHEN 'bytea' THEN '\x0' || k
                                       WHEN 'interval' THEN k || ' days'
                                       WHEN 'inet' THEN '10.0.0.' || k
                                       ELSE k::text END, pg_catalog.format_type(a.atttypid, a.atttypmod))
                           END
                       END, ', ' ORDER BY a.attnum)
            INTO names, items
            FROM pg_catalog.pg_attribute AS a
            JOIN pg_catalog.pg_type AS ty ON ty.oid = a.atttypid
            CROSS JOIN LATERAL (
                SELECT labels -> pg_catalog.format('%s.%s.%s', t.nspname, t.relname, a.attname) AS list
            ) AS l
            WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
            BEGIN
                EXECUTE pg_catalog.format(
                    'INSERT INTO %I.%I (%s) OVERRIDING SYSTEM VALUE VALUES (%s)', t.nspname, t.relname, names, items);
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
END
$rows$
