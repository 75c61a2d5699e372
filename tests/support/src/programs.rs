//! Fake images for those that the examples name, such as `nginx:1.27`: `test_image/programs.rs`, compiled to one static
//! binary with a link for each program. They are named `scsm-examples/NAME`, so that the engine's real images are kept.

use std::fs;

use super::engine::Engine;
use super::image::{compile, digest_of, tar};
use super::{cache, lock};

/// The prefix of the fake images.
pub const PREFIX: &str = "scsm-examples/";

const SOURCE: &str = include_str!("../test_image/programs.rs");
const LABEL: &str = "scsm-test-programs";
/// An image, and what it runs if the object has no `Cmd`.
const IMAGES: [(&str, &str); 6] = [
    ("nginx:1.27", "nginx"),
    ("caddy:2", "caddy"),
    ("postgres:17", "postgres"),
    ("wordpress:6-apache", "apache2-foreground"),
    ("redis:7.4", "redis-server"),
    ("mariadb:11", "mariadbd"),
];
/// Other programs in each image.
const TOOLS: [&str; 5] = ["curl", "pg_isready", "psql", "healthcheck.sh", "redis-cli"];

/// The example with the fake images.
#[track_caller]
pub fn with_fake_images(text: &str) -> String {
    let text = IMAGES
        .iter()
        .fold(text.to_owned(), |text, (image, _)| text.replace(image, &format!("{PREFIX}{image}")));
    for image in text.lines().filter_map(|line| line.strip_prefix("Image: ")) {
        assert!(image.starts_with(PREFIX), "there is no fake image for {image}");
    }
    text
}

/// Imports the images that the engine lacks.
pub fn provide(engine: &Engine) {
    let _held = lock("image");
    let digest = digest_of(SOURCE);
    let missing = |(image, _): &(&str, &str)| {
        let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
        let image = format!("{PREFIX}{image}");
        engine
            .try_docker(&["image", "inspect", "--format", &format, &image])
            .is_none_or(|found| found != digest)
    };
    let missing: Vec<_> = IMAGES.into_iter().filter(missing).collect();
    if missing.is_empty() {
        return;
    }
    let links: Vec<&str> = IMAGES.iter().map(|(_, program)| *program).chain(TOOLS).collect();
    let archive = cache().join(format!("programs-{digest}.tar"));
    fs::write(&archive, tar(&fs::read(compile("programs.rs", SOURCE)).unwrap(), "programs", &links)).unwrap();
    for (image, program) in missing {
        engine.docker(&[
            "import",
            "--change",
            &format!("CMD [\"{program}\"]"),
            "--change",
            &format!("LABEL {LABEL}={digest}"),
            archive.to_str().unwrap(),
            &format!("{PREFIX}{image}"),
        ]);
    }
    fs::remove_file(&archive).unwrap();
}
