//! sea-orm with a transaction for each request that begins with `set_config`.

use std::hint::black_box;

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection,
    DatabaseTransaction, DbBackend, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Set, Statement, TransactionTrait as _,
};
use sqlx::types::chrono::DateTime;
use tenant_tests::benchmark::{
    clients::{Call, Client, Request, TITLE, Tenants},
    rows::Place,
};

mod task {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(schema_name = "guide", table_name = "tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub organization_id: Uuid,
        pub project_id: Uuid,
        pub title: String,
        pub description: Option<String>,
        pub status: String,
        pub assigned_to: Option<Uuid>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use task::{ActiveModel, Column, Entity};

/// sea-orm with the tenant in a setting of the transaction.
#[derive(Debug)]
pub struct Sea {
    pub db: DatabaseConnection,
    pub tenants: Tenants,
}

/// Connects a pool.
pub async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    Database::connect(options).await.expect("connects")
}

async fn run(tx: &DatabaseTransaction, request: Request, place: Place) {
    let own = || Entity::find().filter(Column::OrganizationId.eq(place.org));
    match request {
        Request::Find => {
            black_box(own().filter(Column::Id.eq(place.task)).one(tx).await.expect("read").expect("a row"));
        }
        Request::List => {
            black_box(own().order_by_asc(Column::Id).limit(50).all(tx).await.expect("rows"));
        }
        Request::Count => {
            black_box(own().count(tx).await.expect("a count"));
        }
        Request::Filter => {
            let rows = own()
                .filter(Column::ProjectId.eq(place.project))
                .filter(Column::Status.eq("todo"))
                .filter(Column::CreatedAt.gt(DateTime::UNIX_EPOCH))
                .filter(Column::Title.ne(TITLE))
                .filter(Column::AssignedTo.is_null());
            black_box(rows.order_by_asc(Column::Id).limit(50).all(tx).await.expect("rows"));
        }
        Request::Insert => {
            let new = ActiveModel {
                organization_id: Set(place.org),
                project_id: Set(place.project),
                title: Set("new".to_owned()),
                ..Default::default()
            };
            black_box(new.insert(tx).await.expect("inserted"));
        }
        Request::Update => {
            let changes = ActiveModel { id: Set(place.task), title: Set("changed".to_owned()), ..Default::default() };
            black_box(changes.update(tx).await.expect("updated"));
        }
        Request::ReadAndWrite => panic!("two statements"),
    }
}

impl Client for Sea {
    fn label(&self) -> &'static str {
        "sea-orm, `set_config`"
    }

    fn sends(&self, _request: Request) -> bool {
        true
    }

    fn send(&self, request: Request) -> Call<'_> {
        let place = self.tenants.next(request);
        Box::pin(async move {
            let tx = self.db.begin().await.expect("begun");
            let values = [place.org.to_string().into(), place.user.to_string().into()];
            let context = Statement::from_sql_and_values(DbBackend::Postgres, crate::SET_CONTEXT, values);
            tx.execute_raw(context).await.expect("set");
            if request == Request::ReadAndWrite {
                run(&tx, Request::Find, place).await;
                run(&tx, Request::Update, place).await;
            } else {
                run(&tx, request, place).await;
            }
            tx.commit().await.expect("committed");
        })
    }
}
