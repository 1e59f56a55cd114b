//! Dividing users, who may well have been numbered by something that matters.

/// Scatters rows of users.
pub(super) fn spread(user: u32) -> u32 {
    user.wrapping_mul(2_654_435_761) >> 8
}

/// One of two halves of the users, 0 or 1, whichever of them validate.
pub(super) fn half_of(user: u32) -> usize {
    (spread(user) >> 12 & 1) as usize
}
