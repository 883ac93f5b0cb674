//! Probes of the function that sets a signed context: it accepts a signature only for the use for which it was made.

use crate::{
    ident::literal,
    verify::{
        VerifyError,
        outcome::{Expected, Outcome},
        principals::Principal,
        probe::Probe,
        runner::Runner,
        sealing::NOW,
        signing::{KEY, Limits, OTHER_KEY, SEAL_KEY, Signed, Signing, array},
    },
};

/// A call with a signature that must be rejected: the technique, the statements of the administrator, and those of the
/// principal.
type Rejected = (&'static str, String, String);

impl Runner<'_> {
    /// Sets a context with valid and with other signatures, as each role.
    pub(in crate::verify) async fn signatures(&mut self) -> Result<(), VerifyError> {
        let Some(signing) = self.sealing.as_ref().map(|sealing| Signing::new(sealing, self.tenancy)) else {
            return Ok(());
        };
        for principal in self.members(0).into_iter().chain(self.outsiders()).filter(|who| who.role.is_some()) {
            let role = principal.role.clone().unwrap_or_default();
            let values = [&principal.tenant, &principal.user, &principal.record].map(Option::as_deref);
            let used = if principal.record.is_some() { 3 } else { 2 };
            let signed = Signed {
                key: KEY,
                server: signing.server([""; 3]),
                usage: signing.number(1),
                role,
                settings: array(&values[..used]),
            };
            self.valid_signatures(&signing, &principal, &signed).await?;
            let rejected = self.other_keys(&signing, &principal, &signed).into_iter();
            let rejected = rejected.chain(self.other_contexts(&signing, &principal, &signed));
            let rejected: Vec<Rejected> = rejected.chain(other_uses(&signing, &signed)).collect();
            for (technique, before, statement) in rejected {
                let principal = Principal { before, ..principal.unsigned_without_settings() };
                let statement = format!("{statement}SELECT 'accepted'");
                self.probe(Probe::of_database(technique, &principal, statement, Expected::Rejected)).await?;
            }
        }
        Ok(())
    }

    /// Sets the context with valid signatures: the settings are those that were signed, and the rows those of the context.
    async fn valid_signatures(
        &mut self,
        signing: &Signing,
        principal: &Principal,
        signed: &Signed,
    ) -> Result<(), VerifyError> {
        let technique = "valid signature";
        let role = literal(&signed.role);
        let (login, roles) = (literal(&principal.session).to_string(), format!("ARRAY['verify', {role}]"));
        let limited = Limits { login: &login, roles: &roles, not_after: "now() + interval '1 second'" };
        let in_transaction = Signed { usage: Signing::transaction(NOW), ..signed.clone() };
        let uses = [
            (Limits::NONE, signed, true),
            (Limits::NONE, &in_transaction, false),
            (limited, signed, true),
            (limited, &in_transaction, false),
        ];
        for (limits, signed, numbered) in uses {
            let call = signing.call(KEY, &Signing::signature(), &signed.settings, numbered);
            let before = signing.install(KEY, limits) + &signing.sign(signed);
            let caller = Principal { before, ..principal.unsigned_without_settings() };
            let settings = self.sealing.iter().flat_map(|sealing| &sealing.settings);
            let settings = settings.map(|name| format!("current_setting({})", literal(name))).collect::<Vec<_>>();
            let values = [&principal.tenant, &principal.user, &principal.record];
            let values = values.map(|value| value.as_deref().unwrap_or_default())[..settings.len()].join("|");
            let statement = format!("{call}SELECT concat_ws('|', {})", settings.join(", "));
            let expected = Expected::Is(Outcome::Rows([values].into()));
            self.probe(Probe::of_database(technique, &caller, statement, expected)).await?;
            for def in self.fixture.tables.clone() {
                let read = self.read(principal, def);
                let statement = format!("{call}{}", read.statement);
                let about = read.about;
                let probe = Probe { about, ..Probe::of_database(technique, &caller, statement, read.expected) };
                self.probe(probe).await?;
            }
        }
        Ok(())
    }

    fn other_keys(&self, signing: &Signing, principal: &Principal, signed: &Signed) -> Vec<Rejected> {
        let settings = &signed.settings;
        let unlimited = signing.install(KEY, Limits::NONE);
        let own = signing.call(KEY, &Signing::signature(), settings, true);
        let sign = signing.sign(signed);
        let signature = Signing::signature();
        let mut rejected = Vec::new();
        for forged in [
            "''".to_owned(),
            "NULL".to_owned(),
            "repeat('0', 64)".to_owned(),
            "encode(sha256('verify'), 'hex')".to_owned(),
            format!("upper({signature})"),
            format!("left({signature}, 63)"),
            format!("left({signature}, 1)"),
            format!("{signature} || '0'"),
            format!("' ' || {signature}"),
            format!("reverse({signature})"),
            format!("chr(92) || 'x' || {signature}"),
        ] {
            let call = signing.call(KEY, &forged, settings, true);
            rejected.push(("forged signature", format!("{unlimited}{sign}"), call));
        }
        let both = unlimited.clone() + &signing.install(OTHER_KEY, Limits::NONE);
        let with_other = signing.sign(&Signed { key: OTHER_KEY, ..signed.clone() });
        rejected.push(("signature with another key", both + &with_other, own.clone()));
        let with_seal_key = signing.sign(&Signed { key: SEAL_KEY, ..signed.clone() });
        for key in [SEAL_KEY, KEY] {
            let call = signing.call(key, &signature, settings, true);
            rejected.push(("signature with the key for seals", unlimited.clone() + &with_seal_key, call));
        }
        let missing = signing.call(OTHER_KEY, &signature, settings, true);
        rejected.push(("key that is not installed", unlimited + &sign, missing));
        let other_role = literal(&format!("{}x", signed.role)).to_string();
        let others = self.tenancy.roles.iter().map(|role| self.tenancy.database_role(role.name));
        let others = others.filter(|role| *role != signed.role).map(|role| format!(", {}", literal(&role)));
        let others = format!("ARRAY[{other_role}{}]", others.collect::<String>());
        let other_login = literal(&format!("{}x", principal.session)).to_string();
        let none = Limits::NONE;
        for (technique, limits) in [
            ("ended key", Limits { not_after: "now()", ..none }),
            ("ended key", Limits { not_after: "now() - interval '1 day'", ..none }),
            ("key of another login", Limits { login: &other_login, ..none }),
            ("key for other roles", Limits { roles: &others, ..none }),
            ("key for other roles", Limits { roles: "'{}'", ..none }),
        ] {
            rejected.push((technique, signing.install(KEY, limits) + &sign, own.clone()));
            let usage = Signing::transaction(NOW);
            let sign = signing.sign(&Signed { usage, ..signed.clone() });
            let call = signing.call(KEY, &signature, settings, false);
            rejected.push((technique, signing.install(KEY, limits) + &sign, call));
        }
        rejected
    }

    /// Signs a context with another role, tenant, user or number of settings than the context that is set.
    fn other_contexts(&self, signing: &Signing, principal: &Principal, signed: &Signed) -> Vec<Rejected> {
        let install = signing.install(KEY, Limits::NONE);
        let mut others: Vec<(&'static str, Signed)> = Vec::new();
        let roles = self.tenancy.roles.iter().map(|role| self.tenancy.database_role(role.name));
        let roles = roles.chain(self.schema.no_tenant().map(|role| role.name.to_string()));
        for role in roles.chain(["none".to_owned(), String::new()]).filter(|role| *role != signed.role) {
            others.push(("signature for another role", Signed { role, ..signed.clone() }));
        }
        let (tenant, user) = (principal.tenant.as_deref(), principal.user.as_deref());
        for other in self.principals.tenants.iter().map(String::as_str).chain([""]).filter(|key| Some(*key) != tenant) {
            let settings = array(&[Some(other), user]);
            others.push(("signature for another tenant", Signed { settings, ..signed.clone() }));
        }
        let users = self.principals.users.iter().map(|person| person.key.as_str()).chain([""]);
        for other in users.filter(|key| Some(*key) != user) {
            let settings = array(&[tenant, Some(other)]);
            others.push(("signature for another user", Signed { settings, ..signed.clone() }));
        }
        let settings = array(&[tenant, user, Some("76657269-6679-4000-8000-fffffffffff0")]);
        others.push(("signature for other settings", Signed { settings, ..signed.clone() }));
        others.push(("signature for other settings", Signed { settings: String::new(), ..signed.clone() }));
        let mut rejected = Vec::new();
        for (technique, other) in others {
            for usage in [signing.number(1), Signing::transaction(NOW)] {
                let numbered = usage == signed.usage;
                let sign = signing.sign(&Signed { usage, ..other.clone() });
                let call = signing.call(KEY, &Signing::signature(), &signed.settings, numbered);
                rejected.push((technique, format!("{install}{sign}"), call));
            }
        }
        let four = Signed { settings: array(&[tenant, user, None, Some("more")]), ..signed.clone() };
        let call = signing.call(KEY, &Signing::signature(), &four.settings, true);
        rejected.push(("context with more settings", install + &signing.sign(&four), call));
        rejected
    }
}

/// Uses signatures again, and for another number, server connection or transaction.
fn other_uses(signing: &Signing, signed: &Signed) -> Vec<Rejected> {
    let (install, signature) = (signing.install(KEY, Limits::NONE), Signing::signature());
    let call = |numbered| signing.call(KEY, &signature, &signed.settings, numbered);
    let sign =
        |server: String, usage: String| install.clone() + &signing.sign(&Signed { server, usage, ..signed.clone() });
    let (here, next) = (|| signing.server([""; 3]), || signing.number(1));
    let mut rejected = Vec::new();
    let used = "signature that was used before";
    let (valid, once) = (sign(here(), next()), call(true));
    rejected.push((used, valid.clone(), format!("{once}{once}")));
    rejected.push((used, valid.clone(), format!("SAVEPOINT again; {once}ROLLBACK TO again; {once}")));
    let failing = signing.failing_call(KEY, "repeat('0', 64)", &signed.settings);
    rejected.push(("signature for a number that another call took", valid.clone(), format!("{failing}{once}")));
    for number in [-1, 0, 2, 65_536] {
        rejected.push(("signature for another number", sign(here(), signing.number(number)), call(true)));
    }
    for add in [
        [" - interval '1 microsecond'", "", ""],
        [" + interval '1 hour'", "", ""],
        ["", " + 1", ""],
        ["", " - 1", ""],
        ["", "", " + 1"],
    ] {
        let technique = "signature for another server connection";
        rejected.push((technique, sign(signing.server(add), next()), call(true)));
        rejected.push((technique, sign(signing.server(add), Signing::transaction(NOW)), call(false)));
    }
    for time in ["now() - interval '1 microsecond'", "now() + interval '1 second'", "statement_timestamp()"] {
        let usage = Signing::transaction(time);
        rejected.push(("signature for another transaction", sign(here(), usage), call(false)));
    }
    let other = "signature for another kind of use";
    rejected.push((other, valid, call(false)));
    rejected.push((other, sign(here(), Signing::transaction(NOW)), call(true)));
    rejected.push((other, sign(here(), "''::bytea".to_owned()), call(true)));
    rejected
}
