//! Who takes part: two tenants, a member of each role in each, one who is in both, and one who is in neither.

use super::oracle::{Context, Subject};
use crate::{
    db::setting,
    ident::{literal, quoted},
    model::def::{SqlType, TenancyDef},
};

/// The tenants and the users who are made up.
#[derive(Debug)]
pub(super) struct Principals {
    pub(super) tenants: [String; 2],
    pub(super) people: Vec<TestUser>,
}

/// A user.
#[derive(Debug, Clone)]
pub(super) struct TestUser {
    pub(super) key: String,
    /// In which tenants, as what.
    pub(super) roles: Vec<(usize, &'static str)>,
}

/// What the tenants are called for people.
pub(super) const NAMES: [&str; 2] = ["A", "B"];

impl Principals {
    /// Makes keys up, counted from a number.
    pub(super) fn new(tenancy: &TenancyDef, from: u32) -> Option<Self> {
        let roles = tenancy.roles.iter().map(|role| role.name);
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
        Some(Self { tenants: [key(tenancy.key, from + 1)?, key(tenancy.key, from + 2)?], people })
    }

    /// The members of a tenant, with their roles.
    pub(super) fn members(&self, tenant: usize) -> impl Iterator<Item = (&TestUser, &'static str)> {
        self.people.iter().flat_map(move |person| {
            person.roles.iter().filter(move |(of, _)| *of == tenant).map(move |(_, role)| (person, *role))
        })
    }

    /// Names a tenant's key for people.
    pub(super) fn tenant_name(&self, key: Option<&str>) -> String {
        match (key, self.tenants.iter().position(|tenant| Some(tenant.as_str()) == key)) {
            (_, Some(at)) => format!("tenant {}", NAMES[at]),
            (None | Some(""), None) => "no tenant".to_owned(),
            (Some(key), None) => format!("the tenant `{key}`"),
        }
    }

    /// Names a user's key for people.
    pub(super) fn user_name(&self, key: Option<&str>) -> String {
        let Some(person) = self.people.iter().find(|person| Some(person.key.as_str()) == key) else {
            return match key {
                None | Some("") => "none".to_owned(),
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

/// Makes a key that nobody has, always the same one for a number; none for a type that is no key's.
pub(super) fn key(ty: SqlType, number: u32) -> Option<String> {
    Some(match ty {
        SqlType::Uuid => format!("70726f76-6500-4000-8000-{number:012}"),
        SqlType::Int8 => format!("{}", 7_070_000_000_000_000_000 + i64::from(number)),
        SqlType::Int4 => format!("{}", 2_070_000_000 + number),
        SqlType::Int2 => format!("{}", 32_000 + number % 700),
        SqlType::Text => format!("prove-{number}"),
        _ => return None,
    })
}

/// As whom a statement is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principal {
    /// The role that logs in.
    pub(super) session: String,
    /// The role that it becomes.
    pub(super) role: Option<String>,
    /// The settings, as they are made: none where they are left as they are.
    pub(super) tenant: Option<String>,
    pub(super) user: Option<String>,
    /// Who that is in the declaration; none for who has no rights there.
    pub(super) asker: Option<Subject>,
    /// The record of why the system role acts, as the setting names it: none where it is left as it is.
    pub(super) record: Option<String>,
}

impl Principal {
    /// Somebody who has no rights of a declaration's role, in no context.
    pub(super) fn nobody(session: String, role: Option<String>) -> Self {
        Self { session, role, tenant: None, user: None, asker: None, record: None }
    }

    /// The role of the declaration, where it is a member's.
    pub(super) fn tier(&self) -> Option<&'static str> {
        match self.asker? {
            Subject::Tier(role) => Some(role),
            Subject::System { .. } => None,
        }
    }

    /// Writes the statements that make a connection act so.
    pub(super) fn sql(&self, tenancy: &TenancyDef) -> String {
        let mut sql = format!("SET LOCAL SESSION AUTHORIZATION {}; ", quoted(&self.session));
        if let Some(role) = &self.role {
            sql += &format!("SET LOCAL ROLE {}; ", quoted(role));
        }
        let access_setting = tenancy.access_setting();
        let settings = [
            (tenancy.tenant_setting, &self.tenant),
            (tenancy.user_setting, &self.user),
            (access_setting.as_str(), &self.record),
        ];
        for (name, value) in settings {
            if let Some(value) = value {
                sql += &format!("SET LOCAL {} = {}; ", setting(name), literal(value));
            }
        }
        sql
    }

    /// The context as the declaration knows it.
    pub(super) fn context(&self) -> Context {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        Context { asker: self.asker, tenant: given(&self.tenant), user: given(&self.user) }
    }

    /// Says in words who acts.
    pub(super) fn words(&self, cast: &Principals) -> String {
        let who = self.role.as_ref().unwrap_or(&self.session);
        let tenant = cast.tenant_name(self.tenant.as_deref());
        let record = match (self.asker, &self.record) {
            (Some(Subject::System { recorded: true }), _) => "with a reason on record".to_owned(),
            (_, Some(record)) if !record.is_empty() => format!("naming the record `{record}`"),
            (Some(Subject::System { .. }), _) => "without a reason on record".to_owned(),
            _ => format!("for {}", cast.user_name(self.user.as_deref())),
        };
        format!("{who} in {tenant}, {record}")
    }
}
