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
    ROLE = "TA101" Error "role":
        "A role with more attributes than declared may pass by row security, and one with less locks the app out.";
    MEMBERSHIP = "TA102" Error "membership":
        "A role has the rights of those that it is a member of, or can take them on.";
    SCHEMA = "TA103" Error "schema":
        "Whoever owns a schema may drop and replace what is in it.";
    TABLE = "TA104" Error "table":
        "The app and its policies rest on the table as it was declared, and its owner may switch row security off.";
    ROW_SECURITY = "TA105" Error "row security":
        "Without row security every role sees the rows of all tenants; unless it is forced, the owner does.";
    UNTRACKED_RELATION = "TA106" Error "undeclared relation":
        "Nothing says whose rows it holds, so nothing keeps the tenants apart in it.";
    COLUMN = "TA107" Error "column":
        "The app reads and writes columns as declared, and policies compare them.";
    CONSTRAINT = "TA108" Error "constraint":
        "Keys and checks keep a row of one tenant from naming, or giving away, one of another.";
    INDEX = "TA109" Warning "index":
        "Without it a policy reads the rows of all tenants to find those of one; a unique one that is not declared \
         tells one tenant what another has.";
    POLICY = "TA110" Error "policy":
        "Policies say which rows a role sees and writes; permissive ones add up.";
    PRIVILEGE = "TA111" Error "privilege":
        "A privilege that is not declared opens what the declaration closes, and some ignore policies altogether.";
    MISSING_PRIVILEGE = "TA112" Warning "missing privilege":
        "The app is refused what it was promised.";
    FUNCTION = "TA113" Error "function":
        "Functions of the definer look across tenants, and a policy is only as good as what it calls.";
    UNTRACKED_FUNCTION = "TA114" Warning "undeclared function":
        "What lies beside the declared functions may be called in their place.";
    TRIGGER = "TA115" Error "trigger":
        "A trigger sees and changes each row that is written, with the rights of whoever owns its function or writes.";
    DEFAULT_PRIVILEGE = "TA116" Error "default privilege":
        "What is made later would be open from its first moment.";
    SETTING = "TA117" Error "setting of sessions":
        "A session that begins with a role, a context or a search path of its own acts as somebody else than the app says.";
    RULE = "TA118" Error "rewrite rule":
        "A rule turns a statement into another one, which runs with the rights of the table's owner.";
    UNTRACKED_SEQUENCE = "TA119" Warning "undeclared sequence":
        "A sequence has no policies, so its numbers tell one tenant of another.";
    UNTRACKED_TYPE = "TA120" Note "undeclared type":
        "It is in a schema of the product, which the product does not know of.";
    COMMENT = "TA121" Note "comment":
        "Comments say in words who may do what, and should not lie.";
    INCOMPARABLE = "TA122" Error "declaration that the server refuses":
        "What cannot be made cannot be there, and what is there cannot be compared.";
    OTHER_SETTING = "TA123" Warning "other setting of a role":
        "Sessions of the app run otherwise than declared.";
    STALE = "TA124" Warning "entry of the baseline":
        "What it accepts may come back unseen; take the entry out.";
    LOG = "TA125" Warning "audit logging":
        "What pgaudit does not log cannot be told later, and what it logs besides may be more than the log should hold.";
    NO_LOG = "TA126" Note "audit logging that the server cannot do":
        "It is declared that pgaudit logs, and nothing does.";
    VIEW = "TA201" Error "view":
        "Without security_invoker a view reads its tables as its owner, whom other policies bind, or none.";
    COPY = "TA202" Error "materialized view":
        "A materialized view is a copy of rows, and a copy has no policies.";
    FOREIGN = "TA203" Warning "foreign server":
        "Foreign tables have no policies, and a server that a role of the app may use leads out of the database.";
    DEFINER_FUNCTION = "TA204" Error "function that runs as its owner":
        "Whoever calls it acts as its owner, whom the app's policies do not bind.";
    EVENT_TRIGGER = "TA205" Warning "event trigger":
        "It runs with the rights of whoever changes the schema, mostly of an administrator.";
    RELATIVE = "TA206" Error "inheritance":
        "A child that is read directly, or a parent that is read instead, is not under the policies of the declared table.";
    PUBLICATION = "TA207" Warning "publication":
        "Replication sends the rows of all tenants: it knows no policies.";
    MEMBER = "TA208" Error "member from outside":
        "Whoever is a member of an owner can switch row security off, and of a tier can choose any tenant by a setting.";
    UNBOUND = "TA209" Warning "login that row security does not bind":
        "It reads or writes the rows of all tenants.";
    CREATE_ROLE = "TA210" Warning "CREATEROLE":
        "Before PostgreSQL 16 such a login can make itself a member of any role that is no superuser.";
    FOREIGN_KEY = "TA211" Warning "foreign key from outside":
        "By a foreign key anybody who may write its table learns which keys there are, of any tenant.";
    LEAKPROOF = "TA212" Warning "LEAKPROOF function":
        "The planner may run it on rows before the policies do, and what it tells tells of them.";
    CONNECTING = "TA213" Warning "extension that connects":
        "Its functions reach other databases, files or programs from within a query, as somebody else.";
    UNTRUSTED = "TA214" Error "function in an untrusted language":
        "It can do whatever the server's account can, and a role of the app may call it.";
    OWNED = "TA215" Error "ownership by a role of the app":
        "Whoever owns a thing can change what it does, and give it away.";
    PARAMETER = "TA216" Error "privilege on a parameter":
        "Some parameters switch off what holds keys and policies.";
    SERVER = "TA217" Note "server version":
        "Fixes of row security come in minor releases.";
    SHIPPED = "TA218" Error "privilege on what the server ships":
        "Some of it reads rows, files or passwords past every policy.";
    SET_CONFIG = "TA219" Note "set_config":
        "By it injected SQL chooses another tenant from within one SELECT.";
    SUBSCRIPTION = "TA220" Warning "subscription":
        "Replication writes rows of all tenants: it knows no policies, and triggers such as that of a change log stay silent.";
    SHADOW = "TA221" Error "what stands beside what the server ships":
        "Functions of the definer find it before what they mean, wherever they look, and run it with their rights.";
    HISTORY = "TA222" Error "record of migrations":
        "Whoever writes it can have migrations passed over that the next deployment counts on, or run again.";
}
