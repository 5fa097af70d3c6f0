//! How an answer is wanted, as all three interfaces can say it.

use crate::refusal::Refusal;
use cara_control::completion::is_agent;
use cara_control::completion::parts::{Effort, Request, ResponseFormat, ToolChoice, ToolDefinition};

/// How an answer is wanted, with the name of each field in the client's words.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) tools: Vec<ToolDefinition>,
    pub(super) tool_choice: Option<(&'static str, ToolChoice)>,
    pub(super) parallel: Option<(&'static str, bool)>,
    pub(super) most_tokens: Option<(&'static str, u32)>,
    pub(super) temperature: Option<(&'static str, f32)>,
    pub(super) top_p: Option<(&'static str, f32)>,
    pub(super) top_k: Option<(&'static str, u32)>,
    pub(super) presence_penalty: Option<(&'static str, f32)>,
    pub(super) frequency_penalty: Option<(&'static str, f32)>,
    pub(super) seed: Option<(&'static str, i64)>,
    pub(super) stop: Option<(&'static str, Vec<String>)>,
    pub(super) effort: Option<(&'static str, Effort)>,
    pub(super) format: Option<(&'static str, ResponseFormat)>,
}

/// A number between two others.
pub(super) fn within(
    name: &'static str,
    number: Option<f32>,
    least: f32,
    most: f32,
) -> Result<Option<(&'static str, f32)>, Refusal> {
    match number {
        Some(number) if !(least..=most).contains(&number) => {
            Err(Refusal::field(name, format!("`{name}` is {number}, and can be {least} to {most}")))
        }
        number => Ok(number.map(|number| (name, number))),
    }
}

impl Wanted {
    /// The names of what is set.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let tools = (!self.tools.is_empty()).then_some("tools");
        let all = [
            tools,
            self.tool_choice.as_ref().map(|(name, _)| *name),
            self.parallel.map(|(name, _)| name),
            self.most_tokens.map(|(name, _)| name),
            self.temperature.map(|(name, _)| name),
            self.top_p.map(|(name, _)| name),
            self.top_k.map(|(name, _)| name),
            self.presence_penalty.map(|(name, _)| name),
            self.frequency_penalty.map(|(name, _)| name),
            self.seed.map(|(name, _)| name),
            self.stop.as_ref().map(|(name, _)| *name),
            self.effort.as_ref().map(|(name, _)| *name),
            self.format.as_ref().map(|(name, _)| *name),
        ];
        all.into_iter().flatten()
    }

    /// The request for a model of that name, without its messages.
    pub(super) fn request(self, model: &str) -> Result<Request, Refusal> {
        if is_agent(model)
            && let Some(name) = self.names().next()
        {
            return Err(Refusal::unsupported(name, "an agent answers with its own tools and as the operator set it"));
        }
        let tools = self.tools;
        let tool_choice = match self.tool_choice {
            Some((name, ToolChoice::Required | ToolChoice::Named(_))) if tools.is_empty() => {
                return Err(Refusal::field(name, format!("`{name}` wants a tool called, and there is none")));
            }
            Some((name, ToolChoice::Named(tool))) if tools.iter().all(|known| known.name != tool) => {
                return Err(Refusal::field(name, format!("`{name}` names a tool that is not among `tools`")));
            }
            Some((_, choice)) => choice,
            None if tools.is_empty() => ToolChoice::None,
            None => ToolChoice::Auto,
        };
        let stop = match self.stop {
            Some((name, stop)) if stop.len() > 4 || stop.iter().any(String::is_empty) => {
                return Err(Refusal::field(name, format!("`{name}` holds 1 to 4 texts, none of them empty")));
            }
            stop => stop.map(|(_, stop)| stop).unwrap_or_default(),
        };
        Ok(Request {
            model: String::new(),
            system: None,
            messages: Vec::new(),
            tools,
            tool_choice,
            max_output_tokens: self.most_tokens.map(|(_, most)| most),
            temperature: self.temperature.map(|(_, temperature)| temperature),
            parallel_tool_calls: self.parallel.map(|(_, parallel)| parallel),
            response_format: self.format.map_or(ResponseFormat::Text, |(_, format)| format),
            top_p: self.top_p.map(|(_, top)| top),
            top_k: self.top_k.map(|(_, top)| top),
            presence_penalty: self.presence_penalty.map(|(_, penalty)| penalty),
            frequency_penalty: self.frequency_penalty.map(|(_, penalty)| penalty),
            seed: self.seed.map(|(_, seed)| seed),
            stop,
            effort: self.effort.map(|(_, effort)| effort),
        })
    }
}
