//! `docs/reference/manifest.md` is what the manifest's types say.
//!
//! schemars reads types, keys, defaults and documentation; here they become tables. It is a dependency of tests only.

#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

type Object = Map<String, Value>;

/// The tables of a manifest in the order a reader meets them, with how each is written.
const TABLES: [(&str, &str); 9] = [
    ("provider", "[provider]"),
    ("tool", "[[tool]]"),
    ("channel", "[channel]"),
    ("http", "[[http]]"),
    ("secret", "[[secret]]"),
    ("setting", "[[setting]]"),
    ("state", "[state]"),
    ("power", "[[power]]"),
    ("limits", "[limits]"),
];

struct Page {
    root: Object,
    text: String,
}

fn text<'a>(of: &'a Object, key: &str) -> &'a str {
    of.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn list<'a>(of: &'a Object, key: &str) -> impl Iterator<Item = &'a Object> {
    of.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

impl Page {
    /// The schema itself: references followed, an `Option`'s `null` left out, a list's element.
    fn meant(&self, schema: &Object) -> Object {
        if let Some(name) = text(schema, "$ref").strip_prefix("#/$defs/") {
            return self.meant(self.root["$defs"][name].as_object().unwrap());
        }
        if let Some(items) = schema.get("items").and_then(Value::as_object) {
            return self.meant(items);
        }
        match list(schema, "anyOf").find(|choice| text(choice, "type") != "null") {
            Some(choice) => self.meant(choice),
            None => schema.clone(),
        }
    }

    fn kind(&self, schema: &Object) -> String {
        let meant = self.meant(schema);
        let tagged = |choice: &Object| {
            let name = choice.get("properties")?.as_object()?.keys().next()?;
            Some(format!("`{{ {name} = \"…\" }}`"))
        };
        let values: Vec<String> = list(&meant, "oneOf")
            .filter_map(|choice| choice.get("const").map(|value| format!("`{value}`")).or_else(|| tagged(choice)))
            .collect();
        let one = match meant.get("type") {
            _ if !values.is_empty() => values.join(", "),
            Some(Value::Array(names)) => names.iter().find_map(Value::as_str).unwrap_or_default().to_owned(),
            Some(Value::String(name)) if name == "object" => "table".to_owned(),
            Some(Value::String(name)) => name.clone(),
            _ => "any value".to_owned(),
        };
        let is_list = schema.get("items").is_some();
        if is_list { format!("list of {one}") } else { one }
    }

    /// The keys of a table, those that must be there first, and after it the tables inside.
    fn table(&mut self, schema: &Object, path: &str, title: &str) {
        let properties = schema["properties"].as_object().unwrap();
        let required = |name: &str| list_has(schema, name);
        let inside = |schema: &Object| self.meant(schema).contains_key("properties");
        let (tables, keys): (Vec<_>, Vec<_>) = properties
            .iter()
            .map(|(name, schema)| (name, schema.as_object().cloned().unwrap_or_default()))
            .partition(|(_, schema)| inside(schema));
        self.text.push_str(&format!("## {title}\n\n{}\n\n", line(text(schema, "description"))));
        self.text.push_str("| key | type | unless set | |\n|---|---|---|---|\n");
        for (must, name, key) in [true, false]
            .into_iter()
            .flat_map(|must| keys.iter().map(move |(name, key)| (must, *name, key)))
            .filter(|(must, name, _)| required(name) == *must)
        {
            let default = match key.get("default") {
                _ if must => "must be set".to_owned(),
                None | Some(Value::Null) => "none".to_owned(),
                Some(value) => format!("`{value}`"),
            };
            let docs = line(text(key, "description"));
            self.text.push_str(&format!("| `{name}` | {} | {default} | {docs} |\n", self.kind(key)));
        }
        self.text.push('\n');
        for (name, key) in &keys {
            let meant = self.meant(key);
            let values: Vec<&Object> = list(&meant, "oneOf").collect();
            if values.is_empty() {
                continue;
            }
            self.text.push_str(&format!("`{name}`: {}\n\n", line(text(&meant, "description"))));
            for value in values {
                let shown = self.kind(&Map::from_iter([("oneOf".to_owned(), Value::from(vec![value.clone()]))]));
                self.text.push_str(&format!("- {shown}: {}\n", line(text(value, "description"))));
            }
            self.text.push('\n');
        }
        if path.is_empty() {
            return;
        }
        for (name, key) in tables {
            let inner = format!("{path}.{name}");
            let title =
                if key.get("items").is_some() { format!("`[[{inner}]]`") } else { format!("`{inner} = {{ … }}`") };
            self.table(&self.meant(&key), &inner, &title);
        }
    }
}

fn list_has(schema: &Object, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|value| value == name))
}

#[test]
fn the_reference_of_the_manifest_is_what_its_types_say() {
    let schema = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let Value::Object(root) = schema.into_root_schema_for::<super::Table>().to_value() else { unreachable!() };
    let properties = root["properties"].as_object().unwrap().clone();
    let mut page = Page { root: root.clone(), text: String::new() };
    page.text.push_str(
        "# The manifest, `component.toml`\n\nGenerated from the types of `host/authority` by \
         `UPDATE_DOCS=1 cargo test -p cara-authority reference`; do not edit.\n\n",
    );
    page.table(&root, "", "At the top");
    for (name, title) in TABLES {
        let schema = page.meant(properties[name].as_object().unwrap());
        page.table(&schema, name, &format!("`{title}`"));
    }
    let told = properties.values().filter(|schema| page.meant(schema.as_object().unwrap()).contains_key("properties"));
    assert_eq!(told.count(), TABLES.len(), "a table of the manifest is not in the reference");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/manifest.md");
    let made = format!("{}\n", page.text.trim_end());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let hint = "run `UPDATE_DOCS=1 cargo test -p cara-authority reference`";
    assert!(found == made, "docs/reference/manifest.md is stale\nhint: {hint}");
}

#[test]
fn every_key_of_the_manifest_is_documented() {
    let schema = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let root = schema.into_root_schema_for::<super::Table>().to_value();
    let tables = std::iter::once(&root).chain(root["$defs"].as_object().unwrap().values());
    for properties in tables.filter_map(|table| table.get("properties")?.as_object()) {
        for (name, schema) in properties {
            let refers = schema.to_string().contains("$ref");
            assert!(refers || schema.get("description").is_some(), "`{name}` has no documentation");
        }
    }
}
