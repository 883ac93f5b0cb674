//! `TenantEnum` requires an enum with variants and without type parameters.

use tenant_runtime::TenantEnum;

#[derive(TenantEnum)]
enum Never {}

#[derive(TenantEnum)]
struct Status {
    label: String,
}

#[derive(TenantEnum)]
enum Either<T> {
    Left,
    Right(T),
}

fn main() {}
