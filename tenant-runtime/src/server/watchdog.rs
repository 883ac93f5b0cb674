//! A `sh` process that stops the server and removes its folder when the owner goes, even by `kill -9`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::account::Account;
use super::error::ServerError;

/// What the shell does. The folder comes as an argument, never as part of the text.
///
/// Its stdin is a pipe whose only writer is the owner: end of file means that the owner is gone or
/// wants to stop. Until then each line says what is running: `group <pid>` a helper with children
/// of its own, `postmaster <pid>` the server, `idle 0` nothing.
///
/// A pid may have been reused, so the server is signalled only while the `postmaster.pid` in the
/// folder names it. Before that file is written the server is waited for; once the file has been
/// there and is gone, so is the server (it may linger as a zombie that nobody reaps).
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

/// Longer than the shell's own patience (160 and 60 pauses), so that it is killed only when stuck.
const PATIENCE: Duration = Duration::from_secs(15);

/// Owns a folder together with the process that removes it.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    stdin: Option<ChildStdin>,
    folder: PathBuf,
}

impl Watchdog {
    /// Puts `folder` under guard; from here on dropping the watchdog removes it.
    ///
    /// It runs as the server's user: a root shell must not act on what that user's files say.
    pub(super) fn start(folder: &Path, account: Option<Account>) -> Result<Self, ServerError> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the terminal's process group; this one must outlive it.
            .process_group(0);
        super::account::prepare(&mut command, account);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|source| {
            // Nothing guards the folder yet, so that it goes here.
            let _ = fs::remove_dir_all(folder);
            ServerError::Run { program: "/bin/sh".into(), source }
        })?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, folder: folder.to_path_buf() })
    }

    /// Gives the folder that is guarded.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says that a helper with a process group of its own runs.
    pub(super) fn note_group(&mut self, pid: u32) -> Result<(), ServerError> {
        self.note(&format!("group {pid}\n"))
    }

    /// Says that the server runs.
    pub(super) fn note_postmaster(&mut self, pid: u32) -> Result<(), ServerError> {
        self.note(&format!("postmaster {pid}\n"))
    }

    /// Says that what ran has ended and its pid may mean another process.
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

    /// Lets the shell begin, which does not wait for it.
    pub(super) fn release(&mut self) {
        self.stdin = None;
    }

    /// Tells whether the shell has ended.
    pub(super) fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets the shell do its work and sees to it that the folder is gone.
    pub(super) fn finish(&mut self) -> Result<(), ServerError> {
        self.release();
        let deadline = Instant::now() + PATIENCE;
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
        // A drop has nobody to report to.
        let _ = self.finish();
    }
}
