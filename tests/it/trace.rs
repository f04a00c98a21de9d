//! The trace of ASVS names tests that there are.

use std::path::Path;

#[test]
fn every_test_that_the_trace_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../docs/SECURITY.md")).unwrap();
    let (_, trace) = text.split_once("## OWASP ASVS").unwrap();
    let trace = trace.split("\n## ").next().unwrap();
    let names: Vec<(&str, &str)> = trace.split('`').filter_map(|name| name.split_once("::")).collect();
    assert!(names.len() > 20, "{names:?}");
    for (module, name) in names {
        let source = std::fs::read_to_string(root.join(format!("it/{module}.rs"))).unwrap_or_default();
        assert!(source.contains(&format!("fn {name}()")), "there is no test {module}::{name}");
    }
}
