//! Who may do what: the only decision about the rights of a caller.

use crate::core::name::ObjectName;

/// The holder of a certificate that the server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A client certificate.
    Client,
    /// The daemon's own certificate, or another one for its key.
    Daemon,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whether the daemon is alive or ready.
    Health,
    /// Reading anything else.
    Read,
    /// Changing the desired state, also as a dry run.
    Change,
}

/// A caller may not do what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The daemon's own certificate is for health checks only.
    #[error(
        "this is the daemon's own certificate, or one for its key, which is for /healthz and /readyz only; use a client \
         certificate, such as docker-machine's cert.pem and key.pem"
    )]
    NotAClient,
}

/// Decides whether a caller has access to an object, or to what is not about one object. Every client may do everything;
/// the daemon may check its own health.
pub(crate) fn decide(role: Role, access: Access, _object: Option<&ObjectName>) -> Result<(), Denied> {
    match (role, access) {
        (Role::Client, _) | (Role::Daemon, Access::Health) => Ok(()),
        (Role::Daemon, Access::Read | Access::Change) => Err(Denied::NotAClient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_do_everything_and_the_daemon_may_check_its_health() {
        for access in [Access::Health, Access::Read, Access::Change] {
            assert_eq!(decide(Role::Client, access, None), Ok(()));
            assert_eq!(decide(Role::Daemon, access, None).is_ok(), access == Access::Health);
        }
    }
}
