//! The name that a user may have meant.

/// The longest text, in bytes, for which near names are searched.
const CANDIDATE_MAX_BYTES: usize = 64;

/// The nearest of `known` to `given`, if one is near enough.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer text is no typo, and the distance needs memory proportional to the product of the lengths.
    if given.len() > CANDIDATE_MAX_BYTES {
        return None;
    }
    let lower = given.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= 1 + k.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}
