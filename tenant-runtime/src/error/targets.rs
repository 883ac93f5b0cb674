//! The targets of `tracing` events.

/// The target of the `tracing` events for statements: at `DEBUG`, or at `WARN` if a statement took longer than one second. The
/// events contain placeholders and no values. They replace those of sqlx.
///
/// ```
/// // For `tracing_subscriber`'s `EnvFilter`:
/// let filter = format!("{}=debug", tenant_runtime::error::STATEMENTS);
/// # assert_eq!(filter, "tenant_runtime::statement=debug");
/// ```
pub const STATEMENTS: &str = "tenant_runtime::statement";

/// The target of the `tracing` events for denied attempts. [`PoolStatus`](crate::PoolStatus) counts
/// them.
///
/// ```
/// // For `tracing_subscriber`'s `EnvFilter`:
/// let filter = format!("{}=warn", tenant_runtime::error::DENIED);
/// # assert_eq!(filter, "tenant_runtime::denied=warn");
/// ```
pub const DENIED: &str = "tenant_runtime::denied";
