//! What the beginning and the end of a step change in the memory.

use crate::core::backoff;
use crate::core::container::ContainerId;
use crate::core::labels::ContainerIdentity;
use crate::core::memory::Memory;
use crate::core::memory::doubt::Doubt;
use crate::core::memory::failures::{Failures, Says};
use crate::core::memory::report::Report;
use crate::core::outcome::{Outcome, Refusal, RefusalKind};
use crate::core::plan::Action;
use crate::core::spec::TemplateHash;
use crate::core::time::Time;

impl Memory {
    /// Records that a step begins. A slot whose old container we remove belongs to the present template from then on.
    pub(crate) fn begun(&mut self, action: &Action) {
        let Action::Remove { id, .. } = action else { return };
        let seen = self.seen.entry(id.clone()).or_default();
        seen.ending = true;
        if seen.live && seen.unhealthy_since.is_none() {
            self.ends.replaced(seen.slot);
        }
        if seen.live && seen.template.as_ref().is_some_and(|template| !self.present.are_of(template)) {
            self.updated.insert(seen.slot);
        }
    }

    /// Records how a step ended.
    pub(crate) fn ended(&mut self, action: &Action, report: Report, now: Time) {
        match (action, report) {
            (Action::Pull { image, .. }, Report::Image(outcome)) => {
                self.pull_ended(image, outcome, now);
            }
            // A create for a template that is no longer wanted says nothing about the present one.
            (Action::Create { identity, .. }, report) if self.tries(&identity.template).is_none() => {
                match report {
                    Report::Created(Outcome::InDoubt(why)) | Report::CreateInFlight(why) => {
                        self.doubtful(identity, why, now);
                    }
                    Report::Created(Outcome::Refused(_) | Outcome::NotSent(_)) => {}
                    _ => drop(self.doubts.remove(&(identity.slot, identity.attempt))),
                }
            }
            (Action::Create { identity, .. }, Report::Created(Outcome::Done(id))) => {
                self.doubts.remove(&(identity.slot, identity.attempt));
                let seen = self.seen.entry(id).or_default();
                // The next observation shows whether it did start.
                (seen.slot, seen.start_done) = (identity.slot, true);
            }
            (Action::Create { identity, .. }, Report::CreatedNotStarted(id, outcome)) => {
                self.doubts.remove(&(identity.slot, identity.attempt));
                let template = identity.template.clone();
                self.start_ended(id, &identity.container_name(), &template, outcome, now);
            }
            // Slow is not broken: other slots may proceed.
            (Action::Create { identity, .. }, Report::CreateInFlight(why)) => {
                self.doubtful(identity, why, now)
            }
            (Action::Create { identity, .. }, Report::Created(Outcome::InDoubt(why))) => {
                self.doubtful(identity, why.clone(), now);
                let seed = self.seed;
                self.tries_mut(&identity.template).failed(Says::Nothing, why, seed, now);
            }
            // A refused second try says nothing about the first; only the holder of the name does.
            (Action::Create { identity, .. }, Report::Created(outcome)) => {
                let seed = self.seed;
                match outcome {
                    // A foreign container has the name. It stays; the next attempt has another name.
                    Outcome::Refused(refusal) if refusal.kind == RefusalKind::NameTaken => {
                        self.doubts.remove(&(identity.slot, identity.attempt));
                        self.taken.insert((identity.slot, identity.attempt));
                    }
                    Outcome::Refused(refusal) if refusal.kind == RefusalKind::NoImage => {
                        let tries = self.tries_mut(&identity.template);
                        tries.image_ensured = false;
                        tries.failed(Says::Failed, refusal.message, seed, now);
                    }
                    other => {
                        let says = says(&other);
                        self.tries_mut(&identity.template).failed(says, why(other), seed, now);
                    }
                }
            }
            (Action::Start { id, name, template }, Report::Started(outcome)) => {
                self.start_ended(id.clone(), name, template, outcome, now);
            }
            (Action::Remove { id, .. }, Report::Removed(Outcome::Done(()))) => {
                self.seen.remove(id);
            }
            (Action::Remove { id, .. }, Report::NotStopped(outcome)) => {
                if matches!(outcome, Outcome::InDoubt(_)) {
                    self.seen.entry(id.clone()).or_default().stops_unanswered += 1;
                }
                self.removal_failed(id, why(outcome), now);
            }
            (Action::Remove { id, .. }, Report::Removed(outcome)) => {
                if matches!(outcome, Outcome::NotSent(_)) {
                    self.seen.entry(id.clone()).or_default().ending = false;
                }
                self.removal_failed(id, why(outcome), now);
            }
            // The actuator reports each action with its own kind of report.
            (action, report) => debug_assert!(false, "{action:?} was reported as {report:?}"),
        }
    }

    /// Records the end of a pull. One for an image that no template names any more says nothing.
    fn pull_ended(&mut self, image: &str, outcome: Outcome<()>, now: Time) {
        let concerned = std::iter::once(&mut self.present).chain(self.fallback.as_mut());
        for tries in concerned.filter(|tries| tries.image == image) {
            match &outcome {
                Outcome::Done(()) => {
                    tries.image_ensured = true;
                    tries.whole = Failures::default();
                }
                outcome => {
                    let error = format!("the image {image} cannot be obtained: {}", why(outcome.clone()));
                    tries.failed(says(outcome), error, self.seed, now);
                }
            }
        }
    }

    fn doubtful(&mut self, identity: &ContainerIdentity, why: String, now: Time) {
        let seed = self.seed ^ u64::from(identity.slot);
        let template = identity.template.clone();
        let fresh = Doubt { template, why: String::new(), retry_at: now, since: now, tries: 0 };
        let doubt = self.doubts.entry((identity.slot, identity.attempt)).or_insert(fresh);
        doubt.template.clone_from(&identity.template);
        doubt.tries += 1;
        doubt.retry_at = now + backoff::after_refusal(doubt.tries, seed);
        doubt.why = why;
        self.tries_mut(&identity.template).window = 1;
    }

    fn removal_failed(&mut self, id: &ContainerId, error: String, now: Time) {
        let seed = self.seed;
        let removal = &mut self.seen.entry(id.clone()).or_default().removal;
        removal.count += 1;
        removal.retry_at = now + backoff::after_refusal(removal.count, seed);
        removal.error = error;
    }

    fn start_ended(
        &mut self,
        id: ContainerId,
        name: &str,
        template: &TemplateHash,
        outcome: Outcome<()>,
        now: Time,
    ) {
        let seed = self.seed;
        match outcome {
            Outcome::Done(()) => self.seen.entry(id).or_default().start_done = true,
            // Refused: the container will not run; it is removed, and a new one may be tried.
            Outcome::Refused(refusal) => {
                self.seen.entry(id).or_default().start_refused = true;
                let says = says_of(&refusal);
                let error = format!("{name} was created but cannot start: {}", refusal.message);
                self.tries_mut(template).failed(says, error, seed, now);
            }
            // It stays, and is started again.
            Outcome::NotSent(why) => {
                let error = format!("{name} was created and not started: {why}");
                self.tries_mut(template).failed(Says::Nothing, error, seed, now);
            }
            // It may be running. It stays, and is started again.
            Outcome::InDoubt(why) => {
                let error = format!("{name} was created; whether it started is unknown: {why}");
                self.tries_mut(template).failed(Says::Nothing, error, seed, now);
            }
        }
    }
}

fn says<T>(outcome: &Outcome<T>) -> Says {
    match outcome {
        Outcome::Refused(refusal) => says_of(refusal),
        Outcome::Done(_) | Outcome::NotSent(_) | Outcome::InDoubt(_) => Says::Nothing,
    }
}

fn says_of(refusal: &Refusal) -> Says {
    match refusal.kind {
        RefusalKind::NoNode => Says::Nothing,
        RefusalKind::Impossible => Says::Impossible,
        RefusalKind::NameTaken | RefusalKind::NoImage | RefusalKind::NoPlace | RefusalKind::Other => {
            Says::Failed
        }
    }
}

fn why<T>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Done(_) => String::new(),
        Outcome::Refused(refusal) => refusal.message,
        Outcome::NotSent(why) | Outcome::InDoubt(why) => why,
    }
}
