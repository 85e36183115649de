//! The server as `rmcp` calls it: capabilities, lists, and who answers what (MCP 2025-11-25 and 2026-07-28, server).
//!
//! What is not in the catalogue is an error. Dropping a call's future ends the call: nothing here runs on.

#![expect(deprecated, reason = "logging and subscriptions by URI are part of MCP 2025-11-25")]

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, Role, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::broadcast::error::RecvError;

use crate::changes::Change;
use crate::fixture::{CHANGING, Fixture, is_legacy};
use crate::input::Round;
use crate::{prompts, resources, tools};

/// What the argument of a prompt may be completed to.
const COMPLETIONS: [&str; 3] = ["paris", "park", "party"];

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        let name = Implementation::new("vidimus-conformance-server", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.tools()))
    }

    /// What `rmcp` holds `Mcp-Param-*` headers against (SEP-2243).
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, &request, &context).await
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(self.shared.prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let call = self.call(request.input_responses.as_ref(), request.request_state.as_deref(), &context);
        match call.run(&request.name).transpose()? {
            Some(Round::Ask(result)) => Ok(result.into()),
            Some(Round::Done(text)) => Ok(GetPromptResult::new(vec![said(text)]).into()),
            None if request.name == CHANGING && self.shared.changes.is_there(Change::Prompts) => {
                Ok(GetPromptResult::new(vec![said("It is there.".to_owned())]).into())
            }
            None => Ok(prompts::messages(&self.shared.catalogue, &request)?.into()),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let begins = |text: &&str| text.starts_with(&request.argument.value);
        let values = COMPLETIONS.iter().filter(|text| begins(text)).map(ToString::to_string).collect();
        let completion =
            CompletionInfo::with_all_values(values).map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(completion))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(self.shared.catalogue.resources.clone()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(self.shared.catalogue.templates.clone()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resources::read(&self.shared.catalogue, &request.uri, is_legacy(&context))?.into())
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Self::set_level(self, request.level);
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(&self.shared.catalogue, &request.uri, is_legacy(&context))?;
        self.watch(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.unwatch(&request.uri) {
            return Ok(());
        }
        Err(ErrorData::invalid_params(format!("{} is not subscribed to", request.uri), None))
    }

    /// Everything that was asked for; `rmcp` takes out what the capabilities do not hold.
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.shared.changes.follow();
        loop {
            let change = tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            let (accepted, sink) = (subscription.accepted(), subscription.sink());
            let sent = match change {
                Ok(Change::Tools) if accepted.tools_list_changed == Some(true) => sink.notify_tool_list_changed().await,
                Ok(Change::Prompts) if accepted.prompts_list_changed == Some(true) => {
                    sink.notify_prompt_list_changed().await
                }
                // Not asked for, or missed.
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            };
            if sent.is_err() {
                // The client has gone.
                return Ok(());
            }
        }
    }
}

fn said(text: String) -> PromptMessage {
    PromptMessage::new(Role::User, ContentBlock::text(text))
}
