//! Database access: a connection pool for each role, and transactions with a tenant context.
//!
//! No query runs without a context: neither [`TenantDb`] nor the types that it returns give access
//! to a connection.

mod administration;
mod begin_sql;
mod built_sql;
mod call;
mod connect;
mod context_call;
mod context_tx;
mod cross_tenant;
mod denial_counter;
mod executor;
mod fingerprint;
mod lease;
mod lexer;
mod login_check;
mod logins;
mod message;
mod options;
mod pool;
mod pool_size;
mod pooler;
mod reset;
mod retry;
mod savepoint;
mod session_context;
mod signed_message;
mod signing_key;
mod stale_plans;
mod statement;
mod statement_filter;
mod statement_log;
mod tenant_db;
mod tx;
mod tx_options;
mod tx_state;

#[cfg(feature = "cli")]
pub(crate) use self::connect::target as connection_target;
pub(crate) use self::{
    administration::{open as open_connection, open_for_writing},
    built_sql::assert_sql_safe,
    call::{BoundStatement, Call, Inline, NotBuilt, each},
    connect::options as connection_options,
    lexer::{Lexer, Token},
    message::Answer,
};
#[cfg(feature = "generate")]
pub(crate) use self::{
    begin_sql::{search_path, set_local, setting},
    fingerprint::{CANONICAL_OUTPUT, Inventory, REACHABLE, Shipped, fingerprint},
    login_check::known_vulnerabilities,
};
pub use self::{
    call::InlineValues,
    cross_tenant::{SystemCtx, SystemDb, SystemTx},
    executor::TxStatements,
    options::{RoleOptions, TenantDbOptions},
    pool::PoolStatus,
    savepoint::Savepoint,
    signing_key::{InvalidSigningKey, SigningKey},
    tenant_db::{Scope, TenantDb},
    tx::{TenantTx, ThenCommit},
    tx_options::{Isolation, TxOptions},
};
