//! The list in `docs/adversarial.md` and the tests are the same list.

use std::collections::BTreeSet;
use std::path::Path;

fn names(folder: &Path, found: &mut BTreeSet<String>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            names(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions =
                text.lines().filter_map(|line| line.trim().trim_start_matches("async ").strip_prefix("fn "));
            found.extend(functions.filter_map(|name| name.split_once('_')).map(|(number, _)| number.to_owned()));
        }
    }
}

#[test]
fn every_number_has_its_test_and_its_row() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    for folder in ["adversarial", "ordeal", "../examples/auditor/tests"] {
        names(&tests.join(folder), &mut found);
    }
    let page = std::fs::read_to_string(tests.join("../docs/adversarial.md")).unwrap();
    for number in 1..=54 {
        assert!(found.contains(&format!("a{number:02}")), "number {number} has no test");
        assert!(page.lines().any(|line| line.starts_with(&format!("| {number} "))), "number {number} has no row");
    }
}
