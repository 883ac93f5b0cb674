//! The `gen-migrations` of a tenancy with signed contexts, which the tests run as a process.

use std::process::ExitCode;

#[expect(dead_code, reason = "the structs exist only for their tables")]
mod signed_context {
    include!("../../golden/signed_context.rs");
}

use signed_context::{Change, Employment, Item, Label, Offer, Person, Shop, Supplier};
use tenant_runtime::TenantTable as _;

fn main() -> ExitCode {
    tenant_runtime::cli::main(tenant_runtime::models![].only([
        Shop::TABLE,
        Person::TABLE,
        Employment::TABLE,
        Offer::TABLE,
        Change::TABLE,
        Item::TABLE,
        Label::TABLE,
        Supplier::TABLE,
    ]))
}
