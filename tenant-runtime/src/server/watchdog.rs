//! A `sh` process that stops the server and removes its directory when the owner process exits, even by `kill -9`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::account::Account;
use super::error::ServerError;

/// The script. The directory is an argument, never part of the text.
///
/// The script's stdin is a pipe whose only writer is the owner: end of file means that the owner has exited or stops
/// the server. Until then, each line names the running process: `group <pid>` for a helper with child processes,
/// `postmaster <pid>` for the server, and `idle 0` for none.
///
/// A PID can be reused, so the script signals the server only while `postmaster.pid` in the directory names it. Before
/// that file is written, the script waits; once the file has been written and removed again, the server has ended,
/// possibly as a zombie.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pause() { sleep 0.05 2>/dev/null || sleep 1; }
kind=idle pid=0
while read -r next_kind next_pid; do kind=$next_kind pid=$next_pid; done
case $kind in
group) kill -TERM "-$pid" ;;
postmaster)
    turn=0 seen=no
    while kill -0 "$pid"; do
        named=
        if [ -r "$1/data/postmaster.pid" ]; then read -r named < "$1/data/postmaster.pid"; fi
        if [ "$named" = "$pid" ]; then
            seen=yes
            if [ "$turn" -lt 140 ]; then kill -QUIT "$pid"; else kill -KILL "$pid"; fi
        elif [ "$seen" = yes ]; then
            break
        fi
        turn=$((turn + 1))
        if [ "$turn" -gt 160 ]; then break; fi
        pause
    done ;;
esac
turn=0
while rm -rf -- "$1"; [ -e "$1" ] && [ "$turn" -lt 60 ]; do
    turn=$((turn + 1))
    pause
done
"#;

/// Longer than the script's limits (160 and 60 pauses), so that the script is killed only if it hangs.
const FINISH_LIMIT: Duration = Duration::from_secs(15);

/// A directory with the process that removes it.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    stdin: Option<ChildStdin>,
    folder: PathBuf,
}

impl Watchdog {
    /// Starts the process for `folder`; dropping the watchdog then removes the directory.
    ///
    /// The process runs as the server's user: a root shell must not act on the content of that user's files.
    pub(super) fn start(folder: &Path, account: Option<Account>) -> Result<Self, ServerError> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the terminal's process group; this process must outlive it.
            .process_group(0);
        super::account::prepare(&mut command, account);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|source| {
            // There is no watchdog yet, so the directory is removed here.
            let _ = fs::remove_dir_all(folder);
            ServerError::Run { program: "/bin/sh".into(), source }
        })?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, folder: folder.to_path_buf() })
    }

    /// Returns the directory.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes a running helper with its process group.
    pub(super) fn note_group(&mut self, pid: u32) -> Result<(), ServerError> {
        self.note(&format!("group {pid}\n"))
    }

    /// Notes the running server.
    pub(super) fn note_postmaster(&mut self, pid: u32) -> Result<(), ServerError> {
        self.note(&format!("postmaster {pid}\n"))
    }

    /// Notes that the process has ended, so that its PID can be reused.
    pub(super) fn note_idle(&mut self) -> Result<(), ServerError> {
        self.note("idle 0\n")
    }

    fn note(&mut self, line: &str) -> Result<(), ServerError> {
        let written = match &mut self.stdin {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        };
        written.map_err(|source| ServerError::WatchdogLost { source })
    }

    /// Starts the cleanup without waiting for it.
    pub(super) fn release(&mut self) {
        self.stdin = None;
    }

    /// Returns whether the shell has ended.
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Runs the cleanup and checks that the directory has been removed.
    pub(super) fn finish(&mut self) -> Result<(), ServerError> {
        self.release();
        let deadline = Instant::now() + FINISH_LIMIT;
        while !self.is_gone() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        match fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(ServerError::Leftover { path: self.folder.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // A drop cannot return an error.
        let _ = self.finish();
    }
}
