//! Benchmark of the requests with other libraries: `cargo bench -p tenant-tests --bench peers`.
//!
//! It runs the program in `tests/peers`, a separate workspace. The first run compiles the other libraries, which cargo has to
//! download.

use std::{
    env,
    process::{Command, ExitStatus},
};

use tenant_tests::benchmark::{report::root, requested};

fn main() {
    if !requested() {
        return;
    }
    let root = root();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--release", "--quiet", "--manifest-path"]).arg(root.join("tests/peers/Cargo.toml"));
    // Dependencies of the same version are not compiled twice.
    command.arg("--target-dir").arg(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| root.join("target").into()));
    let status = command.args(["--", "--bench"]).status();
    // A failure would keep cargo from running the other benchmarks, which need no download.
    if !status.as_ref().is_ok_and(ExitStatus::success) {
        eprintln!("not measured: the program in tests/peers could not be built or run ({status:?})");
    }
}
