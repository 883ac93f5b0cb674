//! The keys of `tenancy!` that limit cross-tenant access: `system_access_timeout`, `system_reason_length` and
//! `system_log_retention`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitInt;

use crate::diag::Diag;

const SECONDS_OF_A_DAY: u32 = 86_400;

/// The limits, with their defaults until they are set.
pub(crate) struct SystemAccess {
    timeout: u32,
    reason_length: u16,
    retention_days: u16,
    /// The value of the key that was set last: an error about both limits points at it.
    last: Option<LitInt>,
}

impl Default for SystemAccess {
    fn default() -> Self {
        Self { timeout: 8 * 3600, reason_length: 10, retention_days: 90, last: None }
    }
}

impl SystemAccess {
    /// Sets the limit of a key; returns false for other keys.
    pub(crate) fn set(&mut self, diag: &Diag, key: &str, number: &LitInt) -> bool {
        let (what, least, most) = match key {
            "system_access_timeout" => ("seconds", 60, 2_147_483),
            "system_reason_length" => ("characters", 1, 1000),
            "system_log_retention" => ("days", 1, u32::from(u16::MAX)),
            _ => return false,
        };
        let parsed = number.base10_parse::<u32>().ok().filter(|parsed| (least..=most).contains(parsed));
        let Some(parsed) = parsed else {
            diag.error(number, format!("invalid number of {what}"), format!("write a number from {least} to {most}"));
            return true;
        };
        match (key, u16::try_from(parsed)) {
            ("system_reason_length", Ok(parsed)) => self.reason_length = parsed,
            ("system_log_retention", Ok(parsed)) => (self.retention_days, self.last) = (parsed, Some(number.clone())),
            _ => (self.timeout, self.last) = (parsed, Some(number.clone())),
        }
        true
    }

    /// Reports a log whose records could be deleted while they still give access.
    pub(crate) fn check(&self, diag: &Diag) {
        if let Some(last) = &self.last
            && u32::from(self.retention_days).saturating_mul(SECONDS_OF_A_DAY) < self.timeout
        {
            diag.error(
                last,
                "`system_log_retention` is shorter than `system_access_timeout`: records that still give access could be deleted",
                "increase `system_log_retention` (days), or decrease `system_access_timeout` (seconds)",
            );
        }
    }

    pub(crate) fn tokens(&self, runtime: &TokenStream) -> TokenStream {
        let Self { timeout, reason_length, retention_days, .. } = self;
        quote!(#runtime::__private::SystemAccessDef {
            timeout: #timeout,
            reason_length: #reason_length,
            retention_days: #retention_days,
        })
    }
}
