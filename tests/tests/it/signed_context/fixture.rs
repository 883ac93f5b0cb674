//! A database with signed contexts, two shops, and raw connections whose context the tests sign.

use sqlx::{Connection as _, PgConnection, Row as _};
use tenant_runtime::{
    Role, SigningKey, SystemDb, TenantCtx, TenantDb, TenantDbOptions, TenantTable as _, UserCtx, model::def::TableDef,
};
use tenant_tests::{Database, ask, connect, run};
use uuid::Uuid;

use crate::golden::{
    self,
    signed_context::{Change, Employment, Item, Label, Offer, Person, Shop, Shops, Supplier},
};

/// The key of the app, and its bytes as SQL.
const KEY: [u8; 32] = [7; 32];
const KEY_SQL: &str = r"decode(repeat('07', 32), 'hex')";

pub(crate) fn tables() -> [&'static TableDef; 8] {
    [
        Shop::TABLE,
        Person::TABLE,
        Employment::TABLE,
        Offer::TABLE,
        Change::TABLE,
        Item::TABLE,
        Label::TABLE,
        Supplier::TABLE,
    ]
}

/// A shop with an employee in each role, a visible and a private item of each, and a label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestShop {
    pub(crate) id: Uuid,
    pub(crate) clerk: Uuid,
    pub(crate) keeper: Uuid,
    pub(crate) owner: Uuid,
}

impl TestShop {
    fn new() -> Self {
        let [id, clerk, keeper, owner] = std::array::from_fn(|_| Uuid::new_v4());
        Self { id, clerk, keeper, owner }
    }

    pub(crate) fn people(&self) -> [(Uuid, &'static str); 3] {
        [(self.clerk, "clerk"), (self.keeper, "keeper"), (self.owner, "owner")]
    }

    /// Returns the context of the employee with a role.
    pub(crate) fn context<R: Role<Tenancy = Shops>>(&self) -> TenantCtx<R> {
        let user = self.people().into_iter().find(|(_, role)| *role == R::NAME).map(|(user, _)| user);
        TenantCtx::assume_authorized(self.id, user.expect("a role of the shops"))
    }

    async fn insert(&self, admin: &mut PgConnection, name: &str) {
        let id = self.id;
        let mut sql = format!("INSERT INTO shop.shops (id, name) VALUES ('{id}', '{name}');");
        for (user, role) in self.people() {
            sql += &format!(
                "INSERT INTO shop.persons (id, email) VALUES ('{user}', '{role}@{name}.example');
                 INSERT INTO shop.employments (shop_id, person_id, job) VALUES ('{id}', '{user}', '{role}');
                 INSERT INTO shop.items (shop_id, placed_by, name, shelf, cost) VALUES
                     ('{id}', '{user}', '{name} {role} team', 'team', 4711000000004711), ('{id}', '{user}', '{name} {role} private', 'private', 4711000000004711);"
            );
        }
        sql += &format!(
            "INSERT INTO shop.labels (shop_id, item_id, text) SELECT shop_id, id, '{name}' FROM shop.items WHERE shop_id = '{id}'"
        );
        run(admin, &sql).await.expect("the rows of a shop");
    }
}

#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) ours: TestShop,
    pub(crate) theirs: TestShop,
}

impl Fixture {
    /// Creates the database without a key.
    pub(crate) async fn without_key() -> Self {
        let database = Database::empty().await;
        let fixture = Self { database, ours: TestShop::new(), theirs: TestShop::new() };
        let mut admin = fixture.database.admin().await;
        run(&mut admin, &golden::migration(&golden::schema(&tables())).up).await.expect("it applies");
        fixture.ours.insert(&mut admin, "ours").await;
        fixture.theirs.insert(&mut admin, "theirs").await;
        run(&mut admin, "INSERT INTO shop.suppliers (name) VALUES ('supplier north'), ('supplier south')")
            .await
            .expect("suppliers");
        fixture
    }

    /// Creates the database and installs key 1.
    pub(crate) async fn create() -> Self {
        let fixture = Self::without_key().await;
        fixture.install(1, "NULL", "NULL", "NULL").await;
        fixture
    }

    /// Installs the app's key with a number and limits.
    pub(crate) async fn install(&self, number: i16, login: &str, roles: &str, not_after: &str) {
        let call = format!(
            "SET ROLE shop_schema_owner; SELECT shop_auth.set_context_key({number}::int2, {KEY_SQL}, {login}, {roles}, {not_after}); RESET ROLE"
        );
        run(&mut self.database.admin().await, &call).await.expect("an administrator can");
    }

    pub(crate) fn options(&self) -> TenantDbOptions {
        tenant_tests::app_options().max_connections(2).signing_key(key(1))
    }

    pub(crate) async fn app(&self) -> TenantDb {
        self.options().connect(&self.database.url_of("shop_service")).await.expect("connects")
    }

    pub(crate) async fn jobs(&self) -> SystemDb<Shops> {
        SystemDb::connect_with(&self.database.url_of("shop_jobs"), self.options()).await.expect("connects")
    }

    /// Opens a raw connection as a login.
    pub(crate) async fn raw(&self, login: &str) -> Raw {
        let connection = connect(&self.database.url_of(login)).await;
        Raw { connection, admin: self.database.admin().await }
    }

    /// Returns a value that the superuser reads.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let mut admin = self.database.admin().await;
        let value = ask(&mut admin, sql).await;
        admin.close().await.expect("closed");
        value
    }
}

pub(crate) fn key(number: i16) -> SigningKey {
    SigningKey::new(number, &KEY).expect("a key")
}

pub(crate) fn person(id: Uuid) -> UserCtx<Shops> {
    UserCtx::assume_authenticated(id)
}

/// A raw connection of a login, as an attacker has it who can run any SQL, and the administrator who signs for it.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) connection: PgConnection,
    admin: PgConnection,
}

/// What a signature is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) server: String,
    pub(crate) number: i64,
    pub(crate) started: i64,
}

impl Raw {
    /// Runs SQL; returns the error's SQLSTATE, or the number of rows.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<u64, String> {
        run(&mut self.connection, sql).await.map_err(|error| tenant_tests::refusal(error).0)
    }

    /// Asks for the challenge, as a role.
    pub(crate) async fn challenge(&mut self, role: &str) -> Challenge {
        let sql =
            format!("SET LOCAL ROLE {role}; SELECT server, next_number, started FROM shop_auth.context_challenge()");
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut self.connection).await.expect("a challenge");
        let row = rows.first().expect("a row");
        Challenge {
            server: row.get(0),
            number: row.try_get::<Option<i64>, _>(1).expect("a number").unwrap_or_default(),
            started: row.get(2),
        }
    }

    /// Signs a context, as the app does: the settings are the tenant, the user and the access ID.
    pub(crate) async fn sign(&mut self, role: &str, settings: &str, challenge: &Challenge, numbered: bool) -> String {
        let usage = match numbered {
            true => format!("'N' || int8send({})", challenge.number),
            false => format!("'T' || int8send({})", challenge.started),
        };
        let sql = format!(
            "SELECT encode(sha256(k.outer_block || sha256(k.inner_block || decode('{}', 'hex') || {usage} \
             || convert_to('{}:{role}' || '{settings}', 'UTF8'))), 'hex') FROM shop.context_keys AS k WHERE id = 1",
            challenge.server,
            role.len()
        );
        ask(&mut self.admin, &sql).await
    }

    /// Begins a transaction in a signed context.
    pub(crate) async fn begin(&mut self, role: &str, tenant: Uuid, user: Uuid) {
        let challenge = self.challenge(role).await;
        let settings = settings(tenant, user);
        let signature = self.sign(role, &settings, &challenge, true).await;
        let sql = format!("SET LOCAL ROLE {role}; {}; BEGIN", set_context(&signature, &settings, true));
        self.run(&sql).await.expect("the signature is accepted");
    }
}

pub(crate) fn settings(tenant: Uuid, user: Uuid) -> String {
    format!("{{\"{tenant}\",\"{user}\"}}")
}

/// Returns the call of the function that sets the context.
pub(crate) fn set_context(signature: &str, settings: &str, numbered: bool) -> String {
    format!("SELECT shop_auth.set_context(1::int2, '{signature}', '{settings}', {numbered})")
}
