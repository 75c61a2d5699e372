//! `GET /plan` and `?dry_run`: what would be done.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::Receipt;

/// What the manager is about to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PendingChanges {
    /// The number of objects with pending steps.
    pub(crate) changes: u64,
    /// All objects.
    pub(crate) objects: Vec<PendingObject>,
}

/// An object and its pending steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PendingObject {
    /// Its name.
    pub(crate) name: String,
    /// Its generation.
    pub(crate) generation: u64,
    /// The steps.
    #[serde(flatten)]
    pub(crate) forecast: ForecastSteps,
}

/// The response to a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DryRun {
    /// Always true: nothing was stored or done.
    #[serde(default)]
    #[schema(required)]
    pub(crate) dry_run: bool,
    /// The number of objects that would change, or have pending steps.
    pub(crate) changes: u64,
    /// The objects of the request.
    pub(crate) objects: Vec<DryRunObject>,
}

/// An object of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DryRunObject {
    /// The receipt that the change would have.
    #[serde(flatten)]
    pub(crate) receipt: Receipt,
    /// The steps that would follow.
    #[serde(flatten)]
    pub(crate) forecast: ForecastSteps,
}

/// The steps that bring an object to its desired state, provided that each succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ForecastSteps {
    /// The steps in order, one line each, with their causes.
    #[serde(default)]
    #[schema(required)]
    pub(crate) plan: Vec<String>,
    /// Why the steps are unknown: the observed state cannot be trusted now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<String>,
    /// What will not work, as far as the endpoint says; the steps assume that it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// There are more steps than these, or there was no time to compute them all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) truncated: bool,
}
