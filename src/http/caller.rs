//! Who sends a request, and what it may do.

use std::sync::Arc;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::extract::rejection::ExtensionRejection;
use axum::http::request::Parts;

use super::problem;
use crate::api::problem::Problem;
use crate::core::access::{self, Access, Role};
use crate::core::name::ObjectName;
use crate::server::peer::Peer;

/// The sender of a request, as its certificate says.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) peer: Arc<Peer>,
}

impl Caller {
    /// Whether it may do this, to this object or to what is not about one object.
    pub(super) fn authorize(&self, access: Access, object: Option<&ObjectName>) -> Result<(), Problem> {
        let role = if self.peer.health_only { Role::Daemon } else { Role::Client };
        access::decide(role, access, object).map_err(problem::denied)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Caller, ExtensionRejection> {
        let Extension(peer) = Extension::from_request_parts(parts, state).await?;
        Ok(Caller { peer })
    }
}
