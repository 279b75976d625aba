//! Everything that a person can do here besides looking: what the page says before, what is asked of the identity server,
//! and what the page says after.

use serde_json::{Value, json};

/// Words in both languages, Danish first.
pub(crate) type Words = (&'static str, &'static str);

/// What is sent with an action beside the thing that it is done to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// A field that the person types.
    Typed(&'static str),
    /// A field with a fixed text.
    Text(&'static str, &'static str),
    /// A setting.
    Switch(&'static str, bool),
}

/// What comes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum After {
    /// The overview, which says so.
    Overview,
    /// A page with the code that was handed out, for a password.
    Code,
    /// The same, for a chip.
    ChipCode,
    /// The page of the new phone.
    NewPhone,
    /// The visit is over.
    Out,
}

/// An action.
pub(crate) struct Action {
    /// Its name in addresses.
    pub(crate) name: &'static str,
    /// Where the identity server does it; `{}` is the thing's id.
    path: &'static str,
    pub(crate) body: Body,
    pub(crate) after: After,
    /// It takes something away.
    pub(crate) serious: bool,
    pub(crate) title: Words,
    pub(crate) text: Words,
    pub(crate) button: Words,
    pub(crate) done: Words,
}

impl Action {
    /// An action by its name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        ACTIONS.iter().find(|action| action.name == name)
    }

    /// Where it is done; `None` for what cannot be an id.
    pub(crate) fn path(&self, id: &str) -> Option<String> {
        path_of(self.path, id)
    }

    /// What is sent.
    pub(crate) fn body(&self, typed: &str) -> Value {
        match self.body {
            Body::Empty => json!({}),
            Body::Typed(field) => json!({ field: typed.trim() }),
            Body::Text(field, text) => json!({ field: text }),
            Body::Switch(field, on) => json!({ field: on }),
        }
    }
}

/// A path with an id in the place of `{}`; `None` for what cannot be an id, and for one where the path has no place.
pub(crate) fn path_of(path: &str, id: &str) -> Option<String> {
    let fits = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (fits && id.is_empty() != path.contains("{}")).then(|| path.replace("{}", id))
}

const fn plain(
    name: &'static str,
    path: &'static str,
    title: Words,
    text: Words,
    button: Words,
    done: Words,
) -> Action {
    Action { name, path, body: Body::Empty, after: After::Overview, serious: true, title, text, button, done }
}

/// All of them.
pub(crate) const ACTIONS: &[Action] = &[
    plain(
        "block-phone",
        "phones/{}/block",
        ("Spær telefonen", "Block the phone"),
        (
            "Telefonen kan ikke længere godkende noget. Kun en skranke kan åbne den igen.",
            "The phone can no longer approve anything. Only a desk can open it again.",
        ),
        ("Spær telefonen", "Block the phone"),
        ("Telefonen er spærret.", "The phone is blocked."),
    ),
    plain(
        "remove-phone",
        "phones/{}/remove",
        ("Fjern telefonen", "Remove the phone"),
        (
            "Telefonen fjernes for altid. Vil du bruge den igen, skal den aktiveres forfra.",
            "The phone is removed for good. To use it again, it has to be activated anew.",
        ),
        ("Fjern telefonen", "Remove the phone"),
        ("Telefonen er fjernet.", "The phone is removed."),
    ),
    plain(
        "forget-browser",
        "browsers/{}/forget",
        ("Glem browseren", "Forget the browser"),
        (
            "Browseren sender ikke længere anmodninger direkte til din telefon.",
            "The browser no longer sends requests straight to your phone.",
        ),
        ("Glem browseren", "Forget the browser"),
        ("Browseren er glemt.", "The browser is forgotten."),
    ),
    plain(
        "display-lost",
        "display/lost",
        ("Meld kodeviseren tabt", "Report the code display as lost"),
        (
            "Kodeviseren virker aldrig mere, heller ikke hvis du finder den igen.",
            "The code display never works again, not even if you find it.",
        ),
        ("Kodeviseren er tabt", "The code display is lost"),
        ("Kodeviseren er meldt tabt.", "The code display is reported as lost."),
    ),
    Action {
        after: After::Code,
        serious: false,
        ..plain(
            "new-password",
            "password/open",
            ("Ny adgangskode", "New password"),
            (
                "Du får en kode, som gælder én gang i ti minutter. Med den vælger du adgangskoden på Godkends egen side.",
                "You get a code that is good once, for ten minutes. With it you choose the password on Godkend's own page.",
            ),
            ("Vis koden", "Show the code"),
            ("Din kode", "Your code"),
        )
    },
    plain(
        "remove-password",
        "password/remove",
        ("Fjern adgangskoden", "Remove the password"),
        (
            "Du kan ikke længere logge på med adgangskode, heller ikke sammen med en kodeviser.",
            "You can no longer log on with a password, nor with a password and a code display.",
        ),
        ("Fjern adgangskoden", "Remove the password"),
        ("Adgangskoden er fjernet.", "The password is removed."),
    ),
    Action {
        after: After::ChipCode,
        serious: false,
        ..plain(
            "new-chip",
            "chip/open",
            ("Tilknyt en chip", "Register a chip"),
            (
                "Du får en kode, som gælder én gang i ti minutter. Med den tilknytter du chippen på Godkends egen side. En \
                 chip, du har i forvejen, holder op med at virke.",
                "You get a code that is good once, for ten minutes. With it you register the chip on Godkend's own page. A \
                 chip that you have already stops working.",
            ),
            ("Vis koden", "Show the code"),
            ("Din kode", "Your code"),
        )
    },
    plain(
        "chip-lost",
        "chip/lost",
        ("Meld chippen tabt", "Report the chip as lost"),
        (
            "Chippen virker ikke længere her, heller ikke hvis du finder den igen. Så skal den tilknyttes på ny.",
            "The chip no longer works here, not even if you find it. It has to be registered anew then.",
        ),
        ("Chippen er tabt", "The chip is lost"),
        ("Chippen er meldt tabt.", "The chip is reported as lost."),
    ),
    plain(
        "remove-chip",
        "chip/remove",
        ("Fjern chippen", "Remove the chip"),
        (
            "Du kan ikke længere logge på med chippen, hverken sammen med appen eller med adgangskode.",
            "You can no longer log on with the chip, neither with the app nor with a password.",
        ),
        ("Fjern chippen", "Remove the chip"),
        ("Chippen er fjernet.", "The chip is removed."),
    ),
    Action {
        body: Body::Typed("user_id"),
        serious: false,
        ..plain(
            "user-id",
            "user-id",
            ("Nyt bruger-id", "New user id"),
            (
                "5 til 48 bogstaver (a–z), tal, punktummer, bindestreger og understreger. Ikke dit CPR-nummer. Det gamle \
                 bruger-id holder op med at virke, og ingen anden får det det næste år.",
                "5 to 48 letters (a–z), digits, full stops, hyphens and underscores. Not your CPR number. The old user id \
                 stops working, and nobody else gets it for a year.",
            ),
            ("Skift bruger-id", "Change the user id"),
            ("Bruger-id'et er skiftet.", "The user id is changed."),
        )
    },
    Action {
        body: Body::Text("what", "display"),
        serious: false,
        ..plain(
            "order-display",
            "orders",
            ("Bestil kodeviser", "Order a code display"),
            (
                "Bestillingen går til skranken. Du henter kodeviseren dér og viser, hvem du er.",
                "The order goes to the desk. You fetch the code display there and show who you are.",
            ),
            ("Bestil", "Order"),
            ("Kodeviseren er bestilt.", "The code display is ordered."),
        )
    },
    Action {
        body: Body::Text("what", "talking_display"),
        serious: false,
        ..plain(
            "order-talking-display",
            "orders",
            ("Bestil talende kodeviser", "Order a talking code display"),
            (
                "Bestillingen går til skranken. Du henter kodeviseren dér og viser, hvem du er.",
                "The order goes to the desk. You fetch the code display there and show who you are.",
            ),
            ("Bestil", "Order"),
            ("Den talende kodeviser er bestilt.", "The talking code display is ordered."),
        )
    },
    Action {
        body: Body::Text("what", "chip"),
        serious: false,
        ..plain(
            "order-chip",
            "orders",
            ("Bestil chip", "Order a chip"),
            (
                "Bestillingen går til skranken. Du henter chippen dér og viser, hvem du er.",
                "The order goes to the desk. You fetch the chip there and show who you are.",
            ),
            ("Bestil", "Order"),
            ("Chippen er bestilt.", "The chip is ordered."),
        )
    },
    plain(
        "cancel-order",
        "orders/{}/cancel",
        ("Fortryd bestillingen", "Cancel the order"),
        ("Skranken lægger intet frem til dig.", "The desk puts nothing out for you."),
        ("Fortryd bestillingen", "Cancel the order"),
        ("Bestillingen er fortrudt.", "The order is cancelled."),
    ),
    Action {
        after: After::NewPhone,
        body: Body::Text("form", "link"),
        serious: false,
        ..plain(
            "add-phone",
            "activations",
            ("Aktivér en ny telefon", "Activate a new phone"),
            (
                "Hav den nye telefon ved hånden. Den kan bruges en time efter, at du er færdig; så længe kan dine andre \
                 telefoner stoppe den.",
                "Have the new phone at hand. It can be used an hour after you have finished; until then your other phones \
                 can stop it.",
            ),
            ("Vis QR-koden", "Show the QR code"),
            ("", ""),
        )
    },
    Action {
        body: Body::Switch("hide_names", true),
        serious: false,
        ..plain(
            "hide-names",
            "settings",
            ("Skjul navne for skranken", "Hide names from the desk"),
            (
                "En skranke, som ser i din historik, ser ikke længere, hvilke tjenester du har brugt. Det kan gøre det \
                 sværere at hjælpe dig.",
                "A desk that looks at your history no longer sees which services you have used. That can make it harder to \
                 help you.",
            ),
            ("Skjul navne", "Hide names"),
            ("Skranken ser ikke længere navnene.", "The desk no longer sees the names."),
        )
    },
    Action {
        body: Body::Switch("hide_names", false),
        serious: false,
        ..plain(
            "show-names",
            "settings",
            ("Vis navne for skranken", "Show names to the desk"),
            (
                "En skranke, som ser i din historik, ser, hvilke tjenester du har brugt.",
                "A desk that looks at your history sees which services you have used.",
            ),
            ("Vis navne", "Show names"),
            ("Skranken ser navnene.", "The desk sees the names."),
        )
    },
    Action {
        body: Body::Switch("locked_push", false),
        serious: false,
        ..plain(
            "push-off",
            "settings",
            ("Slå anmodninger ved bruger-id fra", "Turn requests by user id off"),
            (
                "Den, der skriver dit bruger-id, når ikke længere din telefon. Du logger på med QR-kode, link eller husket \
                 browser.",
                "Whoever types your user id no longer reaches your phone. You log on by QR code, link or remembered browser.",
            ),
            ("Slå fra", "Turn off"),
            ("Anmodninger ved bruger-id er slået fra.", "Requests by user id are off."),
        )
    },
    Action {
        body: Body::Switch("locked_push", true),
        serious: false,
        ..plain(
            "push-on",
            "settings",
            ("Slå anmodninger ved bruger-id til", "Turn requests by user id on"),
            (
                "Den, der skriver dit bruger-id, når din telefon. Anmodningen er låst, til tallet på skærmen er skrevet.",
                "Whoever types your user id reaches your phone. The request is locked until the number on the screen is typed.",
            ),
            ("Slå til", "Turn on"),
            ("Anmodninger ved bruger-id er slået til.", "Requests by user id are on."),
        )
    },
    Action {
        body: Body::Switch("tell_uses", true),
        serious: false,
        ..plain(
            "tell-on",
            "settings",
            ("Slå besked om hver brug til", "Turn notice of every use on"),
            (
                "Hver gang nogen logger på eller godkender i dit navn, får dine telefoner besked med det samme. Den telefon, du \
                 selv godkender med, får ingen: du har lige set det.",
                "Whenever somebody logs on or approves in your name, your phones are told at once. The phone that you approve \
                 with is not: you have just seen it.",
            ),
            ("Slå til", "Turn on"),
            ("Dine telefoner får besked om hver brug.", "Your phones are told of every use."),
        )
    },
    Action {
        body: Body::Switch("tell_uses", false),
        serious: false,
        ..plain(
            "tell-off",
            "settings",
            ("Slå besked om hver brug fra", "Turn notice of every use off"),
            (
                "Dine telefoner får ikke længere besked. At du slår det fra, får de besked om.",
                "Your phones are no longer told. That you turn it off, they are told.",
            ),
            ("Slå fra", "Turn off"),
            ("Besked om hver brug er slået fra.", "Notice of every use is off."),
        )
    },
    Action {
        after: After::Out,
        ..plain(
            "block-everything",
            "block",
            ("Spær alt", "Block everything"),
            (
                "Hele din identitet spærres straks: telefoner, browsere, adgangskode, kodeviser og chip. Kun en skranke kan åbne \
                 den igen, når du har vist, hvem du er.",
                "Your whole identity is blocked at once: phones, browsers, password, code display and chip. Only a desk can \
                 open it again, when you have shown who you are.",
            ),
            ("Spær alt nu", "Block everything now"),
            ("Alt er spærret.", "Everything is blocked."),
        )
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_has_its_own_name_and_speaks_both_languages() {
        let names: BTreeSet<_> = ACTIONS.iter().map(|action| action.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
        for action in ACTIONS {
            for (danish, english) in [action.title, action.text, action.button] {
                assert!(!danish.is_empty() && !english.is_empty() && danish != english, "{}", action.name);
            }
        }
    }

    #[test]
    fn an_id_is_part_of_one_step_of_the_path() {
        let block = Action::find("block-phone").unwrap();
        assert_eq!(block.path("AA-_9").as_deref(), Some("phones/AA-_9/block"));
        for bad in ["", "a/b", "..", "a?b", "a%2Fb", "æ", &"x".repeat(65)] {
            assert_eq!(block.path(bad), None, "{bad}");
        }
        let everything = Action::find("block-everything").unwrap();
        assert_eq!((everything.path("").as_deref(), everything.path("x")), (Some("block"), None));
        assert!(Action::find("unblock").is_none());
    }
}
