//! Findings of an audit: a stable code, the object, the reason, and the SQL that fixes it.

use std::fmt;

use serde::Serialize;

/// A difference between the database and the declaration, or a way to bypass the declared policies.
///
/// ```no_run
/// # fn f(report: &tenant_runtime::audit::Report) {
/// for finding in &report.findings {
///     println!("{} {}: {} {}\n{}", finding.code, finding.object, finding.what, finding.why, finding.fix);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The stable code, such as `TA105`.
    pub code: &'static str,
    /// The object, such as `policy tenant_isolation of app.projects`.
    pub object: String,
    /// The difference or bypass, as a sentence about the object.
    pub what: String,
    /// The risk, as a sentence.
    pub why: &'static str,
    /// The SQL that fixes the finding, for an administrator to review and run; or, if no SQL can
    /// fix it, the manual steps as SQL comments.
    pub fix: String,
    /// The reason to consider the fix before running it, for example because the fix deletes data;
    /// `--format sql` comments such a fix out.
    pub caution: Option<String>,
}

impl Finding {
    /// Creates a finding under a rule.
    pub(super) fn new(rule: &Rule, object: impl fmt::Display, what: impl Into<String>, fix: String) -> Self {
        let Rule { code, severity, why, .. } = *rule;
        Self { severity, code, object: object.to_string(), what: what.into(), why, fix, caution: None }
    }

    /// Adds a reason to consider the fix before running it.
    pub(super) fn with_caution(self, caution: impl Into<String>) -> Self {
        Self { caution: Some(caution.into()), ..self }
    }

    /// Returns whether the [`fix`](Self::fix) contains only comments that describe steps for an administrator.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) {
    /// let (manual, sql): (Vec<_>, Vec<_>) = report.findings.iter().partition(|finding| finding.is_manual());
    /// # }
    /// ```
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.fix.lines().all(|line| line.starts_with("--"))
    }
}

/// Writes the first names of a list, and the number of the others.
pub(super) fn first_names(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Returns the caution about a fix that would take privileges from an administrator.
pub(super) fn not_of_administrators(condition: &str) -> String {
    format!("if {condition}, do not run the fix; accept this finding in the baseline instead")
}

/// The severity of a finding.
///
/// ```no_run
/// # fn f(report: &tenant_runtime::audit::Report) {
/// use tenant_runtime::audit::Severity;
///
/// let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Rows can be read or changed in violation of the declaration, or the app can fail.
    Error,
    /// A risk that must be fixed or accepted.
    Warning,
    /// Information only; a report that contains only notes is clean.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A kind of finding, with a stable code.
///
/// ```
/// for rule in tenant_runtime::audit::RULES {
///     println!("{} ({}): {}", rule.code, rule.severity, rule.title);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// The code.
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// A short description of the problem.
    pub title: &'static str,
    /// The risk, as a sentence.
    pub why: &'static str,
}

/// Defines each rule as a constant, and the list of all rules.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal $severity:ident $title:literal: $why:literal;)*) => {
        $(pub(super) const $name: Rule =
            Rule { code: $code, severity: Severity::$severity, title: $title, why: $why };)*

        /// All rules, in the order of their codes.
        ///
        /// ```
        /// let rule = tenant_runtime::audit::RULES.iter().find(|rule| rule.code == "TA105");
        /// assert!(rule.is_some_and(|rule| rule.title.contains("RLS")));
        /// ```
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

// TA1 codes are drift: differences between the database and the declaration. TA2 codes are bypasses of the declared
// policies.
rules! {
    ROLE = "TA101" Error "Role is missing or has different attributes":
        "An attribute such as SUPERUSER or BYPASSRLS bypasses RLS; without LOGIN the app cannot connect.";
    MEMBERSHIP = "TA102" Error "Role membership is missing, undeclared or different":
        "A member inherits the privileges of the role or can assume it with SET ROLE.";
    SCHEMA = "TA103" Error "Schema is missing or has a different owner":
        "The owner of a schema can drop the objects in it and create others in their place.";
    TABLE = "TA104" Error "Table is missing or has different properties":
        "The declared policies and privileges protect only a table with the declared properties; the owner of a table can disable RLS.";
    ROW_SECURITY = "TA105" Error "RLS is disabled or not forced":
        "While RLS is disabled, no policy applies to the table; while RLS is not forced, no policy applies to the table's owner.";
    UNTRACKED_RELATION = "TA106" Error "Undeclared table or view in a schema of the product":
        "No declared policy protects the rows of this table or view.";
    COLUMN = "TA107" Error "Column is missing, undeclared or different":
        "The policies and the app's statements depend on the column as declared.";
    CONSTRAINT = "TA108" Error "Constraint is missing, undeclared or different":
        "Without a declared foreign key, a row can reference another tenant's row; an undeclared unique constraint can reveal another \
         tenant's values.";
    INDEX = "TA109" Warning "Index is missing, undeclared or different":
        "Without a declared index, a statement may scan the rows of all tenants; an undeclared unique index can reveal to one tenant \
         which values another tenant has.";
    POLICY = "TA110" Error "Policy is missing, undeclared or different":
        "Policies decide which rows a role reads and writes, and permissive policies are combined with OR.";
    PRIVILEGE = "TA111" Error "Undeclared privilege or grant option":
        "An undeclared privilege allows what the declaration denies, and some privileges, such as TRUNCATE, ignore policies.";
    MISSING_PRIVILEGE = "TA112" Warning "Declared privilege is missing":
        "The app gets a permission error for a declared operation.";
    FUNCTION = "TA113" Error "Declared function is missing or different":
        "SECURITY DEFINER functions read the rows of all tenants, and policies depend on the functions that they call.";
    UNTRACKED_FUNCTION = "TA114" Warning "Undeclared function in a schema of the product":
        "An undeclared function can be called in place of a declared one.";
    TRIGGER = "TA115" Error "Trigger is missing, undeclared or different":
        "A trigger can read and change each row that is written, with the privileges of the writing role or of its function's owner.";
    DEFAULT_PRIVILEGE = "TA116" Error "Default privilege is undeclared, missing or different":
        "Default privileges apply to every object that a later migration creates.";
    SETTING = "TA117" Error "Setting presets role, context, search_path or libraries":
        "A session with such a preset can run as a role, for a tenant or with code that the app did not choose.";
    RULE = "TA118" Error "Undeclared rewrite rule":
        "A rule rewrites a statement, and the new statement runs with the privileges of the table's owner.";
    UNTRACKED_SEQUENCE = "TA119" Warning "Undeclared sequence in a schema of the product":
        "A sequence has no policies: its values reveal the activity of other tenants.";
    UNTRACKED_TYPE = "TA120" Note "Undeclared type in a schema of the product":
        "Generated migrations do not manage undeclared types in the product's schemas.";
    COMMENT = "TA121" Note "Comment differs from the declaration":
        "The comments describe the access rules and should match them.";
    INCOMPARABLE = "TA122" Error "Server rejects a declared type or expression":
        "The server cannot create the declared object, so the audit cannot compare it with the one in the database.";
    OTHER_SETTING = "TA123" Warning "Timeout or other setting of a role differs":
        "Sessions of the role run with settings that differ from the declaration.";
    STALE = "TA124" Warning "Baseline entry matches no finding":
        "The accepted finding can return without being reported; remove the entry.";
    LOG = "TA125" Warning "pgaudit setting is missing, undeclared or different":
        "Statements that pgaudit does not log cannot be traced later; additional classes can log data that should not be logged.";
    NO_LOG = "TA126" Note "pgaudit is declared but not loaded":
        "The declaration requires pgaudit, which logs nothing until the server loads its library.";
    EXTENSION = "TA127" Error "Declared extension is missing, in another schema or not usable":
        "The types of the extension have no operators elsewhere: comparisons fail, or compare the values as another type.";
    ENUM_TYPE = "TA128" Error "Enum type is missing, or has other labels or another owner":
        "The app cannot read a label that it does not know, or write a label that the type lacks; the owner can change the labels.";
    VIEW = "TA201" Error "View without security_invoker":
        "Without security_invoker, a view runs with its owner's permissions and bypasses the policies of the calling role.";
    COPY = "TA202" Error "Materialized view of rows that RLS protects":
        "A materialized view is a copy of rows and is not protected by RLS.";
    FOREIGN = "TA203" Warning "Foreign table or server accessible to application roles":
        "Foreign tables are not protected by RLS, and a foreign server gives access to data outside the database.";
    DEFINER_FUNCTION = "TA204" Error "SECURITY DEFINER function reachable by application roles":
        "A SECURITY DEFINER function runs as its owner and bypasses the policies of the calling role.";
    EVENT_TRIGGER = "TA205" Warning "Event trigger is enabled":
        "The trigger's function runs with the privileges of the role that changes the schema, usually an administrator.";
    RELATIVE = "TA206" Error "Undeclared child or partition of a declared table":
        "The policies of the declared table do not apply when its child or its undeclared parent is accessed directly.";
    PUBLICATION = "TA207" Warning "Publication of declared tables":
        "Logical replication sends the rows of all tenants: it ignores policies.";
    MEMBER = "TA208" Error "Unexpected membership in a role of the product":
        "Members of the schema owner can disable RLS; members of an application role can set any tenant ID in the context.";
    UNBOUND = "TA209" Warning "Login role bypasses RLS":
        "A login role that bypasses RLS can read or write the rows of all tenants.";
    CREATE_ROLE = "TA210" Warning "Login role with CREATEROLE before PostgreSQL 16":
        "Before PostgreSQL 16, a login role with CREATEROLE can make itself a member of any role that is not a superuser.";
    FOREIGN_KEY = "TA211" Warning "Foreign key from outside the product's schemas":
        "Roles that can write to the referencing table can find out which keys exist in any tenant.";
    LEAKPROOF = "TA212" Warning "LEAKPROOF function":
        "PostgreSQL may call a LEAKPROOF function on rows before the policies filter them, so the function can reveal hidden rows.";
    CONNECTING = "TA213" Warning "Extension with network or file access callable by the app":
        "The extension's functions access other databases, files or programs from within a query, with permissions that the caller \
         does not have.";
    UNTRUSTED = "TA214" Error "Function in an untrusted language callable by the app":
        "A function in an untrusted language can do whatever the server's operating system account can do.";
    OWNED = "TA215" Error "Application role owns a database object":
        "The owner of an object can change it and grant privileges on it.";
    PARAMETER = "TA216" Error "Privilege on a configuration parameter":
        "Some parameters, such as session_replication_role, disable foreign keys and triggers.";
    SERVER = "TA217" Note "Server version has known RLS vulnerabilities":
        "PostgreSQL releases fixes for RLS vulnerabilities in minor versions.";
    SHIPPED = "TA218" Error "Privilege on a system catalog, built-in or extension object":
        "Some of these objects give access to rows, files, logs or password hashes, and no policy limits this access.";
    SET_CONFIG = "TA219" Note "set_config is executable by PUBLIC":
        "SQL injected into a single SELECT can call set_config to change the tenant ID in the context.";
    SUBSCRIPTION = "TA220" Warning "Subscription writes declared tables":
        "Replication writes rows of all tenants without policies, and ordinary triggers, such as that of the change log, do not fire.";
    SHADOW = "TA221" Error "User-defined object in pg_catalog shadows built-ins":
        "A SECURITY DEFINER function can call such an object in place of a built-in one, whatever its search_path, with the privileges \
         of the function's owner.";
    HISTORY = "TA222" Error "Migrations table is writable by application roles":
        "A role that writes to the migrations table can make the next deployment skip a migration or run one again.";
    ALTERED = "TA223" Error "Built-in object differs from the server's release":
        "Policies call built-in functions, and SECURITY DEFINER functions call them with their owner's privileges.";
    FOREIGN_MEMBER = "TA224" Error "Object does not belong to its extension, or was changed":
        "The objects of an extension are not compared with the declaration, so an extension can hide an undeclared object.";
    OUTSIDE_RELATION = "TA225" Error "Undeclared table or view accessible to application roles":
        "No declared policy protects the rows: a table may hold copies of tenants' rows, and a view may read with its owner's permissions.";
    OUTSIDE_FUNCTION = "TA226" Warning "Undeclared function available to application roles":
        "Injected SQL can call the function, which may do what the declaration and `harden` deny, such as setting the context.";
    UNTRACKED_OBJECT = "TA227" Warning "Undeclared operator or other object in a product's schema":
        "Statements can resolve names to such an object; extended statistics can contain values of all tenants.";
    VENDOR = "TA228" Warning "Built-in objects unknown to the inventory":
        "Built-in objects that PostgreSQL does not ship come from a hosting provider or were added by a superuser.";
    UNCHECKED = "TA229" Note "Objects missing from the inventory":
        "The audit cannot tell whether these objects were changed.";
    PREDEFINED = "TA230" Warning "Login role with a predefined role that covers all tenants":
        "Such a role can read values of all tenants in catalogs or other sessions' statements, or write or lock tables.";
    DATABASE_OWNER = "TA231" Warning "Database is owned by another role":
        "The owner of a database can preset settings for its sessions, create schemas and allow other logins to connect.";
    UNREADABLE = "TA232" Note "Settings are not visible to the audit":
        "These settings load libraries into each session.";
    BOUND_LOGIN = "TA233" Error "Bound login is missing or has other privileges":
        "A bound login needs no signature for its context, so it must have the privileges of its binding and no others.";
}
