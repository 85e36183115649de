//! Two renderings of one payload: what the record keeps and what the client sees.

use vidimus_mask::Selection;

use super::*;

const MESSAGE: &str = r#"{"jsonrpc":"2.0","id":"ada@example.com","result":{"mail":"ada@example.com","card":"4111 1111 1111 1111","data":{"ssn":"x"}}}"#;

const MEMBERS: &Members = &Members { keep: &[&["id"]], addresses: &[], roots: &[&["result", "data"]] };

fn masking() -> Masking {
    let mut settings = Settings::new(Selection::new(["default"]), [0; 32]);
    settings.fields.insert("$.ssn".into(), "US_SSN".into());
    Masking::new(settings, &hmac_key(&Secret::new([1; 32])).unwrap()).unwrap()
}

async fn masked(masking: &Masking, payload: &str, revealed: &[&str]) -> Masked {
    let names: Vec<Arc<str>> = revealed.iter().map(|name| Arc::from(*name)).collect();
    let revealed = masking.classes(&names);
    masking.mask(&SessionMemory::default(), &payload.to_owned().into(), MEMBERS, revealed).await.unwrap()
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_record_holds_no_value_whatever_is_revealed() {
    let masking = masking();
    let all = masked(&masking, MESSAGE, &[]).await;
    let expected = r#"{"jsonrpc":"2.0","id":"ada@example.com","result":{"mail":"<EMAIL_ADDRESS>","card":"<CREDIT_CARD>","data":{"ssn":"<US_SSN>"}}}"#;
    assert_eq!((text(&all.recorded), text(&all.shown)), (expected, expected));
    assert!(all.found.revealed.is_empty());

    let shown = masked(&masking, MESSAGE, &["CREDIT_CARD", "PERSON_OF_ANOTHER_TARGET"]).await;
    assert_eq!(text(&shown.recorded), expected);
    assert_eq!(text(&shown.shown), expected.replace("<CREDIT_CARD>", "4111 1111 1111 1111"));
    let of = |counts: &std::collections::BTreeMap<Arc<str>, u64>| {
        counts.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(of(&shown.found.masked), "CREDIT_CARD 1, EMAIL_ADDRESS 1, US_SSN 1");
    assert_eq!(of(&shown.found.revealed), "CREDIT_CARD 1");
}

#[tokio::test]
async fn nothing_is_copied_where_nothing_is_found() {
    let masking = masking();
    let plain = Bytes::from_static(br#"{ "result" : "nothing in here", "n":1.0 }"#);
    let same = masking.mask(&SessionMemory::default(), &plain, Members::NONE, ClassSet::EMPTY).await.unwrap();
    assert_eq!(same.recorded.as_ptr(), plain.as_ptr());
    assert_eq!(same.shown.as_ptr(), plain.as_ptr());
    assert_eq!(same.found, Found::default());
}

#[tokio::test]
async fn sessions_that_wait_keep_what_they_remember_and_not_what_masking_works_with() {
    let mut settings = Settings::new(Selection::new(["default"]), [0; 32]);
    settings.operators.insert("EMAIL_ADDRESS".into(), vidimus_mask::Operator::Token);
    let masking = Masking::new(settings, &hmac_key(&Secret::new([1; 32])).unwrap()).unwrap();
    let sessions = [SessionMemory::default(), SessionMemory::default()];
    let mask = async |session: usize, payload: &'static str| {
        let payload = Bytes::from_static(payload.as_bytes());
        let masked = masking.mask(&sessions[session], &payload, Members::NONE, ClassSet::EMPTY).await.unwrap();
        text(&masked.recorded).to_owned()
    };
    // One after the other on the same thread, with the same working memory.
    assert_eq!(mask(0, r#"{"a":"ada@example.com"}"#).await, r#"{"a":"<EMAIL_ADDRESS_1>"}"#);
    assert_eq!(mask(1, r#"{"a":"bob@example.com"}"#).await, r#"{"a":"<EMAIL_ADDRESS_1>"}"#);
    assert_eq!(mask(0, r#"{"b":"bob@example.com"}"#).await, r#"{"b":"<EMAIL_ADDRESS_2>"}"#);
    assert_eq!(mask(1, r#"{"b":"bob@example.com"}"#).await, r#"{"b":"<EMAIL_ADDRESS_1>"}"#);
    let nothing = format!("{:?}", Scan::default());
    for session in sessions {
        let mut working = Scan::default();
        session.0.lock().unwrap().exchange(&mut working);
        assert_eq!(format!("{working:?}"), nothing);
    }
}

#[tokio::test]
async fn large_payloads_and_busy_sessions_are_masked_alike() {
    let (masking, memory) = (masking(), SessionMemory::default());
    let large = format!(r#"{{"pad":"{}","mail":"ada@example.com"}}"#, "a ".repeat(INLINE_BYTES));
    let masked = masking.mask(&memory, &large.clone().into(), Members::NONE, ClassSet::EMPTY).await.unwrap();
    assert_eq!(text(&masked.shown), large.replace("ada@example.com", "<EMAIL_ADDRESS>"));
    let held = memory.0.lock().unwrap();
    let (own, busy) = (masking.clone(), memory.clone());
    let waiting = tokio::spawn(async move {
        own.mask(&busy, &Bytes::from_static(b"ada@example.com"), Members::NONE, ClassSet::EMPTY).await
    });
    drop(held);
    assert_eq!(text(&waiting.await.unwrap().unwrap().shown), "<EMAIL_ADDRESS>");
}

#[tokio::test]
async fn an_address_is_whole_for_the_client_and_masked_in_the_record() {
    const READ: &Members = &Members { keep: &[], addresses: &[&["uri"]], roots: &[] };
    let payload = Bytes::from_static(br#"{"uri":"crm://ada@example.com","text":"ada@example.com"}"#);
    let masked = masking().mask(&SessionMemory::default(), &payload, READ, ClassSet::EMPTY).await.unwrap();
    assert_eq!(text(&masked.shown), r#"{"uri":"crm://ada@example.com","text":"<EMAIL_ADDRESS>"}"#);
    assert_eq!(text(&masked.recorded), r#"{"uri":"crm://<EMAIL_ADDRESS>","text":"<EMAIL_ADDRESS>"}"#);
}

#[tokio::test]
async fn what_is_no_json_is_masked_as_text() {
    let masked = masked(&masking(), "{\"mail\":\"ada@example.com\" and more", &[]).await;
    assert_eq!(text(&masked.recorded), "{\"mail\":\"<EMAIL_ADDRESS>\" and more");
}

#[tokio::test]
async fn objects_of_actions_are_masked_in_the_record() {
    let (masking, memory) = (masking(), SessionMemory::default());
    let action = Action::ResourceRead("crm://customers/ada@example.com".into());
    let masked = Action::ResourceRead("crm://customers/<EMAIL_ADDRESS>".into());
    assert_eq!(masking.action(&memory, &action).await, masked);
    assert_eq!(masking.action(&memory, &Action::Sampling).await, Action::Sampling);
    let held = memory.0.lock().unwrap();
    let (own, busy, waiting) = (masking.clone(), memory.clone(), action.clone());
    let waiting = tokio::spawn(async move { own.action(&busy, &waiting).await });
    drop(held);
    assert_eq!(waiting.await.unwrap(), masked, "in a session that is busy");
}

#[test]
fn the_key_of_hmac_is_not_the_key_encryption_key() {
    let derived = hmac_key(&Secret::new([1; 32])).unwrap();
    assert_ne!(derived, [1; 32]);
    assert_eq!(derived, hmac_key(&Secret::new([1; 32])).unwrap());
    assert_ne!(derived, hmac_key(&Secret::new([2; 32])).unwrap());
}

/// A tool's promise of the result of [`MESSAGE`].
fn promise(mail: &str) -> OutputSchema {
    let schema = format!(r#"{{"type":"object","properties":{{"mail":{mail},"card":{{"type":"string"}}}}}}"#);
    OutputSchema { schema: schema.into(), at: &["result"] }
}

#[tokio::test]
async fn what_a_tool_promised_of_its_results_holds_for_masked_ones() {
    let (masking, original) = (masking(), Bytes::from_static(MESSAGE.as_bytes()));
    let masked = || masked(&masking, MESSAGE, &["CREDIT_CARD"]);
    let free = masked().await.fitted(&original, Some(&promise(r#"{"type":"string"}"#))).unwrap();
    assert!(text(&free.shown).contains(r#""mail":"<EMAIL_ADDRESS>""#), "what fits stays");

    let address = masked().await.fitted(&original, Some(&promise(r#"{"type":"string","format":"email"}"#))).unwrap();
    assert!(text(&address.shown).contains(r#""mail":"masked@example.invalid","card":"4111 1111 1111 1111""#));
    assert!(
        text(&address.recorded).contains(r#""mail":"<EMAIL_ADDRESS>","card":"<CREDIT_CARD>""#),
        "nobody validates the record"
    );

    let refused = masked().await.fitted(&original, Some(&promise(r#"{"enum":["ada@example.com"]}"#))).unwrap_err();
    assert!(matches!(refused, Unmaskable::Unfit(_)));
    assert!(refused.to_string().contains("/mail") && !refused.to_string().contains("ada@"), "{refused}");
}

#[tokio::test]
async fn addresses_are_found_in_lists_and_below_any_name() {
    let members = &Members {
        keep: &[],
        addresses: &[&["id"], &["result", "list", "uri"], &["result", "asked", "*", "url"]],
        roots: &[],
    };
    let (mail, masked) = ("ada@example.com", "<EMAIL_ADDRESS>");
    let message = |id: &str, uri: &str, url: &str, text: &str| {
        format!(
            r#"{{"id":"{id}","result":{{"asked":{{"x":{{"url":"{url}"}}}},"list":[1,{{"uri":"{uri}"}}],"text":"{text}"}}}}"#
        )
    };
    let (masking, memory) = (masking(), SessionMemory::default());
    for (id, uri, url) in [(mail, "a", "b"), ("1", mail, "b"), ("1", "a", mail), ("1", "a", "b")] {
        let payload = Bytes::from(message(id, uri, url, mail));
        let both = masking.mask(&memory, &payload, members, ClassSet::EMPTY).await.unwrap();
        assert_eq!(text(&both.shown), message(id, uri, url, masked));
        assert_eq!(text(&both.recorded), message(id, uri, url, mail).replace(mail, masked));
    }
}
