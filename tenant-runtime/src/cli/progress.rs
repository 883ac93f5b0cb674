//! Progress of migrations: a bar with the current statement on a terminal, and plain lines otherwise.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::migrate::Progress;

/// Shows progress on standard error. Dropping the display clears the bar.
pub(super) struct ProgressDisplay {
    bar: ProgressBar,
    is_terminal: bool,
    /// The verb for a finished file, such as `applied`.
    done: &'static str,
    file: String,
}

impl ProgressDisplay {
    pub(super) fn new(done: &'static str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:20}] {pos}/{len} {elapsed:>4} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, is_terminal, done, file: String::new() }
    }

    pub(super) fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Locking => self.bar.set_message("taking the migration lock of this database"),
            Progress::Waiting { holder } => {
                self.line(&format!("  waiting for the migration lock of this database, which {holder} holds"));
            }
            Progress::File { file, index, of, .. } => {
                file.clone_into(&mut self.file);
                self.bar.set_length(of as u64);
                self.bar.set_position(index.saturating_sub(1) as u64);
                if self.is_terminal {
                    self.bar.enable_steady_tick(Duration::from_millis(100));
                }
            }
            Progress::Statement { text, index, of } => {
                let line = text.lines().find(|line| !line.starts_with("--")).unwrap_or_default();
                self.bar.set_message(format!("{} {index}/{of}: {line}", self.file));
            }
            Progress::Retrying { file, reason, attempt } => {
                self.line(&format!("  {file}: {reason}; retrying (attempt {attempt})"));
            }
            Progress::Clearing { index } => {
                self.line(&format!("  dropping invalid index {index} of an interrupted run"));
            }
            Progress::Done { file, elapsed, .. } => {
                self.bar.inc(1);
                self.line(&format!("  {} {file} in {}", self.done, seconds(elapsed)));
            }
        }
    }

    fn line(&self, text: &str) {
        if self.is_terminal {
            self.bar.println(text);
        } else {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

pub(super) fn seconds(elapsed: Duration) -> String {
    format!("{:.2} s", elapsed.as_secs_f64())
}
