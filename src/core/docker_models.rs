//! Docker's own models of a container, from bollard-stubs: the only file of the pure modules that names that crate.

pub(crate) use bollard_stubs::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
    NetworkingConfig, RestartPolicyNameEnum,
};
