//! Beneath the page: what the database alone is worth, what the log brings back, and a means that the project does not have.

use std::sync::Arc;

use super::*;
use crate::means::{Judged, Means, Proof};
use crate::policy::{DEFAULT, Implemented, Kind};

#[tokio::test]
async fn the_database_alone_has_neither_seeds_nor_a_way_to_give_ones_own_to_another() {
    use crate::means::records::{Display, Password};
    use crate::records::{Document as _, Entry};
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let eve = world.holder("eve-berg-x", 2).await;
    let store = world.server.app.store.clone();
    let store = &*store;
    let own = |id: Id| async move { crate::docs::list::<Display>(store, &id.0, 8).await.unwrap().remove(0) };
    let (hers, eves) = (own(anna.id).await, own(eve.id).await);
    let body = serde_json::to_string(&hers.doc).unwrap();
    let seed = anna.display.seed.expose();
    assert!(!body.contains(&STANDARD.encode(seed)) && !body.contains(&URL_SAFE_NO_PAD.encode(seed)));
    assert!(!hers.doc.seed.0.windows(8).any(|window| seed.windows(8).any(|own| own == window)));
    // Eve, who can write to the database, puts her seed and her password's record in Anna's place.
    let mut swapped = hers.clone();
    swapped.doc.seed = eves.doc.seed.clone();
    let mut changes = Changes::new();
    changes.update(&swapped);
    changes.commit(store).await.unwrap();
    let hers_as_eve = Try { password: eve.password.clone(), ..both(&eve, "anna-berg", eve.code(0)) };
    assert_eq!(world.stranger(1, &hers_as_eve).await, "internal", "a damaged document, and no way in");
    let mut back = own(anna.id).await;
    back.doc.seed = hers.doc.seed.clone();
    let passwords =
        [eve.id, anna.id].map(|id| async move { crate::docs::get::<Password>(store, &id.0).await.unwrap().unwrap() });
    let [eves, hers] = passwords;
    let (eves, hers) = (eves.await, hers.await);
    let swapped = Entry { doc: Password { account: anna.id, ..eves.doc }, version: hers.version };
    assert_eq!(swapped.doc.id(), hers.doc.id());
    let mut changes = Changes::new();
    changes.update(&back).update(&swapped);
    changes.commit(store).await.unwrap();
    let with_evil_record = Try { password: eve.password.clone(), ..both(&anna, "anna-berg", anna.code(0)) };
    assert_eq!(world.stranger(2, &with_evil_record).await, "means_wrong");
    world.server.stop().await;
}

#[tokio::test]
async fn what_the_log_knows_an_older_database_learns() {
    use crate::audit::AuditEntry;
    use crate::means::records::{Display, DisplayState, Password};
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let app = &world.server.app;
    let item = Display::id_of("", "anna-berg");
    let apply = async |entries: Vec<AuditEntry>| {
        let mut fold = crate::means::replay::Fold::default();
        for entry in entries {
            fold.apply(app, entry).await.unwrap();
        }
        fold.write(app).await.unwrap()
    };
    let now = app.now();
    // Codes up to 7 were used, and five strangers' tries in a row, as the log of one login says.
    let counters = vec![(crate::means::strangers_of(&anna.id), 5)];
    let tried = AuditEntry::MeansTried { counters: counters.clone(), item: Some(item), next: Some(8), at: now };
    assert_eq!(apply(vec![tried.clone()]).await, 2);
    assert_eq!(world.stranger(1, &both(&anna, "anna-berg", anna.code(9))).await, "means_waiting");
    apply(vec![tried, AuditEntry::MeansCleared { counter: counters[0].0, at: now }]).await;
    assert_eq!(
        world.stranger(1, &both(&anna, "anna-berg", anna.code(7))).await,
        "means_wrong",
        "used in the lost time"
    );
    assert_eq!(world.stranger(2, &both(&anna, "anna-berg", anna.code(8))).await, "");
    // A display that was handed out in the lost time works, one that was lost does not, and a password is void.
    let seed: &[u8] = &[7; 20];
    world.desk("displays", json!({ "container": container(&[("n1", seed)]) })).await;
    let changed = |means: &str, item, state: &str| AuditEntry::MeansChanged {
        account: anna.id,
        means: means.to_owned(),
        item,
        state: state.to_owned(),
        by: "test".to_owned(),
        at: now,
    };
    apply(vec![
        changed("code_display", item, "replaced"),
        changed("code_display", Display::id_of("", "n1"), "assigned"),
    ])
    .await;
    let new = Person { display: display(seed), password: anna.password.clone(), ..anna };
    assert_eq!(world.stranger(3, &both(&new, "anna-berg", new.code(0))).await, "");
    apply(vec![changed("code_display", Display::id_of("", "n1"), "lost")]).await;
    let lost = crate::docs::get::<Display>(&*app.store, &Display::id_of("", "n1").0).await.unwrap().unwrap();
    assert_eq!(lost.doc.state, DisplayState::Lost);
    apply(vec![changed("password", new.id, "set")]).await;
    assert!(crate::docs::get::<Password>(&*app.store, &new.id.0).await.unwrap().is_none());
    world.server.stop().await;
}

/// A means that the project does not have: one module, and lines in the policy.
struct PaperCode;

#[async_trait::async_trait]
impl Means for PaperCode {
    fn implemented(&self) -> Implemented {
        Implemented { name: "paper_code", kinds: &[Kind::Possession], ceiling: Level::Substantial, alone: false }
    }

    fn binding(&self) -> godkend_protocol::types::Binding {
        godkend_protocol::types::Binding::Typed
    }

    async fn judge(&self, proof: &Proof<'_>) -> Result<Judged, crate::error::ApiError> {
        Ok(Judged { right: proof.value["code"] == "on the paper", ..Judged::default() })
    }
}

#[tokio::test]
async fn a_new_means_and_a_new_rule_are_data_and_one_module() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let rule = "[[means]]\nname = \"paper_code\"\ndanish = \"papirkode\"\nenglish = \"paper code\"\n\
                kinds = [\"possession\"]\nmost = \"substantial\"\n\n\
                [[combination]]\nmeans = [\"password\", \"paper_code\"]\nlevel = \"substantial\"\n";
    std::fs::write(&file, format!("{DEFAULT}\n{rule}")).unwrap();
    let options = StartOptions { more_means: vec![Arc::new(PaperCode)], ..StartOptions::default() };
    let policy = |config: &mut Config| {
        proxied(config);
        config.means.policy.clone_from(&file);
    };
    let world = World::with(policy, options).await;
    let anna = world.holder("anna-berg", 1).await;
    let with = |code: &str| Try {
        combination: "password+paper_code",
        ..both(&anna, "anna-berg", json!({ "paper_code": { "code": code } }))
    };
    let mut browser = Browser::default();
    assert_eq!(world.try_in(&mut browser, 1, Level::Substantial, &with("elsewhere")).await.0, "means_wrong");
    let (refused, finish) = world.try_in(&mut browser, 1, Level::Substantial, &with("on the paper")).await;
    assert_eq!(refused, "");
    let claims = world.claims(&mut browser, &finish).await;
    assert_eq!(
        (&claims["acr"], &claims["amr"]),
        (&json!(Level::Substantial.uri()), &json!(["password", "paper_code"]))
    );
    world.server.stop().await;

    // Without its module the same policy serves nobody.
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let created = init(&InitOptions::test(dir.path(), address), 1_795_392_000, &mut system_random()).unwrap();
    let mut config = Config::load(&created.config, std::iter::empty()).unwrap();
    config.means.policy = file;
    let error = start_on(config, listener, StartOptions::default()).await.err().unwrap().to_string();
    assert!(error.contains("No module implements the means paper_code"), "{error}");
}
