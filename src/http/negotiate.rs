//! Which form of an answer a client asks for: the `Accept` header.

use axum::http::{HeaderMap, header};

/// Whether `Accept` names `special` and ranks it no lower than `usual`, which is what a client gets otherwise.
/// That it takes whatever there is (`*/*`) is no wish for the special form.
pub(super) fn prefers(headers: &HeaderMap, special: &str, usual: &str) -> bool {
    let wish = quality(headers, special, false);
    wish > 0.0 && wish >= quality(headers, usual, true)
}

/// The weight of a media type between 0 and 1: of the most specific range that it is in, 0 where it is in none.
fn quality(headers: &HeaderMap, wanted: &str, wildcards: bool) -> f32 {
    let (class, _) = wanted.split_once('/').unwrap_or((wanted, ""));
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut best = (0, 0.0);
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let specific = match name.split_once('/') {
            _ if name.eq_ignore_ascii_case(wanted) => 3,
            Some((c, "*")) if wildcards && c.eq_ignore_ascii_case(class) => 2,
            Some(("*", "*")) if wildcards => 1,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        // The same type may come twice, as in several versions: the best one counts.
        if (specific, weight) > best {
            best = (specific, weight);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_used_only_if_it_is_requested() {
        let special = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            prefers(&headers, "application/openmetrics-text", "text/plain")
        };
        // The defaults of Prometheus 2 and 3.
        assert!(special(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        ));
        assert!(special(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.2"
        ));
        assert!(special("Application/OpenMetrics-Text"));
        assert!(special("text/plain; q=0.5, application/openmetrics-text; q=0.5"));
        assert!(special("*/*, application/openmetrics-text;q=1"));
        assert!(!special("*/*"));
        assert!(!special("application/*"));
        assert!(!special("text/plain;version=0.0.4"));
        assert!(!special("text/plain, application/openmetrics-text;q=0.5"));
        assert!(!special("application/openmetrics-text;q=0"));
        assert!(!special("application/openmetrics-text;q=nonsense"));
        assert!(!prefers(&HeaderMap::new(), "application/openmetrics-text", "text/plain"));
    }
}
