//! The lines of the display: no more and no wider than the terminal.

use std::time::Duration;

use console::truncate_str;
use tokio::time::Instant;

use super::waited_object::{Amount, Stage, WaitedObject};

/// Rows without an object: the header, the remainder, a message above, and the cursor's row.
const OTHER_ROWS: usize = 4;
/// The width of a bar.
const BAR: usize = 12;
/// The narrowest terminal with bars.
const WITH_BARS: usize = 60;
/// The narrowest terminal in which the last column is aligned.
const ALIGNED: usize = 100;
/// The longest name shown in a terminal of usual width.
const NAME_MAX: usize = 32;

/// The display of `objects`, for a terminal of this size.
pub(super) fn lines(
    objects: &[WaitedObject],
    now: Instant,
    elapsed: Duration,
    wait: Duration,
    rows: usize,
    columns: usize,
) -> Vec<String> {
    // After a line as wide as the terminal the position of the cursor is undefined.
    let width = columns.saturating_sub(1).max(1);
    let mut order: Vec<(Stage, &WaitedObject)> = objects.iter().map(|one| (one.stage(), one)).collect();
    let counted = |such: &[(Stage, &WaitedObject)]| sums(such.iter().map(|(stage, _)| *stage));
    let mut lines = vec![header(objects, &counted(&order), elapsed, wait)];
    // Stable: objects in one stage keep their order.
    order.sort_by_key(|(stage, _)| *stage);
    let room = rows.saturating_sub(OTHER_ROWS).max(1);
    let (shown, rest) = order.split_at(order.len().min(room));
    let shown: Vec<(&WaitedObject, Option<Amount>)> =
        shown.iter().map(|(_, one)| (*one, one.amount())).collect();
    let names = objects.iter().map(|one| one.name.len()).max().unwrap_or_default();
    let names = names.min(NAME_MAX.max(width / 4)).min(width / 2);
    let amounts = shown.iter().filter_map(|(_, amount)| Some(amount.as_ref()?.text.len())).max();
    let amounts = amounts.filter(|_| columns >= ALIGNED).unwrap_or_default();
    for (one, amount) in &shown {
        let name = format!("{:names$}", truncate_str(&one.name, names, "…"));
        let bar = match amount {
            _ if columns < WITH_BARS => String::new(),
            Some(amount) => format!(" {}", bar(amount)),
            None => " ".repeat(BAR + 3),
        };
        let text = amount.as_ref().map(|amount| amount.text.as_str()).unwrap_or_default();
        lines.push(format!("{name}{bar} {text:amounts$}  {}", one.news(now)));
    }
    if !rest.is_empty() {
        lines.push(format!("and {} more: {}", rest.len(), counted(rest)));
    }
    lines.iter().map(|line| truncate_str(line, width, "…").trim_end().to_owned()).collect()
}

fn header(objects: &[WaitedObject], sums: &str, elapsed: Duration, wait: Duration) -> String {
    let time = format!("{} of {}", seconds(elapsed.min(wait)), seconds(wait));
    if let [_] = objects {
        return time;
    }
    let (ready, wanted) = objects
        .iter()
        .map(WaitedObject::ready)
        .fold((0, 0), |(a, b), (ready, wanted)| (a + ready, b + wanted));
    let left: u64 = objects.iter().map(WaitedObject::left).sum();
    let mut text = format!("{time}, {} objects", objects.len());
    if objects.iter().any(|one| !one.deleted()) {
        text += &format!(", {ready}/{wanted} ready");
    }
    if objects.iter().any(WaitedObject::deleted) {
        text += &format!(", {left} containers left to stop");
    }
    format!("{text}: {sums}")
}

/// "1 failed, 3 in progress"
fn sums(stages: impl Iterator<Item = Stage> + Clone) -> String {
    let counted = Stage::ALL.iter().filter_map(|stage| {
        let n = stages.clone().filter(|one| one == stage).count();
        (n > 0).then(|| format!("{n} {}", stage.name()))
    });
    counted.collect::<Vec<_>>().join(", ")
}

fn bar(amount: &Amount) -> String {
    let cells = u64::try_from(BAR).unwrap_or_default();
    let filled = (amount.done.min(amount.of) * cells).checked_div(amount.of).unwrap_or(cells);
    let filled = usize::try_from(filled).unwrap_or(BAR);
    let tip = if filled < BAR { ">" } else { "" };
    format!("[{:BAR$}]", format!("{}{tip}", "=".repeat(filled)))
}

/// A duration in whole seconds, such as 1m30s.
fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 if !duration.is_zero() => "0s".to_owned(),
        secs => humantime::format_duration(Duration::from_secs(secs)).to_string().replace(' ', ""),
    }
}
