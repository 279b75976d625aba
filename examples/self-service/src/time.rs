//! Danish time for people to read: CET, and CEST from the last Sunday of March to that of October at 01:00 UTC
//! (Directive 2000/84/EC).

use crate::shell::Language;

const DAY: i64 = 86_400;

/// `17. maj 2026 kl. 14.05`, `17 May 2026 at 14:05`.
pub(crate) fn shown(at: i64, language: Language) -> String {
    let local = at.saturating_add(if is_summer(at) { 7_200 } else { 3_600 });
    let (year, month, day) = civil(local.div_euclid(DAY));
    let (hour, minute) = (local.rem_euclid(DAY) / 3_600, local.rem_euclid(3_600) / 60);
    let place = usize::try_from(month - 1).unwrap_or(0);
    match language {
        // Greenlandic dates are Danish here.
        Language::Da | Language::Kl => {
            let months = [
                "januar",
                "februar",
                "marts",
                "april",
                "maj",
                "juni",
                "juli",
                "august",
                "september",
                "oktober",
                "november",
                "december",
            ];
            format!("{day}. {} {year} kl. {hour:02}.{minute:02}", months.get(place).unwrap_or(&""))
        }
        Language::En => {
            let months = [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ];
            format!("{day} {} {year} at {hour:02}:{minute:02}", months.get(place).unwrap_or(&""))
        }
    }
}

fn is_summer(at: i64) -> bool {
    let (year, _, _) = civil(at.div_euclid(DAY));
    let turn = |month: i64| last_sunday(year, month) * DAY + 3_600;
    at >= turn(3) && at < turn(10)
}

/// The last Sunday of a month with 31 days, in days since 1970-01-01, which was a Thursday.
fn last_sunday(year: i64, month: i64) -> i64 {
    let last = days(year, month, 31);
    last - (last + 4).rem_euclid(7)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    // Counted in years that begin in March, so that the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_set_forward_and_back_on_their_sundays() {
        // 2026-03-29 and 2026-10-25, one second before 01:00 UTC and at it.
        for (at, shows) in [
            (1_774_745_999, "29. marts 2026 kl. 01.59"),
            (1_774_746_000, "29. marts 2026 kl. 03.00"),
            (1_792_889_999, "25. oktober 2026 kl. 02.59"),
            (1_792_890_000, "25. oktober 2026 kl. 02.00"),
        ] {
            assert_eq!(shown(at, Language::Da), shows);
        }
        assert_eq!(shown(1_709_208_000, Language::En), "29 February 2024 at 13:00");
    }
}
