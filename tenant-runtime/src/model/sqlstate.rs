//! The SQLSTATE codes that the generated functions raise. Each has a page in `codes/`.

/// A change would remove the last member who can manage members.
pub(crate) const LAST_MANAGER: &str = "TT001";
/// The user cannot accept an invitation with this token.
pub(crate) const NO_INVITATION: &str = "TT002";
/// The user who is to be added as a member has not consented.
pub(crate) const CONSENT_REQUIRED: &str = "TT003";
/// The reason for the cross-tenant access was recorded too long ago.
pub(crate) const ACCESS_EXPIRED: &str = "TT004";
/// The reason for a cross-tenant access is too short; the error's detail is the minimum length.
pub(crate) const REASON_TOO_SHORT: &str = "TT005";
/// The context is not signed, or its signature is not valid for this use.
pub(crate) const CONTEXT_NOT_SIGNED: &str = "TT006";
