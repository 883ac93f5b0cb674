//! Texts that match the regular expressions and the LIKE patterns of check constraints.

use std::{iter::Peekable, str::Chars};

/// A part of a regular expression with the limits of its repetitions.
#[derive(Debug)]
struct Part {
    atom: Atom,
    least: usize,
    most: usize,
}

#[derive(Debug)]
enum Atom {
    /// One of these characters.
    Class(Vec<char>),
    /// One of these alternatives.
    Group(Vec<Vec<Part>>),
    /// A position in the text.
    Anchor,
}

/// The maximum length of a sample, and the number of repetitions that are tried above the minimum.
const LONGEST: usize = 400;
const MORE: usize = 6;

/// Returns texts that match a constant, if the constant is a pattern; the texts differ for each number.
pub(super) fn samples(pattern: &str, number: u32, mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    if pattern.contains(['[', '\\', '^', '$', '(', '{', '*', '+', '|'])
        && let Some(alternatives) = parse(pattern)
    {
        for more in [0, MORE] {
            for alternative in alternatives.iter().take(3) {
                let mut text = String::new();
                write(alternative, more, &mut (number as usize), &mut text);
                found.push(text);
            }
        }
    }
    if pattern.contains('%') {
        let (first, rest) = pattern.split_once('%').unwrap_or_default();
        found.push(format!("{first}{mark}{rest}").replace('%', "").replace('_', "a"));
        found.push(pattern.replace('%', "").replace('_', "a"));
    }
    found.retain(|text| text.len() <= LONGEST);
    found
}

/// Writes a number with the characters that follow a first one, as a word of some length.
pub(super) fn word(first: u8, count: usize, length: usize, number: u32) -> String {
    let mut rest = number as usize;
    let mut letters: Vec<char> = (0..length)
        .map(|_| {
            let letter = char::from(first + u8::try_from(rest % count).unwrap_or_default());
            rest /= count;
            letter
        })
        .collect();
    letters.reverse();
    letters.into_iter().collect()
}

fn write(parts: &[Part], more: usize, number: &mut usize, text: &mut String) {
    for part in parts {
        for _ in 0..part.most.min(part.least + more) {
            if text.len() > LONGEST {
                return;
            }
            match &part.atom {
                Atom::Class(chars) => {
                    text.push(chars[*number % chars.len()]);
                    *number /= chars.len();
                }
                Atom::Group(alternatives) => {
                    let chosen = *number % alternatives.len();
                    *number /= alternatives.len();
                    write(&alternatives[chosen], more, number, text);
                }
                Atom::Anchor => {}
            }
        }
    }
}

fn parse(pattern: &str) -> Option<Vec<Vec<Part>>> {
    let mut chars = pattern.chars().peekable();
    let found = alternatives(&mut chars, 0)?;
    chars.next().is_none().then_some(found)
}

fn alternatives(chars: &mut Peekable<Chars<'_>>, depth: usize) -> Option<Vec<Vec<Part>>> {
    let mut all = vec![Vec::new()];
    while let Some(c) = chars.next_if(|c| depth == 0 || *c != ')') {
        if c == '|' {
            all.push(Vec::new());
            continue;
        }
        let atom = match c {
            '^' | '$' => Atom::Anchor,
            '.' => Atom::Class(('a'..='z').collect()),
            '[' => Atom::Class(bracket(chars)?),
            '\\' => escape(chars.next()?)?,
            '(' if depth < 20 => {
                if chars.next_if_eq(&'?').is_some() {
                    // Only `(?:…)` is supported.
                    chars.next_if_eq(&':')?;
                }
                let inner = alternatives(chars, depth + 1)?;
                chars.next_if_eq(&')')?;
                Atom::Group(inner)
            }
            '(' | ')' | '*' | '+' | '?' => return None,
            c => Atom::Class(vec![c]),
        };
        let (least, most) = repetitions(chars)?;
        all.last_mut()?.push(Part { atom, least, most });
    }
    Some(all)
}

fn repetitions(chars: &mut Peekable<Chars<'_>>) -> Option<(usize, usize)> {
    let limits = match chars.peek() {
        Some('*') => (0, usize::MAX),
        Some('+') => (1, usize::MAX),
        Some('?') => (0, 1),
        Some('{') => {
            chars.next();
            let mut inner = String::new();
            while let Some(c) = chars.next_if(|c| *c != '}') {
                inner.push(c);
            }
            chars.next_if_eq(&'}')?;
            let (least, most) = inner.split_once(',').unwrap_or((&inner, &inner));
            let least = least.parse().ok()?;
            let limits = (least, if most.is_empty() { usize::MAX } else { most.parse().ok()? });
            chars.next_if_eq(&'?');
            return (limits.0 <= LONGEST).then_some(limits);
        }
        _ => return Some((1, 1)),
    };
    chars.next();
    chars.next_if_eq(&'?');
    Some(limits)
}

fn escape(c: char) -> Option<Atom> {
    Some(match c {
        'd' | 'w' | 's' | 'D' | 'W' | 'S' => Atom::Class(shorthand(c)),
        'A' | 'Z' | 'm' | 'M' | 'y' => Atom::Anchor,
        't' => Atom::Class(vec!['\t']),
        'n' => Atom::Class(vec!['\n']),
        c if c.is_alphanumeric() => return None,
        c => Atom::Class(vec![c]),
    })
}

fn shorthand(c: char) -> Vec<char> {
    match c {
        'd' => ('0'..='9').collect(),
        's' => vec![' '],
        'W' | 'S' => vec!['-'],
        _ => ('a'..='z').collect(),
    }
}

/// Reads the characters of `[…]`, after the opening bracket.
fn bracket(chars: &mut Peekable<Chars<'_>>) -> Option<Vec<char>> {
    let is_negated = chars.next_if_eq(&'^').is_some();
    let mut found: Vec<char> = Vec::new();
    let mut is_first = true;
    loop {
        let c = chars.next()?;
        match c {
            ']' if !is_first => break,
            '[' if chars.peek() == Some(&':') => {
                let class: String = chars.by_ref().skip(1).take_while(|c| *c != ':').collect();
                chars.next_if_eq(&']')?;
                found.extend(match class.as_str() {
                    "digit" => '0'..='9',
                    "upper" => 'A'..='Z',
                    "space" | "blank" => ' '..=' ',
                    "punct" => '-'..='-',
                    "xdigit" => 'a'..='f',
                    _ => 'a'..='z',
                });
            }
            '\\' => match chars.next()? {
                c @ ('d' | 'w' | 's') => found.extend(shorthand(c)),
                c => found.push(c),
            },
            '-' if !found.is_empty() && chars.peek().is_some_and(|next| *next != ']') => {
                let (from, to) = (*found.last()?, chars.next()?);
                found.extend((from..=to).skip(1).take(500));
            }
            c => found.push(c),
        }
        is_first = false;
    }
    if is_negated {
        found = ('a'..='z').chain('0'..='9').chain('A'..='Z').filter(|c| !found.contains(c)).collect();
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_match_common_patterns() {
        let first = |pattern: &str| samples(pattern, 1_234, "verify").into_iter().next();
        assert_eq!(first("^[A-Z]{3}-[0-9]{4}$").as_deref(), Some("MVB-0000"));
        assert_eq!(first(r"^\+[1-9]\d{6,14}$").as_deref(), Some("+2731000"));
        assert_eq!(first("^(?:a|b)+@x\\.[[:digit:]]$").as_deref(), Some("a@x.7"));
        assert_eq!(first("%_@_%._%").as_deref(), Some("verifya@a.a"));
        assert_eq!((first("plain"), first("^(?=a)b$"), first("a{2")), (None, None, None));
    }

    #[test]
    fn words_of_a_length_differ_by_number() {
        assert_eq!((word(b'A', 26, 3, 27), word(b'0', 10, 4, 12)), ("ABB".to_owned(), "0012".to_owned()));
    }
}
