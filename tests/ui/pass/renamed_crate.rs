//! The runtime crate under another name, with every form of path.
#![deny(warnings)]

extern crate tenant_runtime as elsewhere;

mod deep {
    pub(crate) use elsewhere as within;
}

use deep::within as here;

#[derive(Debug, TenantTable)]
#[tenant(crate = ::elsewhere, global, select = "viewer", update = "viewer")]
pub struct Country {
    pub id: i64,
    #[tenant(sql_type = "citext")]
    pub name: String,
}

#[derive(Debug, here::TenantTable)]
#[tenant(crate = crate::deep::within, global)]
pub struct City {
    pub id: i64,
    pub size: Size,
}

#[derive(Debug, here::TenantTable)]
#[tenant(crate = "here", global)]
pub struct Street {
    pub id: i64,
}

#[derive(Debug, here::TenantView)]
#[tenant(crate = here, of = Country)]
pub struct Named {
    pub name: String,
}

#[derive(Debug, here::TenantEnum)]
#[tenant(crate = here)]
pub enum Size {
    Small,
    Large,
}

use elsewhere::roles::Viewer;

fn main() {
    let names = [Country::TABLE_NAME, City::TABLE_NAME, Street::TABLE_NAME].map(|name| name.table);
    assert_eq!(names, ["countries", "cities", "streets"]);
    let _ = (CountryChanges::default(), Size::Small, Size::Large);
}

use elsewhere::TenantTable;
