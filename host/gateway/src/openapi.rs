//! The OpenAPI 3.1 document of all paths, made from the code.

use cara_control::{Entry, Error, Event, operations};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The document.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let error = generator.subschema_for::<Error>().to_value();
    let event = generator.subschema_for::<Event>().to_value();
    let mut paths: Map<String, Value> = Map::new();
    for entry in operations() {
        let (arguments, view) = (entry.schemas)(&mut generator);
        let arguments = resolved(&generator, &arguments.to_value());
        let operation = operation(&entry, &arguments, [view.to_value(), error.clone(), event.clone()]);
        let item = paths.entry(entry.route.path).or_insert_with(|| json!({}));
        item[entry.route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut schemas = generator.take_definitions(true);
    // Arguments are written where they are used; what is left of them names nobody.
    let used = serde_json::to_string(&(&paths, &schemas)).unwrap_or_default();
    schemas.retain(|name, _| used.contains(&format!("#/components/schemas/{name}\"")));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "cara control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Served on the socket `cara.sock` of a home, to processes of the same account, and over TCP to whoever \
                            shows a credential. A request that accepts \
                            `text/event-stream` is told events while the work goes on (`event: event`), and the answer as the last \
                            one (`event: view` or `event: error`); any other gets the answer alone.",
        },
        "servers": [{ "url": "http://localhost", "description": "through `cara.sock`" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "`cara token create`" } },
        },
        "security": [{ "token": [] }],
    })
}

/// The schema that a reference names.
fn resolved(generator: &schemars::SchemaGenerator, schema: &Value) -> Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    name.and_then(|name| generator.definitions().get(name)).unwrap_or(schema).clone()
}

fn operation(entry: &Entry, arguments: &Value, [view, error, event]: [Value; 3]) -> Value {
    let route = &entry.route;
    let empty = Map::new();
    let properties = arguments.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> =
        arguments.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let in_path = |name: &str| route.path.contains(&format!("{{{name}}}"));
    let reads = route.reads_query();
    let parameter = |(name, schema): (&String, &Value)| {
        let place = if in_path(name) { "path" } else { "query" };
        let description = schema.get("description").cloned().unwrap_or_default();
        let needed = in_path(name) || required.contains(&name.as_str());
        json!({ "name": name, "in": place, "required": needed, "description": description, "schema": schema })
    };
    let parameters: Vec<Value> = properties.iter().filter(|(name, _)| reads || in_path(name)).map(parameter).collect();
    let stream = json!({
        "type": "string",
        "description": "Server-sent events. The data of an `event` has the schema of `contentSchema`; the last one is `view` or `error`, \
                        with the data of a plain answer.",
        "contentMediaType": "text/event-stream",
        "contentSchema": event,
    });
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "x-scope": route.scope,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The view.",
                "content": {
                    "application/json": { "schema": view },
                    "text/event-stream": { "schema": stream },
                },
            },
            "default": {
                "description": "Why it was not done.",
                "content": { "application/json": { "schema": error } },
            },
        },
    });
    if !reads {
        let mut body = arguments.clone();
        if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !in_path(name));
        }
        if let Some(required) = body.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name.as_str().is_some_and(|name| !in_path(name)));
        }
        // Without one, it is as with an empty object.
        let needed = body.get("required").and_then(Value::as_array).is_some_and(|required| !required.is_empty());
        operation["requestBody"] = json!({ "required": needed, "content": { "application/json": { "schema": body } } });
    }
    operation
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_two_types_of_the_document_have_one_name() {
        // Of two types with one name, the generator numbers the second.
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let numbered = schemas.keys().filter(|name| name.ends_with(|last: char| last.is_ascii_digit()));
        let numbered: Vec<&String> = numbered.collect();
        assert!(numbered.is_empty(), "{numbered:?}");
        assert!(["Event", "TurnEvent", "Ready", "Ended"].iter().all(|name| schemas.contains_key(*name)));
    }
}
