//! Prompts whose messages depend on the arguments (MCP server/prompts).
//!
//! A prompt that is not in the catalogue, and one without its arguments, is an error.

use rmcp::ErrorData;
use rmcp::model::{ContentBlock, GetPromptRequestParams, GetPromptResult, PromptMessage, ResourceContents, Role};
use serde_json::Value;

use crate::catalogue::Catalogue;

/// The messages of a prompt.
pub(crate) fn messages(catalogue: &Catalogue, request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if let Some(messages) = catalogue.messages.get(&request.name) {
        return Ok(GetPromptResult::new(messages.clone()));
    }
    let argument = |name: &str| {
        let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name)).and_then(Value::as_str);
        value.ok_or_else(|| ErrorData::invalid_params(format!("the prompt needs the argument {name}"), None))
    };
    let content = match request.name.as_str() {
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1")?, argument("arg2")?);
            vec![ContentBlock::text(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
        }
        "test_prompt_with_embedded_resource" => {
            let text = "Embedded resource content for testing.";
            let resource = ResourceContents::text(text, argument("resourceUri")?).with_mime_type("text/plain");
            vec![ContentBlock::resource(resource), ContentBlock::text("Please process the embedded resource above.")]
        }
        name => return Err(ErrorData::invalid_params(format!("no prompt is called {name}"), None)),
    };
    let message = |content| PromptMessage::new(Role::User, content);
    Ok(GetPromptResult::new(content.into_iter().map(message).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(name: &str, arguments: &Value) -> Result<Value, ErrorData> {
        let request = serde_json::from_value(json!({ "name": name, "arguments": arguments })).unwrap();
        messages(&Catalogue::read().unwrap(), &request).map(|result| serde_json::to_value(result).unwrap())
    }

    #[test]
    fn arguments_stand_in_the_text_and_are_needed() {
        let result = get("test_prompt_with_arguments", &json!({ "arg1": "a", "arg2": "b" })).unwrap();
        assert_eq!(result["messages"][0]["content"]["text"], "Prompt with arguments: arg1='a', arg2='b'");
        assert!(get("test_prompt_with_arguments", &json!({ "arg1": "a" })).unwrap_err().message.contains("arg2"));
    }

    #[test]
    fn an_unknown_prompt_is_an_error() {
        assert!(get("test_simple_prompt", &json!({})).is_ok());
        assert!(get("no_prompt", &json!({})).unwrap_err().message.contains("no_prompt"));
    }
}
