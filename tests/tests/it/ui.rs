//! What the derives accept and what they refuse, with the very words of each refusal.

#[test]
fn declarations_compile_or_are_refused_in_these_words() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
