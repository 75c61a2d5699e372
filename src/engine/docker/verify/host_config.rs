//! Namespaces, privileges and settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::difference::{Difference, differs};
use super::json::{at, is_empty, items, text, texts};

/// Compares the `HostConfig` of both sides.
pub(super) struct HostConfig<'a> {
    pub(super) wanted: &'a Value,
    pub(super) found: &'a Value,
}

impl HostConfig<'_> {
    fn differs(&self, field: &str) -> Result<(), Difference> {
        Err(differs(&format!("HostConfig.{field}"), at(self.found, &[field]), at(self.wanted, &[field])))
    }

    /// If nothing was requested, one of `defaults` counts as nothing.
    fn text(&self, field: &str, defaults: &[&str]) -> Result<(), Difference> {
        let (wanted, found) = (text(at(self.wanted, &[field])), text(at(self.found, &[field])));
        match found == wanted || (wanted.is_empty() && defaults.contains(&found)) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    fn flag(&self, field: &str) -> Result<(), Difference> {
        let flag = |value: &Value| value.as_bool().unwrap_or_default();
        match flag(at(self.wanted, &[field])) == flag(at(self.found, &[field])) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    /// Null, an empty list and an empty object are equal.
    fn whole(&self, field: &str) -> Result<(), Difference> {
        let (wanted, found) = (at(self.wanted, &[field]), at(self.found, &[field]));
        match wanted == found || (is_empty(wanted) && is_empty(found)) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    fn set(&self, field: &str, normal: fn(&str) -> String) -> Result<(), Difference> {
        let set = |value| texts(value).map(normal).collect::<BTreeSet<String>>();
        match set(at(self.wanted, &[field])) == set(at(self.found, &[field])) {
            true => Ok(()),
            false => self.differs(field),
        }
    }

    pub(super) fn namespaces(&self) -> Result<(), Difference> {
        self.text("PidMode", &[])?;
        self.text("IpcMode", &["private", "shareable"])?;
        self.text("UTSMode", &[])?;
        self.text("UsernsMode", &[])?;
        // The engine's default depends on its cgroup version.
        self.text("CgroupnsMode", &["private", "host"])?;
        self.text("Cgroup", &[])?;
        self.text("CgroupParent", &[])?;
        self.text("Isolation", &["default"])
    }

    pub(super) fn privileges(&self) -> Result<(), Difference> {
        self.flag("Privileged")?;
        self.set("CapAdd", capability)?;
        self.set("CapDrop", capability)?;
        self.set("SecurityOpt", security_option)?;
        for field in [
            "Devices",
            "DeviceCgroupRules",
            "DeviceRequests",
            "VolumesFrom",
            "Links",
            "Sysctls",
            "Annotations",
        ] {
            self.whole(field)?;
        }
        for field in ["MaskedPaths", "ReadonlyPaths"] {
            // An engine without this field returns null; one that masks nothing returns an empty list.
            let found = at(self.found, &[field]);
            if found.as_array().is_some_and(Vec::is_empty) && at(self.wanted, &[field]).is_null() {
                return Err(differs(
                    &format!("HostConfig.{field}"),
                    found,
                    &Value::from("the engine's default"),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn settings(&self) -> Result<(), Difference> {
        self.flag("PublishAllPorts")?;
        self.flag("ReadonlyRootfs")?;
        self.flag("AutoRemove")?;
        // If none was requested, it is the engine's default, whatever its name.
        if !text(at(self.wanted, &["Runtime"])).is_empty() {
            self.text("Runtime", &[])?;
        }
        if ports(at(self.wanted, &["PortBindings"])) != ports(at(self.found, &["PortBindings"])) {
            return self.differs("PortBindings");
        }
        let policy = |value: &Value| {
            let name = text(at(value, &["RestartPolicy", "Name"]));
            let retries = at(value, &["RestartPolicy", "MaximumRetryCount"]).as_i64().unwrap_or_default();
            let name = if name.is_empty() { "no" } else { name };
            (name.to_owned(), if name == "on-failure" { retries } else { 0 })
        };
        if policy(self.wanted) != policy(self.found) {
            return self.differs("RestartPolicy");
        }
        let driver = text(at(self.wanted, &["LogConfig", "Type"]));
        let options = at(self.wanted, &["LogConfig", "Config"]).as_object().into_iter().flatten();
        let logs = at(self.found, &["LogConfig", "Config"]);
        let mut options = options.map(|(name, value)| at(logs, &[name.as_str()]) == value);
        if (!driver.is_empty() && driver != text(at(self.found, &["LogConfig", "Type"])))
            || options.any(|as_wanted| !as_wanted)
        {
            return self.differs("LogConfig");
        }
        // The engine adds its own default limits.
        let limit = |value: &Value| ["Name", "Soft", "Hard"].map(|field| at(value, &[field]).clone());
        let found: Vec<_> = items(at(self.found, &["Ulimits"])).map(limit).collect();
        if items(at(self.wanted, &["Ulimits"])).map(limit).any(|wanted| !found.contains(&wanted)) {
            return self.differs("Ulimits");
        }
        Ok(())
    }
}

/// `SYS_ADMIN` and `CAP_SYS_ADMIN` are equal.
fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

fn security_option(option: &str) -> String {
    match option {
        "no-new-privileges" | "no-new-privileges=true" => "no-new-privileges:true".to_owned(),
        other => other.to_owned(),
    }
}

/// Bindings by port and protocol. No address and 0.0.0.0 are equal.
fn ports(bindings: &Value) -> BTreeMap<String, Vec<(String, String)>> {
    let entries = bindings.as_object().into_iter().flatten();
    let entries = entries.map(|(port, bindings)| {
        let port = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
        let mut bindings: Vec<_> = items(bindings)
            .map(|binding| {
                let address = text(at(binding, &["HostIp"]));
                let address = if address == "0.0.0.0" { "" } else { address };
                (address.to_owned(), text(at(binding, &["HostPort"])).to_owned())
            })
            .collect();
        bindings.sort();
        (port, bindings)
    });
    // A port without a binding publishes nothing.
    entries.filter(|(_, bindings)| !bindings.is_empty()).collect()
}
