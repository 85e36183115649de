//! Asking token endpoints: HTTPS to public addresses, unless the target's table says `allow_private`.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use vidimus_credential::{HttpAnswer, HttpError, TokenHttp};
use vidimus_net::{FetchError, Fetcher};
use zeroize::Zeroizing;

/// What `vidimus-credential` asks with.
pub(crate) struct TokenClient(Fetcher);

impl TokenClient {
    pub(crate) fn new(allow_private: bool) -> Result<Self, FetchError> {
        Ok(Self(Fetcher::new(allow_private)?))
    }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<HttpAnswer, HttpError>> + Send + 'a>>;

impl TokenHttp for TokenClient {
    fn get<'a>(&'a self, url: &'a str) -> Answering<'a> {
        Box::pin(async move {
            match self.0.get(url).await {
                Ok(body) => Ok(HttpAnswer { status: StatusCode::OK.as_u16(), body }),
                Err(FetchError::Status { status, .. }) => {
                    Ok(HttpAnswer { status: status.as_u16(), body: Bytes::new() })
                }
                Err(error) => Err(failed(&error)),
            }
        })
    }

    fn post<'a>(&'a self, url: &'a str, authorization: Option<HeaderValue>, form: Zeroizing<String>) -> Answering<'a> {
        Box::pin(async move {
            let answer = self.0.post_form(url, authorization, Bytes::from_owner(form)).await;
            let (status, body) = answer.map_err(|error| failed(&error))?;
            Ok(HttpAnswer { status: status.as_u16(), body })
        })
    }
}

fn failed(error: &FetchError) -> HttpError {
    match error {
        FetchError::Timeout { .. } => HttpError::Timeout,
        FetchError::Forbidden(_) => {
            HttpError::Failed("it may not be asked: only https to public addresses, unless allow_private is set".into())
        }
        // Without the address: it may have a query, and whoever reads this has the rest already.
        FetchError::Unreachable { reason, .. } => HttpError::Failed(reason.clone()),
        FetchError::Status { status, .. } => HttpError::Failed(format!("it answered {status}")),
        FetchError::Roots(error) => HttpError::Failed(error.to_string()),
    }
}
