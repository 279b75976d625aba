//! axe-core, the accessibility checker that the field uses (npm, MPL-2.0). It is fetched once into the cache and never
//! stands in the tree.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::chrome::Chrome;

const VERSION: &str = "4.14.1";
/// What WCAG 2.2 asks at A and AA, and what axe's authors recommend besides.
const RULES: &str = "'wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice'";

/// What axe finds wrong with the page as it stands, a line for each rule.
pub(crate) async fn violations(chrome: &Chrome) -> Vec<String> {
    if chrome.script("return typeof axe === 'undefined'").await == true {
        chrome.script(source()).await;
    }
    let run = format!(
        "return axe.run(document, {{ runOnly: [{RULES}], resultTypes: ['violations'] }}).then((found) => \
         found.violations.map((rule) => rule.id + ': ' + rule.nodes.map((node) => \
         node.target.join(' ') + ' ' + node.failureSummary).join('; ')))"
    );
    let found = chrome.script(&run).await;
    found.as_array().unwrap_or_else(|| panic!("axe says {found}")).iter().map(ToString::to_string).collect()
}

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let file = cache().join(format!("axe-core-{VERSION}.js"));
        if !file.exists() {
            fetch(&file);
        }
        std::fs::read_to_string(file).unwrap()
    })
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("godkend")
}

/// Two runs at once fetch it twice, and each puts a whole file into its place.
fn fetch(file: &Path) {
    let cache = file.parent().unwrap();
    std::fs::create_dir_all(cache).unwrap();
    let fetched = tempfile::tempdir_in(cache).unwrap();
    let npm = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefix"])
        .arg(fetched.path())
        .arg(format!("axe-core@{VERSION}"))
        .output();
    let npm = npm.unwrap_or_else(|error| panic!("no npm ({error}), which fetches axe-core; on Debian: npm"));
    assert!(npm.status.success(), "npm did not fetch axe-core: {}", String::from_utf8_lossy(&npm.stderr));
    std::fs::rename(fetched.path().join("node_modules/axe-core/axe.min.js"), file).unwrap();
}
