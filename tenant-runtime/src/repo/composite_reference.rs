//! The types of the fields that reference a row by a key of several fields.

use super::access::ReferencesKey;
use crate::tenant::lattice::Seal;

/// Implemented if fields with the types of the tuple `Self` can reference a row with a key of type `Id`, a tuple as well.
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTable, roles::*};
/// # #[derive(TenantTable)]
/// # #[tenant(global)]
/// # struct Ad { #[tenant(id)] campaign_id: i64, #[tenant(id)] id: i64 }
/// #[derive(TenantTable)] // the key of `Ad` is `(i64, i64)`
/// #[tenant(global, foreign_key(campaign_id, ad_id, references = Ad))]
/// struct Click { #[tenant(id)] id: i64, campaign_id: i64, ad_id: String }
/// ```
#[diagnostic::on_unimplemented(
    message = "fields of types `{Self}` cannot reference a table with primary key type `{Id}`",
    label = "expected the types of `{Id}`",
    note = "`foreign_key(…)` lists a field for each key field of the referenced struct, in the same order and without the tenant column",
    note = "a table whose key is one field is referenced by `#[tenant(references = …)]` on the field"
)]
pub trait ReferencesKeys<Id> {
    #[doc(hidden)]
    const SEAL: Seal;
}

/// Implements the trait for tuples.
macro_rules! references_keys {
    ($($($field:ident $key:ident),+;)*) => {$(
        impl<$($key, $field: ReferencesKey<$key>),+> ReferencesKeys<($($key,)+)> for ($($field,)+) {
            const SEAL: Seal = Seal;
        }
    )*};
}

references_keys! {
    A K1, B K2;
    A K1, B K2, C K3;
    A K1, B K2, C K3, D K4;
    A K1, B K2, C K3, D K4, E K5;
    A K1, B K2, C K3, D K4, E K5, F K6;
    A K1, B K2, C K3, D K4, E K5, F K6, G K7;
    A K1, B K2, C K3, D K4, E K5, F K6, G K7, H K8;
}
