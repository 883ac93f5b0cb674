//! The known violations of the rules, with their reasons. The test fails if one no longer occurs.

use super::rules::{Rule, Violation};

/// A known violation.
#[derive(Debug)]
pub(super) struct Exception {
    rule: Rule,
    /// The start of the names of the calls; empty for all calls.
    calls: &'static str,
    /// A part of the violation's description.
    what: &'static str,
    #[expect(dead_code, reason = "printed with `Debug` when the exception no longer occurs")]
    reason: &'static str,
}

impl Exception {
    /// Whether a violation is this one.
    pub(super) fn is_of(&self, violation: &Violation) -> bool {
        let Exception { rule, calls, what, .. } = self;
        violation.rule == *rule && violation.call.starts_with(calls) && violation.what.contains(what)
    }
}

const ONE_MEMBERSHIP: &str = "If users have about one membership each, the index on the reference to the global table \
     of users is as selective as the primary key and smaller. It reads the user's memberships, in all tenants.";

const KEY_ORDER: &str = "The identity keys of a large tenant seem to be spread over the primary key, so the planner \
     expects to find the first rows early; it reads the rows of other tenants if the tenant's rows come last.";

const OTHER_SELECT_POLICY: &str = "With `visibility` or `owner`, the policy for SELECT differs from that for the command, and \
     the server reads the tenant's setting for each of them. The membership is still checked once.";

const DEFAULT_OF_CHILD: &str =
    "The default of the tenant column of a child row reads the setting for each row that is inserted.";

const VISIBLE_THROUGH: &str = "The restrictive and the permissive policy of a table with `visible_through` each list \
     the tenant's members.";

const BOTH_CHECK: &str = "The restrictive policy and the policy for the system role each check the context.";

const EXISTS_STOPS: &str = "EXISTS stops at the first row, which the planner expects to find early.";

const UNLIMITED: &str = "Without policies, the statement counts the users of all tenants.";

/// The known violations.
pub(super) const EXCEPTIONS: [Exception; 15] = [
    Exception {
        rule: Rule::TenantIndex,
        calls: "",
        what: "Index Scan of org_members org_members_user_id_idx, 0 rows filtered out",
        reason: ONE_MEMBERSHIP,
    },
    Exception { rule: Rule::TenantIndex, calls: "Change::list,", what: "changes_pkey", reason: KEY_ORDER },
    Exception { rule: Rule::TenantIndex, calls: "Document::list", what: "documents_pkey", reason: KEY_ORDER },
    Exception { rule: Rule::TenantIndex, calls: "Employee::list,", what: "employees_pkey", reason: KEY_ORDER },
    Exception {
        rule: Rule::TenantIndex,
        calls: "Task::exists where_parent, large",
        what: "Seq Scan of projects",
        reason: EXISTS_STOPS,
    },
    Exception {
        rule: Rule::NoCallPerRow,
        calls: "Comment::insert_many",
        what: ORGANIZATION_ID,
        reason: DEFAULT_OF_CHILD,
    },
    Exception { rule: Rule::OncePerUse, calls: "Comment::insert", what: ORGANIZATION_ID, reason: OTHER_SELECT_POLICY },
    Exception { rule: Rule::OncePerUse, calls: "Comment::update", what: ORGANIZATION_ID, reason: OTHER_SELECT_POLICY },
    Exception { rule: Rule::OncePerUse, calls: "Document::insert", what: ORGANIZATION_ID, reason: OTHER_SELECT_POLICY },
    Exception { rule: Rule::OncePerUse, calls: "Document::delete", what: ORGANIZATION_ID, reason: OTHER_SELECT_POLICY },
    Exception { rule: Rule::OncePerUse, calls: "User::", what: ORGANIZATION_ID, reason: VISIBLE_THROUGH },
    Exception { rule: Rule::OncePerUse, calls: "job ", what: "checks of the context", reason: BOTH_CHECK },
    Exception { rule: Rule::OncePerUse, calls: "job ", what: "app_auth.is_system_context()", reason: BOTH_CHECK },
    Exception { rule: Rule::OncePerUse, calls: "job ", what: ORGANIZATION_ID, reason: BOTH_CHECK },
    Exception { rule: Rule::Parallel, calls: "User::count", what: "FROM app.users", reason: UNLIMITED },
];

/// The setting that holds the tenant, as the plans print it.
const ORGANIZATION_ID: &str = "(NULLIF(current_setting('app.organization_id'::text, true)";
