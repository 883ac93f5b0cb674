//! Declarations that compile and declarations that do not, with the exact compiler errors.

#[test]
fn derives_compile_or_fail_with_the_expected_errors() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
