//! Each property of SEP-2322 that the suite cannot see, or sees only when the server is right.

use rmcp::model::ErrorCode;

use super::*;

fn codec() -> RequestStateCodec {
    RequestStateCodec::try_new([7; RequestStateCodec::MIN_KEY_LENGTH]).unwrap()
}

fn everything() -> Value {
    json!({ "sampling": {}, "elicitation": {}, "roots": {} })
}

fn run(tool: &str, responses: Value, state: Option<&str>, capabilities: Value) -> Result<Round, ErrorData> {
    let responses: InputResponses = serde_json::from_value(responses).unwrap();
    let capabilities = serde_json::from_value(capabilities).unwrap();
    let call = Call { responses: Some(&responses), state, capabilities, codec: &codec() };
    call.run(&format!("test_input_required_result_{tool}")).unwrap()
}

fn asked(round: Result<Round, ErrorData>) -> (Vec<String>, Option<String>) {
    match round.unwrap() {
        Round::Ask(result) => (result.input_requests.unwrap().into_keys().collect(), result.request_state),
        Round::Done(text) => panic!("done: {text}"),
    }
}

fn done(round: Result<Round, ErrorData>) -> String {
    match round.unwrap() {
        Round::Done(text) => text,
        Round::Ask(result) => panic!("{result:?}"),
    }
}

fn accept(content: &Value) -> Value {
    json!({ "action": "accept", "content": content })
}

#[test]
fn an_answer_counts_only_if_it_was_accepted_and_has_the_field() {
    let answer = |answer: Value| run("elicitation", json!({ "user_name": answer }), None, everything());
    assert_eq!(done(answer(accept(&json!({ "name": "Ada" })))), "Hello, Ada!");
    let declined = json!({ "action": "decline", "content": { "name": "Ada" } });
    for not_an_answer in [declined, accept(&json!({ "nom": "Ada" })), json!(12345)] {
        assert_eq!(asked(answer(not_an_answer)).0, ["user_name"]);
    }
}

#[test]
fn a_state_that_was_changed_or_belongs_to_another_tool_is_no_confirmation() {
    let (_, state) = asked(run("request_state", json!({}), None, everything()));
    let state = state.unwrap();
    let answers = || json!({ "confirm": accept(&json!({ "ok": true })) });
    assert_eq!(done(run("request_state", answers(), Some(&state), everything())), "state-ok");

    let changed = run("tampered_state", answers(), Some(&format!("{state}-TAMPERED")), everything()).unwrap_err();
    assert_eq!(changed.code, ErrorCode::INVALID_PARAMS);
    let (_, other) = asked(run("multi_round", json!({}), None, everything()));
    asked(run("request_state", answers(), other.as_deref(), everything()));
    asked(run("request_state", answers(), None, everything()));
}

#[test]
fn the_second_round_carries_the_first_answer() {
    let (_, first) = asked(run("multi_round", json!({}), None, everything()));
    let answers = json!({ "step1": accept(&json!({ "name": "Ada" })) });
    let (keys, second) = asked(run("multi_round", answers, first.as_deref(), everything()));
    assert_eq!(keys, ["step2"]);
    assert_ne!(first, second);
    let answers = json!({ "step2": accept(&json!({ "color": "blue" })) });
    assert_eq!(done(run("multi_round", answers, second.as_deref(), everything())), "Ada likes blue.");
}

#[test]
fn three_things_are_done_only_when_all_are_answered() {
    let (keys, state) = asked(run("multiple_inputs", json!({}), None, everything()));
    assert_eq!(keys, ["client_roots", "greeting", "user_name"]);
    let mut answers = json!({
        "user_name": accept(&json!({ "name": "Ada" })),
        "greeting": { "content": { "type": "text", "text": "Hi" } },
        "client_roots": { "roots": [{ "uri": "file:///a" }, { "uri": "file:///b" }] },
    });
    let text = done(run("multiple_inputs", answers.clone(), state.as_deref(), everything()));
    assert_eq!(text, "Ada: Hi (file:///a, file:///b)");
    answers.as_object_mut().unwrap().remove("greeting");
    asked(run("multiple_inputs", answers, state.as_deref(), everything()));
}

#[test]
fn nothing_is_asked_that_the_client_cannot_answer() {
    let error = run("elicitation", json!({}), None, json!({ "sampling": {} })).unwrap_err();
    assert_eq!(error.code, ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY);
    assert_eq!(error.data.unwrap()["requiredCapabilities"], json!({ "elicitation": {} }));
    assert_eq!(asked(run("capabilities", json!({}), None, json!({ "sampling": {} }))).0, ["greeting"]);
    done(run("capabilities", json!({}), None, json!({})));
}

#[test]
fn other_tools_are_not_for_this_module() {
    let call = Call { responses: None, state: None, capabilities: ClientCapabilities::default(), codec: &codec() };
    assert!(call.run("test_simple_text").is_none());
    assert!(call.run("test_input_required_result_unknown").is_none());
}
