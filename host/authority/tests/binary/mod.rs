//! Component binaries without code.

/// A component binary that imports and exports these instances, made by hand: it needs no code to be read.
pub(crate) fn binary(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    use wasm_encoder::{Component, ComponentExportKind, ComponentExportSection, ComponentImportSection};
    use wasm_encoder::{ComponentTypeRef, ComponentTypeSection, InstanceType};
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut section = ComponentImportSection::new();
    for name in imports.iter().chain(&["cara:plugin/types@0.2.0"]) {
        section.import(*name, ComponentTypeRef::Instance(0));
    }
    component.section(&section);
    let mut section = ComponentExportSection::new();
    for name in exports {
        section.export(*name, ComponentExportKind::Instance, 0, None);
    }
    component.section(&section);
    component.finish()
}
