//! Whether a request comes in at all: its token, the target that its path names, the scopes it needs there.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use vidimus_core::{Action, ErrorKind, TargetName};
use vidimus_gate::{Caller, Notice, Rejection};
use vidimus_net::{Incoming, bearer};

use super::{Adapter, ENDPOINT_PATH, PATH, event_streams};
use crate::answer::{Reply, evidenced, refused, told};
use crate::envelope::code;
use crate::protected::Lack;
use crate::target::Target;

impl Adapter {
    /// The target at a path, or the endpoint for all of them.
    pub(super) async fn target_of(&self, caller: &Caller, path: &str) -> Result<Arc<Target>, Reply> {
        let own_path = event_streams::beside(path);
        let path = own_path.as_deref().unwrap_or(path);
        if path == ENDPOINT_PATH {
            return Ok(Arc::clone(&self.0.endpoint));
        }
        let Some(name) = path.strip_prefix(PATH).filter(|name| !name.contains('/')) else {
            return Err(self.not_here(caller, None, "unknown_path", StatusCode::NOT_FOUND, Notice::NotFound).await);
        };
        let target = name.parse::<TargetName>().ok().and_then(|name| self.0.targets.get(&name)).map(Arc::clone);
        let Some(target) = target else {
            let rejection = Rejection {
                kind: ErrorKind::NotFound,
                reason: "unknown_target",
                message: "no such target".into(),
                action: Action::Connect,
                received: &[],
            };
            let denied = self.0.gate.reject(caller.principal(), None, rejection).await;
            return Err(told(StatusCode::NOT_FOUND, None, code::INVALID_REQUEST, &denied));
        };
        Ok(target)
    }

    /// Who asks, by a token for this place.
    pub(super) async fn caller(&self, address: IpAddr, request: &Request<Incoming>) -> Result<Caller, Reply> {
        let (resources, path) = (&self.0.resources, request.uri().path());
        let audiences = resources.audiences(path);
        let audiences: Vec<&str> = audiences.iter().map(String::as_str).collect();
        let token = bearer(request.headers());
        // The credential of a grant is for one target, whichever transport it is reached by.
        let own_path = event_streams::beside(path);
        let target = own_path.as_deref().unwrap_or(path).strip_prefix(PATH);
        let target = target.and_then(|name| name.parse::<TargetName>().ok());
        let place = (&*audiences, target.as_ref());
        self.0.gate.authenticate_at(token, address, place).await.map_err(|notice| {
            let reply = refused(StatusCode::UNAUTHORIZED, notice);
            if reply.status != StatusCode::UNAUTHORIZED {
                return reply;
            }
            let has_token = request.headers().contains_key(AUTHORIZATION);
            reply.challenged(resources.challenge(path, if has_token { Lack::ValidToken } else { Lack::Token }))
        })
    }

    /// Records and answers that the token has too few scopes for the target (RFC 6750 §3.1).
    pub(super) async fn insufficient_scope(&self, caller: &Caller, target: &Target, path: &str) -> Reply {
        let rejection = Rejection {
            kind: ErrorKind::Denied,
            reason: "insufficient_scope",
            message: String::new(),
            action: Action::Connect,
            received: &[],
        };
        let denied = self.0.gate.reject(caller.principal(), Some(&target.spec), rejection).await;
        let reply = evidenced(&denied, StatusCode::FORBIDDEN, Notice::InsufficientScope);
        if reply.status != StatusCode::FORBIDDEN {
            return reply;
        }
        reply.challenged(self.0.resources.challenge(path, Lack::Scope(&target.spec.name)))
    }

    pub(super) async fn no_method(&self, caller: &Caller, target: &Target) -> Reply {
        let (status, notice) = (StatusCode::METHOD_NOT_ALLOWED, Notice::MethodNotAllowed);
        self.not_here(caller, Some(target), "http_method", status, notice).await
    }

    /// Records and answers a request for what is not at this place.
    pub(super) async fn not_here(
        &self,
        caller: &Caller,
        target: Option<&Target>,
        reason: &'static str,
        status: StatusCode,
        notice: Notice,
    ) -> Reply {
        let rejection = Rejection {
            kind: ErrorKind::NotFound,
            reason,
            message: String::new(),
            action: Action::Connect,
            received: &[],
        };
        let denied = self.0.gate.reject(caller.principal(), target.map(|target| &*target.spec), rejection).await;
        evidenced(&denied, status, notice)
    }
}
