//! `set-password`: reads a password without echo or from standard input, and sets it for a login role.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write};

use super::{
    Failure,
    runtime::{block_on, with_causes},
    target::announce,
};
use crate::{
    analyze::{check, list as backticked},
    model::names,
    password::{PasswordError, Verifier, set},
    registry::Models,
};

/// Sets the password of a login role; by default, of the app's login.
pub(super) fn set_password(
    models: &Models,
    role: Option<String>,
    url: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let logins = logins(models);
    let role = role.unwrap_or_else(|| logins[0].clone());
    if !logins.contains(&role) {
        return Err(Failure::Message(not_a_login(models, &role, &logins)));
    }
    announce(&format!("setting the password of `{role}` in"), url)?;
    let password = read_password(&role)?;
    let verifier = Verifier::of(&password).map_err(|error| failed(&error, &logins))?;
    block_on(set(url, &role, &verifier))?.map_err(|error| failed(&error, &logins))?;
    writeln!(out, "set the password of `{role}`; the server received a SCRAM-SHA-256 verifier only")?;
    if logins.len() > 1 {
        writeln!(out, "{}", list(&logins))?;
    }
    Ok(())
}

fn failed(error: &PasswordError, logins: &[String]) -> Failure {
    let text = with_causes(error);
    match error {
        PasswordError::NoSuchRole { .. } | PasswordError::NotALogin { .. } => {
            Failure::Message(format!("{text}\n  help: {}", list(logins)))
        }
        _ => Failure::Message(text),
    }
}

/// Returns the message that refuses any other role: the password of an administrator, or of a role
/// of another product, must not be changed by mistake.
fn not_a_login(models: &Models, role: &str, logins: &[String]) -> String {
    let is_jobs = models.tables().iter().any(|def| def.tenancy.database_role(names::JOBS) == role);
    let reason = if is_jobs { ": no table declares `system(…)`" } else { "" };
    format!("`{role}` is not a login role of this product{reason}; no password was changed\n  help: {}", list(logins))
}

/// Returns the login roles that the models declare, the app's login first.
fn logins(models: &Models) -> Vec<String> {
    let schema = check(models).map(|checked| checked.schema).unwrap_or_default();
    let own = models.tables().first().map_or_else(|| "app_service".to_owned(), |table| table.tenancy.login(None));
    let others = schema.logins().map(|login| login.name.to_string()).filter(|login| *login != own);
    [own.clone()].into_iter().chain(others).collect()
}

fn list(logins: &[String]) -> String {
    let names = backticked(logins.iter().map(String::as_str));
    match logins {
        [_] => format!("the only login role of this product is {names}"),
        _ => format!("login roles of this product: {names}. Each has its own password; select one with `--role`"),
    }
}

/// Reads a new password for a login role from the terminal, or from standard input.
pub(super) fn read_password(role: &str) -> Result<String, Failure> {
    if io::stdin().is_terminal() { prompt_twice(role) } else { read_line(io::stdin().lock()) }
}

/// Prompts for the password twice, without echo.
fn prompt_twice(role: &str) -> Result<String, Failure> {
    let password = prompt(&format!("new password for `{role}`: "))?;
    if prompt("repeat it: ")? == password {
        Ok(password)
    } else {
        Err(Failure::Message("the two passwords differ; nothing was changed".into()))
    }
}

fn prompt(text: &str) -> Result<String, Failure> {
    rpassword::prompt_password(text)
        .map_err(|error| Failure::Message(format!("cannot read the password from the terminal: {error}")))
}

/// Reads a password that a program writes as one line.
fn read_line(input: impl BufRead) -> Result<String, Failure> {
    let mut text = String::new();
    // A limit above any password, for a stream that does not end.
    input
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Message(format!("cannot read the password from standard input: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(Failure::Message("standard input has several lines; the password must be a single line".into()));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_input_is_one_line_with_optional_newline() {
        let read = |text: &str| read_line(text.as_bytes()).map_err(|error| error.to_string());
        for text in ["se cret", "se cret\n", "se cret\r\n"] {
            assert_eq!(read(text), Ok("se cret".to_owned()));
        }
        assert!(read("one\ntwo\n").is_err());
        assert_eq!(read(""), Ok(String::new()));
    }
}
