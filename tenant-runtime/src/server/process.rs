//! Runs a helper program to completion, with a timeout and under the watchdog.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::error::ServerError;
use super::watchdog::Watchdog;

/// Runs `command` with its output in `log`, and waits until it succeeds.
///
/// The command runs in a separate process group, so that Ctrl-C does not end it directly; the watchdog then ends the
/// command and its children.
pub(super) fn run(
    command: &mut Command,
    limit: Duration,
    log: &File,
    watchdog: &mut Watchdog,
) -> Result<(), ServerError> {
    let program = command.get_program().to_owned();
    let failed_to_run = |source| ServerError::Run { program: program.clone().into(), source };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed_to_run)?)
        .stderr(log.try_clone().map_err(failed_to_run)?)
        .process_group(0)
        .spawn()
        .map_err(failed_to_run)?;
    watchdog.note_group(child.id())?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed_to_run)? {
            break status;
        }
        if Instant::now() > deadline {
            // The watchdog still knows the process group and ends its remaining processes.
            let _ = child.kill();
            let _ = child.wait();
            return Err(ServerError::TimedOut { program: name(command), seconds: limit.as_secs(), log: tail(log) });
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    watchdog.note_idle()?;
    if status.success() {
        return Ok(());
    }
    Err(ServerError::Failed { program: name(command), status: status.to_string(), log: tail(log) })
}

/// Creates a log that only the current user can read and to which several programs can append.
pub(super) fn create_log(path: &Path) -> io::Result<File> {
    File::options().read(true).append(true).create_new(true).mode(0o600).open(path)
}

/// Returns the last non-empty lines of a log.
pub(super) fn tail(log: &File) -> String {
    const LINES: usize = 15;
    let text = text(log);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Returns a log, or the end of a long log. The log is read through the open file, because its directory can by now
/// belong to another user, who could replace the file.
pub(super) fn text(log: &File) -> String {
    const BYTES: u64 = 8192;
    let length = log.metadata().map_or(0, |found| found.len());
    let mut buffer = vec![0; usize::try_from(length.min(BYTES)).unwrap_or(0)];
    let read = log.read_at(&mut buffer, length.saturating_sub(BYTES)).unwrap_or(0);
    buffer.truncate(read);
    String::from_utf8_lossy(&buffer).into_owned()
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}
