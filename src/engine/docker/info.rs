//! Identifying the endpoint and agreeing on an API version.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::answer::refusal;
use super::api_version::{ApiVersion, NEWEST, OLDEST};
use super::docker_engine::DockerEngine;
use super::wire;
use crate::engine::EngineInfo;
use crate::engine::error::EngineError;

impl DockerEngine {
    pub(super) async fn read_info(&self) -> Result<EngineInfo, EngineError> {
        let (status, body) = self.answer("/version").await?;
        if status != 200 {
            return Err(EngineError::new(refusal(status, &body)));
        }
        let version = wire::read_version(&body).map_err(EngineError::new)?;
        let theirs = ApiVersion::parse(&version.api).ok_or_else(|| {
            EngineError::new(format!("it answers, but not like Docker: its API version is {:?}", version.api))
        })?;
        if theirs < OLDEST {
            return Err(EngineError::new(format!(
                "it speaks API {theirs}; this program needs {OLDEST} or newer"
            )));
        }
        let api = theirs.min(NEWEST);
        self.transport.speak(&api.to_string());
        self.api.store(Some(Arc::new(api)));

        let (status, body) = self.answer("/info").await?;
        if status != 200 {
            return Err(EngineError::new(refusal(status, &body)));
        }
        let info = wire::read_info(&body, version, api.to_string()).map_err(EngineError::new)?;
        self.kind.store(Some(Arc::new(info.kind)));
        if self.identity.swap(Some(Arc::new(info.id.clone()))).is_none_or(|id| *id != info.id) {
            self.listed.store(false, Ordering::Relaxed);
        }
        self.find_own_volumes().await;
        Ok(EngineInfo { own_volumes: self.own_volumes(), ..info })
    }
}
