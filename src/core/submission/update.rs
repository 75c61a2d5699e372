//! Parses the field `Update`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::core::spec::{FailureAction, Order, Template, Update};
use crate::core::submission::strict::{self, FieldError, shown};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateFields {
    parallelism: Option<u32>,
    delay: Option<Pause>,
    order: Option<Order>,
    monitor: Option<Pause>,
    fail_after: Option<Pause>,
    failure_action: Option<FailureAction>,
    max_failure_ratio: Option<f64>,
}

/// A duration as given; a plain number means seconds.
struct Pause(String);

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Pause, D::Error> {
        deserializer.deserialize_any(PauseVisitor)
    }
}

struct PauseVisitor;

impl serde::de::Visitor<'_> for PauseVisitor {
    type Value = Pause;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"5s\", or a number of seconds")
    }

    fn visit_str<E>(self, text: &str) -> Result<Pause, E> {
        Ok(Pause(text.to_owned()))
    }

    fn visit_u64<E>(self, seconds: u64) -> Result<Pause, E> {
        Ok(Pause(seconds.to_string()))
    }
}

impl Update {
    /// The defaults for objects with this template.
    pub(super) fn default_for(template: &Template) -> Update {
        Update {
            parallelism: 1,
            delay: Duration::ZERO,
            order: if template.exclusives().is_empty() { Order::StartFirst } else { Order::StopFirst },
            monitor: Duration::from_secs(5),
            fail_after: Duration::from_secs(10),
            failure_action: FailureAction::Rollback,
            max_failure_ratio: 0.0,
        }
    }
}

pub(super) fn update(map: &Map<String, Value>, template: &Template) -> Result<Update, FieldError> {
    let fields = match map.get("Update") {
        None | Some(Value::Null) => None,
        Some(value) => Some(strict::read::<UpdateFields>(value, &[]).map_err(|e| {
            let field = if e.field.is_empty() { "Update".to_owned() } else { format!("Update.{}", e.field) };
            FieldError { field, ..e }
        })?),
    };
    let mut update = Update::default_for(template);
    let Some(fields) = fields else { return Ok(update) };
    if let Some(ratio) = fields.max_failure_ratio {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(FieldError::new(
                "Update.MaxFailureRatio",
                format!("given {ratio}; allowed is a number from 0 to 1"),
            ));
        }
        update.max_failure_ratio = ratio;
    }
    update.parallelism = fields.parallelism.unwrap_or(update.parallelism);
    update.order = fields.order.unwrap_or(update.order);
    update.failure_action = fields.failure_action.unwrap_or(update.failure_action);
    if let Some(Pause(text)) = fields.delay {
        update.delay = duration("Update.Delay", &text)?;
    }
    if let Some(Pause(text)) = fields.monitor {
        update.monitor = duration("Update.Monitor", &text)?;
    }
    if let Some(Pause(text)) = fields.fail_after {
        update.fail_after = duration("Update.FailAfter", &text)?;
    }
    Ok(update)
}

/// The longest `Delay`, `Monitor` or `FailAfter`: a day.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Parses a duration such as `1m30s`; a plain whole number means seconds.
pub(crate) fn seconds_or_duration(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

fn duration(field: &str, text: &str) -> Result<Duration, FieldError> {
    seconds_or_duration(text).filter(|d| *d <= MAX_PAUSE).ok_or_else(|| {
        let text = shown(text);
        FieldError::new(
            field,
            format!("given {text:?}; allowed is a duration such as \"5s\" or \"1m30s\", or a number of seconds, up to \"24h\""),
        )
    })
}
