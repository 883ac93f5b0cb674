//! The stable codes of audit findings, migration notes and SQL errors, each with the page that explains it.

use crate::ident::edit_distance;

/// A stable code with its page.
#[derive(Debug)]
pub(crate) struct Code {
    /// The code, such as `TA105`.
    pub(crate) code: &'static str,
    /// The page in Markdown. Its first line is `# CODE: title`.
    pub(crate) page: &'static str,
}

/// Embeds the page of each code, so that an installed program can explain its codes offline.
macro_rules! codes {
    ($($code:ident)*) => {
        /// Every code, in the order in which codes are listed.
        pub(crate) const CODES: &[Code] = &[$(Code {
            code: stringify!($code),
            page: include_str!(concat!("../codes/", stringify!($code), ".md")),
        }),*];
    };
}

codes! {
    TA101 TA102 TA103 TA104 TA105 TA106 TA107 TA108 TA109 TA110 TA111 TA112 TA113
    TA114 TA115 TA116 TA117 TA118 TA119 TA120 TA121 TA122 TA123 TA124 TA125 TA126
    TA127 TA128
    TA201 TA202 TA203 TA204 TA205 TA206 TA207 TA208 TA209 TA210 TA211
    TA212 TA213 TA214 TA215 TA216 TA217 TA218 TA219 TA220 TA221 TA222
    TA223 TA224 TA225 TA226 TA227 TA228 TA229 TA230 TA231 TA232 TA233
    TM101 TM102 TM103 TM201 TM202 TM203 TM204 TM205 TM206 TM207 TM208 TM209 TM210 TM211 TM212
    TT001 TT002 TT003 TT004 TT005 TT006
}

impl Code {
    /// Finds a code, ignoring case.
    ///
    /// # Errors
    ///
    /// If there is no such code, returns the most similar codes, at most three.
    pub(crate) fn find(text: &str) -> Result<&'static Self, Vec<&'static Self>> {
        let wanted = text.trim().to_ascii_uppercase();
        CODES.iter().find(|code| code.code == wanted).ok_or_else(|| nearest(&wanted))
    }

    /// Returns the title, from the first line of the page.
    pub(crate) fn title(&self) -> &'static str {
        let first = self.page.lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, title)| title)
    }
}

/// Returns the codes with the smallest edit distance from the text; none if the distance is more than 2.
fn nearest(text: &str) -> Vec<&'static Code> {
    let mut codes: Vec<_> = CODES.iter().map(|code| (edit_distance(text, code.code), code)).collect();
    codes.sort_by_key(|(distance, _)| *distance);
    let least = codes.first().map_or(0, |(distance, _)| *distance);
    codes
        .into_iter()
        .take_while(|(distance, _)| *distance == least && least <= 2)
        .map(|(_, code)| code)
        .take(3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        match Code::find(text) {
            Ok(code) => vec![code.code],
            Err(nearest) => nearest.iter().map(|code| code.code).collect(),
        }
    }

    #[test]
    fn codes_are_found_in_any_letter_case() {
        assert_eq!([codes("TA105"), codes("ta105"), codes(" Tt002 ")], [["TA105"], ["TA105"], ["TT002"]]);
    }

    #[test]
    fn unknown_codes_return_the_nearest() {
        assert_eq!(codes("TA150"), ["TA105", "TA110", "TA120"]);
        assert_eq!(codes("TT009"), ["TT001", "TT002", "TT003"]);
        assert_eq!(codes("TM2O8"), ["TM208"]);
        assert_eq!(codes("105"), ["TA105"]);
        assert_eq!(codes("E0308"), Vec::<&str>::new());
        assert_eq!(codes(&"9".repeat(1000)), Vec::<&str>::new());
    }
}
