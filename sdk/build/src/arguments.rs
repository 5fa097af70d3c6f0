//! The schemas of tools' arguments, from the code into the manifest.
//!
//! A package's build script tells them by `cara_sdk::schema::declare`, and cargo hands them on. Every other byte of the
//! manifest stays: a line `input = …` is added below the name of its tool, and nothing where the author wrote one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

/// How a build script's variable is called; the same in `cara_sdk::schema`.
pub(crate) const VARIABLE: &str = "CARA_TOOLS";

/// What the code tells: each tool's schema by its name.
pub(crate) type Declared = BTreeMap<String, Value>;

/// Why code and manifest do not go together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentsError {
    /// What the build script told is not what `declare` writes.
    #[error(
        "the build script's `{VARIABLE}` cannot be read\nhint: use the versions of cara-sdk and cara-sdk-build that belong together"
    )]
    Told(#[source] serde_json::Error),
    /// The code has a tool the manifest has not.
    #[error(
        "the code declares the tool `{0}`, the manifest has none\nhint: add a `[[tool]]` with this name to component.toml"
    )]
    Unknown(String),
    /// The manifest says something else than the code.
    #[error(
        "the `input` of tool `{tool}` in component.toml is not what the code says: {said}\nhint: remove it; the code's is put in"
    )]
    Differs {
        /// The tool.
        tool: String,
        /// The schema of the code.
        said: Value,
    },
    /// The schema has no form in TOML.
    #[error("the arguments of tool `{tool}` cannot be written as TOML\nhint: a schema must not have `null` in it")]
    Form {
        /// The tool.
        tool: String,
        /// What is in the way.
        #[source]
        source: toml::ser::Error,
    },
    /// A tool of the manifest is written where no line can be added.
    #[error(
        "the tools of component.toml have a form that no `input` can be added to\nhint: write each as a table `[[tool]]`"
    )]
    Place,
}

#[derive(Deserialize)]
struct Tools {
    #[serde(default)]
    tool: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: Spanned<String>,
    input: Option<Value>,
}

/// Reads what a build script told.
pub(crate) fn told(text: &str) -> Result<Declared, ArgumentsError> {
    serde_json::from_str(text).map_err(ArgumentsError::Told)
}

/// The manifest with the schemas in it. One that is no TOML comes back as it is: whoever reads it next says what is wrong.
pub(crate) fn fill(manifest: &str, declared: &Declared) -> Result<String, ArgumentsError> {
    let mut filled = manifest.to_owned();
    let Ok(Tools { tool: tools }) = toml::from_str(manifest) else { return Ok(filled) };
    if let Some(name) = declared.keys().find(|name| !tools.iter().any(|tool| tool.name.get_ref() == *name)) {
        return Err(ArgumentsError::Unknown(name.clone()));
    }
    // From the end, so that what is added moves no place that is still needed.
    for tool in tools.iter().rev() {
        let name = tool.name.get_ref();
        match (declared.get(name), &tool.input) {
            (None, _) => {}
            (Some(said), Some(written)) if said == written => {}
            (Some(said), Some(_)) => {
                return Err(ArgumentsError::Differs { tool: name.clone(), said: said.clone() });
            }
            (Some(said), None) => {
                let end = tool.name.span().end;
                let line = manifest[end..].find('\n').map_or(manifest.len(), |at| end + at);
                filled.insert_str(line, &format!("\ninput = {}", inline(name, said)?));
            }
        }
    }
    let Tools { tool: now } = toml::from_str(&filled).map_err(|_| ArgumentsError::Place)?;
    let there = |tool: &Tool| declared.get(tool.name.get_ref()).is_none_or(|said| tool.input.as_ref() == Some(said));
    if now.iter().all(there) { Ok(filled) } else { Err(ArgumentsError::Place) }
}

/// A value on one line.
fn inline(tool: &str, value: &Value) -> Result<String, ArgumentsError> {
    let mut text = String::new();
    let written = value.serialize(toml::ser::ValueSerializer::new(&mut text));
    written.map_err(|source| ArgumentsError::Form { tool: tool.to_owned(), source })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const MANIFEST: &str = "id = \"a\"\n\n[[tool]] # first\nname = \"one\" # its name\ndescription = \"One.\"\n\n\
        [[tool]]\nname = \"two\"\ninput = { type = \"object\" }";

    fn declared(tools: Value) -> Declared {
        serde_json::from_value(tools).unwrap()
    }

    #[test]
    fn a_schema_is_added_below_the_name_and_nothing_else_changes() {
        let schema = json!({ "type": "object", "required": ["x"], "properties": { "x": { "minimum": 1, "enum": ["a\"b", "c"] } } });
        let filled = fill(MANIFEST, &declared(json!({ "one": schema, "two": { "type": "object" } }))).unwrap();
        let added = filled.lines().find(|line| line.starts_with("input = ")).unwrap();
        assert_eq!(filled.replacen(&format!("\n{added}"), "", 1), MANIFEST);
        assert!(filled.contains("name = \"one\" # its name\ninput = { "), "{filled}");
        assert_eq!(fill(MANIFEST, &Declared::new()).unwrap(), MANIFEST);
    }

    #[test]
    fn what_the_author_wrote_must_be_what_the_code_says() {
        let error = fill(MANIFEST, &declared(json!({ "two": { "type": "object", "required": [] } }))).unwrap_err();
        assert!(matches!(error, ArgumentsError::Differs { ref tool, .. } if tool == "two"), "{error}");
    }

    #[test]
    fn a_tool_only_the_code_has_is_an_error() {
        let error = fill(MANIFEST, &declared(json!({ "three": {} }))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the code declares the tool `three`, the manifest has none\n\
             hint: add a `[[tool]]` with this name to component.toml"
        );
    }

    #[test]
    fn what_cannot_be_added_is_an_error_and_never_a_broken_manifest() {
        let one = declared(json!({ "one": { "default": null } }));
        assert!(matches!(fill(MANIFEST, &one), Err(ArgumentsError::Form { .. })));
        let one = declared(json!({ "one": { "type": "object" } }));
        assert!(matches!(fill("tool = [{ name = \"one\" }]", &one), Err(ArgumentsError::Place)));
        assert_eq!(fill("no TOML", &one).unwrap(), "no TOML");
        assert!(told("{").is_err());
    }
}
