//! One login per role: which roles injected SQL can assume through it, and which login the app uses for which role.

use tenant_runtime::{
    Error, Repository as _, Role, TenantCtx, TenantDb, TenantTable as _, UserCtx,
    audit::audit,
    model::def::TableDef,
    tenant::MemberRole,
    testing::TestDatabase,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{Database, ask, connect, dedicated_server, run};
use uuid::Uuid;

use super::{
    audit::codes,
    golden::{
        self,
        login_per_role::{Apprentice, Clerk, Craftsman, Guild, GuildMember, Guilds, Head, Piece, Smith},
    },
};

const ROLES: [&str; 4] = ["apprentice", "smith", "clerk", "head"];

fn tables() -> [&'static TableDef; 4] {
    [Guild::TABLE, Craftsman::TABLE, GuildMember::TABLE, Piece::TABLE]
}

fn login(role: &str) -> String {
    format!("guild_{role}_service")
}

/// A database with a guild and the user who is its head.
struct GuildFixture {
    database: Database,
    guild: Uuid,
    head: Uuid,
}

impl GuildFixture {
    async fn open() -> Self {
        let database = Database::empty().await;
        let (guild, head) = (Uuid::new_v4(), Uuid::new_v4());
        let mut admin = database.admin().await;
        run(&mut admin, &golden::migration(&golden::schema(&tables())).up).await.expect("it applies");
        let rows = format!(
            "INSERT INTO guild.guilds (id, name) VALUES ('{guild}', 'smiths');
             INSERT INTO guild.craftsmans (id, name) VALUES ('{head}', 'Wayland');
             INSERT INTO guild.guild_members (guild_id, craftsman_id, role) VALUES ('{guild}', '{head}', 'head');
             CREATE FUNCTION guild.climb(role text) RETURNS text LANGUAGE plpgsql
                 AS $$ BEGIN EXECUTE format('SET LOCAL ROLE %I', role); RETURN current_user; END $$;
             GRANT EXECUTE ON FUNCTION guild.climb TO guild_apprentice"
        );
        run(&mut admin, &rows).await.expect("a superuser can");
        Self { database, guild, head }
    }

    fn url_of(&self, role: &str) -> Option<String> {
        Some(self.database.url_of(&login(role)))
    }

    async fn connect(&self, url_of: impl FnMut(&str) -> Option<String>) -> Result<TenantDb, Error> {
        let options = TenantDb::options().max_connections(2).login_per_role::<Guilds>(url_of);
        options.connect(&self.database.url_of("guild_service")).await
    }

    fn context<R: Role<Tenancy = Guilds>>(&self) -> TenantCtx<R> {
        TenantCtx::assume_authorized(self.guild, self.head)
    }

    /// The login of a role's transaction, followed by the roles that SQL hidden from the lexer can assume in it.
    async fn reachable_roles<R: Role<Tenancy = Guilds, Kind = MemberRole>>(&self, db: &TenantDb) -> String {
        let mut reachable_roles = Vec::new();
        let application_roles = ROLES.map(|role| format!("guild_{role}"));
        let others = ["guild_no_tenant", "guild_system", "guild_schema_owner", "guild_function_owner", "postgres"]
            .map(String::from);
        for role in application_roles.into_iter().chain(others) {
            let mut tx = db.begin(&self.context::<R>()).await.expect("begins");
            let climbed =
                sqlx::query_scalar::<_, String>("SELECT guild.climb($1)").bind(&role).fetch_one(&mut tx).await;
            match climbed.map_err(Error::from) {
                Ok(role) => reachable_roles.push(role),
                Err(Error::Forbidden { .. }) => {}
                Err(error) => panic!("{role}: {error}"),
            }
        }
        let mut tx = db.begin(&self.context::<R>()).await.expect("begins");
        let login: String = sqlx::query_scalar("SELECT session_user::text").fetch_one(&mut tx).await.expect("reads");
        format!("{login}: {}", reachable_roles.join(" "))
    }

    async fn has_options(&self) -> bool {
        ask(&mut self.database.admin().await, "SELECT current_setting('server_version_num')").await.as_str() >= "160000"
    }
}

#[tokio::test]
async fn injected_set_role_cannot_exceed_the_role_of_its_login() {
    let hall = GuildFixture::open().await;
    let db = hall.connect(|role| hall.url_of(role)).await.expect("each login is there");
    let reachable_roles = [
        hall.reachable_roles::<Apprentice>(&db).await,
        hall.reachable_roles::<Smith>(&db).await,
        hall.reachable_roles::<Clerk>(&db).await,
        hall.reachable_roles::<Head>(&db).await,
    ];
    // Before PostgreSQL 16 a login that can assume a role can also assume the roles that it includes, whose privileges it inherits.
    let below = match hall.has_options().await {
        true => ["", "guild_smith", "guild_clerk", "guild_head"],
        false => {
            let all = "guild_apprentice guild_smith guild_clerk guild_head";
            ["", "guild_apprentice guild_smith", "guild_apprentice guild_clerk", all]
        }
    };
    let expected = [
        "guild_apprentice_service: guild_apprentice".to_owned(),
        format!("guild_smith_service: {}", below[1]),
        format!("guild_clerk_service: {}", below[2]),
        format!("guild_head_service: {}", below[3]),
    ];
    assert_eq!(reachable_roles, expected);
}

#[tokio::test]
async fn repository_and_user_scope_work_with_login_per_role() {
    let hall = GuildFixture::open().await;
    let db = hall.connect(|role| hall.url_of(role)).await.expect("each login is there");
    let new = golden::login_per_role::NewPiece { name: "horseshoe".into() };
    Piece::insert(&db.scope(&hall.context::<Smith>()), new).await.expect("a smith makes it");
    let seen = Piece::count(&db.scope(&hall.context::<Apprentice>())).await.expect("an apprentice sees it");
    let session =
        db.user_scope(&UserCtx::<Guilds>::assume_authenticated(hall.head)).session::<GuildMember>(hall.guild).await;
    assert_eq!((seen, session.expect("a member").role()), (1, "head"));
}

#[tokio::test]
async fn each_login_is_a_member_of_one_role_without_privileges() {
    let hall = GuildFixture::open().await;
    let mut admin = hall.database.admin().await;
    let memberships = "SELECT string_agg(concat_ws(' ', member.rolname, role.rolname, m.admin_option::text,
            to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option'), E'\\n' ORDER BY member.rolname, role.rolname)
        FROM pg_auth_members AS m JOIN pg_roles AS role ON role.oid = m.roleid JOIN pg_roles AS member ON member.oid = m.member
        WHERE member.rolcanlogin AND member.rolname LIKE 'guild_%'";
    let options = if hall.has_options().await { "false false true" } else { "false" };
    let expected = [
        "apprentice_service guild_apprentice",
        "clerk_service guild_clerk",
        "head_service guild_head",
        "jobs guild_system",
        "service guild_no_tenant",
        "smith_service guild_smith",
    ];
    let expected = expected.map(|pair| format!("guild_{pair} {options}")).join("\n");
    assert_eq!(ask(&mut admin, memberships).await, expected);
    let odd = "SELECT count(*)::text FROM pg_roles AS r, pg_class AS c
        WHERE r.rolcanlogin AND r.rolname LIKE 'guild_%' AND (r.rolsuper OR r.rolinherit OR r.rolcreaterole OR r.rolcreatedb
            OR r.rolbypassrls OR r.rolreplication OR r.rolconnlimit < 1
            OR NOT has_database_privilege(r.oid, current_database(), 'CONNECT')
            OR c.relnamespace = 'guild'::regnamespace AND c.relkind = 'r'
                AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))";
    assert_eq!(ask(&mut admin, odd).await, "0");
    let mut smith = connect(&hall.database.url_of("guild_smith_service")).await;
    let timeouts = "SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),
        current_setting('idle_in_transaction_session_timeout'))";
    assert_eq!(ask(&mut smith, timeouts).await, "30s 5s 1min");
}

#[tokio::test]
async fn missing_login_url_for_a_role_is_an_error_on_connect() {
    let hall = GuildFixture::open().await;
    let missing = |connected: Result<TenantDb, Error>| match connected {
        Err(Error::RoleWithoutLogin { findings }) => findings,
        other => panic!("{other:?}"),
    };
    let one = missing(hall.connect(|role| hall.url_of(role).filter(|_| role != "head")).await);
    let all = missing(TenantDb::connect(&hall.database.url_of("guild_service")).await);
    let head =
        "role `head` has no URL; return the URL of login `guild_head_service` from `TenantDbOptions::login_per_role`";
    assert_eq!((one.as_slice(), all.len(), all[3].as_str()), ([head.to_owned()].as_slice(), 4, head));
    let lower = missing(hall.connect(|role| hall.url_of(if role == "head" { "apprentice" } else { role })).await);
    assert!(
        lower[0].starts_with("login `guild_apprentice_service`, given for role `head`, cannot assume `guild_head`;")
    );
}

#[tokio::test]
async fn login_of_a_higher_role_is_rejected_for_a_lower_role() {
    let hall = GuildFixture::open().await;
    let higher = hall.connect(|role| hall.url_of(if role == "smith" { "head" } else { role })).await;
    let Err(Error::UnsafeLogin { login, findings }) = higher else { panic!("{higher:?}") };
    assert_eq!(login, "guild_head_service");
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("it is the login for `guild_smith` only, but can assume `guild_head`"))
    );
}

#[tokio::test]
async fn single_role_program_connects_with_the_login_of_that_role() {
    let hall = GuildFixture::open().await;
    let db = TenantDb::connect(&hall.database.url_of("guild_smith_service")).await.expect("it is meant for smiths");
    let smith = Piece::count(&db.scope(&hall.context::<Smith>())).await;
    let head = Piece::count(&db.scope(&hall.context::<Head>())).await;
    assert_eq!(smith.expect("a smith reads"), 0);
    assert!(matches!(head, Err(Error::RoleUnavailable { role: "guild_head", .. })), "{head:?}");
}

#[tokio::test]
async fn excess_login_membership_is_found_by_audit_verify_and_login_check() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let schema = golden::schema(&tables());
    let models = golden::models(&tables());
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &golden::migration(&schema).up).await.expect("it applies");
    let url = |login: &str| server.url(login, "postgres");
    let connect = || {
        let options = TenantDb::options().login_per_role::<Guilds>(|role| Some(url(&login(role))));
        async { options.connect(&url("guild_service")).await.map(drop) }
    };
    let alone = url("guild_apprentice_service");
    for (role, login) in [("guild_head", "guild_apprentice_service"), ("guild_clerk", "guild_service")] {
        run(&mut admin, &format!("GRANT {role} TO {login}")).await.expect("a superuser can");
        let report = audit(&mut admin, &schema).await.expect("an audit");
        let options = VerifyOptions::default().until_first_violation();
        let proof = verify(&server.admin_url(), &models, &options).await.expect("a report").to_string();
        let refused = connect().await;
        let by_itself = TenantDb::connect(&alone).await.map(drop);
        assert_eq!(codes(&report), ["TA102"], "{report:?}");
        assert!(proof.contains(&format!("SET ROLE, as {login}")), "{proof}");
        let Err(Error::UnsafeLogin { login: named, findings }) = refused else { panic!("the login was accepted") };
        let mend = format!("REVOKE {role} FROM {login}");
        assert!(
            named == login && findings.iter().all(|finding| finding.ends_with(&format!("run `{mend}`"))),
            "{findings:?}"
        );
        assert_eq!(by_itself.is_err(), login == "guild_apprentice_service");
        for finding in report.findings.iter().filter(|finding| finding.code == "TA102") {
            run(&mut admin, &finding.fix).await.expect("the fix applies");
        }
        connect().await.expect("mended");
        assert_eq!(codes(&audit(&mut admin, &schema).await.expect("an audit")), [""; 0]);
    }
}

#[tokio::test]
async fn test_database_connects_with_login_per_role() {
    let database = TestDatabase::create(&golden::models(&tables())).await.expect("a database");
    let db = database.app().await.expect("each login is there");
    let mut tx = db.begin(&database.tenants()[0].context::<Head>()).await.expect("begins");
    let login: String = sqlx::query_scalar("SELECT session_user::text").fetch_one(&mut tx).await.expect("reads");
    assert_eq!(login, "guild_head_service");
    assert!(database.role_url("smith").contains("guild_smith_service"));
}
