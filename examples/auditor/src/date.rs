//! Times as people write them: in Denmark, and in UTC beside it.

/// A calendar day and a time of day.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    seconds: i64,
}

/// `23-11-2026 06:17:05 (05:17:05 UTC)`; Unix seconds, in the time of Copenhagen.
pub(crate) fn danish(unix: i64) -> String {
    let local = civil(unix + if is_summer(unix) { 7200 } else { 3600 });
    let utc = civil(unix);
    let day = |c: &Civil| format!("{:02}-{:02}-{:04}", c.day, c.month, c.year);
    let (here, there) = (day(&local), day(&utc));
    let other = if here == there { String::new() } else { format!("{there} ") };
    format!("{here} {} ({other}{} UTC)", clock(&local), clock(&utc))
}

fn clock(civil: &Civil) -> String {
    let seconds = civil.seconds;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Proleptic Gregorian calendar, from the days since 1970-01-01.
fn civil(unix: i64) -> Civil {
    let (days, seconds) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Years that begin in March put the leap day last: 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil { year: year_of_era + era * 400 + i64::from(month <= 2), month, day, seconds }
}

/// Directive 2000/84/EC: from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October.
fn is_summer(unix: i64) -> bool {
    let Civil { month, day, seconds, .. } = civil(unix);
    // 1970-01-01 was a Thursday; Sunday is 0.
    let weekday = (unix.div_euclid(86_400) + 4).rem_euclid(7);
    // Whether the month's last Sunday, at 01:00 UTC, is behind: both months have 31 days.
    let sunday = day - weekday;
    let turned = sunday + 7 > 31 && (weekday != 0 || seconds >= 3600);
    match month {
        4..=9 => true,
        3 => turned,
        10 => !turned,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::danish;

    #[test]
    fn times_are_those_of_copenhagen() {
        for (unix, text) in [
            (0, "01-01-1970 01:00:00 (00:00:00 UTC)"),
            (951_782_400, "29-02-2000 01:00:00 (00:00:00 UTC)"),
            // 2026: summer time from 29 March 01:00 UTC to 25 October 01:00 UTC.
            (1_774_745_999, "29-03-2026 01:59:59 (00:59:59 UTC)"),
            (1_774_746_000, "29-03-2026 03:00:00 (01:00:00 UTC)"),
            (1_774_918_800, "31-03-2026 03:00:00 (01:00:00 UTC)"),
            (1_792_889_999, "25-10-2026 02:59:59 (00:59:59 UTC)"),
            (1_792_890_000, "25-10-2026 02:00:00 (01:00:00 UTC)"),
            (1_795_410_225, "23-11-2026 06:03:45 (05:03:45 UTC)"),
            (1_783_033_200, "03-07-2026 01:00:00 (02-07-2026 23:00:00 UTC)"),
            (1_774_137_600, "22-03-2026 01:00:00 (00:00:00 UTC)"),
        ] {
            assert_eq!(danish(unix), text, "{unix}");
        }
    }
}
