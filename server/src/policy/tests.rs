use super::*;
use crate::oidc::records::Language;

fn implemented() -> Vec<Implemented> {
    crate::means::implemented(&[])
}

fn text() -> String {
    DEFAULT.to_owned()
}

fn policy() -> Policy {
    Policy::parse(&text()).unwrap()
}

fn proved(names: &[&'static str], own: Option<Level>) -> Option<Level> {
    let all: Vec<_> =
        names.iter().map(|name| if *name == APP { Proved { name, own } } else { Proved::of(name) }).collect();
    policy().level(&all)
}

#[test]
fn the_default_is_sound_and_says_what_the_design_says() {
    assert_eq!(Policy::parse(DEFAULT).unwrap().check(&crate::means::implemented(&[])), Vec::<String>::new());
    assert_eq!(policy().check(&implemented()), Vec::<String>::new());
    for (means, own, level) in [
        (&[][..], None, None),
        (&["code_display"], None, None),
        (&["chip"], None, None),
        (&["code_display", "chip"], None, None),
        (&["password"], None, Some(Level::Low)),
        (&["password", "code_display"], None, Some(Level::Substantial)),
        (&["password", "chip"], None, Some(Level::High)),
        (&["password", "code_display", "chip"], None, Some(Level::High)),
        (&["app"], Some(Level::Substantial), Some(Level::Substantial)),
        (&["app"], Some(Level::High), Some(Level::High)),
        (&["app", "password"], Some(Level::Substantial), Some(Level::Substantial)),
        (&["app", "code_display"], Some(Level::Substantial), Some(Level::Substantial)),
        (&["app", "chip"], Some(Level::Substantial), Some(Level::High)),
        (&["app", "chip"], Some(Level::High), Some(Level::High)),
    ] {
        assert_eq!(proved(means, own), level, "{means:?}");
    }
}

/// What is wrong with the default after a change of its text.
fn broken(from: &str, to: &str) -> String {
    let text = text().replace(from, to);
    assert_ne!(text, self::text(), "{from} is not there");
    Policy::parse(&text).unwrap().check(&implemented()).join("\n")
}

#[test]
fn two_low_means_never_reach_more_however_it_is_written() {
    // A second Low means beside the password, and a rule that calls both together Substantial.
    let memorable = "[[means]]\nname = \"memorable\"\ndanish = \"ord\"\nenglish = \"word\"\nkinds = [\"possession\"]\n\
                     most = \"low\"\n\n[[combination]]\nmeans = [\"password\", \"memorable\"]\nlevel = \"substantial\"\n";
    let text = format!("{DEFAULT}\n{memorable}");
    let mut with = implemented();
    with.push(Implemented { name: "memorable", kinds: &[Kind::Possession], ceiling: Level::Low, alone: true });
    let found = Policy::parse(&text).unwrap().check(&with).join("\n");
    assert!(found.contains("password+memorable gives Substantial, and none of its means carries it"), "{found}");
    // Nor by trusting one with more than its module can carry.
    let found =
        Policy::parse(&text.replace("most = \"low\"", "most = \"substantial\"")).unwrap().check(&with).join("\n");
    assert!(found.contains("password cannot be trusted with more than Low"), "{found}");
    assert!(found.contains("memorable cannot be trusted with more than Low"), "{found}");
    // At Low it may stand.
    assert_eq!(
        Policy::parse(&text.replace("\"substantial\"\n", "\"low\"\n").replace(
            "means = [\"password\", \"code_display\"]\nlevel = \"low\"",
            "means = [\"password\", \"code_display\"]\nlevel = \"substantial\""
        ))
        .unwrap()
        .check(&with)
        .iter()
        .filter(|line| line.contains("memorable"))
        .count(),
        0
    );
}

#[test]
fn every_rule_is_held() {
    for (from, to, expected) in [
        (
            "means = [\"password\"]\nlevel = \"low\"",
            "means = [\"password\"]\nlevel = \"substantial\"",
            "none of its means carries it",
        ),
        (
            "means = [\"password\"]\nlevel = \"low\"",
            "means = [\"code_display\"]\nlevel = \"low\"",
            "code_display gives no level by itself",
        ),
        (
            "means = [\"password\"]\nlevel = \"low\"",
            "means = [\"chip\"]\nlevel = \"low\"",
            "chip gives no level by itself",
        ),
        (
            "\"code_display\"]\nlevel = \"substantial\"",
            "\"code_display\"]\nlevel = \"high\"",
            "gives High, and none of its means carries it",
        ),
        ("means = [\"password\", \"chip\"]", "means = [\"code_display\", \"chip\"]", "with one kind of factor"),
        ("means = [\"password\", \"chip\"]", "means = [\"password\", \"password\"]", "names a means twice"),
        ("means = [\"password\", \"chip\"]", "means = [\"password\", \"iris\"]", "names a means that is not there"),
        ("means = [\"password\", \"chip\"]", "means = [\"code_display\", \"password\"]", "stands there twice"),
        ("name = \"chip\"", "name = \"password\"", "stands there twice"),
        ("name = \"chip\"", "name = \"iris\"", "No module implements the means iris"),
        ("software_keys = \"substantial\"", "software_keys = \"high\"", "Software keys give no more than Substantial"),
        ("hardware_keys = \"high\"", "hardware_keys = \"low\"", "Software keys cannot be worth more"),
        ("kinds = [\"possession\", \"knowledge\"]", "kinds = []", "app does not prove"),
        ("kinds = [\"knowledge\"]", "kinds = [\"inherence\"]", "password does not prove"),
        ("danish = \"chip\"", "danish = \" \"", "no name for readers"),
        (
            "[\"password\", \"chip\"]\nlevel = \"high\"",
            "[\"password\", \"chip\"]\nlevel = \"own\"",
            "cannot have the app's own level",
        ),
        // The app carries High with its keys in hardware, and a display beside it does not make up for software.
        (
            "means = [\"app\", \"chip\"]",
            "means = [\"app\", \"code_display\"]",
            "cannot carry with the app's keys in software",
        ),
        ("in_a_row = 5", "in_a_row = 6", "from 1 to 5"),
        ("one_address = 3", "one_address = 5", "below tries.in_a_row"),
        ("[60, 900, 3600]", "[]", "own_browser_waits"),
        ("[900, 3600, 86400]", "[900, 60]", "stranger_waits"),
        ("[900, 3600, 86400]", "[900]", "an hour or more"),
        ("ahead = 10", "ahead = 500", "too good a chance"),
        ("unattested = \"substantial\"", "unattested = \"high\"", "unknown make gives no more than Substantial"),
        ("\nattested = \"high\"", "\nattested = \"low\"", "and no more than others"),
        ("synchronised = false", "synchronised = true", "copied to other devices gives no more than Substantial"),
        ("attestation_required = false", "attestation_required = true", "must name who proves"),
        ("models = []", "models = [\"ee882879-721c-4913-9775-3dfcce97072a\"]", "must name who proves"),
        ("authorities = []", "authorities = [\"none\"]", "certificates in PEM"),
    ] {
        let found = broken(from, to);
        assert!(found.contains(expected), "{to}: {found}");
    }
    assert!(Policy::parse("[app]").is_err());
    assert!(Policy::parse(&format!("{DEFAULT}\nsurprise = 1")).is_err());
}

#[test]
fn a_page_offers_what_reaches_the_level_best_first() {
    let names = |level| policy().reaching(level).map(Combination::name).collect::<Vec<_>>();
    assert_eq!(names(Level::High), ["app", "app+chip", "password+chip"]);
    assert_eq!(names(Level::Substantial), ["app", "app+chip", "password+chip", "password+code_display"]);
    assert_eq!(names(Level::Low), ["app", "app+chip", "password+chip", "password+code_display", "password"]);
}

#[test]
fn a_combination_with_a_chip_reaches_no_more_than_any_chip_can() {
    let text = text().replace("\nattested = \"high\"", "\nattested = \"substantial\"");
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.check(&implemented()), Vec::<String>::new());
    assert_eq!(policy.reaching(Level::High).map(Combination::name).collect::<Vec<_>>(), ["app"]);
    assert!(policy.table(Language::En).contains("| password + chip | Substantial |"));
}

#[test]
fn people_can_read_it() {
    let table = policy().table(Language::Da);
    assert!(table.contains("| adgangskode + kodeviser | Betydelig |"), "{table}");
    assert!(table.contains("| kodeviser alene | intet |"), "{table}");
    assert!(
        table.contains("| adgangskode + chip | Høj (chip af et kendt fabrikat), Betydelig (andre chips) |"),
        "{table}"
    );
    assert!(table.contains("| chip alene | intet |"), "{table}");
    assert!(
        table.contains("| Godkend-appen + chip | Høj (chip af et kendt fabrikat), Betydelig (andre chips) |"),
        "{table}"
    );
    let english = "| the Godkend app + chip | High (a chip of a proved make), Substantial (other chips) |";
    assert!(policy().table(Language::En).contains(english));
    assert!(policy().table(Language::En).contains("| password | Low |"));
}
