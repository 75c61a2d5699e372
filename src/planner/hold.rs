//! An object that another manager has containers of is held: two managers planning for it would fight.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::container::Container;
use crate::core::manager_id::ManagerId;
use crate::core::object::Object;

/// The most managers named in a reason.
const MAX_NAMED: usize = 3;

/// The containers that are ours.
pub(crate) fn own(containers: &[Arc<Container>]) -> Vec<Arc<Container>> {
    containers.iter().filter(|container| !container.rival).cloned().collect()
}

/// Why nothing is planned for an object: other managers have containers of it. A deleted object is not held: our containers
/// are removed, and theirs are left alone.
pub(crate) fn reason(object: &Object, containers: &[Arc<Container>]) -> Option<String> {
    if object.deleted.is_some() {
        return None;
    }
    let mut rivals: BTreeMap<&ManagerId, usize> = BTreeMap::new();
    for manager in containers.iter().filter(|c| c.rival).filter_map(|c| c.manager.as_ref()) {
        *rivals.entry(manager).or_default() += 1;
    }
    let first = rivals.keys().next()?;
    let named: Vec<String> = rivals
        .iter()
        .take(MAX_NAMED)
        .map(|(manager, count)| {
            format!("manager {manager} has created {count} of its containers in this cluster")
        })
        .collect();
    let more = match rivals.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        n => format!(", and {n} more managers have created others"),
    };
    Some(format!(
        "{}{more}: this one creates and removes nothing for it. If this one was started by mistake, stop it. To run both, \
         give one of them another --cluster and --data-dir. If the other one is gone for good, start this one once with \
         --take-over={first}",
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::super::scenarios::{NOW, spec};
    use super::*;
    use crate::core::availability::Nodes;
    use crate::core::condition::Phase;
    use crate::core::evidence::Evidence;
    use crate::core::exclusive::InTheWay;
    use crate::core::memory::Memory;
    use crate::core::plan::Plan;
    use crate::core::time::WallOffset;
    use crate::planner::input::Input;
    use crate::planner::plan;

    fn container(slot: u32, manager: Option<&ManagerId>) -> Arc<Container> {
        let object = Object::new(spec("web", 2, ""));
        Arc::new(Container {
            manager: manager.cloned(),
            rival: manager.is_some(),
            ..Container::sample(&format!("web.{slot}.1"), object.spec.template.hash.as_str())
        })
    }

    fn planned(object: &Object, containers: &[Arc<Container>]) -> Plan {
        plan(Input {
            object,
            containers,
            under_way: &[],
            evidence: &Evidence::Good,
            nodes: &Nodes::default(),
            in_the_way: &InTheWay::new(),
            memory: &Memory::of_success(),
            now: NOW,
            offset: WallOffset::default(),
        })
    }

    #[test]
    fn an_object_with_a_container_of_another_manager_is_held_as_a_whole() {
        let object = Object::new(spec("web", 5, ""));
        let rival = ManagerId::of_bits(7);
        let containers = [container(1, None), container(2, Some(&rival)), container(9, None)];
        let plan = planned(&object, &containers);
        assert_eq!((plan.steps, plan.wake_at, plan.condition.phase), (Vec::new(), None, Phase::Blocked));
        assert_eq!(plan.condition.ready, 2, "only own containers are counted");
        let says = format!(
            "manager {rival} has created 1 of its containers in this cluster: this one creates and removes nothing"
        );
        assert!(plan.condition.reason.starts_with(&says), "{}", plan.condition.reason);
        for way_out in ["another --cluster", &format!("--take-over={rival}")] {
            assert!(plan.condition.reason.contains(way_out), "{}", plan.condition.reason);
        }
    }

    #[test]
    fn the_reason_names_at_most_three_managers() {
        let object = Object::new(spec("web", 9, ""));
        let rivals: Vec<ManagerId> = (1..=5).map(ManagerId::of_bits).collect();
        let containers: Vec<_> =
            rivals.iter().zip(1..).map(|(rival, slot)| container(slot, Some(rival))).collect();
        let reason = reason(&object, &containers).unwrap();
        assert_eq!(reason.matches("has created 1 of its containers").count(), 3, "{reason}");
        assert!(reason.contains(", and 2 more managers have created others: this one creates"), "{reason}");
    }

    #[test]
    fn a_deletion_removes_own_containers_and_leaves_another_managers() {
        let object = Object { deleted: Some(NOW), ..Object::new(spec("web", 5, "")) };
        let rival = ManagerId::of_bits(7);
        let ours = container(1, None);
        let plan = planned(&object, &[ours.clone(), container(2, Some(&rival))]);
        let lines: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(&format!("remove web.1.1 id={}", ours.id.short())), "{lines:?}");
        let nothing_left = planned(&object, &[container(2, Some(&rival))]);
        assert_eq!((nothing_left.steps.len(), nothing_left.condition.phase), (0, Phase::Converged));
    }
}
