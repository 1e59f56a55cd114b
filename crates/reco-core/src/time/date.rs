//! Dates as people write them.

use super::Timestamp;

const DAY_MILLIS: i64 = 86_400_000;

/// Reads `2017-06-01` (its midnight) or `2017-06-01T14:30[:05[.250]]` with an optional `Z` or `+02:00`;
/// UTC unless an offset says otherwise. A space may stand for the `T`. `None` for anything else, for days the
/// calendar does not have and for leap seconds.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, 0),
        (date, rest) => (date, time_of_day(rest.strip_prefix(['T', 't', ' '])?)?),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    real.then(|| Timestamp::from_millis(days_since_epoch(year, month, day) * DAY_MILLIS + time))
}

/// Milliseconds since midnight UTC; an offset may lead into the day before or after.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = match text.find(['Z', 'z', '+', '-']) {
        None => (text, 0),
        Some(at) if matches!(&text[at..], "Z" | "z") => (&text[..at], 0),
        Some(at) => {
            let minutes = minutes(&text[at + 1..])?;
            (&text[..at], if text[at..].starts_with('-') { -minutes } else { minutes })
        }
    };
    let (minutes, seconds) = match clock.split_at_checked(5)? {
        (clock, "") => (minutes(clock)?, 0),
        (clock, rest) => (minutes(clock)?, seconds(rest.strip_prefix(':')?)?),
    };
    Some((minutes - offset) * 60_000 + seconds)
}

/// `14:30` in minutes.
fn minutes(text: &str) -> Option<i64> {
    let [hour, minute] = numbers(text, ':', [2, 2])?;
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `05` or `05.250` in milliseconds; finer fractions are cut off.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let [second] = numbers(whole, ':', [2])?;
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let millis = fraction.bytes().chain(*b"00").take(3).fold(0, |sum, byte| sum * 10 + i64::from(byte & 15));
    (digits && second < 60).then_some(second * 1_000 + millis)
}

/// Exactly N whole numbers of these many digits.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut out = [0; N];
    for (number, width) in out.iter_mut().zip(widths) {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| digits)?;
    }
    parts.next().is_none().then_some(out)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, negative before it, in the proleptic Gregorian calendar.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leap_days_before = |year: i64| {
        let last = year - 1;
        last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400)
    };
    let years = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        for (text, secs) in [
            ("1970-01-01", 0),
            ("2017-06-01", 1_496_275_200),
            ("2000-02-29T12:00", 951_825_600),
            ("2024-03-01 00:00:01Z", 1_709_251_201),
            ("2024-03-01T01:30:00+02:00", 1_709_249_400),
            ("2024-02-29T23:30:00-00:45", 1_709_252_100),
            ("1969-12-31T23:59:59z", -1),
            ("0000-01-01", -62_167_219_200),
            ("9999-12-31", 253_402_214_400),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_secs(secs)), "{text}");
        }
        let millis = |text| parse(text).map(Timestamp::millis);
        assert_eq!(millis("1970-01-01T00:00:00.5"), Some(500));
        assert_eq!(millis("1970-01-01T00:00:00.12399Z"), Some(123));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2017",
            "2017-6-1",
            "2017-13-01",
            "2017-00-10",
            "2017-02-29",
            "1900-02-29",
            "2017-04-31",
            "2017-06-01x",
            "2017-06-01T",
            "2017-06-01T24:00",
            "2017-06-01T10:60",
            "2017-06-01T10:00:60",
            "2017-06-01T10:00:00.",
            "2017-06-01T10:00+2",
            "2017-06-01T10:00Zz",
            "+017-06-01",
            "2017-06-01-02",
            "2017-06-0é",
            "１９７０-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
