//! The methods of both eras (MCP 2025-11-25 and 2026-07-28, schema; of the latter the tasks extension too): who may
//! send each, in which form, and what it asks of us.
//!
//! What is not in the table is [`Method::Unknown`], and the adapter refuses it: a request of the wrong side, the
//! `tasks/*` methods, which are never agreed on, and whatever a later revision adds.

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The caller of the gateway.
    Client,
    /// The target.
    Server,
}

/// Whether a message wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// It has an id.
    Request,
    /// It has none.
    Notification,
}

impl Form {
    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Request => Self::Notification,
            Self::Notification => Self::Request,
        }
    }
}

/// A method of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `notifications/subscriptions/acknowledged`
    Acknowledged,
    /// `tools/call`
    CallTool,
    /// `tasks/cancel`
    CancelTask,
    /// `notifications/cancelled`
    Cancelled,
    /// `completion/complete`
    Complete,
    /// `sampling/createMessage`
    CreateMessage,
    /// `server/discover`
    Discover,
    /// `elicitation/create`
    Elicit,
    /// `notifications/elicitation/complete`
    ElicitationComplete,
    /// `prompts/get`
    GetPrompt,
    /// `tasks/get`
    GetTask,
    /// `initialize`
    Initialize,
    /// `notifications/initialized`
    Initialized,
    /// `prompts/list`
    ListPrompts,
    /// `subscriptions/listen`
    ListenSubscriptions,
    /// `resources/templates/list`
    ListResourceTemplates,
    /// `resources/list`
    ListResources,
    /// `roots/list`
    ListRoots,
    /// `tools/list`
    ListTools,
    /// `notifications/message`
    LogMessage,
    /// `ping`
    Ping,
    /// `notifications/progress`
    Progress,
    /// `notifications/prompts/list_changed`
    PromptsChanged,
    /// `resources/read`
    ReadResource,
    /// `notifications/resources/updated`
    ResourceUpdated,
    /// `notifications/resources/list_changed`
    ResourcesChanged,
    /// `notifications/roots/list_changed`
    RootsChanged,
    /// `logging/setLevel`
    SetLevel,
    /// `resources/subscribe`
    Subscribe,
    /// `notifications/tasks`
    TaskStatus,
    /// `notifications/tools/list_changed`
    ToolsChanged,
    /// Anything else.
    Unknown,
    /// `resources/unsubscribe`
    Unsubscribe,
    /// `tasks/update`
    UpdateTask,
}

/// What a method asks of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The server asks the client: decide and record, in both directions.
    Ask,
    /// Decide, mask, record.
    Decide,
    /// Keeps the session going.
    Lifecycle,
    /// A list, to be filtered.
    List(ListKind),
    /// Tells of something.
    Notice,
    /// Refuse.
    Unknown,
}

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `prompts/list`
    Prompts,
    /// `resources/templates/list`
    ResourceTemplates,
    /// `resources/list`
    Resources,
    /// `tools/list`
    Tools,
}

impl ListKind {
    /// The method that asks for it.
    pub const fn method_name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts/list",
            Self::ResourceTemplates => "resources/templates/list",
            Self::Resources => "resources/list",
            Self::Tools => "tools/list",
        }
    }

    /// The key of the array in the result.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Resources => "resources",
            Self::Tools => "tools",
        }
    }

    /// The key that identifies an element.
    pub const fn identity(self) -> &'static str {
        match self {
            Self::Prompts | Self::Tools => "name",
            Self::ResourceTemplates => "uriTemplate",
            Self::Resources => "uri",
        }
    }
}

impl Method {
    /// The method of that name, if this sender may send it in this form.
    pub fn classify(sender: Sender, form: Form, name: &str) -> Self {
        match (sender, form) {
            (Sender::Client, Form::Request) => Self::of_client(name),
            (Sender::Server, Form::Request) => Self::of_server(name),
            (_, Form::Notification) => Self::notification(sender, name),
        }
    }

    fn of_client(name: &str) -> Self {
        match name {
            "completion/complete" => Self::Complete,
            "initialize" => Self::Initialize,
            "logging/setLevel" => Self::SetLevel,
            "ping" => Self::Ping,
            "prompts/get" => Self::GetPrompt,
            "prompts/list" => Self::ListPrompts,
            "resources/list" => Self::ListResources,
            "resources/read" => Self::ReadResource,
            "resources/subscribe" => Self::Subscribe,
            "resources/templates/list" => Self::ListResourceTemplates,
            "resources/unsubscribe" => Self::Unsubscribe,
            "server/discover" => Self::Discover,
            "subscriptions/listen" => Self::ListenSubscriptions,
            "tasks/cancel" => Self::CancelTask,
            "tasks/get" => Self::GetTask,
            "tasks/update" => Self::UpdateTask,
            "tools/call" => Self::CallTool,
            "tools/list" => Self::ListTools,
            _ => Self::Unknown,
        }
    }

    fn of_server(name: &str) -> Self {
        match name {
            "elicitation/create" => Self::Elicit,
            "ping" => Self::Ping,
            "roots/list" => Self::ListRoots,
            "sampling/createMessage" => Self::CreateMessage,
            _ => Self::Unknown,
        }
    }

    fn notification(sender: Sender, name: &str) -> Self {
        match (sender, name) {
            (_, "notifications/cancelled") => Self::Cancelled,
            (_, "notifications/progress") => Self::Progress,
            (Sender::Client, "notifications/initialized") => Self::Initialized,
            (Sender::Client, "notifications/roots/list_changed") => Self::RootsChanged,
            (Sender::Server, "notifications/elicitation/complete") => Self::ElicitationComplete,
            (Sender::Server, "notifications/message") => Self::LogMessage,
            (Sender::Server, "notifications/prompts/list_changed") => Self::PromptsChanged,
            (Sender::Server, "notifications/resources/list_changed") => Self::ResourcesChanged,
            (Sender::Server, "notifications/resources/updated") => Self::ResourceUpdated,
            (Sender::Server, "notifications/subscriptions/acknowledged") => Self::Acknowledged,
            (Sender::Server, "notifications/tasks") => Self::TaskStatus,
            (Sender::Server, "notifications/tools/list_changed") => Self::ToolsChanged,
            _ => Self::Unknown,
        }
    }

    /// Whether a revision without sessions has it (2026-07-28).
    pub const fn is_modern(self) -> bool {
        !matches!(
            self,
            Self::Cancelled
                | Self::CreateMessage
                | Self::Elicit
                | Self::ElicitationComplete
                | Self::Initialize
                | Self::Initialized
                | Self::ListRoots
                | Self::Ping
                | Self::RootsChanged
                | Self::SetLevel
                | Self::Subscribe
                | Self::Unknown
                | Self::Unsubscribe
        )
    }

    /// Whether a revision with sessions has it (2025-11-25 and before; its tasks are never agreed on).
    pub const fn is_legacy(self) -> bool {
        !matches!(
            self,
            Self::Acknowledged
                | Self::CancelTask
                | Self::Discover
                | Self::GetTask
                | Self::ListenSubscriptions
                | Self::TaskStatus
                | Self::Unknown
                | Self::UpdateTask
        )
    }

    /// Whether a server that gets the same message twice does no more than for one: all but what calls and answers.
    pub const fn is_repeatable(self) -> bool {
        !matches!(self, Self::CallTool | Self::UpdateTask | Self::Unknown)
    }

    /// What it asks of the gateway.
    pub const fn class(self) -> Class {
        match self {
            Self::CallTool
            | Self::CancelTask
            | Self::Complete
            | Self::GetTask
            | Self::UpdateTask
            | Self::GetPrompt
            | Self::ReadResource
            | Self::Subscribe
            | Self::Unsubscribe => Class::Decide,
            Self::CreateMessage | Self::Elicit | Self::ListRoots => Class::Ask,
            Self::Discover
            | Self::Initialize
            | Self::Initialized
            | Self::ListenSubscriptions
            | Self::Ping
            | Self::SetLevel => Class::Lifecycle,
            Self::ListPrompts => Class::List(ListKind::Prompts),
            Self::ListResourceTemplates => Class::List(ListKind::ResourceTemplates),
            Self::ListResources => Class::List(ListKind::Resources),
            Self::ListTools => Class::List(ListKind::Tools),
            Self::Acknowledged
            | Self::Cancelled
            | Self::ElicitationComplete
            | Self::LogMessage
            | Self::Progress
            | Self::PromptsChanged
            | Self::ResourceUpdated
            | Self::ResourcesChanged
            | Self::RootsChanged
            | Self::TaskStatus
            | Self::ToolsChanged => Class::Notice,
            Self::Unknown => Class::Unknown,
        }
    }
}
