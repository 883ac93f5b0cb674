//! Writes the migrations of the example: `cargo run --bin gen-migrations`.

fn main() -> std::process::ExitCode {
    tenant_runtime::cli::main(tenant_runtime::models![tenant_examples])
}
