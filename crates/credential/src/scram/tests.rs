//! The example of RFC 7677 §3, both sides against each other, and forgeries.

use super::*;

const SALT: &[u8; SALT_BYTES] = b"of this target!!";

fn both(verifier: Option<&Verifier>, password: &str) -> Result<(), ScramError> {
    let mut client = Client::new(password.to_owned().into())?;
    let salt = verifier.map_or(&SALT[..], Verifier::salt);
    let (exchange, answer) = Exchange::first(salt, client.first().as_bytes())?;
    let last = client.answer(&answer)?;
    let (_, answer) = exchange.last(last.as_bytes(), verifier)?;
    client.finish(&answer)
}

#[test]
fn the_example_of_the_rfc() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let verifier = Verifier::with("pencil", &salt, ITERATIONS);
    let (exchange, answer) =
        Exchange::begin(&salt, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap();
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    assert_eq!(answer, format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let (_, answer) = exchange.last(last.as_bytes(), [&verifier]).unwrap();
    assert_eq!(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn both_sides_agree_on_the_right_password_alone() {
    let verifier = Verifier::of("pencil").unwrap();
    both(Some(&verifier), "pencil").unwrap();
    assert_eq!(both(Some(&verifier), "pen"), Err(ScramError::Refused));
    assert_eq!(both(None, "pencil"), Err(ScramError::Refused));
    // SASLprep: another form of the same characters, and a soft hyphen, which is nothing.
    let verifier = Verifier::of("ra\u{AD}nd\u{E9}").unwrap();
    both(Some(&verifier), "rande\u{301}").unwrap();
    // What SASLprep does not allow is taken as it is.
    let verifier = Verifier::of("bell\u{7}").unwrap();
    both(Some(&verifier), "bell\u{7}").unwrap();
}

#[test]
fn a_verifier_is_written_as_it_is_read_and_never_printed() {
    let verifier = Verifier::of("pencil").unwrap();
    let text = verifier.to_string();
    assert!(text.starts_with("SCRAM-SHA-256$4096:"), "{text}");
    assert_eq!(text.parse::<Verifier>().unwrap(), verifier);
    assert_eq!(format!("{verifier:?}"), "Verifier(…)");
    assert_ne!(Verifier::of("pencil").unwrap(), verifier, "another salt");
    let short = text.get(..text.len() - 5).unwrap();
    let zero = text.replace("$4096:", "$0:");
    for wrong in ["", "md5abc", "SCRAM-SHA-256$4096:x", short, &zero, &format!("{text}$")] {
        wrong.parse::<Verifier>().unwrap_err();
    }
}

#[test]
fn of_several_verifiers_of_a_salt_it_is_the_one_whose_password_is_known() {
    let of = |password| Verifier::with(password, SALT, ITERATIONS);
    let known = [of("one"), of("two"), Verifier::of("three").unwrap()];
    for (password, place) in [("one", Ok(0)), ("two", Ok(1)), ("three", Err(ScramError::Refused))] {
        let mut client = Client::new(password.to_owned().into()).unwrap();
        let (exchange, answer) = Exchange::first(SALT, client.first().as_bytes()).unwrap();
        let last = client.answer(&answer).unwrap();
        let found = exchange.last(last.as_bytes(), &known);
        assert_eq!(found.as_ref().map(|(place, _)| *place).map_err(|error| *error), place, "{password}");
        if let Ok((_, answer)) = found {
            client.finish(&answer).unwrap();
        }
    }
}

#[test]
fn malformed_first_messages_are_refused() {
    let long = format!("n,,n=,r={}", "a".repeat(MAX_MESSAGE_BYTES));
    let long_nonce = format!("n,,n=,r={}", "a".repeat(129));
    for first in [
        &b""[..],
        b"n,",
        b"n,,",
        b"n,,n=",
        b"n,,r=abc",
        b"n,,n=,r=",
        b"n,,n=,r=a b",
        b"n,,m=x,n=,r=abc",
        b"n,a=bob,n=,r=abc",
        b"p=tls-server-end-point,,n=,r=abc",
        b"x,,n=,r=abc",
        b"n,,n=,r=\xFF",
        long.as_bytes(),
        long_nonce.as_bytes(),
    ] {
        let refused = Exchange::first(SALT, first).unwrap_err();
        assert!(matches!(refused, ScramError::Malformed(_)), "{first:?}");
    }
}

#[test]
fn a_last_message_that_was_changed_is_refused() {
    let verifier = Verifier::of("pencil").unwrap();
    let exchange = |header: &str| {
        let mut client = Client::new("pencil".to_owned().into()).unwrap();
        let first = client.first().replacen("n,,", header, 1);
        let (exchange, answer) = Exchange::first(verifier.salt(), first.as_bytes()).unwrap();
        (exchange, client.answer(&answer).unwrap())
    };
    // The header says that the client was told of no channel binding, and the last message that it asked for none.
    let (server, last) = exchange("y,,");
    assert!(matches!(server.last(last.as_bytes(), [&verifier]), Err(ScramError::Malformed(_))));
    for (from, to) in [("r=", "r=x"), (",p=", ",p=AAAA"), (",p=", ",x=y,p="), ("c=biws", "c=eSws")] {
        let (server, last) = exchange("n,,");
        server.last(last.replacen(from, to, 1).as_bytes(), [&verifier]).unwrap_err();
    }
    // A replay: the nonce is another one.
    let ((_, last), (server, _)) = (exchange("n,,"), exchange("n,,"));
    assert!(matches!(server.last(last.as_bytes(), [&verifier]), Err(ScramError::Malformed(_))));
}

#[test]
fn servers_that_do_not_know_the_password_are_not_believed() {
    let client = || {
        let mut client = Client::new("pencil".to_owned().into()).unwrap();
        let first = format!("r={}abc,s=c2FsdA==,i=4096", client.nonce);
        client.answer(first.as_bytes()).unwrap();
        client
    };
    let forged = format!("v={}", STANDARD.encode([0; KEY_BYTES]));
    assert_eq!(client().finish(forged.as_bytes()), Err(ScramError::Refused));
    assert_eq!(client().finish(b"e=other-error"), Err(ScramError::Refused));
    assert!(matches!(client().finish(b""), Err(ScramError::Malformed(_))));
    let mut client = Client::new("pencil".to_owned().into()).unwrap();
    let nonce = client.nonce.clone();
    for (first, expected) in [
        (format!("r={nonce},s=c2FsdA==,i=4096"), None),
        (format!("r=other{nonce},s=c2FsdA==,i=4096"), None),
        (format!("r={nonce}abc,s=c2FsdA==,i=0"), None),
        (format!("r={nonce}abc,s=c2FsdA==,i=2000000000"), Some(ScramError::TooManyIterations)),
    ] {
        let refused = client.answer(first.as_bytes()).unwrap_err();
        assert!(
            expected.map_or(matches!(refused, ScramError::Malformed(_)), |expected| expected == refused),
            "{first}"
        );
    }
    assert!(matches!(client.finish(forged.as_bytes()), Err(ScramError::Malformed(_))));
}
