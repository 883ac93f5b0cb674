//! The file or environment variable with a context key.

use std::{
    env, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{cli::Failure, db::SigningKey, hex::from_hex};

/// Where a context key is read from; never an argument, which every user of the machine can read.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct KeySource {
    /// File with the key, as `context-key create --output` writes it; `-` is standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Environment variable with the key
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
}

/// A context key: its number and its bytes. It is never shown.
pub(super) struct Key {
    pub(super) number: i16,
    pub(super) bytes: Vec<u8>,
}

/// The longest text that can be a key, with spaces around it.
const LONGEST: u64 = 1024;

impl KeySource {
    /// Reads the key.
    pub(super) fn read(&self) -> Result<Key, Failure> {
        let (place, text) = match (&self.key_file, &self.key_env) {
            (Some(path), _) => (format!("file `{}`", path.display()), read_file(path)?),
            (None, name) => {
                let name = name.as_deref().unwrap_or_default();
                (format!("environment variable `{name}`"), read_variable(name)?)
            }
        };
        parse(&text).ok_or_else(|| {
            Failure::Message(format!(
                "the {place} does not contain a context key, which is its number, a colon and 64 hexadecimal digits\n  help: create \
                 one with `gen-migrations context-key create`"
            ))
        })
    }
}

fn read_file(path: &Path) -> Result<String, Failure> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        match path == Path::new("-") {
            true => io::stdin().take(LONGEST).read_to_string(&mut text)?,
            false => fs::File::open(path)?.take(LONGEST).read_to_string(&mut text)?,
        };
        Ok(text)
    };
    read().map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "\n  help: create a key with `gen-migrations context-key create --output FILE`",
            _ => "",
        };
        Failure::Message(format!("cannot read the key file `{}`: {error}{help}", path.display()))
    })
}

fn read_variable(name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|error| {
        let reason = match error {
            env::VarError::NotPresent => "is not set",
            env::VarError::NotUnicode(_) => "is not UTF-8",
        };
        Failure::Message(format!(
            "the environment variable `{name}` {reason}\n  help: set it to a key that `gen-migrations context-key create` wrote, \
             or name a file with `--key-file`"
        ))
    })
}

/// Reads a key in exactly the form that the app accepts.
fn parse(text: &str) -> Option<Key> {
    text.parse::<SigningKey>().ok()?;
    let (number, bytes) = text.trim().split_once(':')?;
    Some(Key { number: number.parse().ok()?, bytes: from_hex(bytes)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_has_the_form_that_the_app_accepts() {
        let good = format!(" 7:{}\n", "0f".repeat(32));
        let key = parse(&good).expect("a key");
        assert_eq!((key.number, key.bytes), (7, vec![0x0f; 32]));
        for text in [String::new(), "7:0f".into(), good.replace('7', "0"), good.replace('f', "g"), good.repeat(2)] {
            assert!(parse(&text).is_none(), "{text}");
        }
    }
}
