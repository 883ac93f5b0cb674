//! `explain`: prints the page of a stable code, or the list of all codes.

use std::io::Write;

use super::Failure;
use crate::codes::{CODES, Code};

/// Parses the code that the user typed; clap reports an unknown code as a usage error.
pub(super) fn code(text: &str) -> Result<&'static Code, String> {
    Code::find(text).map_err(|nearest| {
        let nearest = nearest.iter().map(|code| format!("`{}` ({})", code.code, code.title())).collect::<Vec<_>>();
        let help = match nearest.as_slice() {
            [] => "run `gen-migrations explain` without a code to list all of them".to_owned(),
            codes => format!("did you mean {}?", codes.join(" or ")),
        };
        format!("unknown code\n  help: {help}")
    })
}

/// Prints one page, or the list of all codes.
pub(super) fn explain(code: Option<&Code>, out: &mut impl Write) -> Result<(), Failure> {
    match code {
        Some(code) => out.write_all(without_links(code.page).as_bytes())?,
        None => {
            for code in CODES {
                writeln!(out, "{}  {}", code.code, code.title())?;
            }
        }
    }
    Ok(())
}

/// Replaces links to other pages by their text, because a terminal cannot follow the links.
fn without_links(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("](") {
        let link = before.rsplit_once('[').zip(after.split_once(')')).filter(|(_, (url, _))| url.ends_with(".md"));
        rest = match link {
            Some(((before, text), (_, after))) => {
                out.push_str(before);
                out.push_str(text);
                after
            }
            None => {
                out.push_str(before);
                out.push_str("](");
                after
            }
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_pages_become_their_text() {
        let page = "See [TA104](TA104.md) and [TA110](TA110.md): `a[1](x)`, [manual](https://x.example/y).";
        let text = "See TA104 and TA110: `a[1](x)`, [manual](https://x.example/y).";
        assert_eq!(without_links(page), text);
    }
}
