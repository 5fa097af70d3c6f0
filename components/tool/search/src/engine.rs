//! Which engine searches.

use cara_sdk::Error;

/// An engine, with what it needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Brave Search.
    Brave,
    /// A SearXNG server.
    Searxng { url: String },
    /// Tavily.
    Tavily,
}

/// What the operator set up.
#[derive(Debug, Default, Clone)]
pub(crate) struct SetUp {
    pub(crate) engine: Option<String>,
    pub(crate) searxng: Option<String>,
    /// Whether its key is at hand.
    pub(crate) brave: bool,
    /// Whether its key is at hand.
    pub(crate) tavily: bool,
}

impl SetUp {
    /// The engine that was chosen, or without a choice the first that has what it needs.
    pub(crate) fn engine(self) -> Result<Engine, Error> {
        let Self { engine, searxng, brave, tavily } = self;
        let searxng = searxng.map(|url| Engine::Searxng { url });
        let brave = brave.then_some(Engine::Brave);
        let tavily = tavily.then_some(Engine::Tavily);
        match engine.as_deref().map(str::trim) {
            Some("searxng") => searxng.ok_or_else(|| {
                Error::auth(
                    "the engine `searxng` has no address\n\
                     hint: set `searxng-url` in `[component.search.settings]`, or SEARXNG_URL",
                )
            }),
            Some("brave") => brave.ok_or_else(|| missing_key("brave", "brave-key")),
            Some("tavily") => tavily.ok_or_else(|| missing_key("tavily", "tavily-key")),
            Some(other) if !other.is_empty() => Err(Error::auth(format!(
                "there is no engine `{other}`\nhint: set `engine` in `[component.search.settings]` to `brave`, `searxng` or `tavily`"
            ))),
            _ => searxng.or(brave).or(tavily).ok_or_else(|| {
                Error::auth(
                    "no search engine is set up\n\
                     hint: run `cara secrets set search/brave-key` or `cara secrets set search/tavily-key`, \
                     or set `searxng-url` in `[component.search.settings]`",
                )
            }),
        }
    }
}

fn missing_key(engine: &str, key: &str) -> Error {
    Error::auth(format!("the engine `{engine}` has no key\nhint: run `cara secrets set search/{key}`"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_sdk::ErrorKind;

    fn set_up(engine: &str, searxng: &str, brave: &str, tavily: &str) -> SetUp {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        SetUp { engine: some(engine), searxng: some(searxng), brave: !brave.is_empty(), tavily: !tavily.is_empty() }
    }

    #[test]
    fn the_chosen_engine_is_taken_and_no_other_in_its_place() {
        let all = set_up("tavily", "http://s", "b", "t");
        assert_eq!(all.engine().unwrap(), Engine::Tavily);
        for (engine, cure) in [
            (set_up("brave", "http://s", "", "t"), "cara secrets set search/brave-key"),
            (set_up("tavily", "http://s", "b", ""), "cara secrets set search/tavily-key"),
            (set_up("searxng", "", "b", "t"), "`searxng-url`"),
            (set_up("google", "http://s", "b", "t"), "`brave`, `searxng` or `tavily`"),
            (set_up("", "", "", ""), "cara secrets set search/brave-key"),
        ] {
            let error = engine.engine().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Auth);
            assert!(error.message.contains(cure) && error.message.contains("\nhint: "), "{}", error.message);
        }
    }

    #[test]
    fn without_a_choice_the_first_that_has_what_it_needs_searches() {
        assert_eq!(set_up("", "http://s", "b", "t").engine().unwrap(), Engine::Searxng { url: "http://s".into() });
        assert_eq!(set_up("", "", "b", "t").engine().unwrap(), Engine::Brave);
        assert_eq!(set_up("", "", "", "t").engine().unwrap(), Engine::Tavily);
    }
}
