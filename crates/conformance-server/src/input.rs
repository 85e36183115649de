//! Tools and a prompt that answer with questions first: multi round-trip requests (MCP 2026-07-28, SEP-2322).
//!
//! Nothing is remembered between rounds: what must survive is sealed into `requestState`, and a state that was changed
//! is refused. A question that the client did not say it can answer is an error; an answer that does not fit its
//! question is asked for again; answers to questions that were not asked are ignored.

use rmcp::ErrorData;
use rmcp::model::{
    ClientCapabilities, InputRequest, InputRequests, InputRequiredResult, InputResponses, RequestStateCodec,
};
use serde_json::{Value, json};

/// What a round ends with.
#[derive(Debug)]
pub(crate) enum Round {
    /// Questions, or a state to come back with.
    Ask(InputRequiredResult),
    /// The text of the result.
    Done(String),
}

/// One call of a tool or prompt: the first, or a retry with answers.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) responses: Option<&'a InputResponses>,
    pub(crate) state: Option<&'a str>,
    pub(crate) capabilities: ClientCapabilities,
    pub(crate) codec: &'a RequestStateCodec,
}

impl Call<'_> {
    /// Runs the round of `tool` that this call is. `None` if the tool is none of those that ask.
    pub(crate) fn run(&self, tool: &str) -> Option<Result<Round, ErrorData>> {
        Some(match tool.strip_prefix("test_input_required_result_")? {
            "elicitation" => self.greet(),
            "sampling" => self.pass_on_an_answer(),
            "list_roots" => self.name_roots(),
            "request_state" | "tampered_state" => self.confirm(),
            "multiple_inputs" => self.ask_three_things(),
            "multi_round" => self.ask_twice(),
            "capabilities" => self.ask_what_can_be_answered(),
            "prompt" => self.ask_for_context(),
            _ => return None,
        })
    }

    /// Asks for a name and greets whoever gave it.
    pub(crate) fn greet(&self) -> Result<Round, ErrorData> {
        match self.accepted("user_name", "name") {
            Some(name) => Ok(Round::Done(format!("Hello, {name}!"))),
            None => self.ask(json!({ "user_name": form("What is your name?", "name", "string") }), None),
        }
    }

    fn ask_for_context(&self) -> Result<Round, ErrorData> {
        const QUESTION: &str = "What context should the prompt use?";
        match self.accepted("user_context", "context") {
            Some(context) => Ok(Round::Done(format!("The context is {context}."))),
            None => self.ask(json!({ "user_context": form(QUESTION, "context", "string") }), None),
        }
    }

    fn pass_on_an_answer(&self) -> Result<Round, ErrorData> {
        match self.sampled("capital_question") {
            Some(text) => Ok(Round::Done(format!("The model said: {text}"))),
            None => self.ask(json!({ "capital_question": sample("What is the capital of France?") }), None),
        }
    }

    fn name_roots(&self) -> Result<Round, ErrorData> {
        match self.roots("client_roots") {
            Some(roots) => Ok(Round::Done(format!("The client's roots: {roots}"))),
            None => self.ask(json!({ "client_roots": { "method": "roots/list" } }), None),
        }
    }

    /// The state is what makes the confirmation good.
    fn confirm(&self) -> Result<Round, ErrorData> {
        const STATE: &str = "asked for a confirmation";
        if self.state.is_some() && self.opened()?.as_deref() == Some(STATE) && self.accepted("confirm", "ok").is_some()
        {
            return Ok(Round::Done("state-ok".to_owned()));
        }
        self.ask(json!({ "confirm": form("Please confirm", "ok", "boolean") }), Some(STATE))
    }

    fn ask_three_things(&self) -> Result<Round, ErrorData> {
        const STATE: &str = "asked for three things";
        let answers = (self.accepted("user_name", "name"), self.sampled("greeting"), self.roots("client_roots"));
        if let (Some(name), Some(greeting), Some(roots)) = answers
            && self.opened()?.as_deref() == Some(STATE)
        {
            return Ok(Round::Done(format!("{name}: {greeting} ({roots})")));
        }
        let questions = json!({
            "user_name": form("What is your name?", "name", "string"),
            "greeting": sample("Generate a greeting"),
            "client_roots": { "method": "roots/list" },
        });
        self.ask(questions, Some(STATE))
    }

    /// The first answer travels in the state of the second round.
    fn ask_twice(&self) -> Result<Round, ErrorData> {
        const FIRST: &str = "first";
        const SECOND: &str = "second ";
        match self.opened()?.as_deref() {
            Some(FIRST) => {
                if let Some(name) = self.accepted("step1", "name") {
                    let question = form("Step 2: What is your favorite color?", "color", "string");
                    return self.ask(json!({ "step2": question }), Some(&format!("{SECOND}{name}")));
                }
            }
            Some(state) => {
                if let (Some(name), Some(color)) = (state.strip_prefix(SECOND), self.accepted("step2", "color")) {
                    return Ok(Round::Done(format!("{name} likes {color}.")));
                }
            }
            None => {}
        }
        self.ask(json!({ "step1": form("Step 1: What is your name?", "name", "string") }), Some(FIRST))
    }

    fn ask_what_can_be_answered(&self) -> Result<Round, ErrorData> {
        let mut questions = serde_json::Map::new();
        if self.capabilities.sampling.is_some() && self.sampled("greeting").is_none() {
            questions.insert("greeting".to_owned(), sample("Generate a greeting"));
        }
        if self.capabilities.elicitation.is_some() && self.accepted("user_name", "name").is_none() {
            questions.insert("user_name".to_owned(), form("What is your name?", "name", "string"));
        }
        if questions.is_empty() {
            return Ok(Round::Done("Nothing is left to ask.".to_owned()));
        }
        self.ask(Value::Object(questions), None)
    }

    /// Asks, and has the client bring `state` back.
    fn ask(&self, questions: Value, state: Option<&str>) -> Result<Round, ErrorData> {
        let questions: InputRequests = serde_json::from_value(questions).map_err(internal)?;
        for question in questions.values() {
            self.require_capability(question)?;
        }
        let state = state.map(|state| self.codec.seal(state.as_bytes()));
        Ok(Round::Ask(InputRequiredResult::new(Some(questions), state)))
    }

    fn require_capability(&self, question: &InputRequest) -> Result<(), ErrorData> {
        let (is_declared, missing) = match question {
            InputRequest::CreateMessage(_) => (self.capabilities.sampling.is_some(), "sampling"),
            InputRequest::Elicitation(_) => (self.capabilities.elicitation.is_some(), "elicitation"),
            InputRequest::ListRoots(_) => (self.capabilities.roots.is_some(), "roots"),
            _ => return Err(internal("a question of a kind that is not known here")),
        };
        if is_declared { Ok(()) } else { Err(missing_capability(missing)) }
    }

    /// The state that came back, if one did.
    fn opened(&self) -> Result<Option<String>, ErrorData> {
        let Some(sealed) = self.state else { return Ok(None) };
        let opened = self.codec.open(sealed).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        opened.map(Some).ok_or_else(|| ErrorData::invalid_params("the requestState is not the one that was sent", None))
    }

    /// A field of a form that the user filled in and sent.
    fn accepted(&self, key: &str, field: &str) -> Option<String> {
        let answer = self.responses?.get(key)?;
        let value = answer.get("content")?.get(field)?;
        (answer.get("action")? == "accept").then(|| plain(value))
    }

    /// The text that the client's model gave.
    fn sampled(&self, key: &str) -> Option<String> {
        self.responses?.get(key)?.get("content")?.get("text").map(plain)
    }

    /// The URIs of the client's roots.
    fn roots(&self, key: &str) -> Option<String> {
        let roots = self.responses?.get(key)?.get("roots")?.as_array()?;
        Some(roots.iter().filter_map(|root| root.get("uri")?.as_str()).collect::<Vec<_>>().join(", "))
    }
}

/// The error of MCP 2026-07-28 for a request that needs what the client did not declare.
pub(crate) fn missing_capability(name: &str) -> ErrorData {
    match serde_json::from_value(json!({ name: {} })) {
        Ok(required) => ErrorData::missing_required_client_capability(required),
        Err(error) => internal(error),
    }
}

fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn form(message: &str, field: &str, field_type: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { field: { "type": field_type } }, "required": [field] });
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": schema } })
}

fn sample(prompt: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

/// A string as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
