//! Refuses requests before their handler: heads that HTTP forbids, and requests that a foreign web page has a browser send.
//!
//! A browser presents its certificate for any page. Requests of a foreign page are recognized by the headers that the
//! browser adds: `Sec-Fetch-Site` and `Origin`, and `Referer` in old browsers. Programs send none of these. A page could
//! also resolve its own name to this daemon (DNS rebinding), and then has the same origin. So `Host` must be a name that no
//! attacker can own: an IP address, a name without a dot, one below `localhost`, or one of the certificate. That applies
//! to requests that change something, and to all requests of a browser.
//!
//! Responses have no CORS headers: what is not refused here still cannot be read by another page.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::http::header::{CONTENT_LENGTH, HOST, HeaderName, ORIGIN, REFERER, TRANSFER_ENCODING, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, Version};

use crate::api::problem::{Problem, ProblemKind};
use crate::core::sanitize::shown;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// The port of `https://HOST`.
const HTTPS: u16 = 443;
/// Names of the certificate that a message lists.
const SHOWN_NAMES: usize = 5;

/// The DNS names that the daemon's certificate is for, in lower case; `*.example.com` stands for one label.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServedNames(Arc<[String]>);

impl ServedNames {
    /// From the names of a certificate.
    pub(crate) fn new(names: &[String]) -> ServedNames {
        ServedNames(names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether no stranger can own this host.
    fn has(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        let address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        let local = !host.contains('.') || host.ends_with(".localhost");
        let named = |name: &String| match name.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
            None => name == host,
        };
        address || local || self.0.iter().any(named)
    }

    fn list(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(String::as_str).take(SHOWN_NAMES).collect();
        if self.0.len() > SHOWN_NAMES {
            names.push("…");
        }
        match names.is_empty() {
            true => "it has none".to_owned(),
            false => names.join(", "),
        }
    }
}

/// A host and a port, as a client names them.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl Authority {
    /// Reads `uri-host [":" port]`, without the user that a URI may have and an HTTP request may not.
    fn parse(text: &str) -> Option<Authority> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (text, ""),
        };
        let port = match port {
            "" => HTTPS,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        let valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            }
        };
        valid.then(|| Authority { host: host.to_ascii_lowercase(), port })
    }

    /// Of an `https` origin or URL.
    fn of_url(url: &str) -> Option<Authority> {
        let rest = url.strip_prefix("https://")?;
        Authority::parse(rest.split(['/', '?', '#']).next().unwrap_or_default())
    }
}

/// Refuses what must not go any further.
pub(crate) fn check(head: &Parts, names: &ServedNames) -> Result<(), Problem> {
    framing(&head.headers)?;
    let authority = authority(head)?;
    let safe = matches!(head.method, Method::GET | Method::HEAD);
    origin(&head.headers, authority.as_ref(), safe)?;
    let Some(authority) = authority else { return Ok(()) };
    if (!safe || of_a_browser(&head.headers)) && !names.has(&authority.host) {
        let detail = format!(
            "the request is for the host '{}', which this daemon's certificate does not name ({}): use an IP address, \
             a name without a dot or one of the certificate's, or issue a certificate that names this one; nothing was done",
            shown(&authority.host),
            names.list()
        );
        return Err(Problem::new(ProblemKind::WrongHost, detail));
    }
    Ok(())
}

/// Refuses two lengths of one body, which allow request smuggling, and a body that is encoded for its transfer.
fn framing(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(first) = codings.next() else { return Ok(()) };
    if headers.contains_key(CONTENT_LENGTH) {
        let detail =
            "Content-Length and Transfer-Encoding are both given; allowed is one of them; nothing was done";
        return Err(Problem::new(ProblemKind::AmbiguousLength, detail));
    }
    if codings.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked") {
        let all: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes).collect();
        let given = shown(&String::from_utf8_lossy(&all.join(&b", "[..])));
        let detail = format!(
            "Transfer-Encoding: given {given:?}; allowed is \"chunked\": send the body uncompressed; nothing was done"
        );
        return Err(Problem::new(ProblemKind::TransferCoding, detail).at("Transfer-Encoding"));
    }
    Ok(())
}

/// Whom the request is for, by RFC 9112: one valid `Host`, and the target itself where that names a host. None for
/// an HTTP/1.0 request that does not say.
fn authority(head: &Parts) -> Result<Option<Authority>, Problem> {
    let bad = |detail: String| Problem::new(ProblemKind::BadHost, detail).at("Host");
    let mut given = head.headers.get_all(HOST).iter();
    let host =
        match (given.next(), given.next()) {
            (None, _) if head.version < Version::HTTP_11 => None,
            (None, _) => return Err(bad("Host is missing; HTTP/1.1 requires one".to_owned())),
            (Some(_), Some(_)) => return Err(bad("Host is given twice; allowed is one".to_owned())),
            (Some(value), None) => {
                let text = value.to_str().unwrap_or_default();
                let parsed = Authority::parse(text);
                Some(parsed.ok_or_else(|| {
                    bad(format!("Host: given {:?}; allowed is HOST or HOST:PORT", shown(text)))
                })?)
            }
        };
    let Some(target) = target(&head.uri).map_err(bad)? else { return Ok(host) };
    if host.as_ref().is_some_and(|host| *host != target) {
        return Err(bad("Host and the target of the request name different hosts".to_owned()));
    }
    Ok(Some(target))
}

/// The host of an absolute target, as proxies are sent it.
fn target(uri: &Uri) -> Result<Option<Authority>, String> {
    let Some(authority) = uri.authority() else { return Ok(None) };
    match uri.scheme_str() {
        None | Some("https") => {}
        Some(other) => return Err(format!("the target's scheme is {other:?}; allowed is https")),
    }
    let parsed = Authority::parse(authority.as_str());
    parsed.map(Some).ok_or_else(|| format!("the target's host {:?} is not valid", shown(authority.as_str())))
}

/// Refuses what a page of another origin has a browser send. A link to a page of ours may be followed from anywhere.
fn origin(headers: &HeaderMap, authority: Option<&Authority>, safe: bool) -> Result<(), Problem> {
    let refused = |what: String| {
        let detail = format!(
            "{what}: a web page of another origin may not send requests; a program must not send this header; \
             nothing was done"
        );
        Err(Problem::new(ProblemKind::OtherOrigin, detail))
    };
    let is = |name: &HeaderName, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    let followed_link = safe && is(&SEC_FETCH_MODE, "navigate") && is(&SEC_FETCH_DEST, "document");
    let mut sites = headers.get_all(&SEC_FETCH_SITE).iter();
    if let Some(site) = sites.find(|site| *site != "same-origin" && *site != "none")
        && !followed_link
    {
        return refused(format!("Sec-Fetch-Site: {}", shown(&String::from_utf8_lossy(site.as_bytes()))));
    }
    if safe {
        return Ok(());
    }
    let origin_is_ours = |text: &str| authority.is_some() && Authority::of_url(text).as_ref() == authority;
    for value in headers.get_all(ORIGIN) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if !origin_is_ours(&text) {
            return refused(format!("Origin: {}", shown(&text)));
        }
    }
    let silent = !headers.contains_key(ORIGIN) && !headers.contains_key(&SEC_FETCH_SITE);
    if let Some(value) = headers.get(REFERER).filter(|_| silent) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if !origin_is_ours(&text) {
            return refused(format!("Referer: {}", shown(&text)));
        }
    }
    Ok(())
}

/// Whether a browser has sent it.
fn of_a_browser(headers: &HeaderMap) -> bool {
    let identity = [ORIGIN, REFERER, SEC_FETCH_SITE, SEC_FETCH_MODE, SEC_FETCH_DEST];
    let mozilla = headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    mozilla || identity.iter().any(|mark| headers.contains_key(mark))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn names() -> ServedNames {
        ServedNames::new(&["Swarm.Example.com".to_owned(), "*.ops.example.com".to_owned()])
    }

    /// The status code for a request line and its headers; 200 if the request is allowed.
    fn status(line: &str, headers: &[(&str, &str)]) -> u16 {
        let mut words = line.split(' ');
        let mut request = Request::builder().method(words.next().unwrap()).uri(words.next().unwrap());
        if words.next() == Some("HTTP/1.0") {
            request = request.version(Version::HTTP_10);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        match check(&head, &names()) {
            Ok(()) => 200,
            Err(problem) => axum::response::IntoResponse::into_response(problem).status().as_u16(),
        }
    }

    #[test]
    fn exactly_one_valid_host_is_required() {
        let host = |value: &str| status("GET /status HTTP/1.1", &[("Host", value)]);
        for good in
            ["127.0.0.1:3476", "localhost", "[::1]:3476", "swarm-master", "h_1:", "a.example.com", "1.2.3.4"]
        {
            assert_eq!(host(good), 200, "{good}");
        }
        for bad in [
            "",
            ":3476",
            "a b",
            "user@localhost",
            "localhost:x",
            "localhost:99999",
            "[::1",
            "[x]",
            "a,b",
            "a/b",
            "::1",
        ] {
            assert_eq!(host(bad), 400, "{bad:?}");
        }
        assert_eq!(status("GET /status HTTP/1.1", &[]), 400);
        assert_eq!(status("GET /status HTTP/1.0", &[]), 200);
        assert_eq!(status("GET /status HTTP/1.1", &[("Host", "localhost"), ("Host", "localhost")]), 400);
        assert_eq!(status("GET /status HTTP/1.0", &[("Host", "a"), ("Host", "b")]), 400);
    }

    #[test]
    fn an_absolute_target_must_name_the_same_host() {
        let to = |target: &str, host: &str| status(&format!("GET {target} HTTP/1.1"), &[("Host", host)]);
        assert_eq!(to("https://localhost:3476/status", "localhost:3476"), 200);
        assert_eq!(to("https://localhost/status", "LOCALHOST:443"), 200);
        assert_eq!(to("https://localhost/status", "127.0.0.1"), 400);
        assert_eq!(to("https://a@localhost/status", "localhost"), 400);
        assert_eq!(to("http://localhost/status", "localhost"), 400);
    }

    #[test]
    fn the_length_of_a_body_is_given_in_one_way() {
        let both = [("Host", "localhost"), ("Content-Length", "3"), ("Transfer-Encoding", "chunked")];
        assert_eq!(status("POST /submit HTTP/1.1", &both), 400);
    }

    #[test]
    fn chunked_is_the_only_transfer_coding() {
        let coded = |codings: &[&str]| {
            let headers = codings.iter().map(|coding| ("Transfer-Encoding", *coding));
            let headers: Vec<_> = [("Host", "localhost")].into_iter().chain(headers).collect();
            status("POST /submit HTTP/1.1", &headers)
        };
        assert_eq!([coded(&["chunked"]), coded(&["Chunked"])], [200; 2]);
        for refused in [&["gzip, chunked"][..], &["gzip", "chunked"], &["chunked", "chunked"], &["identity"]]
        {
            assert_eq!(coded(refused), 501, "{refused:?}");
        }
    }

    #[test]
    fn a_change_is_accepted_from_programs_and_from_the_daemons_own_page_only() {
        let change = |headers: &[(&str, &str)]| {
            let all: Vec<_> = [("Host", "127.0.0.1:3476")].iter().chain(headers).copied().collect();
            let [post, delete] = ["POST /submit?dry_run", "DELETE /objects/web"]
                .map(|line| status(&format!("{line} HTTP/1.1"), &all));
            assert_eq!(post, delete, "{headers:?}");
            post
        };
        for good in [
            &[][..],
            &[("Origin", "https://127.0.0.1:3476")],
            &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://127.0.0.1:3476")],
            &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate")],
            &[("Referer", "https://127.0.0.1:3476/page?x#y")],
        ] {
            assert_eq!(change(good), 200, "{good:?}");
        }
        for bad in [
            &[("Origin", "https://evil.example")][..],
            &[("Origin", "null")],
            &[("Origin", "http://127.0.0.1:3476")],
            &[("Origin", "https://127.0.0.1")],
            &[("Origin", "https://127.0.0.1:3476.evil.example")],
            &[("Origin", "https://127.0.0.1:3476@evil.example")],
            &[("Origin", "https://127.0.0.1:3476"), ("Origin", "https://evil.example")],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Site", "")],
            &[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"),
                ("Sec-Fetch-Dest", "document"),
            ],
            &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")],
            &[("Referer", "https://evil.example/127.0.0.1:3476")],
            &[
                ("Content-Type", "text/plain"),
                ("Origin", "https://evil.example"),
                ("Sec-Fetch-Site", "cross-site"),
            ],
        ] {
            assert_eq!(change(bad), 403, "{bad:?}");
        }
    }

    #[test]
    fn a_request_without_a_host_has_no_same_origin() {
        let post = |origin: &str| status("POST /submit HTTP/1.0", &[("Origin", origin)]);
        assert_eq!([post("https://evil.example"), post("null"), post("")], [403; 3]);
        assert_eq!(status("POST /submit HTTP/1.0", &[]), 200);
    }

    #[test]
    fn another_site_may_link_to_the_daemon_but_not_fetch() {
        let get = |headers: &[(&str, &str)]| {
            let all: Vec<_> = [("Host", "localhost")].iter().chain(headers).copied().collect();
            status("GET /status?watch HTTP/1.1", &all)
        };
        let cross = ("Sec-Fetch-Site", "cross-site");
        assert_eq!(get(&[cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]), 200);
        assert_eq!(get(&[cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")]), 403);
        assert_eq!(get(&[cross, ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]), 403);
        assert_eq!(get(&[cross, ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")]), 403);
        assert_eq!(get(&[("Origin", "https://evil.example")]), 200, "it cannot read the answer");
    }

    #[test]
    fn a_host_name_that_others_could_own_is_refused() {
        let change = |host: &str| status("POST /submit HTTP/1.1", &[("Host", host)]);
        for good in [
            "127.0.0.1:3476",
            "203.0.113.13:8443",
            "[::1]:3476",
            "localhost:3476",
            "a.localhost",
            "daemon:3476",
            "swarm.example.com",
            "SWARM.example.com.:3476",
            "m1.ops.example.com",
        ] {
            assert_eq!(change(good), 200, "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:3476",
            "ops.example.com",
            "a.b.ops.example.com",
            "127.0.0.1.evil.example",
        ] {
            assert_eq!(change(bad), 421, "{bad}");
        }
        let read = |headers: &[(&str, &str)]| {
            let all: Vec<_> = [("Host", "evil.example")].iter().chain(headers).copied().collect();
            status("GET /objects HTTP/1.1", &all)
        };
        assert_eq!(read(&[("User-Agent", "Prometheus/3.1")]), 200, "a program that verifies another name");
        assert_eq!(read(&[("User-Agent", "Mozilla/5.0")]), 421);
        assert_eq!(read(&[("Sec-Fetch-Site", "same-origin")]), 421);
    }
}
