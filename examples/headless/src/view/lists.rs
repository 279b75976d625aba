//! Lists and plain answers.

use serde_json::{Map, Value};

use super::expires;
use super::request::{is_relying_partys, topic};
use crate::json::{Browser, Citizen, Device, Line, Person, Pin, Policy, Series, ServerUse, Simulation, Waiting};
use crate::language::Language;

pub(super) fn people(people: &[Person], pending: bool, language: Language) -> String {
    let mut out = Vec::new();
    if people.is_empty() {
        out.push(language.pick("Telefonen er ikke aktiveret.", "The phone is not activated.").to_owned());
    }
    for person in people {
        let standing = match person.standing {
            "enrolling" => language.pick("ved at blive aktiveret", "being activated"),
            "active" => language.pick("aktiv", "active"),
            "resetting_pin" => language.pick("ny PIN-kode på vej", "a new PIN is on its way"),
            "blocked" => language.pick("spærret", "blocked"),
            "frozen" => language.pick("låst", "frozen"),
            _ => language.pick("fjernet", "removed"),
        };
        let mut line = format!("{}. {} · {} · {standing}", person.id, person.name, person.environment);
        if person.biometrics {
            line.push_str(language.pick(" · biometri", " · biometrics"));
        }
        if person.unsettled {
            line.push_str(language.pick(" · et svar venter", " · an answer waits"));
        }
        out.push(line);
    }
    if pending {
        out.push(
            language
                .pick(
                    "En aktivering venter på svar: godkend resume",
                    "An activation waits for its reply: godkend resume",
                )
                .to_owned(),
        );
    }
    out.join("\n")
}

pub(super) fn waiting(requests: &[Waiting], policy: Option<&Policy>, language: Language) -> String {
    let mut out = Vec::new();
    if requests.is_empty() {
        out.push(language.pick("Der venter ikke noget.", "Nothing waits.").to_owned());
    }
    for request in requests {
        let time = expires(u64::from(request.expires_in), language);
        let how = if request.locked {
            language.pick(
                "låst: skriv tallet fra den anden skærm (godkend number)",
                "locked: type the number on the other screen (godkend number)",
            )
        } else {
            language.pick("åbn den (godkend approve)", "open it (godkend approve)")
        };
        out.push(format!("• {} · {how} · {time}", request.id));
    }
    match policy {
        Some(Policy { state: "recommended", .. }) => {
            out.push(
                language.pick("Der er en nyere version af appen.", "There is a newer version of the app.").to_owned(),
            );
        }
        Some(Policy { required_from: Some(at), .. }) => {
            out.push(format!(
                "{} {}.",
                language.pick("Appen skal opdateres senest", "The app must be updated by"),
                language.time(*at)
            ));
        }
        _ => {}
    }
    out.join("\n")
}

pub(super) fn history(lines: &[Line], language: Language) -> String {
    if lines.is_empty() {
        return language.pick("Der er ikke sket noget endnu.", "Nothing has happened yet.").to_owned();
    }
    let line = |line: &Line| {
        let event = match line.event {
            "activated" => language.pick("✓ Aktiveret", "✓ Activated"),
            "approved" => language.pick("✓ Godkendt", "✓ Approved"),
            "denied" => language.pick("✗ Afvist", "✗ Refused"),
            "reported" => language.pick("! Meldt som svindel", "! Reported as fraud"),
            "wrong_pin" => language.pick("! Forkert PIN-kode", "! Wrong PIN"),
            "not_taken" => language.pick("✗ Ikke modtaget af serveren", "✗ Not taken by the server"),
            "expired" => language.pick("✗ Udløbet", "✗ Expired"),
            "offline_code" => language.pick("✓ Godkendt med kode", "✓ Approved by code"),
            "blocked" => language.pick("✗ Spærret herfra", "✗ Blocked from here"),
            "recognised" => language.pick("✓ Brug: det var dig", "✓ Use: it was you"),
            _ => language.pick("✓ Ny PIN-kode", "✓ New PIN"),
        };
        let mut out = format!("{}  {event}", language.time(line.at));
        // The phone's own affairs are asked for by the phone itself.
        if let Some(party) = line.relying_party.as_ref().filter(|_| line.action.is_none_or(is_relying_partys)) {
            out.push_str(&format!(" · {party}"));
        }
        if let Some(name) = line.action {
            out.push_str(&format!(" · {}", topic(name, language)));
        }
        for detail in [&line.text, &line.place, &line.code].into_iter().flatten() {
            out.push_str(&format!(" · {detail}"));
        }
        out
    };
    lines.iter().rev().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn devices(devices: &[Device], locked_push: Option<bool>, pin: Option<&Pin>, language: Language) -> String {
    let mut out = Vec::new();
    for device in devices {
        let state = match device.state {
            "enrolling" => language.pick("ved at blive aktiveret", "being activated"),
            "active" => language.pick("aktiv", "active"),
            "blocked" => language.pick("spærret", "blocked"),
            "frozen" => language.pick("låst", "frozen"),
            _ => language.pick("fjernet", "removed"),
        };
        let this = if device.this { language.pick(" (denne telefon)", " (this phone)") } else { "" };
        let used = device.last_used.map_or_else(|| language.pick("aldrig", "never").to_owned(), |at| language.time(at));
        out.push(format!("• {}{this} · {} · {state}", device.model, device.platform));
        out.push(format!(
            "  {} {} · {} {used}",
            language.pick("Aktiveret", "Activated"),
            language.time(device.enrolled),
            language.pick("sidst brugt", "last used")
        ));
        out.push(format!("  {}", device.id));
    }
    if let Some(pin) = pin {
        let text = if pin.dead {
            language.pick("spærret", "blocked").to_owned()
        } else {
            format!("{} {}", pin.tries_left, language.pick("forsøg tilbage", "tries left"))
        };
        out.push(format!("PIN: {text}"));
    }
    if let Some(on) = locked_push {
        let on_text = language.pick("Andre browsere kan kalde på telefonen.", "Other browsers can call the phone.");
        let off = language.pick("Andre browsere kan ikke kalde på telefonen.", "Other browsers cannot call the phone.");
        out.push(if on { on_text } else { off }.to_owned());
    }
    out.join("\n")
}

pub(super) fn browsers(browsers: &[Browser], language: Language) -> String {
    if browsers.is_empty() {
        return language.pick("Ingen browser er husket.", "No browser is remembered.").to_owned();
    }
    let line = |browser: &Browser| {
        format!(
            "• {} · {} {} · {} {}\n  {}",
            browser.name,
            language.pick("husket", "remembered"),
            language.time(browser.remembered),
            language.pick("sidst brugt", "last used"),
            language.time(browser.last_used),
            browser.id
        )
    };
    browsers.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn citizen(citizen: &Citizen, language: Language) -> String {
    let blocked = if citizen.blocked { language.pick(" · SPÆRRET", " · BLOCKED") } else { "" };
    let magic = citizen.magic.as_deref().map(|magic| format!(" · {magic}")).unwrap_or_default();
    format!(
        "• {} · {} {} · {} {} · {} {}{magic}{blocked}\n  {}",
        citizen.name,
        language.pick("bruger-id", "user id"),
        citizen.user_id,
        language.pick("født", "born"),
        citizen.date_of_birth,
        language.pick("niveau", "level"),
        citizen.identity_level,
        citizen.id
    )
}

pub(super) fn citizens(citizens: &[Citizen], language: Language) -> String {
    if citizens.is_empty() {
        return language.pick("Der er ingen borgere.", "There are no citizens.").to_owned();
    }
    citizens.iter().map(|one| citizen(one, language)).collect::<Vec<_>>().join("\n")
}

pub(super) fn claims(claims: &Map<String, Value>, remembered: bool, language: Language) -> String {
    let mut out = vec![
        language
            .pick("✓ Banken har kontrolleret det underskrevne svar:", "✓ The bank has verified the signed answer:")
            .to_owned(),
    ];
    for (name, value) in claims {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.push(format!("    {name:<24} {text}"));
    }
    if remembered {
        out.push(language.pick("Browseren er husket.", "The browser is remembered.").to_owned());
    }
    out.join("\n")
}

pub(super) fn serving(url: &str, directory: &str, root: &str, language: Language) -> String {
    match language {
        Language::Da => format!(
            "✓ Serveren kører på {url}\n  Mappe: {directory}\n  Rod:   {root}\n\n\
             Prøv nu, i andre terminaler:\n\
             \x20 godkend create-citizen --name \"Anna Andersen\" --user-id anna.a --born 1990-05-17\n\
             \x20 godkend activation anna.a --code       # udlevér en aktivering\n\
             \x20 godkend activate                       # på telefonen; viser otte tal\n\
             \x20 godkend confirm-digits                 # ved skranken\n\
             \x20 godkend request-login                  # banken beder om et login\n\
             \x20 godkend scan                           # på telefonen\n\n\
             Ctrl-C stopper serveren."
        ),
        Language::En => format!(
            "✓ The server runs at {url}\n  Folder: {directory}\n  Root:   {root}\n\n\
             Now try, in other terminals:\n\
             \x20 godkend create-citizen --name \"Anna Andersen\" --user-id anna.a --born 1990-05-17\n\
             \x20 godkend activation anna.a --code       # hand out an activation\n\
             \x20 godkend activate                       # on the phone; shows eight digits\n\
             \x20 godkend confirm-digits                 # at the desk\n\
             \x20 godkend request-login                  # the bank asks for a login\n\
             \x20 godkend scan                           # on the phone\n\n\
             Ctrl-C stops the server."
        ),
    }
}

/// What one login takes of a server.
fn server_use(name: &str, used: &ServerUse, language: Language) -> String {
    format!(
        "{name}: {:.2} ms {} · {:.1} {} · {:.1} {} · {:.1} {} · {:.1} OPAQUE · {:.1} commits, {:.2} {} · {:.2} {} · {} MB",
        used.cpu_ms,
        language.pick("processortid", "processor time"),
        used.requests,
        language.pick("forespørgsler", "requests"),
        used.signatures,
        language.pick("signaturer", "signatures"),
        used.verifications,
        language.pick("kontroller", "verifications"),
        used.opaque_starts,
        used.commits,
        used.transactions,
        language.pick("transaktioner", "transactions"),
        used.log_flushes,
        language.pick("skylninger af loggen", "flushes of the log"),
        used.peak_kb / 1024,
    )
}

pub(super) fn simulation(result: &Simulation, language: Language) -> String {
    let line = |name: &str, series: &Series| {
        format!(
            "{name:<14} {:>7} ok  {:>5} {}  {:>8.1}/s  p50 {:>8.2} ms  p99 {:>8.2} ms",
            series.done,
            series.failed,
            language.pick("fejl", "failed"),
            series.per_second,
            series.p50_ms,
            series.p99_ms,
        )
    };
    let mut out = vec![
        format!("{} {}", result.users, language.pick("telefoner", "phones")),
        line(language.pick("Aktiveringer", "Activations"), &result.activations),
    ];
    for run in &result.runs {
        let factor = language.pick("Logins med", "Logins with");
        let in_flight = language.pick("ad gangen", "in flight");
        out.push(format!("\n{factor} {}, {} {in_flight}", run.with, run.in_flight));
        out.push(line(language.pick("Logins", "Logins"), &run.logins));
        for phase in &run.phases {
            out.push(format!("  {:<12} p50 {:>8.2} ms  p99 {:>8.2} ms", phase.name, phase.p50_ms, phase.p99_ms));
        }
        out.extend(run.server.as_ref().map(|used| server_use(language.pick("Serveren", "Server"), used, language)));
        if let Some(floor) = &run.floor {
            out.push(line(language.pick("Gulvet", "Floor"), &floor.series));
            out.extend(floor.server.as_ref().map(|used| server_use(language.pick("Gulvet", "Floor"), used, language)));
            out.push(format!(
                "{} {:.2}, {} {:.2}",
                language.pick("Login i forhold til gulvet: processortid", "Login by floor: processor time"),
                floor.cpu_ratio,
                language.pick("gennemløb", "throughput"),
                floor.throughput_ratio
            ));
        }
        if let Some(empty) = &run.empty {
            let name = language.pick("Tom server", "Empty server");
            out.push(line(name, &empty.logins));
            out.extend(empty.server.as_ref().map(|used| server_use(name, used, language)));
            let ratios = language.pick("Fuld i forhold til tom", "Full by empty");
            out.push(format!("{ratios}: p50 {:.2}, p99 {:.2}", empty.p50_ratio, empty.p99_ratio));
        }
        let generator = language.pick("Telefoner, browsere og bank", "Phones, browsers and bank");
        out.push(format!("{generator}: {:.2} ms", run.generator_cpu_ms));
    }
    if let Some(ms) = result.started_ms {
        out.push(format!("\n{} {ms:.0} ms", language.pick("Serveren svarede efter", "The server answered after")));
    }
    for failure in &result.failures {
        out.push(format!("  ✗ {failure}"));
    }
    out.join("\n")
}

/// What the server can send to wake this phone.
pub(crate) fn push(registered: bool, (fcm, apns, web_push): (bool, bool, Option<&str>), language: Language) -> String {
    let state = if registered {
        language.pick("✓ Serveren kan vække telefonen.", "✓ The server can wake the phone.")
    } else {
        language.pick("Serveren vækker ikke telefonen.", "The server does not wake the phone.")
    };
    let offered: Vec<String> = [fcm.then(|| "FCM".to_owned()), apns.then(|| "APNs".to_owned())]
        .into_iter()
        .flatten()
        .chain(web_push.map(|key| format!("Web Push ({key})")))
        .collect();
    let none = language.pick("ingen tjenester", "no service").to_owned();
    let offered = if offered.is_empty() { none } else { offered.join(", ") };
    format!("{state}\n  {}: {offered}", language.pick("Den kan sende gennem", "It can send through"))
}
