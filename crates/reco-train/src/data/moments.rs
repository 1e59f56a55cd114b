//! Moments as files write them: numbers of several units, dates of several kinds.

use jiff::civil;
use reco_core::time::Timestamp;

/// Midnight of the first day of year 1 in milliseconds: how several systems write that they do not know.
const UNKNOWN: i64 = -62_135_596_800_000;

/// Last millisecond of year 9999.
const LAST: i64 = 253_402_300_799_999;

/// `moment` if it lies in the years 1 to 9999, wherein differences cannot overflow.
pub(super) fn within_reason(moment: Timestamp) -> Option<Timestamp> {
    (UNKNOWN..=LAST).contains(&moment.millis()).then_some(moment)
}

/// Whether it stands for a moment that nobody knows.
pub(super) fn is_unknown(moment: Timestamp) -> bool {
    moment.millis() == UNKNOWN
}

/// Seconds, milli-, micro- or nanoseconds by size: ten digits are seconds until the year 2286.
pub(super) fn from_number(number: i64) -> Timestamp {
    match number.unsigned_abs() {
        0..100_000_000_000 => Timestamp::from_secs(number),
        100_000_000_000..100_000_000_000_000 => Timestamp::from_millis(number),
        100_000_000_000_000..100_000_000_000_000_000 => Timestamp::from_millis(number / 1_000),
        _ => Timestamp::from_millis(number / 1_000_000),
    }
}

pub(super) fn from_fraction(number: f64) -> Option<Timestamp> {
    let whole = number.trunc();
    if whole.abs() >= 9e18 {
        return None;
    }
    let base = from_number(whole as i64);
    let is_seconds = whole.abs() < 1e11;
    Some(if is_seconds {
        Timestamp::from_millis(base.millis() + (number.fract() * 1_000.0) as i64)
    } else {
        base
    })
}

/// The moment that a text says, be it as a number.
pub(crate) fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(from_number(number));
    }
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then(|| from_fraction(number)).flatten();
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    // As Go prints times: 2020-01-01 00:00:00 +0000 UTC.
    let go = text.strip_suffix(" UTC").unwrap_or(text);
    if let Ok(instant) = jiff::Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", go) {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    // Dates without a zone are taken as UTC.
    let local = text.parse::<civil::DateTime>().ok();
    let local = local.or_else(|| civil::DateTime::strptime("%d-%b-%Y", text).ok());
    let local = local
        .or_else(|| Some(civil::Date::strptime("%d-%b-%Y", text).ok()?.to_datetime(civil::Time::midnight())));
    let zoned = local?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// In the form that every tool reads; what no calendar has, in milliseconds since 1970.
pub fn written(at: Timestamp) -> String {
    let known = jiff::Timestamp::from_millisecond(at.millis());
    known.map_or_else(|_| at.millis().to_string(), |known| known.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_recognised_by_size_and_shape() {
        for text in [
            "1496320200",
            "1496320200000",
            "1496320200000000",
            "2017-06-01T12:30:00Z",
            "2017-06-01 12:30:00",
            "1496320200.0",
        ] {
            assert_eq!(from_text(text), Some(Timestamp::from_secs(1_496_320_200)), "{text}");
        }
        assert_eq!(from_text("01-Jan-1995"), Some(Timestamp::from_secs(788_918_400)));
        assert_eq!(from_text("soon"), None);
        assert_eq!(from_text("1e300"), None);
    }
}
