//! The functions with which an administrator installs keys and binds logins.

use super::SignedContext;
use crate::{
    ident::{Ident, literal},
    model::{
        names,
        schema::{Expression, Function, Returns, Volatility},
    },
};

/// The length in bytes of the shortest and of the longest key.
pub(crate) const KEY_BYTES: [u8; 2] = [32, 64];

impl SignedContext<'_> {
    pub(super) fn set_context_key(&self) -> Function {
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        let [least, most] = KEY_BYTES;
        let arguments = [
            ("p_id", "smallint"),
            ("p_key", "bytea"),
            ("p_login", "text"),
            ("p_roles", "text[]"),
            ("p_not_after", "timestamptz"),
        ];
        Function {
            comment: format!(
                "Installs or replaces a key with which an app signs contexts: its number, {least} to {most} random bytes, and the login role, \
                 the database roles and the time until which it is valid (NULL: all). Number 0 is the key for seals: the database makes it \
                 with the first key, and replaces it if p_id is 0 and p_key is NULL. For administrators, as {}.",
                self.roles.owner
            ),
            arguments: arguments.map(|(name, ty)| (Ident::derived([name]), Expression::trusted(ty))).into(),
            returns: Returns::Void,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "DECLARE
    -- 244 random bits, from a generator for cryptographic keys.
    random_key constant bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    key bytea := p_key;
    inner_block bytea := decode(repeat('36', 64), 'hex');
    outer_block bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    IF p_id < 0 OR p_id IS NULL THEN
        RAISE EXCEPTION 'the number of a context key is at least 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_id = 0 AND (p_key IS NOT NULL OR p_login IS NOT NULL OR p_roles IS NOT NULL OR p_not_after IS NOT NULL) THEN
        RAISE EXCEPTION 'the key for seals is made by the database and is not limited' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_id > 0 AND (octet_length(p_key) BETWEEN {least} AND {most}) IS NOT TRUE THEN
        RAISE EXCEPTION 'a context key has {least} to {most} bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_id > 0 AND NOT EXISTS (SELECT FROM {keys} AS k WHERE k.id = 0) THEN
        PERFORM {this}(0::smallint, NULL, NULL, NULL, NULL);
    END IF;
    key := COALESCE(p_key, random_key);
    FOR place IN 0 .. octet_length(key) - 1 LOOP
        inner_block := set_byte(inner_block, place, get_byte(inner_block, place) # get_byte(key, place));
        outer_block := set_byte(outer_block, place, get_byte(outer_block, place) # get_byte(key, place));
    END LOOP;
    INSERT INTO {keys} AS k (id, inner_block, outer_block, login, roles, not_after)
    VALUES (p_id, inner_block, outer_block, p_login, p_roles, COALESCE(p_not_after, 'infinity'))
    ON CONFLICT ON CONSTRAINT {pkey} DO UPDATE SET inner_block = excluded.inner_block, outer_block = excluded.outer_block,
        login = excluded.login, roles = excluded.roles, not_after = excluded.not_after;
END",
                this = self.tenancy.function(names::SET_CONTEXT_KEY).quoted(),
                pkey = Ident::derived([names::CONTEXT_KEYS, "pkey"]).quoted(),
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    pub(super) fn end_context_key(&self) -> Function {
        let keys = self.table(names::CONTEXT_KEYS).quoted();
        Function {
            comment: format!(
                "Ends the validity of a context key at a time. Returns false if there is no such key. For administrators, as {}.",
                self.roles.owner
            ),
            arguments: [("p_id", "smallint"), ("p_not_after", "timestamptz")]
                .map(|(name, ty)| (Ident::derived([name]), Expression::trusted(ty)))
                .into(),
            returns: Returns::Value(Expression::trusted("boolean")),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "BEGIN
    IF p_not_after IS NULL THEN
        RAISE EXCEPTION 'the end of a context key is a time' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE {keys} AS k SET not_after = p_not_after WHERE k.id = p_id AND k.id > 0;
    RETURN FOUND;
END"
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    pub(super) fn bind_login(&self) -> Function {
        let (key, user) = (&self.tenancy.key_type, &self.tenancy.user_type);
        let arguments = [
            ("p_login", Expression::trusted("text")),
            ("p_role", Expression::trusted("text")),
            ("p_tenant", key.clone()),
            ("p_user", user.clone()),
        ];
        let allowed = self.tenancy.application_roles.values().map(|role| literal(role.as_str())).collect::<Vec<_>>();
        let own = self.tenancy.roles.iter().filter(|role| role.kind.login().is_some());
        let own = own.map(|role| literal(role.name.as_str())).collect::<Vec<_>>();
        Function {
            comment: format!(
                "Binds a login role to a tenant, a user and a database role: it needs no signature for this context, and has no other. For \
                 administrators, as {}.",
                self.roles.owner
            ),
            arguments: arguments.map(|(name, ty)| (Ident::derived([name]), ty)).into(),
            returns: Returns::Void,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "DECLARE
    -- With the OID, because a login that is dropped and created again has the same name.
    oid_of_login constant oid := (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = p_login);
BEGIN
    IF (p_role IN ({allowed})) IS NOT TRUE THEN
        RAISE EXCEPTION 'a login is bound to a role of the tenants' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_login IN ({own}) THEN
        RAISE EXCEPTION 'the login % belongs to the app, which signs its contexts', p_login USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF oid_of_login IS NULL THEN
        RAISE EXCEPTION 'there is no login %', p_login USING ERRCODE = 'undefined_object';
    END IF;
    INSERT INTO {bound} AS b (login, login_oid, role, tenant_id, user_id) VALUES (p_login, oid_of_login, p_role, p_tenant, p_user)
    ON CONFLICT ON CONSTRAINT {pkey} DO UPDATE SET login_oid = excluded.login_oid, role = excluded.role,
        tenant_id = excluded.tenant_id, user_id = excluded.user_id;
END",
                allowed = allowed.join(", "),
                own = own.join(", "),
                bound = self.table(names::BOUND_LOGINS).quoted(),
                pkey = Ident::derived([names::BOUND_LOGINS, "pkey"]).quoted(),
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }

    pub(super) fn unbind_login(&self) -> Function {
        Function {
            comment: format!(
                "Removes the binding of a login role. Returns false if it is not bound. For administrators, as {}.",
                self.roles.owner
            ),
            arguments: vec![(Ident::derived(["p_login"]), Expression::trusted("text"))],
            returns: Returns::Value(Expression::trusted("boolean")),
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!(
                "BEGIN
    DELETE FROM {} AS b WHERE b.login = p_login;
    RETURN FOUND;
END",
                self.table(names::BOUND_LOGINS).quoted()
            ),
            execute: vec![self.roles.owner.clone()],
        }
    }
}
