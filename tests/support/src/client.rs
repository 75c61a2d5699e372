//! curl as the client. Every request is one run of the `curl` program, with the flags that a user would type.

use std::ffi::OsString;
use std::process::{Command, Output};

use serde_json::Value;

use super::certificates::PASSWORD;
use super::process::{run_with_input, text};
use super::{Certificates, documented};

/// An address, and curl's flags for the certificates.
#[derive(Clone)]
pub struct Client {
    url: String,
    trust: Vec<OsString>,
}

/// One HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    /// The head's lines, in lower case.
    pub headers: Vec<String>,
    pub body: String,
}

impl Client {
    /// The server's CA and the client's certificate and key as PEM files.
    pub fn new(url: &str, certificates: &Certificates) -> Self {
        let client = Self::without_certificate(url, certificates);
        client.with("--cert", certificates.cert()).with("--key", certificates.key())
    }

    /// With the bundle, as on a Mac.
    pub fn with_bundle(url: &str, certificates: &Certificates) -> Self {
        let client = Self::without_certificate(url, certificates);
        client.with("--cert", certificates.pfx()).with("--cert-type", "P12").with("--pass", PASSWORD)
    }

    /// Trusts the server but has no certificate of its own.
    pub fn without_certificate(url: &str, certificates: &Certificates) -> Self {
        Self { url: url.to_owned(), trust: Vec::new() }.with("--cacert", certificates.ca())
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// curl's flags for the certificates.
    pub fn trust(&self) -> &[OsString] {
        &self.trust
    }

    pub fn with(mut self, flag: &str, value: impl Into<OsString>) -> Self {
        self.trust.extend([flag.into(), value.into()]);
        self
    }

    /// Runs curl with further arguments and returns its output, whatever its exit code.
    pub fn curl(&self, path: &str, arguments: &[&str], body: &[u8]) -> Output {
        let mut command = Command::new("curl");
        // No `--fail`: it would hide the answers that the tests check.
        command.args(["--silent", "--show-error", "--max-time", "50", "--write-out"]);
        command
            .arg("\n%{http_code}")
            .args(["--dump-header", "/dev/stderr"])
            .arg(format!("{}{path}", self.url));
        command.args(&self.trust).args(arguments);
        run_with_input(&mut command, body)
    }

    /// The answer, or curl's error if there was none. The answer must be documented.
    #[track_caller]
    pub fn try_request(&self, path: &str, arguments: &[&str], body: &[u8]) -> Result<Reply, String> {
        let output = self.curl(path, arguments, body);
        if !output.status.success() {
            return Err(format!("{}: {}", output.status, text(&output.stderr)));
        }
        let reply = Reply::parse(&text(&output.stderr), &text(&output.stdout));
        // The answer to plain HTTP is not part of the API.
        if self.url.starts_with("https:") {
            documented::check(documented::method(arguments), path, &reply);
        }
        Ok(reply)
    }

    pub fn request(&self, path: &str, arguments: &[&str], body: &[u8]) -> Reply {
        self.try_request(path, arguments, body)
            .unwrap_or_else(|error| panic!("{path} {arguments:?}: no answer: {error}"))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request(path, &[], b"")
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.request(path, &["--request", "DELETE"], b"")
    }

    /// Posts a text as `curl -d` does: the content type says "form", whatever the text is.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Reply {
        self.request(path, &["--data-binary", "@-"], body.as_ref())
    }

    /// Submits an object that must be accepted.
    pub fn submit(&self, object: &Value) -> Value {
        let reply = self.post("/submit", object.to_string());
        assert!(matches!(reply.status, 200 | 201), "{object} was not accepted: {reply:?}");
        reply.json()
    }
}

impl Reply {
    fn parse(head: &str, output: &str) -> Self {
        let (body, status) = output.rsplit_once('\n').unwrap();
        // A large body has another head before: "100 Continue".
        let head = head.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
        let headers: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
        let content_type = headers.iter().find_map(|line| line.strip_prefix("content-type:"));
        let reply = Self {
            status: status.parse().unwrap(),
            content_type: content_type.unwrap_or_default().trim().to_owned(),
            headers,
            body: body.to_owned(),
        };
        let ends = reply.body.is_empty() || reply.body.ends_with('\n');
        assert!(
            ends,
            "every answer ends with a newline, so that the shell's prompt starts a line: {reply:?}"
        );
        reply
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The `detail` and the `field` of an RFC 9457 error; an absent `field` is "".
    #[track_caller]
    pub fn problem(&self) -> (String, String) {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("detail").is_empty(), "{self:?}");
        (text("detail"), text("field"))
    }
}
