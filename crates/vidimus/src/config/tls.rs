//! `[gateway.tls]` and `[targets.NAME.tls]`: the files of certificates and keys, by path and never by content.

use std::ops::Range;
use std::path::PathBuf;

use http::Uri;
use http::uri::Scheme;
use toml::de::DeTable;
use vidimus_net::{TargetTls, TlsFiles};

use super::document::Document;
use super::table::Table;
use super::{keys, value};

/// What stands at the beginning of a certificate or key that was pasted.
const PASTED: &str = "-----BEGIN";

/// The files of the listener's certificate; `Some(None)` when there is no table.
#[expect(clippy::option_option, reason = "the outer one says whether a problem was noted, as everywhere here")]
pub(super) fn listener<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
) -> Option<Option<TlsFiles>> {
    let Some((place, table)) = found else { return Some(None) };
    let table = Table::new(document, &keys::GATEWAY_TLS, "gateway.tls".to_owned(), place, table);
    let certificate = path(document, &table, "certificate");
    let key = path(document, &table, "key");
    let client_ca = path(document, &table, "client_ca");
    table.finish();
    if client_ca.is_none() && table.value("client_ca").is_some() {
        return None;
    }
    Some(Some(TlsFiles { certificate: certificate?, key: key?, client_ca }))
}

/// How TLS is spoken with a target; what a URL without TLS has no use for is a problem.
pub(super) fn target<'a>(
    document: &'a Document,
    heading: String,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    url: Option<&Uri>,
) -> Option<TargetTls> {
    let Some((place, table)) = found else { return Some(TargetTls::default()) };
    if url.is_some_and(|url| url.scheme() != Some(&Scheme::HTTPS)) {
        document.problem(place.clone(), format!("[{heading}] is for a `url` with https"), None);
    }
    let table = Table::new(document, &keys::TARGET_TLS, heading, place.clone(), table);
    let ca = path(document, &table, "ca");
    let pair = (path(document, &table, "certificate"), path(document, &table, "key"));
    let server_name = table.parsed("server_name", |text| {
        let name = vidimus_net::client::ServerName::try_from(text.to_owned());
        name.map_err(|_| "expected a host name or an address".to_owned())
    });
    table.finish();
    let given = |name| table.value(name).is_some();
    if given("certificate") != given("key") {
        let message = "`certificate` and `key` belong together";
        document.problem(place, message, None);
        return None;
    }
    let identity = match pair {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ if given("certificate") => return None,
        _ => None,
    };
    let is_whole = given("ca") == ca.is_some() && given("server_name") == server_name.is_some();
    is_whole.then_some(TargetTls { ca, identity, server_name })
}

/// A path relative to the configuration. A key that stands in its place is never shown.
pub(super) fn path<'a>(document: &'a Document, table: &Table<'a>, name: &'static str) -> Option<PathBuf> {
    let path = table.parsed(name, |text| {
        if !text.contains(PASTED) {
            return value::text(text);
        }
        Err("expected the path of a file, not its content".to_owned())
    });
    if let Some(given) = table.value(name)
        && given.get_ref().as_str().is_some_and(|text| text.contains(PASTED))
    {
        document.strike(given.span());
    }
    path.map(|path| document.resolve(&path))
}
