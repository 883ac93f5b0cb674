//! The trait that only derived views implement. `__private` is the only path to it.

use super::table::Select;

/// Implemented only by the derive of a view.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `TenantView`",
    label = "not a derived view",
    note = "`#[derive(TenantView)]` implements this trait; it cannot be implemented by hand"
)]
pub trait Showing {}

/// A table is a view of itself.
#[diagnostic::do_not_recommend]
impl<T: Select> Showing for T {}
