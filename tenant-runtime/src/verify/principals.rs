//! The principals: two tenants, a member with each role in each tenant, a member of both tenants,
//! and a user without a tenant.

use std::collections::BTreeMap;

use super::{
    oracle::{Context, Subject},
    sealing::Sealing,
};
use crate::{
    db::set_local,
    ident::quoted,
    model::def::{LabelsDef, SqlType, TableDef, TenancyDef},
};

/// The test tenants and test users.
#[derive(Debug)]
pub(super) struct Principals {
    pub(super) tenants: [String; 2],
    pub(super) users: Vec<TestUser>,
}

/// A test user.
#[derive(Debug, Clone)]
pub(super) struct TestUser {
    pub(super) key: String,
    /// The indexes of the user's tenants, each with the user's role.
    pub(super) roles: Vec<(usize, &'static str)>,
}

/// The names of the tenants in reports.
pub(super) const NAMES: [&str; 2] = ["A", "B"];

impl Principals {
    /// Generates keys, counting up from a number. The roles of members are those that a membership row can hold.
    pub(super) fn new(tenancy: &TenancyDef, membership: Option<&TableDef>, from: u32) -> Option<Self> {
        let labels = membership.and_then(role_labels);
        let is_label = |role: &&str| labels.is_none_or(|labels| labels.labels.contains(role));
        let roles = tenancy.roles.iter().map(|role| role.name).filter(is_label);
        let mut numbers = from + 10..;
        let mut person = |roles| Some(TestUser { key: key(tenancy.user, numbers.next()?)?, roles });
        let mut people: Vec<TestUser> = Vec::new();
        for tenant in 0..2 {
            for role in roles.clone() {
                people.push(person(vec![(tenant, role)])?);
            }
        }
        if let (Some(lowest), Some(highest)) = (roles.clone().next(), roles.clone().next_back()) {
            people.push(person(vec![(0, highest), (1, lowest)])?);
        }
        people.push(person(Vec::new())?);
        Some(Self { tenants: [key(tenancy.key, from + 1)?, key(tenancy.key, from + 2)?], users: people })
    }

    /// Returns the members of a tenant, with their roles.
    pub(super) fn members(&self, tenant: usize) -> impl Iterator<Item = (&TestUser, &'static str)> {
        self.users.iter().flat_map(move |person| {
            person.roles.iter().filter(move |(of, _)| *of == tenant).map(move |(_, role)| (person, *role))
        })
    }

    /// Returns the index of the tenant to which a row belongs, given the row's values.
    pub(super) fn tenant_of(&self, def: &TableDef, values: &BTreeMap<&'static str, Option<String>>) -> Option<usize> {
        let key = values.get(def.tenant_column()?)?.as_ref()?;
        self.tenants.iter().position(|tenant| tenant == key)
    }

    /// Describes a tenant's key.
    pub(super) fn tenant_name(&self, key: Option<&str>) -> String {
        match (key, self.tenants.iter().position(|tenant| Some(tenant.as_str()) == key)) {
            (_, Some(at)) => format!("tenant {}", NAMES[at]),
            (None | Some(""), None) => "no tenant".to_owned(),
            (Some(key), None) => format!("the tenant `{key}`"),
        }
    }

    /// Describes a user's key.
    pub(super) fn user_name(&self, key: Option<&str>) -> String {
        let Some(person) = self.users.iter().find(|person| Some(person.key.as_str()) == key) else {
            return match key {
                None | Some("") => "no user".to_owned(),
                Some(key) => format!("the user `{key}`"),
            };
        };
        match person.roles.as_slice() {
            [] => "a user of no tenant".to_owned(),
            roles => {
                let roles = roles.iter().map(|(tenant, role)| format!("{role} of {}", NAMES[*tenant]));
                format!("the {}", roles.collect::<Vec<_>>().join(" and "))
            }
        }
    }
}

/// The roles that a membership table can store, if its role column has an enum type.
pub(super) fn role_labels(def: &TableDef) -> Option<LabelsDef> {
    let role = def.membership?.role;
    def.columns.iter().find(|column| column.name == role)?.ty.labels()
}

/// Generates an unused key, which is always the same for a given number; `None` for types that are not supported as
/// keys.
pub(super) fn key(ty: SqlType, number: u32) -> Option<String> {
    Some(match ty {
        SqlType::Uuid => format!("76657269-6679-4000-8000-{number:012}"),
        SqlType::Int8 => format!("{}", 7_070_000_000_000_000_000 + i64::from(number)),
        SqlType::Int4 => format!("{}", 2_070_000_000 + number),
        SqlType::Int2 => format!("{}", 32_000 + number % 700),
        SqlType::Text => format!("verify-{number}"),
        _ => return None,
    })
}

/// The login, role and context of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principal {
    /// The login role.
    pub(super) session: String,
    /// The role for SET ROLE.
    pub(super) role: Option<String>,
    /// The values of the context settings; `None` if they are not set.
    pub(super) tenant: Option<String>,
    pub(super) user: Option<String>,
    /// The subject in the declaration; `None` if the declaration gives it no privileges.
    pub(super) subject: Option<Subject>,
    /// The value of the setting that names the recorded reason; `None` if it is not set.
    pub(super) record: Option<String>,
    /// Whether the context is sealed, if the tenancy has signed contexts, as the app's signature does it.
    pub(super) sealed: bool,
    /// Statements that the administrator runs first.
    pub(super) before: String,
    /// Statements of the principal itself, such as a change of a sealed context.
    pub(super) after: String,
}

impl Principal {
    /// Creates a principal that sets no context and to which the declaration gives no privileges: a login, with or without
    /// SET ROLE.
    pub(super) fn without_context(session: String, role: Option<String>) -> Self {
        let sealed = role.is_some();
        let [before, after] = [const { String::new() }; 2];
        Self { session, role, tenant: None, user: None, subject: None, record: None, sealed, before, after }
    }

    /// Returns the principal in a context that is not signed.
    pub(super) fn unsigned(&self) -> Self {
        Self { sealed: false, ..self.clone() }
    }

    /// Returns the login and the role without a context.
    pub(super) fn unsigned_without_settings(&self) -> Self {
        Self { tenant: None, user: None, record: None, ..self.unsigned() }
    }

    /// Returns the principal after it has run further statements in its context.
    pub(super) fn then(&self, statements: impl Into<String>) -> Self {
        Self { after: statements.into(), ..self.clone() }
    }

    /// Returns the application role in the declaration.
    pub(super) fn member_role(&self) -> Option<&'static str> {
        match self.subject? {
            Subject::Member(role) => Some(role),
            Subject::System { .. } => None,
        }
    }

    /// Returns the statements that set the login, the role and the context.
    pub(super) fn sql(&self, tenancy: &TenancyDef, sealing: Option<&Sealing>) -> String {
        let mut sql = self.before.clone();
        let sealing = sealing.filter(|_| self.sealed);
        if let Some(sealing) = sealing {
            let values = [&self.tenant, &self.user, &self.record].map(Option::as_deref);
            sql += &sealing.set_context(self.role.as_deref().unwrap_or("none"), &values);
        }
        sql += &format!("SET LOCAL SESSION AUTHORIZATION {}; ", quoted(&self.session));
        if let Some(role) = &self.role {
            sql += &format!("SET LOCAL ROLE {}; ", quoted(role));
        }
        if sealing.is_none() {
            let access_setting = tenancy.access_setting();
            let settings = [
                (tenancy.tenant_setting, &self.tenant),
                (tenancy.user_setting, &self.user),
                (access_setting.as_str(), &self.record),
            ];
            for (name, value) in settings {
                if let Some(value) = value {
                    sql += &format!("{}; ", set_local(name, value));
                }
            }
        }
        sql + &self.after
    }

    /// Returns the context for the oracle.
    pub(super) fn context(&self) -> Context {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let signed = self.sealed;
        Context { subject: self.subject, tenant: given(&self.tenant), user: given(&self.user), signed }
    }

    /// Describes the principal for reports.
    pub(super) fn describe(&self, principals: &Principals) -> String {
        let who = self.role.as_ref().unwrap_or(&self.session);
        let tenant = principals.tenant_name(self.tenant.as_deref());
        let record = match (self.subject, &self.record) {
            (Some(Subject::System { recorded: true }), _) => "with a recorded reason".to_owned(),
            (_, Some(record)) if !record.is_empty() => format!("with the access ID `{record}`"),
            (Some(Subject::System { .. }), _) => "without a recorded reason".to_owned(),
            _ => format!("for {}", principals.user_name(self.user.as_deref())),
        };
        let signed = if self.role.is_some() && !self.sealed { ", in a context that is not signed" } else { "" };
        format!("{who} in {tenant}, {record}{signed}")
    }
}
