//! The test image: `../test_image/server.rs` compiled to one static binary and imported as `scsm-test:1` and
//! `scsm-test:2`. No registry, no base image; both tags hold the same program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::engine::Engine;
use super::process::succeed;
use super::{cache, lock};

/// The tags under which an engine gets the image.
pub const TAGS: [&str; 2] = ["scsm-test:1", "scsm-test:2"];

/// Distinguishes versions of the test image.
const LABEL: &str = "scsm-test-image";
const SOURCE: &str = include_str!("../test_image/server.rs");

/// Imports the images that the engine lacks.
pub fn provide(engine: &Engine) {
    let _held = lock("image");
    let digest = digest();
    let missing = |tag: &&str| {
        let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
        engine.try_docker(&["image", "inspect", "--format", &format, tag]).is_none_or(|found| found != digest)
    };
    let tags: Vec<&str> = TAGS.into_iter().filter(missing).collect();
    if tags.is_empty() {
        return;
    }
    let archive = cache().join(format!("test-image-{digest}.tar"));
    fs::write(&archive, tar(&fs::read(binary()).unwrap(), "server", &[])).unwrap();
    for tag in tags {
        engine.docker(&[
            "import",
            "--change",
            "ENTRYPOINT [\"/server\"]",
            "--change",
            &format!("LABEL {LABEL}={digest} scsm-test-tag={tag}"),
            archive.to_str().unwrap(),
            tag,
        ]);
    }
    fs::remove_file(&archive).unwrap();
}

/// The image's one layer: a tar archive.
pub fn layer() -> Vec<u8> {
    let _held = lock("image");
    tar(&fs::read(binary()).unwrap(), "server", &[])
}

/// The compiled program, which also runs outside a container. Callers hold the lock `image`.
fn binary() -> PathBuf {
    compile("server.rs", SOURCE)
}

/// Compiles a source in `test_image/` to one static program. Callers hold the lock `image`.
pub(crate) fn compile(name: &str, source: &str) -> PathBuf {
    let stem = if name == "server.rs" { "test-image" } else { name.trim_end_matches(".rs") };
    let binary = cache().join(format!("{stem}-{}", digest_of(source)));
    if !binary.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("test_image").join(name);
        let unfinished = binary.with_extension("unfinished");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        succeed(
            Command::new(rustc)
                .args(["--edition=2024", "-O", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"])
                .args([source.as_os_str(), "-o".as_ref(), unfinished.as_os_str()]),
        );
        fs::rename(&unfinished, &binary).unwrap();
    }
    binary
}

fn digest() -> String {
    digest_of(SOURCE)
}

pub(crate) fn digest_of(source: &str) -> String {
    Sha256::digest(source).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A tar archive (ustar) of one executable file, and of links to it in `usr/bin`.
pub(crate) fn tar(program: &[u8], name: &str, links: &[&str]) -> Vec<u8> {
    let mut archive = header(name, program.len(), None).to_vec();
    archive.extend(program);
    // Content is padded to whole blocks; two empty blocks end the archive.
    archive.resize(archive.len().next_multiple_of(512), 0);
    for link in links {
        archive.extend(header(&format!("usr/bin/{link}"), 0, Some(&format!("/{name}"))));
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn header(name: &str, size: usize, target: Option<&str>) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, if target.is_some() { "2" } else { "0" });
    put(157, target.unwrap_or_default());
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
