//! Every call of the client, every fault, at every position: nothing is ever made twice, and all ends well.
//!
//! The scenario is a short life: an object is submitted and converges, one of its containers dies and is replaced, it is
//! scaled down to nothing and deleted, with some quiet after each. A run without faults tells which calls it takes. Then
//! it is run again for each of them, with each fault in turn.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod standin;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;
use standin::Standin;
use standin::faults::{Call, Fault};
use standin::manager::Manager;
use standin::many::{paused, run_all};
use standin::world::What;
use swarm_cluster_state_manager::engine::Kind;

/// Within this all must be well again: the longest deadline of a call is two minutes, and it may be met twice.
const CONVERGES: Duration = Duration::from_secs(300);
/// A pull may take half an hour, and one that says nothing any more is waited for as long.
const CONVERGES_AFTER_A_PULL: Duration = Duration::from_secs(35 * 60);
/// More than a resync, in which nothing is to happen.
const QUIET: Duration = Duration::from_secs(11);
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    swarm: bool,
    count: usize,
    fault: Option<(Call, usize, Fault)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Count {}", if self.swarm { "swarm" } else { "docker" }, self.count)?;
        match self.fault {
            None => f.write_str(" without faults"),
            Some((call, nth, fault)) => write!(f, " {call:?} {nth} {fault:?}"),
        }
    }
}

/// How a case went.
#[derive(Debug, Default)]
struct Account {
    seen: BTreeMap<Call, usize>,
    struck: bool,
    slowest: Duration,
    /// More live containers than wanted, at the worst moment.
    excess: usize,
    /// What should not have been.
    wrong: Vec<String>,
}

/// The faults that differ for a call. A question has no effect for a fault to come before or after.
fn faults(call: Call) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Refused,
        Fault::DroppedBefore,
        Fault::Error500,
        Fault::Hang,
        Fault::HalfBody,
        Fault::Nonsense,
    ];
    if matches!(call, Call::Pull | Call::Create | Call::Start | Call::Stop | Call::Remove) {
        faults.extend([Fault::DroppedAfter, Fault::HangAfter]);
    }
    // While the client still waits for it, and after it has given it up.
    let seconds: &[u64] = match call {
        Call::Create => &[45, 150],
        Call::Start | Call::Stop | Call::Remove => &[30, 70],
        _ => &[],
    };
    for by in seconds.iter().map(|s| Duration::from_secs(*s)) {
        faults.extend([Fault::LandsLate(by), Fault::ArrivesLate(by)]);
    }
    faults
}

/// Runs one case on a runtime of its own.
fn run(case: Case) -> Account {
    let standin = Mutex::new(None);
    let result = paused(live(case, &standin));
    let mut account = Account::default();
    match result {
        Ok(slowest) => account.slowest = slowest,
        Err(words) => account.wrong.push(words),
    }
    let standin: Standin = standin.into_inner().unwrap().unwrap();
    standin.faults(|faults| {
        account.seen = faults.seen().clone();
        account.struck = faults.struck() == 1;
    });
    standin.look(|world| {
        account.excess = world.peak("web").saturating_sub(case.count);
        if account.excess > 0 {
            account.wrong.push(format!("{} live at once", world.peak("web")));
        }
        if !world.doubled().is_empty() {
            account.wrong.push(format!("slots with two live containers: {:?}", world.doubled()));
        }
        let too_many = world.trace.iter().filter(|e| e.what == What::Create && e.there >= case.count);
        account.wrong.extend(too_many.map(|effect| format!("one too many:{effect}")));
    });
    if !account.wrong.is_empty() {
        account.wrong.push(format!("what was done:\n{}", standin.account()));
    }
    account
}

/// The short life of an object. Returns how long the slowest convergence took.
async fn live(case: Case, keep: &Mutex<Option<Standin>>) -> Duration {
    let refused = matches!(case.fault, Some((_, _, Fault::Refused)));
    let (kind, nodes) = if case.swarm { (Kind::ClassicSwarm, 3) } else { (Kind::Docker, 1) };
    // To refuse a call's connection, each call has to have one.
    let standin = Standin::new(kind, nodes, !refused);
    *keep.lock().unwrap() = Some(standin.clone());
    if let Some((call, nth, fault)) = case.fault {
        standin.fault(call, nth, fault);
    }
    let manager = Manager::start(&standin);
    // A Swarm manager pulls by itself; asked to, it pulls everywhere.
    let pull = if case.swarm { "always" } else { "missing" };
    let web = |count: usize| json!({"Name": "web", "Image": "app:1", "Count": count, "Pull": pull});

    manager.submit(web(case.count)).await;
    let first = match case.fault {
        Some((Call::Pull, _, Fault::Hang | Fault::HangAfter)) => CONVERGES_AFTER_A_PULL,
        _ => CONVERGES,
    };
    let mut slowest = manager.converges("web", case.count, first).await;
    quiet(&standin, case.count).await;

    let victim = standin.look(|world| world.running("web").into_iter().next()).unwrap();
    standin.exit(&victim, 1);
    slowest = slowest.max(manager.converges("web", case.count, CONVERGES).await);
    quiet(&standin, case.count).await;

    manager.submit(web(0)).await;
    slowest = slowest.max(manager.converges("web", 0, CONVERGES).await);
    quiet(&standin, 0).await;

    manager.delete("web").await;
    slowest = slowest.max(manager.vanishes("web", CONVERGES).await);
    // What is still on its way is let arrive.
    let late = match case.fault {
        Some((_, _, Fault::LandsLate(by) | Fault::ArrivesLate(by))) => by,
        _ => Duration::ZERO,
    };
    tokio::time::sleep(late + QUIET).await;
    manager.vanishes("web", CONVERGES).await;
    slowest
}

/// A while in which just so many run all the time.
async fn quiet(standin: &Standin, count: usize) {
    let disturbed = standin.until(QUIET, "", |world| world.running("web").len() != count);
    let disturbed = tokio::time::timeout(QUIET - Duration::from_millis(1), disturbed).await;
    assert!(disturbed.is_err(), "it did not stay at {count}");
}

#[test]
fn whatever_goes_wrong_with_one_call_just_count_run_in_the_end_and_never_more() {
    let began = Instant::now();
    let plain: Vec<Case> = [false, true]
        .into_iter()
        .flat_map(|swarm| (1..=3).map(move |count| Case { swarm, count, fault: None }))
        .collect();
    let faultless = run_all(plain, run);
    let mut cases = Vec::new();
    for (case, account) in &faultless {
        assert!(account.wrong.is_empty(), "{case}: {:#?}", account.wrong);
        assert_eq!(
            account.seen[&Call::Create],
            case.count + 1,
            "{case}: one was replaced, and no more were made"
        );
        for (call, times) in &account.seen {
            let at = |fault| (1..=*times).map(move |nth| (*call, nth, fault));
            cases.extend(faults(*call).into_iter().flat_map(at).map(|f| Case { fault: Some(f), ..*case }));
        }
    }
    cases.sort_unstable();
    let mut accounts = run_all(cases, run);
    accounts.sort_unstable_by_key(|(case, _)| *case);
    report(&faultless, &accounts, began.elapsed());
    let failed: Vec<String> = accounts
        .iter()
        .filter(|(_, account)| !account.wrong.is_empty())
        .map(|(case, account)| format!("{case}: {}", account.wrong.join("; ")))
        .collect();
    assert!(failed.is_empty(), "{} cases went wrong\n\n{}", failed.len(), failed.join("\n"));
    let unstruck: Vec<String> =
        accounts.iter().filter(|(_, account)| !account.struck).map(|(case, _)| case.to_string()).collect();
    assert!(unstruck.is_empty(), "the call never came in: {unstruck:?}");
}

/// What was covered.
fn report(faultless: &[(Case, Account)], accounts: &[(Case, Account)], took: Duration) {
    for (case, account) in faultless {
        eprintln!("{case}: {:?}, slowest convergence {:?}", account.seen, account.slowest);
    }
    let mut by_call: BTreeMap<(bool, Call), usize> = BTreeMap::new();
    let mut by_fault: BTreeMap<String, usize> = BTreeMap::new();
    for (case, _) in accounts {
        let Some((call, _, fault)) = case.fault else { continue };
        *by_call.entry((case.swarm, call)).or_default() += 1;
        *by_fault.entry(format!("{fault:?}")).or_default() += 1;
    }
    for swarm in [false, true] {
        let calls: Vec<String> = by_call
            .iter()
            .filter(|((s, _), _)| *s == swarm)
            .map(|((_, c), n)| format!("{c:?} {n}"))
            .collect();
        eprintln!("{}: {}", if swarm { "swarm" } else { "docker" }, calls.join(", "));
    }
    eprintln!("faults: {by_fault:?}");
    let wrong = accounts.iter().filter(|(_, account)| !account.wrong.is_empty()).count();
    eprintln!("{} cases in {:.1} s, {wrong} of them went wrong", accounts.len(), took.as_secs_f64());
    let worst = accounts.iter().max_by_key(|(_, account)| account.excess).filter(|(_, a)| a.excess > 0);
    match worst {
        None => eprintln!("worst excess: 0"),
        Some((case, account)) => eprintln!("worst excess: {} ({case})", account.excess),
    }
    if let Some((case, account)) = accounts.iter().max_by_key(|(_, account)| account.slowest) {
        eprintln!("slowest convergence: {:.1} s of simulated time ({case})", account.slowest.as_secs_f64());
    }
}
