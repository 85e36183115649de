//! Databases as targets, and the listener for their clients.

use super::*;

#[test]
fn databases_say_where_they_are_and_promise_nothing_that_is_not_done() {
    let config = parse(FULL).unwrap();
    let [database] = &config.databases[..] else { panic!("{:?}", config.databases) };
    assert_eq!((database.host.as_str(), database.port, database.catalog.as_str()), ("db.internal", 5432, "shop"));
    assert_eq!((database.rows, database.scopes.as_slice()), (5, &["sql".to_owned()][..]));
    assert!(database.tls.as_ref().unwrap().server_name.is_some());
    let orders = "[targets.orders]\nprotocol = \"postgres\"\naddress = \"db:5432\"\nuser = \"gateway\"\n";
    let with = |more: &str| format!("{SMALLEST}{orders}{more}");
    let smallest = parse(&with("")).unwrap();
    assert_eq!((smallest.databases[0].catalog.as_str(), smallest.postgres), ("orders", None));
    let ruled = parse(&with("masking = { fields = { \"public.users.email\" = \"EMAIL_ADDRESS\", ssn = \"US_SSN\" } }"))
        .unwrap();
    assert_eq!(ruled.databases[0].masking.fields.len(), 2);
    for (more, told) in [
        (
            "masking = { fields = { \"$.users[*].email\" = \"EMAIL_ADDRESS\" } }",
            "a path says nothing of a database: its columns are `schema.table.column`",
        ),
        ("sslmode = \"disable\"\ntls = { ca = \"a.pem\" }", "`tls` is for `sslmode = \"verify-full\"`"),
        ("sslmode = \"prefer\"", "expected \"verify-full\" or \"disable\""),
        ("password = \"hunter2\"", "password"),
        ("[listeners.postgres]\nlisten = \"0.0.0.0:6432\"", "needs a certificate"),
        (
            "[listeners.postgres]\nlisten = \"127.0.0.1:6432\"\nkey = \"k.pem\"",
            "`certificate` and `key` belong together",
        ),
    ] {
        let report = report(&with(more));
        assert!(report.contains(told) && !report.contains("hunter2"), "{more}: {report}");
    }
}
