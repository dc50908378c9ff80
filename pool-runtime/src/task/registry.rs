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
    /// Equal to `name` where the user chose it; else with the place after it, so that
    /// functions of the same name inside several function bodies of one module stay
    /// apart. Not so those that one `macro_rules!` has written.
    pub key: &'static str,
    /// `file:line:column` of the attribute.
    pub place: &'static str,
    /// Of the function's tokens, after all substitution.
    pub hash: u64,
    /// The path of the struct, with the functions that it is in.
    pub path: fn() -> &'static str,
    /// Decodes, calls, encodes.
    pub call: for<'de> fn(&mut Call<'de>) -> Result<(), CallError>,
}

/// The tasks of this program, in no particular order.
///
/// linkme makes a section of the whole program of this name, whatever module it is in, so
/// it is one that no other crate chooses, nor another version of this one.
#[linkme::distributed_slice]
pub static POOL_RUNTIME_0_1_TASKS: [TaskDef];

pub use self::POOL_RUNTIME_0_1_TASKS as TASKS;

struct Registry {
    by_key: HashMap<&'static str, &'static TaskDef>,
    /// The keys of those that share theirs, by where they are in [`TASKS`].
    told_apart: HashMap<usize, &'static str>,
    twice: Option<(&'static TaskDef, &'static TaskDef)>,
}

impl Registry {
    fn of(tasks: &'static [TaskDef]) -> Registry {
        let (told_apart, mut twice) = (told_apart(tasks), None);
        let mut by_key = HashMap::with_capacity(tasks.len());
        for (index, def) in tasks.iter().enumerate() {
            let key = told_apart.get(&index).copied().unwrap_or(def.key);
            if let Some(other) = by_key.insert(key, def) {
                twice = Some((other, def));
            }
        }
        Registry { by_key, told_apart, twice }
    }
}

/// Keys for tasks that one macro has written at one place in the text.
///
/// A program and its workers are one executable, so any order that it has would tell them
/// apart. But a `worker_program` may be another build of the same text, where the linker
/// has put them in another order, and the wrong one would be run without anybody's notice.
/// So it is first of all what the text says that tells them apart: the functions which
/// they are in, and their own tokens. Only those that differ in neither (in two blocks of
/// one function, and in what a name in them means) are numbered as they come.
fn told_apart(tasks: &[TaskDef]) -> HashMap<usize, &'static str> {
    let mut sharing: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, def) in tasks.iter().enumerate() {
        sharing.entry(def.key).or_default().push(index);
    }
    let mut keys = HashMap::new();
    for same in sharing.into_values().filter(|same| same.len() > 1) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for index in same {
            let def = &tasks[index];
            // A name that users have chosen is theirs to keep apart.
            if def.key == def.name {
                continue;
            }
            let key = format!("{}#{}#{:x}", def.key, (def.path)(), def.hash);
            let number = seen.entry(key.clone()).or_default();
            let key = if *number == 0 { key } else { format!("{key}#{number}") };
            *number += 1;
            keys.insert(index, &*key.leak());
        }
    }
    keys
}

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::of(&TASKS))
}

impl TaskDef {
    /// What a message names the task by.
    pub(crate) fn wire_key(&self) -> &'static str {
        let told_apart = &registry().told_apart;
        if told_apart.is_empty() {
            return self.key;
        }
        // One that is not among them gives an index that none has.
        let bytes = (&raw const *self).addr().wrapping_sub(TASKS.as_ptr().addr());
        told_apart.get(&(bytes / size_of::<TaskDef>())).copied().unwrap_or(self.key)
    }
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
        None if tasks.iter().any(|task| task.wire_key() == key) => Found::Damage,
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
    use std::sync::LazyLock;

    use super::*;

    #[test]
    fn the_name_of_the_section_has_this_version_in_it() {
        let version = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0.replace('.', "_");
        let name = format!("POOL_RUNTIME_{version}_TASKS");
        let source = include_str!("registry.rs");
        assert!(source.contains(&format!("pub static {name}: [TaskDef];")), "{name}");
    }

    const fn task(name: &'static str, key: &'static str, path: &'static str, hash: u64) -> TaskDef {
        // What a function pointer gives cannot depend on an argument.
        let path: fn() -> &'static str = match path.as_bytes()[0] {
            b'a' => || "a",
            _ => || "b",
        };
        TaskDef { name, key, place: "here", hash, path, call: |_| unreachable!("nobody calls") }
    }

    #[test]
    fn tasks_of_one_key_are_told_apart_whatever_their_order() {
        static TASKS: [TaskDef; 6] = [
            task("f", "f@1", "a", 1),
            task("f", "f@1", "a", 2),
            task("g", "g@1", "a", 1),
            task("f", "f@1", "b", 1),
            task("f", "f@1", "b", 1),
            task("f", "f@2", "b", 1),
        ];
        // It keeps its keys for ever.
        static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::of(&TASKS));
        let registry = &*REGISTRY;
        assert!(registry.twice.is_none());
        let key = |index: usize| registry.told_apart.get(&index).copied();
        let wanted = ["f@1#a#1", "f@1#a#2", "", "f@1#b#1", "f@1#b#1#1", ""];
        assert_eq!([0, 1, 2, 3, 4, 5].map(|index| key(index).unwrap_or_default()), wanted);
        for (index, def) in TASKS.iter().enumerate() {
            let found = registry.by_key[key(index).unwrap_or(def.key)];
            assert!(std::ptr::eq(found, def));
        }
    }

    #[test]
    fn names_that_users_have_chosen_are_not_told_apart() {
        static TASKS: [TaskDef; 2] = [task("f", "f", "a", 1), task("f", "f", "b", 2)];
        let registry = Registry::of(&TASKS);
        assert!(registry.told_apart.is_empty());
        assert!(registry.twice.is_some());
    }

    #[test]
    fn a_task_that_cannot_be_found_though_the_program_has_it_is_a_damage() {
        static TASK: TaskDef = task("a", "a", "a", 1);
        let (whole, damaged) = (HashMap::from([("a", &TASK)]), HashMap::new());
        let tasks = std::slice::from_ref(&TASK);
        assert!(matches!(find_among(&whole, tasks, "a"), Found::Task(task) if task.key == "a"));
        assert!(matches!(find_among(&whole, tasks, "b"), Found::Nothing));
        assert!(matches!(find_among(&damaged, tasks, "a"), Found::Damage));
        assert!(matches!(find_among(&damaged, tasks, "b"), Found::Nothing));
    }
}
