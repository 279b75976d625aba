//! docs/relying-parties.md and the server say the same.

use std::collections::BTreeSet;

use godkend_server::config::RelyingParty;
use godkend_server::oidc::error::Kind;

use crate::rp::{Rp, world};

const PAGE: &str = include_str!("../../docs/relying-parties.md");

/// The names in code font of the first column of the table under this heading.
fn names(heading: &str, header: &str) -> Vec<String> {
    let section = PAGE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
    let table = section.split_once(&format!("\n{header}")).unwrap_or_else(|| panic!("no table in {heading}")).1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let cell = row.split('|').nth(1).unwrap();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_field_of_a_registration_is_on_the_page() {
    let known = serde_json::to_value(RelyingParty::default()).unwrap();
    let known: BTreeSet<String> = known.as_object().unwrap().keys().cloned().collect();
    let told: BTreeSet<String> = names("## Registration", "| field |").into_iter().collect();
    assert_eq!(told, known);
}

#[test]
fn every_error_is_on_the_page() {
    let of_resources = ["invalid_token", "insufficient_user_authentication", "insufficient_scope", "too_many_tries"];
    let known: BTreeSet<String> =
        Kind::ALL.iter().map(|kind| kind.as_str()).chain(of_resources).map(str::to_owned).collect();
    let told: BTreeSet<String> = names("## Errors", "| error |").into_iter().collect();
    assert_eq!(told, known);
}

#[tokio::test]
async fn every_parameter_of_the_page_is_read() {
    let world = world().await;
    let bank = Rp::secret(&world, "netbank");
    // What no parameter can be. Where a name is not read, nothing happens.
    let nonsense = "\u{202e}";
    assert_eq!(bank.push(&[("not_a_parameter", nonsense)]).await.status, 201);
    let parameters = names("## A login in the browser", "| parameter |");
    assert!(parameters.len() > 15, "{parameters:?}");
    for name in &parameters {
        assert_eq!(bank.push(&[(name, nonsense)]).await.status, 400, "{name}");
    }
    let fields = names("### `idp_params`", "| field |");
    assert!(fields.len() >= 10, "{fields:?}");
    for name in &fields {
        let json = serde_json::json!({ name: null }).to_string();
        assert_eq!(bank.push(&[("idp_params", &json)]).await.status, 201, "{name}");
    }
    assert_eq!(bank.push(&[("idp_params", "{\"not_a_field\":null}")]).await.status, 400);
}
