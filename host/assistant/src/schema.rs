//! The JSON Schema of a tool's arguments, compiled once and asked often.

use boon::{CompileError, Compiler, Draft, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::Value;
use std::error::Error;

/// What a schema is called while it is compiled; it can be seen in errors only.
const NAME: &str = "tool:///input";

/// Problems that are told of one call, and characters of each.
const MOST: usize = 5;
const LONGEST: usize = 200;

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
    /// Compiles the schema.
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaError> {
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
}
