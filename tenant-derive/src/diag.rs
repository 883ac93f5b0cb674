//! Collects every error of a declaration, so that one build reports all of them.

use std::{cell::RefCell, fmt::Display, thread};

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The errors found so far. Panics if it is dropped without a call to [`finish`](Self::finish).
pub(crate) struct Diag {
    /// `None` once [`finish`](Self::finish) has taken the errors.
    errors: RefCell<Option<Vec<syn::Error>>>,
}

impl Diag {
    pub(crate) fn new() -> Self {
        Self { errors: RefCell::new(Some(Vec::new())) }
    }

    /// Adds an error at the invalid tokens, with a `help:` line that shows a valid form.
    pub(crate) fn error(&self, at: impl ToTokens, message: impl Display, help: impl Display) {
        let message = format!("{message}\nhelp: {help}");
        self.syntax(syn::Error::new_spanned(at.into_token_stream(), message));
    }

    /// Adds an error from syn.
    pub(crate) fn syntax(&self, error: syn::Error) {
        if let Some(errors) = self.errors.borrow_mut().as_mut() {
            errors.push(error);
        }
    }

    /// Returns the errors as tokens that make rustc print them, or `Ok` if there are none.
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
            panic!("the errors were collected but never read");
        }
    }
}
