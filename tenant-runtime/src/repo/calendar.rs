//! Dates of the Gregorian calendar as days since 2000-01-01, as PostgreSQL counts them. Year 0 is 1 BC.
//!
//! The calculations count in years that begin on 1 March, so that the leap day is the last day of a year, and in eras of 400
//! years, which all have the same number of days.

const DAYS_TO_2000: i64 = 730_425;
const DAYS_OF_ERA: i64 = 146_097;

/// Returns the year, the month and the day of a date.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_2000;
    let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Returns the days of a date whose month is from 1 to 12.
#[cfg(any(feature = "chrono", feature = "time"))]
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month_from_march) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_OF_ERA + day_of_era - DAYS_TO_2000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_known_days() {
        for (days, date) in [(0, (2000, 1, 1)), (60, (2000, 3, 1)), (-1, (1999, 12, 31)), (-730_485, (0, 1, 1))] {
            assert_eq!(date_of(days), date);
        }
    }

    #[cfg(any(feature = "chrono", feature = "time"))]
    #[test]
    fn each_day_has_one_date() {
        for days in (-2_451_545..2_145_031_948).step_by(99_991).chain(-800_000..800_000) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days, "{year}-{month}-{day}");
        }
    }
}
