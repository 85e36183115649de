//! What the server offers, and the answers that are always the same: `catalogue.json`, read at start.
//!
//! Names and texts are those that the suite looks for; a tool, prompt or resource that is listed and has no answer
//! there is answered by code.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rmcp::model::{ContentBlock, Prompt, PromptMessage, Resource, ResourceContents, ResourceTemplate, Tool};
use serde::Deserialize;

const CATALOGUE: &str = include_str!("catalogue.json");

/// Lists, and answers by name or URI.
#[derive(Debug, Deserialize)]
pub(crate) struct Catalogue {
    pub(crate) tools: Vec<Tool>,
    pub(crate) results: BTreeMap<String, Vec<ContentBlock>>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) messages: BTreeMap<String, Vec<PromptMessage>>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) templates: Vec<ResourceTemplate>,
    pub(crate) contents: BTreeMap<String, Vec<ResourceContents>>,
}

impl Catalogue {
    /// Parses what was compiled in.
    pub(crate) fn read() -> Result<Self> {
        serde_json::from_str(CATALOGUE).context("catalogue.json does not fit the protocol's types")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_answer_belongs_to_something_that_is_listed() {
        let catalogue = Catalogue::read().unwrap();
        let tools = |name: &String| catalogue.tools.iter().any(|tool| tool.name == *name);
        let prompts = |name: &String| catalogue.prompts.iter().any(|prompt| prompt.name == *name);
        let resources = |uri: &String| catalogue.resources.iter().any(|resource| resource.uri == *uri);
        assert!(catalogue.results.keys().all(tools));
        assert!(catalogue.messages.keys().all(prompts));
        assert!(catalogue.contents.keys().all(resources));
        assert_eq!(catalogue.contents.len(), catalogue.resources.len());
    }
}
