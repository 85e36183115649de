//! `[listeners.postgres]`, and `[targets.NAME]` with `protocol = "postgres"`.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable};
use vidimus_core::{Durability, Record, TargetName};
use vidimus_net::{TargetTls, TlsFiles};

use super::document::Document;
use super::sections::one_of;
use super::table::Table;
use super::{Masking, keys, masking, tls, value};
use crate::secret::SecretRef;

/// `[listeners.postgres]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostgresListener {
    pub(crate) listen: SocketAddr,
    /// None where clients speak in plain text, on loopback.
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) connections: usize,
}

/// `[targets.NAME]` with `protocol = "postgres"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) name: TargetName,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<SecretRef>,
    /// The database there.
    pub(crate) catalog: String,
    /// None where it is reached in plain text.
    pub(crate) tls: Option<Box<TargetTls>>,
    pub(crate) durability: Durability,
    pub(crate) record: Record,
    pub(crate) rows: u64,
    pub(crate) retain: Option<Duration>,
    pub(crate) scopes: Vec<String>,
    pub(crate) masking: Masking,
    pub(crate) connect_timeout: Duration,
}

/// The listener; `Some(None)` when there is none.
#[expect(clippy::option_option, reason = "what cannot be read is told from what is not there, as in all sections")]
pub(super) fn listener<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
) -> Option<Option<PostgresListener>> {
    let Some((place, table)) = found else { return Some(None) };
    let table_of_listeners = Table::new(document, &keys::LISTENERS, "listeners".to_owned(), place, table);
    let found = table_of_listeners.table("postgres");
    table_of_listeners.finish();
    let (place, table) = found?;
    let table = Table::new(document, &keys::LISTENER_POSTGRES, "listeners.postgres".to_owned(), place.clone(), table);
    let listen = table.parsed("listen", value::address);
    let given = ["certificate", "key", "client_ca"].map(|name| table.value(name).is_some());
    let [certificate, key, client_ca] =
        ["certificate", "key", "client_ca"].map(|name| tls::path(document, &table, name));
    let connections = table.count("connections");
    table.finish();
    let listen = listen?;
    let tls = match given {
        [true, true, is_asked] => {
            let files = TlsFiles { certificate: certificate?, key: key?, client_ca };
            if is_asked && files.client_ca.is_none() {
                return None;
            }
            Some(files)
        }
        [false, false, false] => None,
        _ => {
            document.problem(place, "`certificate` and `key` belong together, and `client_ca` needs both", None);
            return None;
        }
    };
    if tls.is_none() && !listen.ip().is_loopback() {
        let message = "`listen` is not on loopback, so [listeners.postgres] needs a certificate";
        let help = "add `certificate` and `key`: passwords are tokens, and would go over the network as they are";
        document.problem(place, message, Some(help.to_owned()));
        return None;
    }
    Some(Some(PostgresListener { listen, tls, connections: connections? }))
}

/// A database that is a target.
pub(super) fn database<'a>(
    document: &'a Document,
    (own_name, name): (Option<TargetName>, &'a Spanned<DeString<'a>>),
    table: &'a DeTable<'a>,
    gateway: &Masking,
) -> Option<Database> {
    let heading = format!("targets.{}", name.get_ref());
    let table = Table::new(document, &keys::DATABASE, heading.clone(), name.span(), table);
    let protocol = table.parsed("protocol", |text| one_of(text, &[("postgres", ())]));
    let address = table.parsed("address", host_and_port);
    let user = table.parsed("user", value::text);
    let password = table.value("password").map(|_| table.secret("password"));
    let database = table.parsed("database", value::text);
    let is_plain = table.parsed("sslmode", |text| one_of(text, &[("verify-full", false), ("disable", true)]));
    let has_tls = table.value("tls").map(Spanned::span);
    let tls = tls::target(document, format!("{heading}.tls"), table.table("tls"), None);
    let durability = table.parsed("durability", |text| {
        one_of(text, &[Durability::Strict, Durability::Async].map(|durability| (durability.name(), durability)))
    });
    let record = table
        .parsed("record", |text| one_of(text, &[Record::Sizes, Record::Masked].map(|record| (record.name(), record))));
    let rows = table.count("rows");
    let retain = table.parsed("retain", value::days);
    let scopes = table.list("scopes", value::scope);
    let own_masking = table.table("masking");
    if let Some((_, fields)) =
        own_masking.as_ref().and_then(|(_, own)| own.iter().find(|(key, _)| key.get_ref() == "fields"))
        && let Some(rules) = fields.get_ref().as_table()
    {
        for (rule, _) in rules.iter().filter(|(rule, _)| rule.get_ref().starts_with('$')) {
            let message =
                "a path says nothing of a database: its columns are `schema.table.column`, or `column` in any table";
            document.problem(rule.span(), message, None);
        }
    }
    let masking = masking::of_target(document, format!("{heading}.masking"), own_masking, gateway);
    let connect_timeout = table.parsed("connect_timeout", value::duration);
    table.finish();
    if let (Some(place), Some(true)) = (has_tls, is_plain) {
        document.problem(place, "`tls` is for `sslmode = \"verify-full\"`", None);
        return None;
    }
    protocol?;
    let (host, port) = address?;
    let own_name = own_name?;
    Some(Database {
        host,
        port,
        user: user?,
        password: match password {
            Some(reference) => Some(reference?),
            None => None,
        },
        catalog: database.unwrap_or_else(|| own_name.to_string()),
        name: own_name,
        tls: if is_plain? { None } else { Some(Box::new(tls?)) },
        durability: durability?,
        record: record?,
        rows: u64::try_from(rows?).ok()?,
        retain,
        scopes: scopes?,
        masking: masking?,
        connect_timeout: connect_timeout?,
    })
}

/// `db.internal:5432`, `[::1]:5432`.
fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let expected = || "expected a host and a port: \"db.internal:5432\"".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let port = port.parse().map_err(|_| expected())?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = |host: &str| vidimus_net::client::ServerName::try_from(host.to_owned()).is_ok();
    match bare.unwrap_or(host) {
        inner if port != 0 && is_host(inner) && (bare.is_some() || !inner.contains(':')) => {
            Ok((inner.to_owned(), port))
        }
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in
            [("db.internal:5432", "db.internal", 5432), ("10.0.0.1:1", "10.0.0.1", 1), ("[::1]:65535", "::1", 65535)]
        {
            assert_eq!(host_and_port(text), Ok((host.to_owned(), port)));
        }
        for text in ["db", "db:", "db:0", "db:65536", ":5432", "::1:5432", "a b:1", "/run/pg:1"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
