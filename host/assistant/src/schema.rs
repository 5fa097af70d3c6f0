//! The JSON Schema of a tool's arguments, compiled once and asked often.

use boon::{CompileError, Compiler, Draft, SchemaIndex, Schemas, UrlLoader, ValidationError};
use cara_authority::display_safe;
use serde_json::Value;
use std::error::Error;

/// What a schema is called while it is compiled; it can be seen in errors only.
const NAME: &str = "tool:///input";

/// Problems that are told of one call, and characters of each.
const MOST: usize = 5;
const LONGEST: usize = 200;

/// How many parts a schema may expand to, and how deep they may lie in each other.
const PARTS: usize = 10_000;
const DEEPEST: usize = 64;

/// Keywords whose members are schemas under names of the author's choice.
const NAMING: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "dependencies"];

/// Keywords whose members say nothing until something refers to them.
const SHELVES: [&str; 2] = ["$defs", "definitions"];

/// A compiled schema of draft 2020-12. Its patterns take linear time.
pub(crate) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

/// Why a schema cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SchemaError(String);

/// Schemas are signed but foreign: what one refers to must be in it.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, _: &str) -> Result<Value, Box<dyn Error>> {
        Err("a schema refers to nothing but itself".into())
    }
}

impl Schema {
    /// Compiles the schema, unless it leads elsewhere or could take long.
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaError> {
        stays_within(schema)?;
        Expansion::check(schema)?;
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nowhere));
        let mut schemas = Schemas::new();
        let refused = |error: CompileError| SchemaError(format!("{error:#}").lines().collect::<Vec<_>>().join(" "));
        compiler.add_resource(NAME, schema.clone()).map_err(refused)?;
        let index = compiler.compile(NAME, &mut schemas).map_err(refused)?;
        Ok(Self { schemas, index })
    }

    /// What is wrong with the value: a line for each of the first few problems, none when it fits.
    pub(crate) fn problems(&self, value: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = self.schemas.validate(value, self.index) {
            collect(&error, &mut problems);
        }
        problems
    }
}

/// Refuses keywords that lead out of the schema, or that change what its references lead to.
fn stays_within(schema: &Value) -> Result<(), SchemaError> {
    let mut rest = vec![(schema, 0)];
    while let Some((value, depth)) = rest.pop() {
        if depth == DEEPEST {
            return Err(too_deep());
        }
        match value {
            Value::Array(items) => rest.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => {
                for (key, member) in members {
                    is_plain(key, member, depth == 0)?;
                    rest.push((member, depth + 1));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// One keyword of it. A property can have the same name, but then what it says is no text.
fn is_plain(key: &str, member: &Value, top: bool) -> Result<(), SchemaError> {
    let Value::String(text) = member else { return Ok(()) };
    let problem = match key {
        "$ref" if text != "#" && !text.starts_with("#/") => {
            format!("`$ref` leads to `{}`, but a schema refers to nothing but itself", display_safe(text))
        }
        "$dynamicRef" | "$recursiveRef" => format!("`{key}` is not allowed, only a plain `$ref` is"),
        "$id" | "$schema" if !top => format!("`{key}` is allowed at the top only"),
        "$schema" if text.contains("draft-04") => "draft 4 is too old, write it in draft 2020-12".to_owned(),
        _ => return Ok(()),
    };
    Err(SchemaError(problem))
}

fn too_deep() -> SchemaError {
    SchemaError(format!("it is nested deeper than {DEEPEST} levels"))
}

/// Expands a schema as its validation does, so that one that could take long is known before.
struct Expansion<'a> {
    root: &'a Value,
    /// What is being expanded, each in the one before, and whether its members are names.
    path: Vec<(&'a Value, bool)>,
    parts: usize,
    /// References that were met to what is being expanded.
    back: usize,
}

impl<'a> Expansion<'a> {
    /// Whether the schema is small when all its references are followed, and leads back to itself at most once.
    fn check(root: &'a Value) -> Result<(), SchemaError> {
        Self { root, path: Vec::new(), parts: 0, back: 0 }.walk(root, false)
    }

    fn walk(&mut self, value: &'a Value, names: bool) -> Result<(), SchemaError> {
        self.parts += 1;
        if self.parts > PARTS {
            return Err(SchemaError(format!("with its references followed it has over {PARTS} parts")));
        }
        if self.path.len() == DEEPEST {
            return Err(too_deep());
        }
        self.path.push((value, names));
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.walk(item, false))?,
            Value::Object(members) => {
                members.iter().try_for_each(|(key, member)| self.member(key, member, names))?;
            }
            _ => {}
        }
        self.path.pop();
        Ok(())
    }

    fn member(&mut self, key: &str, member: &'a Value, names: bool) -> Result<(), SchemaError> {
        match member {
            Value::String(to) if key == "$ref" => self.follow(to),
            _ if !names && SHELVES.contains(&key) => Ok(()),
            _ => self.walk(member, !names && NAMING.contains(&key)),
        }
    }

    fn follow(&mut self, to: &str) -> Result<(), SchemaError> {
        let target =
            self.target(to).ok_or_else(|| SchemaError(format!("`$ref` leads nowhere: `{}`", display_safe(to))))?;
        // The same value is something else where its members are names.
        if !self.path.iter().any(|(value, names)| !names && std::ptr::eq(*value, target)) {
            return self.walk(target, false);
        }
        self.back += 1;
        if self.back > 1 {
            return Err(SchemaError("it leads back to itself more than once".to_owned()));
        }
        Ok(())
    }

    fn target(&self, to: &str) -> Option<&'a Value> {
        let pointer = percent_encoding::percent_decode_str(to.strip_prefix('#')?).decode_utf8().ok()?;
        self.root.pointer(&pointer)
    }
}

/// The problems that have no deeper cause.
fn collect(error: &ValidationError<'_, '_>, problems: &mut Vec<String>) {
    if problems.len() == MOST {
        return;
    }
    if !error.causes.is_empty() {
        return error.causes.iter().for_each(|cause| collect(cause, problems));
    }
    let (at, what) = (error.instance_location.to_string(), error.kind.to_string());
    let what: String = what.chars().take(LONGEST).collect();
    problems.push(if at.is_empty() { what } else { format!("at `{at}`: {what}") });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn problems(schema: Value, value: Value) -> String {
        Schema::compile(&schema).unwrap().problems(&value).join("; ")
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let schema = json!({
            "type": "object",
            "properties": { "days": { "type": "integer", "minimum": 1 }, "unit": { "enum": ["C", "F"] }, "at": { "$ref": "#/$defs/at" } },
            "required": ["days"],
            "additionalProperties": false,
            "$defs": { "at": { "type": "string", "pattern": "^[a-z]+$" } },
        });
        assert_eq!(problems(schema.clone(), json!({ "days": 2, "unit": "C", "at": "home" })), "");
        assert_eq!(problems(schema.clone(), json!({ "unit": "C" })), "missing properties 'days'");
        assert_eq!(problems(schema.clone(), json!({ "days": "two" })), "at `/days`: want integer, but got string");
        assert_eq!(problems(schema.clone(), json!({ "days": 0 })), "at `/days`: must be >=1, but got 0");
        assert_eq!(problems(schema.clone(), json!({ "days": 1, "to": "x" })), "additionalProperties 'to' not allowed");
        assert_eq!(
            problems(schema, json!({ "days": 1, "unit": "K", "at": "A" })).matches("at `/").count(),
            2,
            "each problem is told"
        );
    }

    #[test]
    fn problems_are_few_and_short() {
        let schema = json!({ "items": { "enum": ["x".repeat(1_000)] } });
        let told = Schema::compile(&schema).unwrap().problems(&json!(vec!["y"; 100]));
        assert_eq!(told.len(), MOST);
        assert!(told.iter().all(|problem| problem.len() < LONGEST + 20), "{told:?}");
    }

    #[test]
    fn a_schema_that_leads_elsewhere_or_is_none_is_refused() {
        for (schema, why) in [
            (json!({ "$ref": "file:///etc/passwd" }), "refers to nothing but itself"),
            (json!({ "$ref": "https://schemas.example/x.json" }), "refers to nothing but itself"),
            (json!({ "type": "text" }), "is not valid against metaschema"),
            (json!({ "pattern": "(" }), "is not valid regex"),
        ] {
            let error = Schema::compile(&schema).err().unwrap().to_string();
            assert!(error.contains(why) && !error.contains('\n'), "{schema}: {error}");
        }
    }

    #[test]
    fn a_schema_that_leads_to_itself_ends() {
        let schema = json!({ "$ref": "#" });
        assert!(problems(schema, json!({})).contains("reference cycle"));
        let list = json!({ "properties": { "next": { "$ref": "#" } }, "additionalProperties": false });
        assert_eq!(problems(list, json!({ "next": { "next": {} } })), "");
    }

    fn refusal(schema: Value) -> String {
        Schema::compile(&schema).err().unwrap().to_string()
    }

    /// Each definition asks twice for the next one.
    fn doubling(count: usize) -> Value {
        let mut defs = serde_json::Map::new();
        for at in 0..count {
            let next = json!({ "$ref": format!("#/$defs/d{}", at + 1) });
            defs.insert(format!("d{at}"), json!({ "allOf": [next.clone(), next] }));
        }
        defs.insert(format!("d{count}"), json!({ "type": "object" }));
        json!({ "$ref": "#/$defs/d0", "$defs": defs })
    }

    #[test]
    fn a_schema_that_grows_when_it_is_expanded_is_refused() {
        assert_eq!(refusal(doubling(40)), "it is nested deeper than 64 levels");
        assert_eq!(refusal(doubling(15)), "with its references followed it has over 10000 parts");
        assert_eq!(problems(doubling(5), json!({})), "");
    }

    #[test]
    fn a_schema_that_leads_back_more_than_once_is_refused() {
        let twice = "it leads back to itself more than once";
        let both = json!({ "allOf": [{ "properties": { "a": { "$ref": "#" } } }, { "properties": { "a": { "$ref": "#" } } }] });
        assert_eq!(refusal(both), twice);
        let node = json!({ "properties": { "a": { "$ref": "#/$defs/node" }, "b": { "$ref": "#/$defs/n%6fde" } } });
        assert_eq!(refusal(json!({ "$ref": "#/$defs/node", "$defs": { "node": node } })), twice);
        // A property may be called as a keyword is, and hides nothing.
        let hidden = json!({ "properties": { "$defs": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] } } });
        assert_eq!(refusal(hidden), twice);
        let tree =
            json!({ "properties": { "children": { "items": { "$ref": "#/$defs/tree" } } }, "required": ["children"] });
        let tree = json!({ "$ref": "#/$defs/tree", "$defs": { "tree": tree } });
        assert_eq!(problems(tree, json!({ "children": [{ "children": [] }] })), "");
    }

    #[test]
    fn what_changes_the_meaning_of_a_reference_is_refused() {
        for (schema, why) in [
            (json!({ "$ref": "" }), "refers to nothing but itself"),
            (json!({ "$ref": "#name" }), "refers to nothing but itself"),
            (json!({ "$ref": "#/$defs/none" }), "`$ref` leads nowhere: `#/$defs/none`"),
            (json!({ "items": { "$dynamicRef": "#" } }), "`$dynamicRef` is not allowed"),
            (json!({ "$recursiveRef": "#" }), "`$recursiveRef` is not allowed"),
            (json!({ "$defs": { "a": { "$id": "a" } } }), "`$id` is allowed at the top only"),
            (json!({ "$schema": "http://json-schema.org/draft-04/schema#" }), "draft 4 is too old"),
        ] {
            let error = refusal(schema.clone());
            assert!(error.contains(why), "{schema}: {error}");
        }
        let named =
            json!({ "$id": "https://tools.example/x", "properties": { "$ref": { "type": "string" }, "$id": true } });
        assert_eq!(problems(named, json!({ "$ref": "x", "$id": 1 })), "");
    }
}
