//! Image references, by the grammar of the distribution project that engines and registries share.
//!
//! An engine rejects a malformed reference late, and a Swarm manager in a way that looks like a failure; so a submit is checked
//! first. Stored objects are not checked: what was accepted once stays readable.

use std::sync::LazyLock;

use regex::Regex;

use crate::core::submission::strict::shown;

/// The longest name of a repository, without the domain.
const REPOSITORY_MAX_BYTES: usize = 255;

/// The grammar: a name, then a tag, a digest or both. An upper-case name is matched here too, so that the message can say
/// what is wrong with it.
static GRAMMAR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain = format!(r"(?:{label}(?:\.{label})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
    let component = "[a-zA-Z0-9]+(?:(?:[._]|__|-+)[a-zA-Z0-9]+)*";
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[a-fA-F0-9]{32,}";
    let path = format!("{component}(?:/{component})*");
    Regex::new(&format!("^(?:(?P<domain>{domain})/)?(?P<path>{path})(?::{tag})?(?:@(?P<digest>{digest}))?$"))
        .ok()
});

/// What is wrong with a reference, and how to fix it; `None` if it is well-formed.
pub(crate) fn problem(text: &str) -> Option<String> {
    // As `docker run` takes it: the id of an image.
    if is_hex(text.strip_prefix("sha256:").unwrap_or(text), 64) {
        return None;
    }
    let example = "allowed is an image reference such as \"nginx:1.9.6\"";
    let found = GRAMMAR.as_ref().and_then(|grammar| grammar.captures(text));
    let Some(parts) = found else { return Some(format!("given {:?}; {example}", shown(text))) };
    let part = |name: &str| parts.name(name).map_or("", |part| part.as_str());
    let path = part("path");
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = text.replacen(path, &path.to_ascii_lowercase(), 1);
        return Some(format!(
            "given {:?}; the name of a repository is lower case; did you mean {:?}?",
            shown(text),
            shown(&lower)
        ));
    }
    if path.len() > REPOSITORY_MAX_BYTES {
        return Some(format!(
            "given {:?}; the name of a repository has at most {REPOSITORY_MAX_BYTES} characters",
            shown(text)
        ));
    }
    let lengths = [("sha256", 64), ("sha384", 96), ("sha512", 128)];
    let well_formed = |(algorithm, hex): (&str, &str)| {
        lengths.iter().any(|(known, length)| *known == algorithm && is_hex(hex, *length))
    };
    match part("digest").split_once(':') {
        Some(digest) if !well_formed(digest) => Some(format!(
            "given the digest {:?}; allowed is \"sha256:\" and 64 lower-case hexadecimal digits, or sha384 with 96, or sha512 \
             with 128",
            shown(part("digest"))
        )),
        _ => None,
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_the_grammar_are_accepted() {
        let hex = "0123456789abcdef".repeat(4);
        for good in [
            "a",
            "nginx",
            "nginx:1.9.6",
            "library/nginx",
            "docker.io/library/nginx",
            "hub.example.com/my-org/app:V1.0-RC_2",
            "localhost/app",
            "localhost:5000/team/app:1",
            "10.0.0.1:5000/app",
            "[2001:db8::1]:5000/app",
            "Registry.Example.Com/app",
            "a__b/c.d/e--f_g",
            "scsm-test:1",
            "test.com:5000",
            &format!("nginx@sha256:{hex}"),
            &format!("nginx:1.9.6@sha256:{hex}"),
            &format!("nginx@sha512:{hex}{hex}"),
            &hex,
            &format!("sha256:{hex}"),
            &format!("a/{}", "b".repeat(253)),
            &format!("a:{}", "t".repeat(128)),
        ] {
            assert_eq!(problem(good), None, "{good}");
        }
    }

    #[test]
    fn upper_case_in_the_path_is_answered_with_the_lower_case_form() {
        for (given, meant) in [
            ("hub.example.com/MyOrg/app:1", "hub.example.com/myorg/app:1"),
            ("Nginx", "nginx"),
            ("NGINX:Alpine", "nginx:Alpine"),
            ("localhost:5000/App", "localhost:5000/app"),
        ] {
            let message = problem(given).unwrap();
            assert!(message.contains(&format!("did you mean {meant:?}?")), "{message}");
        }
    }

    #[test]
    fn references_that_no_engine_accepts_are_refused() {
        let hex = "0123456789abcdef".repeat(4);
        for bad in [
            "",
            ":1",
            "a:",
            "a::1",
            "a@sha256:abc",
            "a@md5:0123456789abcdef0123456789abcdef",
            &format!("a@sha256:{}", hex.to_uppercase()),
            &format!("a@{hex}"),
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a/-b",
            "a:.1",
            "a:-1",
            "a:é",
            "a_b.com:5000/x",
            "http://a/b",
            "a b",
            "a/",
            "/a",
            "a\n",
            &format!("a:{}", "t".repeat(129)),
            &"b".repeat(256),
        ] {
            assert!(problem(bad).is_some(), "{bad}");
        }
    }
}
