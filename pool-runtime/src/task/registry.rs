//! Every task of the program, gathered by the linker.
//!
//! linkme and not inventory: inventory's entries are themselves made before
//! main, in an order that nothing fixes, and the worker serves before main.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{Call, CallError};

/// One registered task; the attribute writes it.
#[derive(Debug)]
pub struct TaskDef {
    /// The name that errors show: `module::function`, or what `name = "…"` says.
    pub name: &'static str,
    /// What a message names the task by. Equal to `name` where the user chose
    /// it; else with the place after it, so that functions of the same name
    /// inside several function bodies of one module stay apart.
    pub key: &'static str,
    /// `file:line:column` of the attribute.
    pub place: &'static str,
    /// Decodes, calls, encodes.
    pub call: for<'de> fn(&mut Call<'de>) -> Result<(), CallError>,
}

/// The tasks of this program, in no particular order.
#[linkme::distributed_slice]
pub static TASKS: [TaskDef];

struct Registry {
    by_key: HashMap<&'static str, &'static TaskDef>,
    twice: Option<(&'static TaskDef, &'static TaskDef)>,
}

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut by_key = HashMap::with_capacity(TASKS.len());
        let mut twice = None;
        for def in TASKS {
            if let Some(other) = by_key.insert(def.key, def) {
                twice = Some((other, def));
            }
        }
        Registry { by_key, twice }
    })
}

/// What a worker finds for a task that a message names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Task(&'static TaskDef),
    /// This program has no such task.
    Nothing,
    /// It has, but what it is found by was written over.
    Damage,
}

pub(crate) fn find(key: &str) -> Found {
    find_among(&registry().by_key, &TASKS, key)
}

/// What the linker has gathered lies elsewhere, and is seldom written over as well.
fn find_among(
    by_key: &HashMap<&'static str, &'static TaskDef>,
    tasks: &[TaskDef],
    key: &str,
) -> Found {
    match by_key.get(key) {
        Some(task) => Found::Task(task),
        None if tasks.iter().any(|task| task.key == key) => Found::Damage,
        None => Found::Nothing,
    }
}

/// Two tasks under one name, if there are such: no pool may start then, since
/// a worker could run the wrong one.
pub(crate) fn registered_twice() -> Option<(&'static TaskDef, &'static TaskDef)> {
    registry().twice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_cannot_be_found_though_the_program_has_it_is_a_damage() {
        static TASK: TaskDef =
            TaskDef { name: "a", key: "a", place: "here", call: |_| unreachable!("nobody calls") };
        let (whole, damaged) = (HashMap::from([("a", &TASK)]), HashMap::new());
        let tasks = std::slice::from_ref(&TASK);
        assert!(matches!(find_among(&whole, tasks, "a"), Found::Task(task) if task.key == "a"));
        assert!(matches!(find_among(&whole, tasks, "b"), Found::Nothing));
        assert!(matches!(find_among(&damaged, tasks, "a"), Found::Damage));
        assert!(matches!(find_among(&damaged, tasks, "b"), Found::Nothing));
    }
}
