//! Findings: what is wrong, by a stable code, why it matters, and the SQL that mends it.

use std::fmt;

use serde::Serialize;

/// Something in the database that is not as declared, or that leads around what is declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable code, such as `TA105`.
    pub code: &'static str,
    /// What it is about, such as `policy tenant_isolation of app.projects`.
    pub object: String,
    /// What is found, a sentence.
    pub what: String,
    /// Why it matters, a sentence.
    pub why: &'static str,
    /// SQL that mends it, for an administrator; where no statement does, what a person is to do, as comments.
    pub fix: String,
}

impl Finding {
    /// Makes a finding under a rule.
    pub(super) fn new(rule: &Rule, object: impl fmt::Display, what: impl Into<String>, fix: String) -> Self {
        let Rule { code, severity, why, .. } = *rule;
        Self { severity, code, object: object.to_string(), what: what.into(), why, fix }
    }

    /// Says whether no statement mends it, so that [`fix`](Self::fix) is but words.
    #[must_use]
    pub fn takes_a_person(&self) -> bool {
        self.fix.lines().all(|line| line.starts_with("--"))
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Rows may be seen or changed by whom the declaration does not name, or the app may fail.
    Error,
    /// It should not be so, or somebody has to know of it.
    Warning,
    /// Good to know; an audit with nothing else is clean.
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

/// A kind of finding. Its code never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// The code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// Why it matters, a sentence.
    pub why: &'static str,
}

/// Writes the rules, each as a constant, and the list of them.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal $severity:ident $title:literal: $why:literal;)*) => {
        $(pub(super) const $name: Rule =
            Rule { code: $code, severity: Severity::$severity, title: $title, why: $why };)*

        /// Every kind of finding that there is, by code.
        pub const RULES: &[Rule] = &[$($name),*];
    };
}

// TA1 is drift: the database is not what was declared. TA2 are doors: what leads around the declaration.
rules! {
    ROLE = "TA101" Error "Role is missing or has different attributes":
        "A role with more attributes than declared may pass by row security, and one with less locks the app out.";
    MEMBERSHIP = "TA102" Error "Role membership is missing, undeclared or different":
        "A role has the rights of those that it is a member of, or can take them on.";
    SCHEMA = "TA103" Error "Schema is missing or has a different owner":
        "Whoever owns a schema may drop and replace what is in it.";
    TABLE = "TA104" Error "Table is missing or has different properties":
        "The app and its policies rest on the table as it was declared, and its owner may switch row security off.";
    ROW_SECURITY = "TA105" Error "RLS is disabled or not forced":
        "Without row security every role sees the rows of all tenants; unless it is forced, the owner does.";
    UNTRACKED_RELATION = "TA106" Error "Undeclared table or view in a schema of the product":
        "Nothing says whose rows it holds, so nothing keeps the tenants apart in it.";
    COLUMN = "TA107" Error "Column is missing, undeclared or different":
        "The app reads and writes columns as declared, and policies compare them.";
    CONSTRAINT = "TA108" Error "Constraint is missing, undeclared or different":
        "Keys and checks keep a row of one tenant from naming, or giving away, one of another.";
    INDEX = "TA109" Warning "Index is missing, undeclared or different":
        "Without it a policy reads the rows of all tenants to find those of one; a unique one that is not declared \
         tells one tenant what another has.";
    POLICY = "TA110" Error "Policy is missing, undeclared or different":
        "Policies say which rows a role sees and writes; permissive ones add up.";
    PRIVILEGE = "TA111" Error "Undeclared privilege or grant option":
        "A privilege that is not declared opens what the declaration closes, and some ignore policies altogether.";
    MISSING_PRIVILEGE = "TA112" Warning "Declared privilege is missing":
        "The app is refused what it was promised.";
    FUNCTION = "TA113" Error "Declared function is missing or different":
        "Functions of the definer look across tenants, and a policy is only as good as what it calls.";
    UNTRACKED_FUNCTION = "TA114" Warning "Undeclared function in a schema of the product":
        "What lies beside the declared functions may be called in their place.";
    TRIGGER = "TA115" Error "Trigger is missing, undeclared or different":
        "A trigger sees and changes each row that is written, with the rights of whoever owns its function or writes.";
    DEFAULT_PRIVILEGE = "TA116" Error "Default privilege is undeclared, missing or different":
        "What is made later would be open from its first moment.";
    SETTING = "TA117" Error "Setting presets role, context or search_path of sessions":
        "A session that begins with a role, a context or a search path of its own acts as somebody else than the app says.";
    RULE = "TA118" Error "Undeclared rewrite rule":
        "A rule turns a statement into another one, which runs with the rights of the table's owner.";
    UNTRACKED_SEQUENCE = "TA119" Warning "Undeclared sequence in a schema of the product":
        "A sequence has no policies, so its numbers tell one tenant of another.";
    UNTRACKED_TYPE = "TA120" Note "Undeclared type in a schema of the product":
        "It is in a schema of the product, which the product does not know of.";
    COMMENT = "TA121" Note "Comment differs from the declaration":
        "Comments say in words who may do what, and should not lie.";
    INCOMPARABLE = "TA122" Error "Server rejects a declared type or expression":
        "What cannot be made cannot be there, and what is there cannot be compared.";
    OTHER_SETTING = "TA123" Warning "Timeout or other setting of a role differs":
        "Sessions of the app run otherwise than declared.";
    STALE = "TA124" Warning "Baseline entry matches no finding":
        "What it accepts may come back unseen; take the entry out.";
    LOG = "TA125" Warning "pgaudit setting is missing, undeclared or different":
        "What pgaudit does not log cannot be told later, and what it logs besides may be more than the log should hold.";
    NO_LOG = "TA126" Note "pgaudit is declared but not loaded":
        "It is declared that pgaudit logs, and nothing does.";
    VIEW = "TA201" Error "View without security_invoker":
        "Without security_invoker a view reads its tables as its owner, whom other policies bind, or none.";
    COPY = "TA202" Error "Materialized view of rows that RLS protects":
        "A materialized view is a copy of rows, and a copy has no policies.";
    FOREIGN = "TA203" Warning "Foreign table or server accessible to application roles":
        "Foreign tables have no policies, and a server that a role of the app may use leads out of the database.";
    DEFINER_FUNCTION = "TA204" Error "SECURITY DEFINER function reachable by application roles":
        "Whoever calls it acts as its owner, whom the app's policies do not bind.";
    EVENT_TRIGGER = "TA205" Warning "Event trigger is enabled":
        "It runs with the rights of whoever changes the schema, mostly of an administrator.";
    RELATIVE = "TA206" Error "Undeclared child or partition of a declared table":
        "A child that is read directly, or a parent that is read instead, is not under the policies of the declared table.";
    PUBLICATION = "TA207" Warning "Publication of declared tables":
        "Replication sends the rows of all tenants: it knows no policies.";
    MEMBER = "TA208" Error "Unexpected membership in a role of the product":
        "Whoever is a member of an owner can switch row security off, and of a tier can choose any tenant by a setting.";
    UNBOUND = "TA209" Warning "Login role bypasses RLS":
        "It reads or writes the rows of all tenants.";
    CREATE_ROLE = "TA210" Warning "Login role with CREATEROLE before PostgreSQL 16":
        "Before PostgreSQL 16 such a login can make itself a member of any role that is no superuser.";
    FOREIGN_KEY = "TA211" Warning "Foreign key from outside the product's schemas":
        "By a foreign key anybody who may write its table learns which keys there are, of any tenant.";
    LEAKPROOF = "TA212" Warning "LEAKPROOF function":
        "The planner may run it on rows before the policies do, and what it tells tells of them.";
    CONNECTING = "TA213" Warning "Extension with network or file access callable by the app":
        "Its functions reach other databases, files or programs from within a query, as somebody else.";
    UNTRUSTED = "TA214" Error "Function in an untrusted language callable by the app":
        "It can do whatever the server's account can, and a role of the app may call it.";
    OWNED = "TA215" Error "Application role owns a database object":
        "Whoever owns a thing can change what it does, and give it away.";
    PARAMETER = "TA216" Error "Privilege on a configuration parameter":
        "Some parameters switch off what holds keys and policies.";
    SERVER = "TA217" Note "Server version has known RLS vulnerabilities":
        "Fixes of row security come in minor releases.";
    SHIPPED = "TA218" Error "Privilege on a system catalog or built-in function":
        "Some of it reads rows, files or passwords past every policy.";
    SET_CONFIG = "TA219" Note "set_config is executable by PUBLIC":
        "By it injected SQL chooses another tenant from within one SELECT.";
    SUBSCRIPTION = "TA220" Warning "Subscription writes declared tables":
        "Replication writes rows of all tenants: it knows no policies, and triggers such as that of a change log stay silent.";
    SHADOW = "TA221" Error "User-defined object in pg_catalog shadows built-ins":
        "Functions of the definer find it before what they mean, wherever they look, and run it with their rights.";
    HISTORY = "TA222" Error "Migrations table is writable by application roles":
        "Whoever writes it can have migrations passed over that the next deployment counts on, or run again.";
}
