//! Replaces the launcher on platforms without unix sockets and signals.

use std::path::Path;

use super::ServerOptions;
use super::error::ServerError;
use super::find::Version;

/// A server, which cannot exist on this platform.
#[derive(Debug)]
pub(super) enum Running {}

impl Running {
    pub(super) fn start(_: &ServerOptions, _: &mut dyn FnMut(&str)) -> Result<Self, ServerError> {
        Err(ServerError::Unsupported)
    }

    pub(super) fn folder(&self) -> &Path {
        match *self {}
    }

    pub(super) fn version(&self) -> Version {
        match *self {}
    }

    pub(super) fn origin(&self) -> &str {
        match *self {}
    }

    pub(super) fn stop(&mut self) -> Result<(), ServerError> {
        match *self {}
    }
}
