//! Collects every mistake of a declaration, so that one build shows them all.

use std::{cell::RefCell, fmt::Display, thread};

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far. Panics when it is dropped before [`finish`](Self::finish) was asked.
pub(crate) struct Diag {
    /// Becomes `None` once the mistakes were read.
    errors: RefCell<Option<Vec<syn::Error>>>,
}

impl Diag {
    pub(crate) fn new() -> Self {
        Self { errors: RefCell::new(Some(Vec::new())) }
    }

    /// Adds a mistake at the tokens that are wrong, with a line that says what to write instead.
    pub(crate) fn error(&self, at: impl ToTokens, message: impl Display, help: impl Display) {
        let message = format!("{message}\nhelp: {help}");
        self.syntax(syn::Error::new_spanned(at.into_token_stream(), message));
    }

    /// Adds a mistake that syn found.
    pub(crate) fn syntax(&self, error: syn::Error) {
        if let Some(errors) = self.errors.borrow_mut().as_mut() {
            errors.push(error);
        }
    }

    /// Returns the mistakes as the tokens that make rustc print them, or `Ok` where there are none.
    pub(crate) fn finish(self) -> Result<(), TokenStream> {
        match self.errors.take() {
            Some(errors) if !errors.is_empty() => Err(errors.iter().map(syn::Error::to_compile_error).collect()),
            _ => Ok(()),
        }
    }
}

impl Drop for Diag {
    fn drop(&mut self) {
        if !thread::panicking() && self.errors.borrow().is_some() {
            panic!("the mistakes were collected but never read");
        }
    }
}
