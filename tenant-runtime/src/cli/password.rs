//! `set-password`: reads a password where no one else sees it, and gives it to the app's login.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write};

use super::{
    Failure,
    apply::{block_on, chain},
};
use crate::{
    analyze::check,
    password::{PasswordError, Verifier, set},
    registry::Models,
};

/// Sets the password of a login; that of the app's own where none is named.
pub(super) fn set_password(
    models: &Models,
    role: Option<String>,
    url: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let logins = logins(models);
    let role = role.unwrap_or_else(|| logins[0].clone());
    let failed = |error: PasswordError| match error {
        PasswordError::NoSuchRole { .. } | PasswordError::NotALogin { .. } => {
            Failure::Message(format!("{}\n  help: {}", chain(&error), there_are(&logins)))
        }
        error => Failure::Message(chain(&error)),
    };
    let password = if io::stdin().is_terminal() { ask(&role)? } else { one_line(io::stdin().lock())? };
    let verifier = Verifier::of(&password).map_err(failed)?;
    block_on(set(url, &role, &verifier))?.map_err(failed)?;
    writeln!(out, "`{role}` has a new password, of which the server got a verifier only")?;
    if logins.len() > 1 {
        writeln!(out, "{}", there_are(&logins))?;
    }
    Ok(())
}

/// The logins that the models ask for, the app's own first.
fn logins(models: &Models) -> Vec<String> {
    let schema = check(models).map(|checked| checked.schema).unwrap_or_default();
    let own = models.tables().first().map_or_else(|| "app_service".to_owned(), |table| table.tenancy.login(None));
    let others = schema.logins().map(|login| login.name.to_string()).filter(|login| *login != own);
    [own.clone()].into_iter().chain(others).collect()
}

fn there_are(logins: &[String]) -> String {
    let names = logins.iter().map(|login| format!("`{login}`")).collect::<Vec<_>>().join(", ");
    format!("the logins are {names}; `--role` names one, and each takes a password of its own")
}

/// Asks a person twice, without showing what is typed.
fn ask(role: &str) -> Result<String, Failure> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::Message(format!("cannot read the password from the terminal: {error}")))
    };
    let password = ask(format!("new password of `{role}`: "))?;
    if ask("the same again: ".to_owned())? == password {
        Ok(password)
    } else {
        Err(Failure::Message("the two passwords differ; nothing was changed".into()))
    }
}

/// Reads the one line that a program writes.
fn one_line(input: impl BufRead) -> Result<String, Failure> {
    let mut text = String::new();
    // More than any password, so that a stream which does not end is not read forever.
    input
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Message(format!("cannot read the password from standard input: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Failure::Message("standard input holds several lines; a password is one".into()));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_input_is_one_line_with_optional_newline() {
        let read = |text: &str| one_line(text.as_bytes()).map_err(|error| error.to_string());
        for text in ["se cret", "se cret\n", "se cret\r\n"] {
            assert_eq!(read(text), Ok("se cret".to_owned()));
        }
        assert!(read("one\ntwo\n").is_err());
        assert_eq!(read(""), Ok(String::new()));
    }
}
