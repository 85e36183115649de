//! What the interfaces for people have in common over HTTP: who asks, and how that is answered.
//!
//! Refused: other `Host` and `Origin` than the gateway's own, whoever has no token, and what goes beyond a limit or finds too
//! little room for evidence, since each request leaves an event.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use vidimus_core::ErrorKind;
use vidimus_gate::{Caller, Gate, Notice};
use vidimus_net::{OriginPolicy, bearer};

use crate::api::ErrorBody;

/// Why a request was not answered: the status, and what to say.
pub(crate) type Refused = (StatusCode, String);

/// Who asks, or the answer to give instead.
pub(crate) async fn caller(
    gate: &Gate,
    origins: &OriginPolicy,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Caller, Box<Response<Full<Bytes>>>> {
    if let Err(error) = origins.check(headers) {
        let notice = gate.refused(address, error.label(), Notice::ForeignOrigin);
        return Err(Box::new(response(StatusCode::FORBIDDEN, Bytes::from_static(notice.text().as_bytes()))));
    }
    let caller = gate.authenticate(bearer(headers), address).await.map_err(|notice| {
        let is_unknown = notice == Notice::Unauthenticated;
        let status = if is_unknown { StatusCode::UNAUTHORIZED } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut response = response(status, Bytes::from_static(notice.text().as_bytes()));
        if is_unknown {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Box::new(response)
    })?;
    match gate.counted_request(&caller).await {
        Ok(()) => Ok(caller),
        Err(denied) => {
            let is_limit = denied.refusal().kind == ErrorKind::Limit;
            let status = if is_limit { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
            Err(Box::new(answer(Err((status, denied.refusal().message.clone())))))
        }
    }
}

/// The answer to a request that was served, or was not.
pub(crate) fn answer(served: Result<Bytes, Refused>) -> Response<Full<Bytes>> {
    match served {
        Ok(body) => response(StatusCode::OK, body),
        Err((status, error)) => {
            response(status, serde_json::to_vec(&ErrorBody { error, help: None }).unwrap_or_default().into())
        }
    }
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}
