//! An entry of `HostConfig.Mounts`.

use super::labels::labels;
use super::rules::{HOST_PATHS, TMPFS_OPTIONS, Violation, unless};
use super::{tmpfs, volumes};
use crate::core::docker_models::{
    Mount, MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};
use crate::core::image_reference;

pub(super) fn mount(field: &str, mount: &Mount) -> Result<(), Violation> {
    let Mount {
        typ,
        source,
        bind_options,
        volume_options,
        image_options,
        tmpfs_options,
        // Within the container.
        target: _,
        read_only: _,
        consistency: _,
    } = mount;
    let known = matches!(typ, Some(MountType::VOLUME | MountType::TMPFS | MountType::IMAGE));
    unless(known, &format!("{field}.Type"), &HOST_PATHS)?;
    let empty = MountBindOptions::default();
    let nothing = bind_options.as_ref().is_none_or(|options| *options == empty);
    unless(nothing, &format!("{field}.BindOptions"), &HOST_PATHS)?;
    // Within the image; the engine keeps it from leaving it.
    let subpath = image_options.as_ref().and_then(|options| options.subpath.as_deref()).unwrap_or_default();
    let of_image = *typ == Some(MountType::IMAGE);
    unless(subpath.is_empty() || of_image, &format!("{field}.ImageOptions"), &HOST_PATHS)?;
    if let Some(MountVolumeOptions {
        driver_config,
        labels: volume_labels,
        // Within the volume; the engine keeps it from leaving it.
        subpath: _,
        no_copy: _,
    }) = volume_options
    {
        // A local volume with `o=bind,device=/` is a bind mount by another name.
        let empty = MountVolumeOptionsDriverConfig::default();
        unless(
            driver_config.as_ref().is_none_or(|c| *c == empty),
            &format!("{field}.VolumeOptions.DriverConfig"),
            &HOST_PATHS,
        )?;
        labels(
            &format!("{field}.VolumeOptions.Labels"),
            volume_labels.iter().flatten().map(|(name, _)| name),
        )?;
    }
    if let Some(MountTmpfsOptions { size_bytes: _, mode: _, options }) = tmpfs_options {
        let allowed = options.iter().flatten().all(|option| tmpfs::allowed(&option.join("=")));
        unless(allowed, &format!("{field}.TmpfsOptions.Options"), &TMPFS_OPTIONS)?;
    }
    let source = source.as_deref().unwrap_or_default();
    // An image holds nothing of the node, and a submitter may run it anyway.
    let harmless = match of_image {
        true => image_reference::problem(source).is_none(),
        false => source.is_empty() || volumes::is_a_name(source),
    };
    unless(harmless, &format!("{field}.Source"), &HOST_PATHS)
}
