//! A database on a temporary server with an administrator as in production: not a superuser.

use sqlx::Connection as _;

use super::Server;
use crate::{
    db::{connection_options, open_connection},
    error::Result,
};

/// The login of the administrator.
const ADMINISTRATOR: &str = "administrator";
/// The database, which the administrator owns.
const DATABASE: &str = "trial";

/// A temporary server with a database whose owner is an administrator with CREATEROLE and CREATEDB.
///
/// Migrations that can be applied here do not depend on the privileges of a superuser. Dropping the value stops the server.
///
/// ```no_run
/// use tenant_runtime::{Migrations, server::{Server, ServerOptions, Trial}};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let trial = Trial::new(Server::start(&ServerOptions::default())?).await?;
/// Migrations::from_dir("migrations").await?.apply(trial.administrator_url(), &mut |_| {}).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Trial {
    server: Server,
    administrator_url: String,
}

impl Trial {
    /// Creates the administrator and the database on a server.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`](crate::Error::Connect) or [`Error::Database`](crate::Error::Database) if the server has ended.
    pub async fn new(server: Server) -> Result<Self> {
        let mut postgres = open_connection(&connection_options(&server.admin_url())?).await?;
        for sql in ["CREATE ROLE administrator LOGIN CREATEROLE CREATEDB", "CREATE DATABASE trial OWNER administrator"]
        {
            sqlx::raw_sql(sql).execute(&mut postgres).await?;
        }
        postgres.close().await?;
        let administrator_url = server.url(ADMINISTRATOR, DATABASE);
        Ok(Self { server, administrator_url })
    }

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Returns the URL of the database for the administrator.
    #[must_use]
    pub fn administrator_url(&self) -> &str {
        &self.administrator_url
    }

    /// Returns the URL of the database for the superuser, whom the verification of a database requires.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.server.url("postgres", DATABASE)
    }
}
