//! sqlx with a transaction for each request, as middleware does: BEGIN, `set_config`, the statements, COMMIT.

use sqlx::PgPool;
use tenant_tests::benchmark::clients::{Call, Client, Request, Statements, Tenants};

/// sqlx with the tenant in a setting of the transaction.
#[derive(Debug)]
pub struct SetConfig {
    pub pool: PgPool,
    pub statements: Statements,
    pub tenants: Tenants,
}

impl Client for SetConfig {
    fn label(&self) -> &'static str {
        "sqlx, `set_config`"
    }

    fn sends(&self, _request: Request) -> bool {
        true
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(async move {
            let mut tx = self.pool.begin().await.expect("begun");
            let context = sqlx::query(crate::SET_CONTEXT).bind(place.org.to_string()).bind(place.user.to_string());
            context.execute(&mut *tx).await.expect("set");
            self.statements.run_all(&mut tx, request, place).await;
            tx.commit().await.expect("committed");
        })
    }
}
