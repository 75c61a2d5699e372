//! Status reasons, shortened for lines that already show the numbers.

/// A reason without its leading numbers, such as "2 of 3 run; ".
pub(super) fn without_numbers(reason: &str) -> &str {
    match reason.split_once("; ") {
        Some((numbers, rest))
            if numbers.starts_with(|c: char| c.is_ascii_digit()) && numbers.contains(" of ") =>
        {
            rest
        }
        _ => reason,
    }
}

/// What the reason of a deletion says beyond the number of containers left.
pub(super) fn of_deletion(reason: &str) -> &str {
    reason.splitn(3, "; ").nth(2).unwrap_or("stopping")
}
