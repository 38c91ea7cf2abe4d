//! docs/security.md names a test for each promise.

use std::path::Path;

#[test]
fn each_promise_has_the_test_that_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let named: Vec<&str> = page.split('`').filter(|word| word.matches("::").count() > 0).collect();
    assert!(named.len() > 30, "{named:?}");
    for test in named {
        let path: Vec<&str> = test.split("::").collect();
        let (function, rooms) = path.split_last().unwrap();
        let file = root.join("tests/it").join(rooms.join("/")).with_extension("rs");
        let source =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{test}: {}: {error}", file.display()));
        let before = source.split(&format!("fn {function}(")).next().filter(|before| before.len() < source.len());
        let attributes = before.unwrap_or_else(|| panic!("{test}: there is none")).rsplit("\n\n").next().unwrap();
        assert!(attributes.contains("test") && !attributes.contains("#[ignore"), "{test}: {attributes}");
    }
}
