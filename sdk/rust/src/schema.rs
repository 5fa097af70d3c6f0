//! The arguments of tools as JSON Schema, from the types that read them.
//!
//! Needs the feature `schemars`. A component keeps its argument types in `src/arguments.rs`, and its build script tells
//! them to whoever builds it:
//!
//! ```
//! // src/arguments.rs, a module of both the component and its build script
//! mod arguments {
//!     use schemars::JsonSchema;
//!     use serde::Deserialize;
//!
//!     #[derive(Deserialize, JsonSchema)]
//!     pub struct Now {
//!         /// IANA time zone, for example Europe/Oslo.
//!         #[schemars(length(min = 1))]
//!         pub zone: Option<String>,
//!     }
//! }
//!
//! // build.rs
//! use cara_sdk::schema::{declare, tool};
//!
//! fn main() {
//!     declare([tool::<arguments::Now>("time_now")]);
//! }
//! ```
//!
//! `cara-sdk-build` then writes `input` into the `[[tool]]` of that name in the manifest it signs. A manifest may have
//! an `input` of its own; it must say the same.
//!
//! The schema is the one schemars makes, in the form manifests have: nothing by reference where that can be avoided, no
//! title, no formats of Rust's numbers, objects closed unless the type says otherwise. An `Option` is an argument that
//! may be left out, and never `null`.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The name under which a build script tells its tools.
#[doc(hidden)]
pub const VARIABLE: &str = "CARA_TOOLS";

/// A tool's name and the schema of its arguments.
///
/// ```
/// #[derive(schemars::JsonSchema)]
/// struct Nothing {}
///
/// let tool = cara_sdk::schema::tool::<Nothing>("plan_show");
/// assert_eq!(tool.name(), "plan_show");
/// assert_eq!(tool.input()["additionalProperties"], false);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    name: String,
    input: Value,
}

impl Tool {
    /// The tool's name, as in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema of its arguments.
    #[must_use]
    pub const fn input(&self) -> &Value {
        &self.input
    }
}

/// A tool whose arguments are a `T`.
///
/// ```
/// #[derive(schemars::JsonSchema)]
/// struct Greet {
///     /// Whom to greet.
///     name: String,
/// }
/// let tool = cara_sdk::schema::tool::<Greet>("greet");
/// assert_eq!(tool.input()["required"][0], "name");
/// ```
#[must_use]
pub fn tool<T: JsonSchema>(name: &str) -> Tool {
    Tool { name: name.to_owned(), input: of::<T>() }
}

/// The schema of a type, as manifests have it.
///
/// ```
/// #[derive(schemars::JsonSchema)]
/// struct Search {
///     /// At most this many.
///     #[schemars(range(min = 1, max = 50))]
///     count: Option<u32>,
/// }
/// let expected = serde_json::json!({
///     "type": "object",
///     "additionalProperties": false,
///     "properties": {
///         "count": { "type": "integer", "minimum": 1, "maximum": 50, "description": "At most this many." }
///     }
/// });
/// assert_eq!(cara_sdk::schema::of::<Search>(), expected);
/// ```
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Value::Object(root) = &mut schema {
        // The text of the type is for people; what a tool does stands in the manifest.
        root.remove("description");
    }
    tidy(&mut schema);
    schema
}

/// Tells the tools of this package to `cara-sdk-build`; called by a build script.
///
/// ```
/// #[derive(schemars::JsonSchema)]
/// struct Nothing {}
///
/// cara_sdk::schema::declare([cara_sdk::schema::tool::<Nothing>("plan_show")]);
/// ```
pub fn declare(tools: impl IntoIterator<Item = Tool>) {
    let tools: Map<String, Value> = tools.into_iter().map(|tool| (tool.name, tool.input)).collect();
    #[allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]
    {
        println!("cargo::rustc-env={VARIABLE}={}", Value::Object(tools));
    }
}

/// Brings a schema, and those in it, into the form of manifests.
fn tidy(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.remove("title");
    if object.get("format").and_then(Value::as_str).is_some_and(of_rust) {
        object.remove("format");
    }
    if object.contains_key("properties") || object.get("type").and_then(Value::as_str) == Some("object") {
        close(object);
    }
    for key in ["items", "additionalProperties", "not", "contains", "propertyNames"] {
        object.get_mut(key).into_iter().for_each(tidy);
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(tidy);
    }
    for key in ["properties", "$defs", "patternProperties"] {
        let inside = object.get_mut(key).and_then(Value::as_object_mut);
        inside.into_iter().flat_map(Map::values_mut).for_each(tidy);
    }
}

/// Lets an object have only the properties it names, and those that may be left out not be `null`.
fn close(object: &mut Map<String, Value>) {
    let variants = ["anyOf", "oneOf", "allOf", "$ref"].iter().any(|key| object.contains_key(*key));
    if !variants {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    let required: Vec<Value> = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if !required.contains(&Value::from(name.as_str()))
            && let Value::Object(property) = property
        {
            without_null(property);
        }
    }
}

/// Takes the `null` out that schemars gives an `Option`.
fn without_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if property.get("default").is_some_and(Value::is_null) {
        property.remove("default");
    }
    if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
        choices.retain(|choice| choice != &serde_json::json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            property.remove("anyOf");
            // What is said of the property itself counts before what is said of its type.
            for (key, value) in only {
                property.entry(key).or_insert(value);
            }
        }
    }
}

/// Whether a format only names a number type of Rust.
fn of_rust(format: &str) -> bool {
    let unsigned = format.strip_prefix('u').unwrap_or(format);
    unsigned.starts_with("int") || ["float", "double"].contains(&format)
}

#[cfg(test)]
mod tests {
    #![allow(dead_code, reason = "the types are only described")]
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    /// Not told to a model.
    #[derive(Deserialize, JsonSchema)]
    struct Update {
        /// The item's number, from 1.
        #[schemars(range(min = 1, max = 30))]
        index: usize,
        status: Option<Status>,
        #[serde(default)]
        raw: bool,
        #[schemars(length(max = 3))]
        items: Vec<Item>,
        weight: Option<f64>,
        other: std::collections::BTreeMap<String, u8>,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Item {
        #[schemars(length(min = 1, max = 200))]
        text: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Status {
        Open,
        Done,
    }

    #[test]
    fn a_schema_has_the_form_of_manifests() {
        let expected = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["index", "items", "other"],
            "properties": {
                "index": { "type": "integer", "minimum": 1, "maximum": 30, "description": "The item's number, from 1." },
                "status": { "type": "string", "enum": ["open", "done"] },
                "raw": { "type": "boolean", "default": false },
                "items": { "type": "array", "maxItems": 3, "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": { "text": { "type": "string", "minLength": 1, "maxLength": 200 } },
                } },
                "weight": { "type": "number" },
                "other": { "type": "object", "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 255 } },
            },
        });
        assert_eq!(of::<Update>(), expected);
    }

    #[test]
    fn a_type_that_says_so_stays_open_and_one_within_itself_stays_a_reference() {
        #[derive(Deserialize, JsonSchema)]
        struct Open {
            #[serde(flatten)]
            rest: std::collections::BTreeMap<String, String>,
        }
        #[derive(Deserialize, JsonSchema)]
        struct Tree {
            branches: Vec<Tree>,
        }
        assert_eq!(of::<Open>()["additionalProperties"], json!({ "type": "string" }));
        let tree = of::<Tree>();
        assert_eq!(tree["type"], "object");
        assert!(tree.to_string().contains("$ref"), "{tree}");
    }
}
