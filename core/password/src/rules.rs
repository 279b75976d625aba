//! What one may choose: 8 to 64 characters, none of the passwords that everybody tries first, not one's user id. No rules
//! about capitals and signs: they make passwords that are hard for people and easy for machines (NIST SP 800-63B).
//!
//! The server cannot check this: it never sees a password. Whoever bypasses the page harms their own password alone.

/// Fewest characters.
pub const LEAST: usize = 8;
/// Most characters.
pub const MOST: usize = 64;

/// Why a password may not be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weakness {
    /// Fewer than [`LEAST`] characters.
    Short,
    /// More than [`MOST`] characters.
    Long,
    /// One of those that are tried first, or a row of keys, or one sign over and over.
    Common,
    /// The user id is part of it.
    Yours,
}

/// Words that passwords are made of when nobody thinks: with or without digits and signs around them they are too common.
/// Collected by hand for this project.
const COMMON: &str = "\
adgang adgangskode admin administrator afsted aftensmad agurk alexander amalie anders andersen andreas angel anna aarhus \
aalborg abcdef alletiders arsenal asterix baby babygirl bamse banan barcelona barsel bartholin basketball batman bella \
berlin bil biler blomst blomster bolig brondby brøndby bror buster camilla caroline casper charlie chelsea cecilie \
chokolade christian christina christoffer computer cykel daniel danmark dannebrog dansk danske datter dexter dragon dronning \
efterår ekstrabladet elefant elsker emilie emma engel esbjerg facebook familie familien far farfar farmor fcbarcelona \
fckøbenhavn februar ferie fido fisk flower fodbold football forår fredag frederik frederikke freja frihed frikadelle \
freedom fuckyou glad glædeligjul godkend goddag godmorgen guitar gulerod hansen hamster harry haveman heinrich hej hejhej \
hejmeddig hejsa hello helle hemmelig hemmeligt henrik hest heste hjem hjemme hockey hotdog hund hunden hunter hygge ida \
iloveyou internet isabella jacob jakob januar jeg jegelskerdig jens jensen jesper jesus johanne jordan jul julemand juli \
juni kage kaffe kanin karen karoline kasper kat katten kato killer kirsten klaus koden kodeord kodeordet koebenhavn konge \
kristian københavn kærlighed lasse laura lego leopold letmein line liverpool login lotte louise love lukas lykke mads \
magnus maja maj mandag manchester maria marie marius martin master mathias mathilde matrix merete michael michelle mikkel \
milan minecraft mit mitid mitkodeord mogens monkey mor morfar morgen mormor mortensen mus mustang møller naruto natten nem \
nemid nicklas nicolai nielsen niels nikolaj november nykredit nørrebro odense ok oktober oliver olsen onsdag password passw \
passord paswort patrick pedersen peter petersen pizza pokemon polle poul prinsesse princess pyt qwer qwert qwerty qwertyu \
qwertyui qwertyuiop rasmus randers regnbue rensdyr rødgrødmedfløde roskilde rosa sarah sebastian september shadow shopping \
silkeborg simone simon skat skatter skole skolen slange smukke smørrebrød snoopy sofie sol solskin solstråle sommer \
sommerhus sommerferie sommeren sorensen spiderman star starwars stegtflæsk stine strand summer sunshine superman svendborg \
sødeste søndag søren sørensen sofia søster test tester thomas tiger tirsdag tivoli torsdag trustno turtle ukendt \
undulat velkommen vejle vestergaard victoria viktoria viking vinter vinteren walter welcome whatever william winter \
winston yankees zaqwsx åben åbenrå ærlig æble øl østerbro";

/// Rows that fingers run along.
const ROWS: &[&str] = &[
    "01234567890",
    "09876543210",
    "abcdefghijklmnopqrstuvwxyzæøå",
    "qwertyuiopå",
    "asdfghjklæø",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv",
    "qazwsxedcrfvtgb",
    "1q2w3e4r5t6y7u8i",
];

/// Judges a password for a user id. Both as typed, in Unicode's composed form.
///
/// # Errors
/// [`Weakness`].
pub fn check(password: &str, user_id: &str) -> Result<(), Weakness> {
    let length = password.chars().count();
    if length < LEAST {
        return Err(Weakness::Short);
    }
    if length > MOST {
        return Err(Weakness::Long);
    }
    let folded = password.to_lowercase();
    let user_id = user_id.trim().to_lowercase();
    if user_id.chars().count() >= 4 && folded.contains(&user_id) {
        return Err(Weakness::Yours);
    }
    // What stands around a word is cut off before its letters are read, and after: both are done.
    let plain: String = folded.chars().map(unleet).collect();
    let core: String = bare(&folded).chars().map(unleet).collect();
    if is_common(&folded) || is_common(&plain) || is_common(&core) || is_monotonous(&folded) || is_row(&folded) {
        return Err(Weakness::Common);
    }
    Ok(())
}

/// Letters that are written as digits or signs.
const fn unleet(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Without what is no letter at both ends.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphabetic())
}

/// One of the words, alone or doubled, with anything but letters around it.
fn is_common(text: &str) -> bool {
    let known = |word: &str| COMMON.split_ascii_whitespace().any(|common| common == word);
    let core = bare(text);
    let half = core.char_indices().nth(core.chars().count() / 2).map_or(0, |(at, _)| at);
    let (first, second) = core.split_at(half);
    known(text) || known(core) || (first == second && known(first))
}

/// Fewer than four different characters.
fn is_monotonous(text: &str) -> bool {
    let mut seen: Vec<char> = text.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() < 4
}

/// Pieces of rows, of four keys or more, and no more than two other characters.
fn is_row(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let mut in_rows = 0;
    let mut at = 0;
    while at < characters.len() {
        let longest = ROWS.iter().map(|row| common_length(row, &characters[at..])).max().unwrap_or(0);
        if longest >= 4 {
            in_rows += longest;
            at += longest;
        } else {
            at += 1;
        }
    }
    characters.len().saturating_sub(in_rows) <= 2
}

/// How many characters from the beginning stand in a row, in its order.
fn common_length(row: &str, characters: &[char]) -> usize {
    let row: Vec<char> = row.chars().collect();
    let run = |from: usize| row[from..].iter().zip(characters).take_while(|(a, b)| a == b).count();
    (0..row.len()).map(run).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_chosen() {
        for good in
            ["en hest spiser havre", "Tq7#vLx2", "kæmpestor-lygtepæl", "mormors grønne paraply", "åæøÅÆØ 42 tårne"]
        {
            assert_eq!(check(good, "anna-berg"), Ok(()), "{good}");
        }
        assert_eq!(check(&"ab cd ef ".repeat(7), "anna-berg"), Ok(()), "63 characters");
    }

    #[test]
    fn what_may_not() {
        for (bad, why) in [
            ("", Weakness::Short),
            ("Tq7#vLx", Weakness::Short),
            ("æøåæøåæ", Weakness::Short),
            (&"x1y2z3w4".repeat(8).as_str()[..64], Weakness::Yours),
            ("password", Weakness::Common),
            ("Password1!", Weakness::Common),
            ("P4ssw0rd2026", Weakness::Common),
            ("adgangskode", Weakness::Common),
            ("Sommer2026!", Weakness::Common),
            ("fodbold123", Weakness::Common),
            ("hejhejhej", Weakness::Common),
            ("københavn1", Weakness::Common),
            ("12345678", Weakness::Common),
            ("qwertyuiop", Weakness::Common),
            ("abcd1234", Weakness::Common),
            ("1q2w3e4r", Weakness::Common),
            ("aaaaaaaaaa", Weakness::Common),
            ("anna-berg!!", Weakness::Yours),
            ("XANNA-BERGX", Weakness::Yours),
        ] {
            let user_id = if why == Weakness::Yours && bad.starts_with('x') { "y2z3" } else { "anna-berg" };
            assert_eq!(check(bad, user_id), Err(why), "{bad}");
        }
        assert_eq!(check(&"ab cd ef gh".repeat(6), "anna-berg"), Err(Weakness::Long), "66 characters");
    }

    #[test]
    fn the_list_has_no_word_twice() {
        let mut words: Vec<&str> = COMMON.split_ascii_whitespace().collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
        assert!(all > 300);
    }
}
