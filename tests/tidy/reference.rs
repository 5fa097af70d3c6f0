//! `docs/reference/wit.md` is what `wit/` says, made again and compared.

use super::root;
use std::fmt::Write as _;
use std::fs;
use wit_parser::{
    Docs, Function, FunctionKind, Handle, Interface, PackageId, Resolve, Type, TypeDef, TypeDefKind, TypeId, World,
    WorldItem, WorldKey,
};

/// Renders one package.
struct Page<'a> {
    resolve: &'a Resolve,
    text: String,
}

fn words(docs: &Docs) -> &str {
    docs.contents.as_deref().unwrap_or_default().trim()
}

/// The documentation on one line, as a cell of a table.
fn cell(docs: &Docs) -> String {
    words(docs).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.line(text);
            self.line("");
        }
    }

    fn package(&mut self, id: PackageId) {
        let package = &self.resolve.packages[id];
        self.paragraph("# The contract");
        self.paragraph(
            "Generated from `wit/` by `UPDATE_DOCS=1 cargo test -p cara-tests tidy::reference`; do not edit.",
        );
        self.paragraph(&format!("Package `{}`. {}", package.name, words(&package.docs)));
        self.paragraph("## Worlds");
        for world in package.worlds.values() {
            self.world(&self.resolve.worlds[*world]);
        }
        for interface in package.interfaces.values() {
            self.interface(&self.resolve.interfaces[*interface]);
        }
    }

    fn world(&mut self, world: &World) {
        let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
            let mut names: Vec<String> = items
                .filter(|(_, item)| matches!(item, WorldItem::Interface { .. }))
                .map(|(key, _)| self.resolve.name_world_key(key))
                .map(|name| {
                    // Of this package only the name, with a way to it.
                    match name.strip_prefix("cara:plugin/").and_then(|rest| rest.split_once('@')) {
                        Some((own, _)) => format!("[`{own}`](#{own})"),
                        None => format!("`{name}`"),
                    }
                })
                .collect();
            names.sort();
            names.join(", ")
        };
        let (imports, exports) = (names(&mut world.imports.iter()), names(&mut world.exports.iter()));
        self.paragraph(&format!("### {}", world.name));
        self.paragraph(words(&world.docs));
        self.line(&format!("- imports at most: {imports}"));
        self.line(&format!("- exports: {exports}"));
        self.line("");
    }

    fn interface(&mut self, interface: &Interface) {
        let name = interface.name.as_deref().unwrap_or_default();
        self.paragraph(&format!("## {name}"));
        self.paragraph(words(&interface.docs));
        let functions = interface.functions.values();
        for function in functions.clone().filter(|function| matches!(function.kind, FunctionKind::Freestanding)) {
            self.function(name, function);
        }
        for (type_name, id) in &interface.types {
            let definition = &self.resolve.types[*id];
            // What `use` brings in is described where it comes from.
            if matches!(definition.kind, TypeDefKind::Type(Type::Id(_))) {
                continue;
            }
            self.paragraph(&format!("### {} `{name}.{type_name}`", definition.kind.as_str()));
            self.paragraph(words(&definition.docs));
            self.parts(definition);
            for function in functions.clone().filter(|function| function.kind.resource() == Some(*id)) {
                self.function(&format!("{name}.{type_name}"), function);
            }
        }
    }

    /// The fields or cases of a type.
    fn parts(&mut self, definition: &TypeDef) {
        let rows: Vec<(String, Option<String>, String)> = match &definition.kind {
            TypeDefKind::Record(record) => {
                let row = |field: &wit_parser::Field| {
                    (field.name.clone(), Some(self.type_name(&field.ty)), cell(&field.docs))
                };
                record.fields.iter().map(row).collect()
            }
            TypeDefKind::Variant(variant) => {
                let row = |case: &wit_parser::Case| {
                    let held = case.ty.as_ref().map_or(String::new(), |held| self.type_name(held));
                    (case.name.clone(), Some(held), cell(&case.docs))
                };
                variant.cases.iter().map(row).collect()
            }
            TypeDefKind::Enum(cases) => {
                cases.cases.iter().map(|case| (case.name.clone(), None, cell(&case.docs))).collect()
            }
            TypeDefKind::Flags(flags) => {
                flags.flags.iter().map(|flag| (flag.name.clone(), None, cell(&flag.docs))).collect()
            }
            _ => return,
        };
        let typed = rows.iter().any(|(_, held, _)| held.is_some());
        self.line(if typed { "| name | holds | |\n|---|---|---|" } else { "| name | |\n|---|---|" });
        for (name, held, docs) in rows {
            let held = match held.as_deref() {
                None => String::new(),
                Some("") => " |".to_owned(),
                Some(held) => format!(" `{held}` |"),
            };
            self.line(&format!("| `{name}` |{held} {docs} |"));
        }
        self.line("");
    }

    fn function(&mut self, of: &str, function: &Function) {
        let own = matches!(function.kind, FunctionKind::Method(_));
        let parameters = function.params.iter().skip(usize::from(own));
        let parameters: Vec<String> =
            parameters.map(|param| format!("{}: {}", param.name, self.type_name(&param.ty))).collect();
        let mut signature = format!("func({})", parameters.join(", "));
        if let Some(result) = &function.result {
            let _ = write!(signature, " -> {}", self.type_name(result));
        }
        self.paragraph(&format!("### `{of}.{}`", function.item_name()));
        self.paragraph(&format!("```wit\n{}: {signature}\n```", function.item_name()));
        self.paragraph(words(&function.docs));
    }

    fn type_name(&self, named: &Type) -> String {
        match named {
            Type::Bool => "bool".to_owned(),
            Type::U8 => "u8".to_owned(),
            Type::U16 => "u16".to_owned(),
            Type::U32 => "u32".to_owned(),
            Type::U64 => "u64".to_owned(),
            Type::S8 => "s8".to_owned(),
            Type::S16 => "s16".to_owned(),
            Type::S32 => "s32".to_owned(),
            Type::S64 => "s64".to_owned(),
            Type::F32 => "f32".to_owned(),
            Type::F64 => "f64".to_owned(),
            Type::Char => "char".to_owned(),
            Type::String => "string".to_owned(),
            Type::ErrorContext => "error-context".to_owned(),
            Type::Id(id) => self.defined(*id),
        }
    }

    fn defined(&self, id: TypeId) -> String {
        let definition = &self.resolve.types[id];
        if let Some(name) = &definition.name {
            return name.clone();
        }
        let of = |inner: &Type| self.type_name(inner);
        match &definition.kind {
            TypeDefKind::Option(inner) => format!("option<{}>", of(inner)),
            TypeDefKind::List(inner) => format!("list<{}>", of(inner)),
            TypeDefKind::Tuple(tuple) => {
                format!("tuple<{}>", tuple.types.iter().map(of).collect::<Vec<_>>().join(", "))
            }
            TypeDefKind::Result(result) => match (&result.ok, &result.err) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{}>", of(ok)),
                (ok, Some(err)) => format!("result<{}, {}>", ok.as_ref().map_or("_".to_owned(), of), of(err)),
            },
            TypeDefKind::Handle(Handle::Own(id)) => self.defined(*id),
            TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", self.defined(*id)),
            other => panic!("the reference has no form yet for a {}", other.as_str()),
        }
    }
}

#[test]
fn the_reference_of_the_contract_is_what_wit_says() {
    let mut resolve = Resolve::new();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap_or_else(|error| panic!("wit/: {error:#}"));
    let mut page = Page { resolve: &resolve, text: String::new() };
    page.package(package);
    let made = format!("{}\n", page.text.trim_end());
    let path = root().join("docs/reference/wit.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(root().join("docs/reference")).expect("the folder can be made");
        fs::write(&path, &made).expect("the reference can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        found == made,
        "docs/reference/wit.md is stale\nhint: run `UPDATE_DOCS=1 cargo test -p cara-tests tidy::reference`"
    );
}
