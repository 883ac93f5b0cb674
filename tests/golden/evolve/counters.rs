// Counters are added, renamed with their tables and columns, exchanged, removed and dropped.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    /// Its numbers go on under the new names of the table and of the column.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Bill {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(counter)]
        pub no: i32,
    }

    /// Gets a counter.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Ticket {
        pub id: i64,
        pub org: Uuid,
        pub title: String,
    }

    /// The app assigns the numbers, of which some are missing.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Order {
        pub id: i64,
        pub org: Uuid,
        pub text: String,
        pub number: Option<i64>,
    }

    /// The app will assign the numbers.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub body: String,
        #[tenant(counter)]
        pub place: i32,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Pair {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(counter)]
        pub first: i64,
        #[tenant(counter)]
        pub second: i64,
        #[tenant(counter)]
        pub third: i64,
    }

    /// Goes with its counter.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Draft {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(counter)]
        pub number: i64,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    /// Its numbers go on under the new names of the table and of the column.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", renamed_from = "bills")]
    pub struct Invoice {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(counter, renamed_from = "no")]
        pub number: i64,
    }

    /// Gets a counter.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Ticket {
        pub id: i64,
        pub org: Uuid,
        pub title: String,
        #[tenant(counter)]
        pub number: i32,
    }

    /// The app assigns the numbers, of which some are missing.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Order {
        pub id: i64,
        pub org: Uuid,
        pub text: String,
        #[tenant(counter)]
        pub number: i64,
    }

    /// The app will assign the numbers.
    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub body: String,
        #[tenant(default = "0")]
        pub place: i32,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Pair {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(counter, renamed_from = "second")]
        pub first: i64,
        #[tenant(counter, renamed_from = "first")]
        pub second: i64,
    }
}

/*
error: the next migration would delete data, so no migration was written:
  - drops table `app.drafts` and all its rows (TM101)
    to confirm, re-run with `--drop app.drafts`
  - drops column `app.pairs.third` and its values (TM102)
    to confirm, re-run with `--drop app.pairs.third`

rename table `app.bills` to `app.invoices`
rename table `app.bills_no_counter` to `app.invoices_number_counter`
rename table `app.pairs_first_counter` to `app.pairs_second_counter`
rename table `app.pairs_second_counter` to `app.pairs_first_counter`
rename column `app.invoices.no` to `number`
rename column `app.pairs.first` to `second`
rename column `app.pairs.second` to `first`
add function `app_auth.next_invoices_number`
add function `app_auth.next_orders_number`
add function `app_auth.next_tickets_number`
change column `app.invoices.number`: type from `integer` to `bigint`
rename primary key `bills_pkey` on `app.invoices` to `invoices_pkey`
rename unique constraint `bills_org_no_key` on `app.invoices` to `invoices_org_number_key`
rename unique constraint `bills_org_id_key` on `app.invoices` to `invoices_org_id_key`
add trigger `next_number` on `app.invoices`
drop trigger `next_no` on `app.invoices`
change comment on `app.invoices_number_counter`
rename primary key `bills_no_counter_pkey` on `app.invoices_number_counter` to `invoices_number_counter_pkey`
change column `app.notes.place`: default from the next number of the tenant to `0`
drop trigger `next_place` on `app.notes`
drop unique constraint `notes_org_place_key` on `app.notes`
grant INSERT (place) on `app.notes` to `app_member`
grant UPDATE (place) on `app.notes` to `app_member`
change column `app.orders.number`: number the rows of each tenant, set NOT NULL
add unique constraint `orders_org_number_key` on `app.orders`
add trigger `next_number` on `app.orders`
revoke INSERT (number) on `app.orders` from `app_member`
revoke UPDATE (number) on `app.orders` from `app_member`
add table `app.orders_number_counter`
rename unique constraint `pairs_org_second_key` on `app.pairs` to `pairs_org_first_key`
rename unique constraint `pairs_org_first_key` on `app.pairs` to `pairs_org_second_key`
drop trigger `next_third` on `app.pairs`
drop unique constraint `pairs_org_third_key` on `app.pairs`
drop column `app.pairs.third`
revoke SELECT (third) on `app.pairs` from `app_viewer`
change comment on `app.pairs_first_counter`
rename primary key `pairs_second_counter_pkey` on `app.pairs_first_counter` to `pairs_first_counter_pkey`
change comment on `app.pairs_second_counter`
rename primary key `pairs_first_counter_pkey` on `app.pairs_second_counter` to `pairs_second_counter_pkey`
add column `app.tickets.number`
add unique constraint `tickets_org_number_key` on `app.tickets`
add trigger `next_number` on `app.tickets`
grant SELECT (number) on `app.tickets` to `app_viewer`
add table `app.tickets_number_counter`
drop table `app.pairs_third_counter`
drop table `app.notes_place_counter`
drop table `app.drafts_number_counter`
drop table `app.drafts`
drop function `app_auth.next_pairs_third`
drop function `app_auth.next_notes_place`
drop function `app_auth.next_drafts_number`
drop function `app_auth.next_bills_no`
warning TM205: running app versions that still use table `app.bills` will fail.
warning TM205: running app versions that still use column `app.invoices.no` will fail.
warning TM205: running app versions that still use column `app.pairs.first` will fail.
warning TM205: running app versions that still use column `app.pairs.second` will fail.
warning TM206: revokes INSERT (number) on `app.orders` from `app_member`.
warning TM206: revokes UPDATE (number) on `app.orders` from `app_member`.
destructive TM101: drops table `app.drafts` and all its rows.
destructive TM102: drops column `app.pairs.third` and its values.
warning TM201: changes column `app.invoices.number` from `integer` to `bigint`; blocks reads and writes while the table is rewritten.
warning TM204: numbers every row of `app.orders` in which `number` is NULL, for each tenant in the order of the key; blocks reads and writes of the table until the migration commits.
warning TM204: numbers every row of `app.tickets` in which `number` is NULL, for each tenant in the order of the key; blocks reads and writes of the table until the migration commits.
warning TM207: grants INSERT (place) on `app.notes` to `app_member`.
warning TM207: grants UPDATE (place) on `app.notes` to `app_member`.
warning TM203: building the unique constraint `orders_org_number_key` on `app.orders` fails if duplicate values exist.
warning TM203: building the unique constraint `tickets_org_number_key` on `app.tickets` fails if duplicate values exist.

== 0002_change_tables.up.sql ==========================================================================
-- Changes the database of tenant-tests:
--   rename table `app.bills` to `app.invoices`
--   rename table `app.bills_no_counter` to `app.invoices_number_counter`
--   rename table `app.pairs_first_counter` to `app.pairs_second_counter`
--   rename table `app.pairs_second_counter` to `app.pairs_first_counter`
--   rename column `app.invoices.no` to `number`
--   rename column `app.pairs.first` to `second`
--   rename column `app.pairs.second` to `first`
--   add function `app_auth.next_invoices_number`
--   add function `app_auth.next_orders_number`
--   add function `app_auth.next_tickets_number`
--   change column `app.invoices.number`: type from `integer` to `bigint`
--   rename primary key `bills_pkey` on `app.invoices` to `invoices_pkey`
--   rename unique constraint `bills_org_no_key` on `app.invoices` to `invoices_org_number_key`
--   rename unique constraint `bills_org_id_key` on `app.invoices` to `invoices_org_id_key`
--   add trigger `next_number` on `app.invoices`
--   drop trigger `next_no` on `app.invoices`
--   change comment on `app.invoices_number_counter`
--   rename primary key `bills_no_counter_pkey` on `app.invoices_number_counter` to `invoices_number_counter_pkey`
--   change column `app.notes.place`: default from the next number of the tenant to `0`
--   drop trigger `next_place` on `app.notes`
--   drop unique constraint `notes_org_place_key` on `app.notes`
--   grant INSERT (place) on `app.notes` to `app_member`
--   grant UPDATE (place) on `app.notes` to `app_member`
--   change column `app.orders.number`: number the rows of each tenant, set NOT NULL
--   add unique constraint `orders_org_number_key` on `app.orders`
--   add trigger `next_number` on `app.orders`
--   revoke INSERT (number) on `app.orders` from `app_member`
--   revoke UPDATE (number) on `app.orders` from `app_member`
--   add table `app.orders_number_counter`
--   rename unique constraint `pairs_org_second_key` on `app.pairs` to `pairs_org_first_key`
--   and 22 more
--
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a
-- timeout the transaction is rolled back, and the migration can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

-- warning TM205: running app versions that still use table `app.bills` will fail.
ALTER TABLE app.bills RENAME TO invoices;

ALTER TABLE app.bills_no_counter RENAME TO invoices_number_counter;

ALTER TABLE app.pairs_first_counter RENAME TO pairs_first_counter_old;

ALTER TABLE app.pairs_second_counter RENAME TO pairs_first_counter;

ALTER TABLE app.pairs_first_counter_old RENAME TO pairs_second_counter;

-- warning TM205: running app versions that still use column `app.invoices.no` will fail.
ALTER TABLE app.invoices RENAME COLUMN no TO number;

-- warning TM205: running app versions that still use column `app.pairs.first` will fail.
ALTER TABLE app.pairs RENAME COLUMN first TO first_old;
-- warning TM205: running app versions that still use column `app.pairs.second` will fail.
ALTER TABLE app.pairs RENAME COLUMN second TO first;
ALTER TABLE app.pairs RENAME COLUMN first_old TO second;

-- warning TM206: revokes INSERT (number) on `app.orders` from `app_member`.
REVOKE INSERT (number) ON app.orders FROM app_member;
-- warning TM206: revokes UPDATE (number) on `app.orders` from `app_member`.
REVOKE UPDATE (number) ON app.orders FROM app_member;

REVOKE SELECT (third) ON app.pairs FROM app_viewer;

-- Policies and grants of app.pairs_third_counter --------------------------------------------------
DROP POLICY update_function_owner ON app.pairs_third_counter;
DROP POLICY insert_function_owner ON app.pairs_third_counter;
DROP POLICY select_function_owner ON app.pairs_third_counter;
DROP POLICY tenant_isolation ON app.pairs_third_counter;

-- Policies and grants of app.notes_place_counter --------------------------------------------------
DROP POLICY update_function_owner ON app.notes_place_counter;
DROP POLICY insert_function_owner ON app.notes_place_counter;
DROP POLICY select_function_owner ON app.notes_place_counter;
DROP POLICY tenant_isolation ON app.notes_place_counter;

-- Policies and grants of app.drafts_number_counter ------------------------------------------------
DROP POLICY update_function_owner ON app.drafts_number_counter;
DROP POLICY insert_function_owner ON app.drafts_number_counter;
DROP POLICY select_function_owner ON app.drafts_number_counter;
DROP POLICY tenant_isolation ON app.drafts_number_counter;

-- Policies and grants of app.drafts ---------------------------------------------------------------
DROP POLICY insert_member ON app.drafts;
DROP POLICY select_viewer ON app.drafts;
DROP POLICY tenant_isolation ON app.drafts;

DROP TRIGGER next_no ON app.invoices;

DROP TRIGGER next_place ON app.notes;

DROP TRIGGER next_third ON app.pairs;

ALTER TABLE app.pairs ALTER COLUMN third DROP NOT NULL;

DROP TABLE app.pairs_third_counter;

DROP TABLE app.notes_place_counter;

DROP TABLE app.drafts_number_counter;

-- destructive TM101: drops table `app.drafts` and all its rows.
DROP TABLE app.drafts;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
DROP FUNCTION app_auth.next_pairs_third();
DROP FUNCTION app_auth.next_notes_place();
DROP FUNCTION app_auth.next_drafts_number();
DROP FUNCTION app_auth.next_bills_no();

SET LOCAL ROLE app_schema_owner;

ALTER TABLE app.notes DROP CONSTRAINT notes_org_place_key;

ALTER TABLE app.pairs DROP CONSTRAINT pairs_org_third_key;

ALTER TABLE app.invoices_number_counter RENAME CONSTRAINT bills_no_counter_pkey TO invoices_number_counter_pkey;

ALTER TABLE app.invoices RENAME CONSTRAINT bills_org_id_key TO invoices_org_id_key;
ALTER TABLE app.invoices RENAME CONSTRAINT bills_org_no_key TO invoices_org_number_key;
ALTER TABLE app.invoices RENAME CONSTRAINT bills_pkey TO invoices_pkey;

ALTER TABLE app.pairs_second_counter RENAME CONSTRAINT pairs_first_counter_pkey TO pairs_first_counter_pkey_old;

ALTER TABLE app.pairs_first_counter RENAME CONSTRAINT pairs_second_counter_pkey TO pairs_first_counter_pkey;

ALTER TABLE app.pairs_second_counter RENAME CONSTRAINT pairs_first_counter_pkey_old TO pairs_second_counter_pkey;

ALTER TABLE app.pairs RENAME CONSTRAINT pairs_org_first_key TO pairs_org_first_key_old;
ALTER TABLE app.pairs RENAME CONSTRAINT pairs_org_second_key TO pairs_org_first_key;
ALTER TABLE app.pairs RENAME CONSTRAINT pairs_org_first_key_old TO pairs_org_second_key;
-- destructive TM102: drops column `app.pairs.third` and its values.
ALTER TABLE app.pairs DROP COLUMN third;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
-- SECURITY DEFINER functions run with the privileges and policies of their owner, not with those of the caller.
-- EXECUTE is granted only to the roles listed.

CREATE FUNCTION app_auth.next_invoices_number() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.invoices_number_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.number;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_invoices_number() IS 'Trigger function: sets number of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_invoices_number() TO app_schema_owner;

CREATE FUNCTION app_auth.next_orders_number() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.orders_number_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.number;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_orders_number() IS 'Trigger function: sets number of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_orders_number() TO app_schema_owner;

CREATE FUNCTION app_auth.next_tickets_number() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.tickets_number_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.number;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_tickets_number() IS 'Trigger function: sets number of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_tickets_number() TO app_schema_owner;

SET LOCAL ROLE app_schema_owner;

-- Table app.orders_number_counter -----------------------------------------------------------------
CREATE TABLE app.orders_number_counter (
    tenant_id uuid   NOT NULL,
    last      bigint NOT NULL,
    CONSTRAINT orders_number_counter_pkey PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE app.orders_number_counter IS 'Last number of each tenant in the column number of app.orders. Only the trigger function of the counter uses the table.';
COMMENT ON COLUMN app.orders_number_counter.tenant_id IS 'Tenant whose rows are numbered.';
COMMENT ON COLUMN app.orders_number_counter.last IS 'Last number that a row of the tenant got.';

ALTER TABLE app.orders_number_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.orders_number_counter FORCE ROW LEVEL SECURITY;

-- Table app.tickets_number_counter ----------------------------------------------------------------
CREATE TABLE app.tickets_number_counter (
    tenant_id uuid   NOT NULL,
    last      bigint NOT NULL,
    CONSTRAINT tickets_number_counter_pkey PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE app.tickets_number_counter IS 'Last number of each tenant in the column number of app.tickets. Only the trigger function of the counter uses the table.';
COMMENT ON COLUMN app.tickets_number_counter.tenant_id IS 'Tenant whose rows are numbered.';
COMMENT ON COLUMN app.tickets_number_counter.last IS 'Last number that a row of the tenant got.';

ALTER TABLE app.tickets_number_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.tickets_number_counter FORCE ROW LEVEL SECURITY;

-- warning TM201: changes column `app.invoices.number` from `integer` to `bigint`; blocks reads and writes while the table is rewritten.
ALTER TABLE app.invoices ALTER COLUMN number TYPE bigint USING number::bigint;

COMMENT ON TABLE app.invoices_number_counter IS 'Last number of each tenant in the column number of app.invoices. Only the trigger function of the counter uses the table.';

ALTER TABLE app.notes ALTER COLUMN place SET DEFAULT 0;

COMMENT ON TABLE app.pairs_first_counter IS 'Last number of each tenant in the column first of app.pairs. Only the trigger function of the counter uses the table.';

COMMENT ON TABLE app.pairs_second_counter IS 'Last number of each tenant in the column second of app.pairs. Only the trigger function of the counter uses the table.';

ALTER TABLE app.tickets ADD COLUMN number integer;

-- warning TM204: numbers every row of `app.orders` in which `number` is NULL, for each tenant in the order of the key; blocks reads and writes of the table until the migration commits.
-- NO FORCE exempts only the table owner from the policies, so that it sees all rows.
ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY;
ALTER TABLE app.orders_number_counter NO FORCE ROW LEVEL SECURITY;
-- The triggers do not run: the change log records changes that users make, and members do not change.
ALTER TABLE app.orders DISABLE TRIGGER USER;
UPDATE app.orders AS t SET number = n.new_number FROM (
    SELECT id, number IS NULL AS is_new, GREATEST(max(number) OVER (PARTITION BY org), 0)
        + row_number() OVER (PARTITION BY org, number IS NULL ORDER BY id) AS new_number
    FROM app.orders
) AS n WHERE t.id = n.id AND n.is_new;
INSERT INTO app.orders_number_counter (tenant_id, last)
    SELECT org, GREATEST(max(number), 0) FROM app.orders GROUP BY org;
ALTER TABLE app.orders ENABLE TRIGGER USER;
ALTER TABLE app.orders FORCE ROW LEVEL SECURITY;
ALTER TABLE app.orders_number_counter FORCE ROW LEVEL SECURITY;
ALTER TABLE app.orders ALTER COLUMN number SET NOT NULL;

-- warning TM204: numbers every row of `app.tickets` in which `number` is NULL, for each tenant in the order of the key; blocks reads and writes of the table until the migration commits.
-- NO FORCE exempts only the table owner from the policies, so that it sees all rows.
ALTER TABLE app.tickets NO FORCE ROW LEVEL SECURITY;
ALTER TABLE app.tickets_number_counter NO FORCE ROW LEVEL SECURITY;
-- The triggers do not run: the change log records changes that users make, and members do not change.
ALTER TABLE app.tickets DISABLE TRIGGER USER;
UPDATE app.tickets AS t SET number = n.new_number FROM (
    SELECT id, number IS NULL AS is_new, GREATEST(max(number) OVER (PARTITION BY org), 0)
        + row_number() OVER (PARTITION BY org, number IS NULL ORDER BY id) AS new_number
    FROM app.tickets
) AS n WHERE t.id = n.id AND n.is_new;
INSERT INTO app.tickets_number_counter (tenant_id, last)
    SELECT org, GREATEST(max(number), 0) FROM app.tickets GROUP BY org;
ALTER TABLE app.tickets ENABLE TRIGGER USER;
ALTER TABLE app.tickets FORCE ROW LEVEL SECURITY;
ALTER TABLE app.tickets_number_counter FORCE ROW LEVEL SECURITY;
ALTER TABLE app.tickets ALTER COLUMN number SET NOT NULL;

CREATE TRIGGER next_number BEFORE INSERT ON app.invoices
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_invoices_number();

CREATE TRIGGER next_number BEFORE INSERT ON app.orders
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_orders_number();

CREATE TRIGGER next_number BEFORE INSERT ON app.tickets
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_tickets_number();

-- Policies and grants of app.orders_number_counter ------------------------------------------------
CREATE POLICY tenant_isolation ON app.orders_number_counter AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END);
COMMENT ON POLICY tenant_isolation ON app.orders_number_counter IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';

CREATE POLICY select_function_owner ON app.orders_number_counter AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.orders_number_counter IS 'Lets the trigger function of the counter SELECT rows.';

CREATE POLICY insert_function_owner ON app.orders_number_counter AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.orders_number_counter IS 'Lets the trigger function of the counter INSERT rows.';

CREATE POLICY update_function_owner ON app.orders_number_counter AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY update_function_owner ON app.orders_number_counter IS 'Lets the trigger function of the counter UPDATE rows.';

GRANT SELECT (tenant_id, last) ON app.orders_number_counter TO app_function_owner;
GRANT INSERT (tenant_id, last) ON app.orders_number_counter TO app_function_owner;
GRANT UPDATE (last) ON app.orders_number_counter TO app_function_owner;

-- Policies and grants of app.tickets_number_counter -----------------------------------------------
CREATE POLICY tenant_isolation ON app.tickets_number_counter AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END);
COMMENT ON POLICY tenant_isolation ON app.tickets_number_counter IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';

CREATE POLICY select_function_owner ON app.tickets_number_counter AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.tickets_number_counter IS 'Lets the trigger function of the counter SELECT rows.';

CREATE POLICY insert_function_owner ON app.tickets_number_counter AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.tickets_number_counter IS 'Lets the trigger function of the counter INSERT rows.';

CREATE POLICY update_function_owner ON app.tickets_number_counter AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY update_function_owner ON app.tickets_number_counter IS 'Lets the trigger function of the counter UPDATE rows.';

GRANT SELECT (tenant_id, last) ON app.tickets_number_counter TO app_function_owner;
GRANT INSERT (tenant_id, last) ON app.tickets_number_counter TO app_function_owner;
GRANT UPDATE (last) ON app.tickets_number_counter TO app_function_owner;

-- warning TM207: grants INSERT (place) on `app.notes` to `app_member`.
GRANT INSERT (place) ON app.notes TO app_member;
-- warning TM207: grants UPDATE (place) on `app.notes` to `app_member`.
GRANT UPDATE (place) ON app.notes TO app_member;

GRANT SELECT (number) ON app.tickets TO app_viewer;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0002_change_tables.down.sql ========================================================================
-- tenant: loses data: app.tickets.number
-- `gen-migrations revert` reads the line above, and runs this file only with --allow-data-loss.
-- Reverts the up file with the same number, which changes the database of tenant-tests.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a
-- timeout the transaction is rolled back, and the migration can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

REVOKE SELECT (number) ON app.tickets FROM app_viewer;

REVOKE UPDATE (place) ON app.notes FROM app_member;
REVOKE INSERT (place) ON app.notes FROM app_member;

-- Policies and grants of app.tickets_number_counter -----------------------------------------------
DROP POLICY update_function_owner ON app.tickets_number_counter;
DROP POLICY insert_function_owner ON app.tickets_number_counter;
DROP POLICY select_function_owner ON app.tickets_number_counter;
DROP POLICY tenant_isolation ON app.tickets_number_counter;

-- Policies and grants of app.orders_number_counter ------------------------------------------------
DROP POLICY update_function_owner ON app.orders_number_counter;
DROP POLICY insert_function_owner ON app.orders_number_counter;
DROP POLICY select_function_owner ON app.orders_number_counter;
DROP POLICY tenant_isolation ON app.orders_number_counter;

DROP TRIGGER next_number ON app.tickets;

DROP TRIGGER next_number ON app.orders;

DROP TRIGGER next_number ON app.invoices;

ALTER TABLE app.tickets ALTER COLUMN number DROP NOT NULL;

ALTER TABLE app.orders ALTER COLUMN number DROP NOT NULL;

-- destructive TM102: drops column `app.tickets.number` and its values.
ALTER TABLE app.tickets DROP COLUMN number;

COMMENT ON TABLE app.pairs_second_counter IS 'Last number of each tenant in the column first of app.pairs. Only the trigger function of the counter uses the table.';

COMMENT ON TABLE app.pairs_first_counter IS 'Last number of each tenant in the column second of app.pairs. Only the trigger function of the counter uses the table.';

ALTER TABLE app.notes ALTER COLUMN place DROP DEFAULT;

COMMENT ON TABLE app.invoices_number_counter IS 'Last number of each tenant in the column no of app.bills. Only the trigger function of the counter uses the table.';

-- warning TM201: changes column `app.invoices.number` from `bigint` to `integer`; blocks reads and writes while the table is rewritten, and fails if a value cannot be converted.
ALTER TABLE app.invoices ALTER COLUMN number TYPE integer USING number::integer;

DROP TABLE app.tickets_number_counter;

DROP TABLE app.orders_number_counter;

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
DROP FUNCTION app_auth.next_tickets_number();
DROP FUNCTION app_auth.next_orders_number();
DROP FUNCTION app_auth.next_invoices_number();

SET LOCAL ROLE app_schema_owner;

ALTER TABLE app.pairs ADD COLUMN third bigint;
ALTER TABLE app.pairs RENAME CONSTRAINT pairs_org_second_key TO pairs_org_first_key_old;
ALTER TABLE app.pairs RENAME CONSTRAINT pairs_org_first_key TO pairs_org_second_key;
ALTER TABLE app.pairs RENAME CONSTRAINT pairs_org_first_key_old TO pairs_org_first_key;

ALTER TABLE app.pairs_second_counter RENAME CONSTRAINT pairs_second_counter_pkey TO pairs_first_counter_pkey_old;

ALTER TABLE app.pairs_first_counter RENAME CONSTRAINT pairs_first_counter_pkey TO pairs_second_counter_pkey;

ALTER TABLE app.pairs_second_counter RENAME CONSTRAINT pairs_first_counter_pkey_old TO pairs_first_counter_pkey;

ALTER TABLE app.invoices RENAME CONSTRAINT invoices_pkey TO bills_pkey;
ALTER TABLE app.invoices RENAME CONSTRAINT invoices_org_number_key TO bills_org_no_key;
ALTER TABLE app.invoices RENAME CONSTRAINT invoices_org_id_key TO bills_org_id_key;

ALTER TABLE app.invoices_number_counter RENAME CONSTRAINT invoices_number_counter_pkey TO bills_no_counter_pkey;

-- warning TM202: blocks writes while the unique constraint `pairs_org_third_key` on `app.pairs` is built; fails if duplicate values exist.
ALTER TABLE app.pairs ADD CONSTRAINT pairs_org_third_key UNIQUE (org, third);

-- warning TM202: blocks writes while the unique constraint `notes_org_place_key` on `app.notes` is built; fails if duplicate values exist.
ALTER TABLE app.notes ADD CONSTRAINT notes_org_place_key UNIQUE (org, place);

SET LOCAL ROLE app_function_owner;

-- Functions in app_auth ---------------------------------------------------------------------------
-- SECURITY DEFINER functions run with the privileges and policies of their owner, not with those of the caller.
-- EXECUTE is granted only to the roles listed.

CREATE FUNCTION app_auth.next_bills_no() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.bills_no_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.no;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_bills_no() IS 'Trigger function: sets no of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_bills_no() TO app_schema_owner;

CREATE FUNCTION app_auth.next_drafts_number() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.drafts_number_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.number;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_drafts_number() IS 'Trigger function: sets number of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_drafts_number() TO app_schema_owner;

CREATE FUNCTION app_auth.next_notes_place() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.notes_place_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.place;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_notes_place() IS 'Trigger function: sets place of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_notes_place() TO app_schema_owner;

CREATE FUNCTION app_auth.next_pairs_third() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on
AS $function$
BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF (NEW.org = NULLIF(current_setting('app.organization_id', true), '')::uuid) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, 'app_schema_owner', 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table "%": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO app.pairs_third_counter AS c (tenant_id, last) VALUES (NEW.org, 1)
        ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 1
        RETURNING c.last INTO NEW.third;
    RETURN NEW;
END
$function$;
COMMENT ON FUNCTION app_auth.next_pairs_third() IS 'Trigger function: sets third of a new row to the next number of its tenant. Later inserts for the tenant wait until the transaction ends.';
GRANT EXECUTE ON FUNCTION app_auth.next_pairs_third() TO app_schema_owner;

SET LOCAL ROLE app_schema_owner;

-- Table app.drafts --------------------------------------------------------------------------------
CREATE TABLE app.drafts (
    id     uuid   NOT NULL DEFAULT gen_random_uuid(),
    org    uuid   NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT drafts_pkey PRIMARY KEY (id),
    CONSTRAINT drafts_org_number_key UNIQUE (org, number),
    CONSTRAINT drafts_org_id_key UNIQUE (org, id)
);
COMMENT ON TABLE app.drafts IS 'Goes with its counter.';

ALTER TABLE app.drafts ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.drafts FORCE ROW LEVEL SECURITY;

-- Table app.drafts_number_counter -----------------------------------------------------------------
CREATE TABLE app.drafts_number_counter (
    tenant_id uuid   NOT NULL,
    last      bigint NOT NULL,
    CONSTRAINT drafts_number_counter_pkey PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE app.drafts_number_counter IS 'Last number of each tenant in the column number of app.drafts. Only the trigger function of the counter uses the table.';
COMMENT ON COLUMN app.drafts_number_counter.tenant_id IS 'Tenant whose rows are numbered.';
COMMENT ON COLUMN app.drafts_number_counter.last IS 'Last number that a row of the tenant got.';

ALTER TABLE app.drafts_number_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.drafts_number_counter FORCE ROW LEVEL SECURITY;

-- Table app.notes_place_counter -------------------------------------------------------------------
CREATE TABLE app.notes_place_counter (
    tenant_id uuid   NOT NULL,
    last      bigint NOT NULL,
    CONSTRAINT notes_place_counter_pkey PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE app.notes_place_counter IS 'Last number of each tenant in the column place of app.notes. Only the trigger function of the counter uses the table.';
COMMENT ON COLUMN app.notes_place_counter.tenant_id IS 'Tenant whose rows are numbered.';
COMMENT ON COLUMN app.notes_place_counter.last IS 'Last number that a row of the tenant got.';

ALTER TABLE app.notes_place_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.notes_place_counter FORCE ROW LEVEL SECURITY;

-- Table app.pairs_third_counter -------------------------------------------------------------------
CREATE TABLE app.pairs_third_counter (
    tenant_id uuid   NOT NULL,
    last      bigint NOT NULL,
    CONSTRAINT pairs_third_counter_pkey PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE app.pairs_third_counter IS 'Last number of each tenant in the column third of app.pairs. Only the trigger function of the counter uses the table.';
COMMENT ON COLUMN app.pairs_third_counter.tenant_id IS 'Tenant whose rows are numbered.';
COMMENT ON COLUMN app.pairs_third_counter.last IS 'Last number that a row of the tenant got.';

ALTER TABLE app.pairs_third_counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.pairs_third_counter FORCE ROW LEVEL SECURITY;

-- warning TM204: numbers every row of `app.pairs` in which `third` is NULL, for each tenant in the order of the key; blocks reads and writes of the table until the migration commits.
-- NO FORCE exempts only the table owner from the policies, so that it sees all rows.
ALTER TABLE app.pairs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE app.pairs_third_counter NO FORCE ROW LEVEL SECURITY;
-- The triggers do not run: the change log records changes that users make, and members do not change.
ALTER TABLE app.pairs DISABLE TRIGGER USER;
UPDATE app.pairs AS t SET third = n.new_number FROM (
    SELECT id, third IS NULL AS is_new, GREATEST(max(third) OVER (PARTITION BY org), 0)
        + row_number() OVER (PARTITION BY org, third IS NULL ORDER BY id) AS new_number
    FROM app.pairs
) AS n WHERE t.id = n.id AND n.is_new;
INSERT INTO app.pairs_third_counter (tenant_id, last)
    SELECT org, GREATEST(max(third), 0) FROM app.pairs GROUP BY org;
ALTER TABLE app.pairs ENABLE TRIGGER USER;
ALTER TABLE app.pairs FORCE ROW LEVEL SECURITY;
ALTER TABLE app.pairs_third_counter FORCE ROW LEVEL SECURITY;
ALTER TABLE app.pairs ALTER COLUMN third SET NOT NULL;

-- warning TM204: numbers every row of `app.notes` in which `place` is NULL, for each tenant in the order of the key; blocks reads and writes of the table until the migration commits.
-- NO FORCE exempts only the table owner from the policies, so that it sees all rows.
ALTER TABLE app.notes NO FORCE ROW LEVEL SECURITY;
ALTER TABLE app.notes_place_counter NO FORCE ROW LEVEL SECURITY;
-- The triggers do not run: the change log records changes that users make, and members do not change.
ALTER TABLE app.notes DISABLE TRIGGER USER;
UPDATE app.notes AS t SET place = n.new_number FROM (
    SELECT id, place IS NULL AS is_new, GREATEST(max(place) OVER (PARTITION BY org), 0)
        + row_number() OVER (PARTITION BY org, place IS NULL ORDER BY id) AS new_number
    FROM app.notes
) AS n WHERE t.id = n.id AND n.is_new;
INSERT INTO app.notes_place_counter (tenant_id, last)
    SELECT org, GREATEST(max(place), 0) FROM app.notes GROUP BY org;
ALTER TABLE app.notes ENABLE TRIGGER USER;
ALTER TABLE app.notes FORCE ROW LEVEL SECURITY;
ALTER TABLE app.notes_place_counter FORCE ROW LEVEL SECURITY;

CREATE TRIGGER next_third BEFORE INSERT ON app.pairs
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_pairs_third();

CREATE TRIGGER next_place BEFORE INSERT ON app.notes
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_notes_place();

CREATE TRIGGER next_no BEFORE INSERT ON app.invoices
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_bills_no();

-- Policies and grants of app.drafts ---------------------------------------------------------------
CREATE POLICY tenant_isolation ON app.drafts AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid))
    WITH CHECK (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY tenant_isolation ON app.drafts IS 'Limits every role to rows of the current tenant, whatever other policies allow.';

CREATE POLICY select_viewer ON app.drafts AS PERMISSIVE FOR SELECT TO app_viewer
    USING (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY select_viewer ON app.drafts IS 'Allows viewer and the roles that include it to SELECT rows of the current tenant.';

CREATE POLICY insert_member ON app.drafts AS PERMISSIVE FOR INSERT TO app_member
    WITH CHECK (org = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid));
COMMENT ON POLICY insert_member ON app.drafts IS 'Allows member and the roles that include it to INSERT rows of the current tenant.';

CREATE TRIGGER next_number BEFORE INSERT ON app.drafts
    FOR EACH ROW EXECUTE FUNCTION app_auth.next_drafts_number();

GRANT SELECT (id, org, number) ON app.drafts TO app_viewer;
GRANT INSERT (org) ON app.drafts TO app_member;

-- Policies and grants of app.drafts_number_counter ------------------------------------------------
CREATE POLICY tenant_isolation ON app.drafts_number_counter AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END);
COMMENT ON POLICY tenant_isolation ON app.drafts_number_counter IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';

CREATE POLICY select_function_owner ON app.drafts_number_counter AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.drafts_number_counter IS 'Lets the trigger function of the counter SELECT rows.';

CREATE POLICY insert_function_owner ON app.drafts_number_counter AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.drafts_number_counter IS 'Lets the trigger function of the counter INSERT rows.';

CREATE POLICY update_function_owner ON app.drafts_number_counter AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY update_function_owner ON app.drafts_number_counter IS 'Lets the trigger function of the counter UPDATE rows.';

GRANT SELECT (tenant_id, last) ON app.drafts_number_counter TO app_function_owner;
GRANT INSERT (tenant_id, last) ON app.drafts_number_counter TO app_function_owner;
GRANT UPDATE (last) ON app.drafts_number_counter TO app_function_owner;

-- Policies and grants of app.notes_place_counter --------------------------------------------------
CREATE POLICY tenant_isolation ON app.notes_place_counter AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END);
COMMENT ON POLICY tenant_isolation ON app.notes_place_counter IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';

CREATE POLICY select_function_owner ON app.notes_place_counter AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.notes_place_counter IS 'Lets the trigger function of the counter SELECT rows.';

CREATE POLICY insert_function_owner ON app.notes_place_counter AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.notes_place_counter IS 'Lets the trigger function of the counter INSERT rows.';

CREATE POLICY update_function_owner ON app.notes_place_counter AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY update_function_owner ON app.notes_place_counter IS 'Lets the trigger function of the counter UPDATE rows.';

GRANT SELECT (tenant_id, last) ON app.notes_place_counter TO app_function_owner;
GRANT INSERT (tenant_id, last) ON app.notes_place_counter TO app_function_owner;
GRANT UPDATE (last) ON app.notes_place_counter TO app_function_owner;

-- Policies and grants of app.pairs_third_counter --------------------------------------------------
CREATE POLICY tenant_isolation ON app.pairs_third_counter AS RESTRICTIVE FOR ALL TO PUBLIC
    USING (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END)
    WITH CHECK (CASE WHEN (SELECT current_user = 'app_function_owner') THEN true ELSE tenant_id = (SELECT NULLIF(current_setting('app.organization_id', true), '')::uuid) END);
COMMENT ON POLICY tenant_isolation ON app.pairs_third_counter IS 'Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: app_function_owner, whose functions check the caller.';

CREATE POLICY select_function_owner ON app.pairs_third_counter AS PERMISSIVE FOR SELECT TO app_function_owner
    USING (true);
COMMENT ON POLICY select_function_owner ON app.pairs_third_counter IS 'Lets the trigger function of the counter SELECT rows.';

CREATE POLICY insert_function_owner ON app.pairs_third_counter AS PERMISSIVE FOR INSERT TO app_function_owner
    WITH CHECK (true);
COMMENT ON POLICY insert_function_owner ON app.pairs_third_counter IS 'Lets the trigger function of the counter INSERT rows.';

CREATE POLICY update_function_owner ON app.pairs_third_counter AS PERMISSIVE FOR UPDATE TO app_function_owner
    USING (true)
    WITH CHECK (true);
COMMENT ON POLICY update_function_owner ON app.pairs_third_counter IS 'Lets the trigger function of the counter UPDATE rows.';

GRANT SELECT (tenant_id, last) ON app.pairs_third_counter TO app_function_owner;
GRANT INSERT (tenant_id, last) ON app.pairs_third_counter TO app_function_owner;
GRANT UPDATE (last) ON app.pairs_third_counter TO app_function_owner;

GRANT SELECT (third) ON app.pairs TO app_viewer;

GRANT UPDATE (number) ON app.orders TO app_member;
GRANT INSERT (number) ON app.orders TO app_member;

-- warning TM205: running app versions that still use column `app.pairs.second` will fail.
ALTER TABLE app.pairs RENAME COLUMN second TO first_old;
-- warning TM205: running app versions that still use column `app.pairs.first` will fail.
ALTER TABLE app.pairs RENAME COLUMN first TO second;
ALTER TABLE app.pairs RENAME COLUMN first_old TO first;

-- warning TM205: running app versions that still use column `app.invoices.number` will fail.
ALTER TABLE app.invoices RENAME COLUMN number TO no;

ALTER TABLE app.pairs_second_counter RENAME TO pairs_first_counter_old;

ALTER TABLE app.pairs_first_counter RENAME TO pairs_second_counter;

ALTER TABLE app.pairs_first_counter_old RENAME TO pairs_first_counter;

ALTER TABLE app.invoices_number_counter RENAME TO bills_no_counter;

-- warning TM205: running app versions that still use table `app.invoices` will fail.
ALTER TABLE app.invoices RENAME TO bills;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0003_change_tables_index.up.sql ====================================================================
-- no-transaction
-- Builds an index without blocking reads and writes.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

-- warning TM203: building the unique constraint `orders_org_number_key` on `app.orders` fails if duplicate values exist.
CREATE UNIQUE INDEX CONCURRENTLY orders_org_number_key ON app.orders (org, number);

== 0003_change_tables_index.down.sql ==================================================================
-- no-transaction
-- Drops the index, unless it was dropped together with its constraint.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

DROP INDEX CONCURRENTLY IF EXISTS app.orders_org_number_key;

== 0004_change_tables_index.up.sql ====================================================================
-- no-transaction
-- Builds an index without blocking reads and writes.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

-- warning TM203: building the unique constraint `tickets_org_number_key` on `app.tickets` fails if duplicate values exist.
CREATE UNIQUE INDEX CONCURRENTLY tickets_org_number_key ON app.tickets (org, number);

== 0004_change_tables_index.down.sql ==================================================================
-- no-transaction
-- Drops the index, unless it was dropped together with its constraint.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

DROP INDEX CONCURRENTLY IF EXISTS app.tickets_org_number_key;

== 0005_change_tables_keys.up.sql =====================================================================
-- Makes the changes that require the indexes of the preceding migrations.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.
-- Review and commit this file. Do not edit it after it has been applied to any database.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a
-- timeout the transaction is rolled back, and the migration can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

ALTER TABLE app.orders ADD CONSTRAINT orders_org_number_key UNIQUE USING INDEX orders_org_number_key;

ALTER TABLE app.tickets ADD CONSTRAINT tickets_org_number_key UNIQUE USING INDEX tickets_org_number_key;

RESET ROLE;

SET LOCAL search_path = DEFAULT;

== 0005_change_tables_keys.down.sql ===================================================================
-- Reverts the changes that require the indexes of the preceding migrations.
-- Generated by gen-migrations (tenant-runtime) from the structs that derive TenantTable.

-- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that
-- policies would filter raises an error instead of silently skipping rows. The other two settings decide how
-- strings and unqualified names are read; the database or the administrator can have different defaults.
SET LOCAL row_security = off;
SET LOCAL standard_conforming_strings = on;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a
-- timeout the transaction is rolled back, and the migration can be run again.
SET LOCAL lock_timeout = '5s';

SET LOCAL ROLE app_schema_owner;

ALTER TABLE app.tickets DROP CONSTRAINT tickets_org_number_key;

ALTER TABLE app.orders DROP CONSTRAINT orders_org_number_key;

RESET ROLE;

SET LOCAL search_path = DEFAULT;
*/
