//! The guide's Rust code blocks, each compiled as a doctest.

macro_rules! pages {
    ($($page:ident $file:literal),* $(,)?) => {$(
        #[cfg(doctest)]
        #[doc = include_str!(concat!("../../docs/src/", $file))]
        mod $page {}
    )*};
}

pages! {
    introduction "introduction.md",
    getting_started "getting-started.md",
    from_the_tutorials "from-the-tutorials.md",
    attributes "attributes.md",
    attributes_fields "attributes-fields.md",
    attributes_views_enums "attributes-views-enums.md",
    attributes_tenancy "attributes-tenancy.md",
    roles_and_tenancies "roles-and-tenancies.md",
    membership_and_sessions "membership-and-sessions.md",
    queries "queries.md",
    transactions "transactions.md",
    axum "axum.md",
    background_jobs "background-jobs.md",
    migrations "migrations.md",
    auditing "auditing.md",
    verifying "verifying.md",
    testing "testing.md",
    operations "operations.md",
    signed_context "signed-context.md",
    threat_model "threat-model.md",
    performance "performance.md",
    comparison "comparison.md",
    faq "faq.md",
    glossary "glossary.md",
}
