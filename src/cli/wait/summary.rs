//! The end of a wait, in words.

use super::Waited;
use super::outcome::{Settled, WaitOutcome};
use crate::cli::output;
use crate::client::answers::Receipt;

/// How many objects with the same outcome the last line names, besides the one whose reason it gives.
const OTHERS_NAMED: usize = 5;

/// Prints the end of a wait and returns the exit code.
pub(in crate::cli) fn report(waited: &Waited, receipts: &[Receipt]) -> u8 {
    match waited.interrupted {
        Some(code) => {
            farewell(waited, receipts);
            code
        }
        None => last_line(waited, receipts.len()),
    }
}

/// The worst outcome and its reason.
fn last_line(waited: &Waited, total: usize) -> u8 {
    let settled = &waited.settled;
    let after = waited.after.as_secs_f64();
    // The first of the worst.
    let Some(worst) = settled.iter().rev().max_by_key(|one| one.outcome) else { return 0 };
    let converged = settled.iter().filter(|one| one.outcome == WaitOutcome::Converged).count();
    let Settled { name, outcome, reason } = worst;
    let word = outcome.word();
    match (converged, total) {
        // A closed standard output does not change the exit code.
        (1, 1) => drop(output::line(format_args!("{word} after {after:.1} s: {name}: {reason}"))),
        (n, total) if n == total => {
            drop(output::line(format_args!("{word} after {after:.1} s: all {n} objects")))
        }
        (_, 1) => output::note(format_args!("error: {word} after {after:.1} s: {name}: {reason}")),
        (n, total) => {
            let open = match total - settled.len() {
                0 => String::new(),
                open => format!("; {open} not settled yet, the daemon continues with them"),
            };
            let others: Vec<&str> = settled
                .iter()
                .filter(|one| one.outcome == *outcome && one.name != *name)
                .map(|one| one.name.as_str())
                .collect();
            let named = others.iter().take(OTHERS_NAMED).copied().collect::<Vec<_>>().join(", ");
            let others = match others.len() {
                0 => String::new(),
                n if n > OTHERS_NAMED => format!("; also {word}: {named} and {} more", n - OTHERS_NAMED),
                _ => format!("; also {word}: {named}"),
            };
            output::note(format_args!(
                "error: {word} after {after:.1} s: {name}: {reason} ({n} of {total} objects converged{open}{others})"
            ));
        }
    }
    outcome.exit_code()
}

/// What happens to accepted changes after the user stopped waiting, and how to undo them.
fn farewell(waited: &Waited, receipts: &[Receipt]) {
    let after = waited.after.as_secs_f64();
    output::note(format_args!("stopped waiting after {after:.1} s"));
    let changed: Vec<&Receipt> = receipts.iter().filter(|one| one.result != "unchanged").collect();
    let receipts = changed.as_slice();
    if receipts.is_empty() {
        output::note("Nothing was changed. The daemon continues with the earlier submit: see `status`");
        return;
    }
    let converged = waited.settled.iter().filter(|one| one.outcome == WaitOutcome::Converged).count();
    let (what, name) = match receipts {
        [one] => {
            let what = if one.deleted() { "deletion" } else { "change" };
            (format!("The {what} of {} was accepted", one.name), one.name.as_str())
        }
        all => (format!("All {} changes were accepted ({converged} converged so far)", all.len()), "NAME"),
    };
    // There is no earlier spec to roll back to.
    let new = |one: &&Receipt| one.result == "created";
    let undo = match receipts {
        all if all.iter().all(new) => format!("`delete {name}`"),
        all if all.iter().any(new) => format!("`rollback {name}`, or `delete {name}` if it is new"),
        _ => format!("`rollback {name}`"),
    };
    output::note(format_args!("{what}; the daemon continues with it: see `status {name}`, undo with {undo}"));
}
