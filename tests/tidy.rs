//! The house stays as `ARCHITECTURE.md` draws it.

use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may use. `worker` and `scheduler` under `supervisor`, and `scheduler`
/// and `supervisor` under `api`, are for the few names that `ARCHITECTURE.md` mentions.
const LAYERS: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("limits", &[]),
    ("error", &["limits"]),
    ("scheduler", &["ids", "limits"]),
    ("wire", &["ids", "limits", "sys"]),
    ("sys", &[]),
    ("channel", &["limits", "sys", "wire"]),
    ("task", &["sys", "wire"]),
    ("worker", &["channel", "ids", "limits", "sys", "task", "wire"]),
    ("supervisor", &["channel", "error", "ids", "limits", "scheduler", "sys", "wire", "worker"]),
    (
        "engine",
        &["channel", "error", "ids", "limits", "scheduler", "supervisor", "sys", "task", "wire"],
    ),
    ("api", &["engine", "error", "ids", "limits", "scheduler", "supervisor", "task", "wire"]),
    ("private", &["api", "task", "wire"]),
    // Prose and examples.
    ("guide", &[]),
];

/// Lines of a file, above which it holds more than one idea.
const LONGEST: usize = 420;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    rust_files(&root().join(dir), &mut files);
    assert!(!files.is_empty(), "no sources under {dir}");
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The room that a file of the runtime belongs to.
fn room(path: &Path) -> String {
    let within = path.strip_prefix(root().join("pool-runtime/src")).unwrap();
    let first = within.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a source names: `crate::room`, in `use` lines and in paths.
fn rooms_used(source: &str) -> Vec<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|room: &String| !room.is_empty())
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    for (path, source) in sources("pool-runtime/src") {
        let room = room(&path);
        if room == "lib" {
            continue;
        }
        let (_, allowed) = LAYERS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{} is in no room", path.display()));
        for used in rooms_used(&source) {
            assert!(
                used == room || allowed.contains(&used.as_str()),
                "{} uses {used}, which {room} may not",
                path.display()
            );
        }
    }
}

#[test]
fn the_supervisor_and_the_api_take_only_names_from_far_rooms() {
    for (path, source) in sources("pool-runtime/src/supervisor") {
        for (_, rest) in source.match_indices("worker::").map(|(at, _)| source.split_at(at + 8)) {
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let few = ["MARK", "depth", "hook_missed", "is_booting"];
            assert!(few.contains(&name.as_str()), "{} uses worker::{name}", path.display());
        }
    }
    for (room, few) in [("supervisor", &["KillReason"][..]), ("api", &["Config", "DEPTH", "Life"])]
    {
        for (path, source) in sources(&format!("pool-runtime/src/{room}")) {
            for line in source.lines().filter(|line| line.contains("crate::scheduler")) {
                let name = line.strip_prefix("use crate::scheduler::").unwrap_or(line);
                let name = name.trim_end_matches(';');
                assert!(few.contains(&name), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_pure_rooms_touch_no_clock_descriptor_or_thread() {
    for dir in ["pool-runtime/src/scheduler", "pool-runtime/src/wire"] {
        for (path, source) in sources(dir) {
            for word in [
                "std::fs",
                "std::io",
                "std::net",
                "std::os",
                "std::thread",
                "Instant",
                "rustix",
                "libc",
            ] {
                assert!(!source.contains(word), "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn the_codec_is_in_its_room() {
    for (path, source) in sources("pool-runtime/src") {
        let codec = path.to_str().unwrap().contains("/wire/payload/");
        for word in ["Serializer for", "Deserializer<'de> for", "bytemuck::"] {
            let test = source.find("mod tests {").unwrap_or(source.len());
            assert!(codec || !source[..test].contains(word), "{} names {word}", path.display());
        }
        let reference = path.ends_with("wire/payload/tests/reference.rs");
        assert_eq!(source.contains("bincode::"), reference, "{}", path.display());
    }
}

/// Of the room of system calls, bytes may know the casts and how much stack there is for
/// a value, and tasks what arguments are written to.
#[test]
fn the_wire_and_tasks_take_few_things_from_sys() {
    let few: [(&str, &[&str]); 2] =
        [("wire", &["sys::cast", "sys::headroom"]), ("task", &["sys::buffer"])];
    for (room, things) in few {
        for (path, source) in sources(&format!("pool-runtime/src/{room}")) {
            for (at, _) in source.match_indices("sys::") {
                let known = things.iter().any(|thing| source[at..].starts_with(thing));
                assert!(known, "{} uses sys", path.display());
            }
        }
    }
}

/// `/proc` may be that of another PID namespace, and knows this process itself, not the
/// numbers of others.
#[test]
fn proc_is_asked_about_this_process_only() {
    for (path, source) in sources("pool-runtime/src") {
        let asks = source.contains("\"/proc/{");
        assert!(!asks, "{} asks /proc about a process by its number", path.display());
    }
}

#[test]
fn unsafe_code_is_in_its_room() {
    for (path, source) in sources("pool-runtime/src") {
        let unsafe_code = source.contains("unsafe {") || source.contains("unsafe fn");
        let allowed = room(&path) == "sys" || path.ends_with("worker/boot.rs");
        assert!(!unsafe_code || allowed, "{} has unsafe code", path.display());
    }
}

#[test]
fn files_are_short_enough_to_hold_one_idea() {
    for dir in ["pool-runtime", "pool-macros", "examples", "tests", "benches"] {
        for (path, source) in sources(dir) {
            let lines = source.lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
        }
    }
}

/// The features of a manifest, apart from what is in brackets after each.
fn features(manifest: &str) -> Vec<&str> {
    let section = manifest.split("\n[features]\n").nth(1).expect("features");
    section.lines().map_while(|line| line.split_once(" = ").map(|(name, _)| name)).collect()
}

#[test]
fn features_of_tests_are_in_the_table() {
    let table = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    for package in ["tests", "examples"] {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        for feature in features(&manifest) {
            let begins = format!("| `{feature}` |");
            let row = table.lines().find(|line| line.trim_start().starts_with(&begins));
            let row = row.unwrap_or_else(|| panic!("{feature} is not in CONTRIBUTING.md"));
            let needs = format!("[\"{feature}\"]");
            let targets = manifest.split("\n[[test]]\n").skip(1);
            let behind: Vec<&str> = targets
                .filter(|target| target.contains(&format!("required-features = {needs}")))
                .map(|target| target.split('"').nth(1).unwrap())
                .collect();
            assert!(!behind.is_empty(), "no target needs {feature}");
            for target in behind {
                assert!(row.contains(&format!("`{target}`")), "{target} is not in: {row}");
            }
        }
    }
}

#[test]
fn each_test_program_is_a_target_and_is_in_the_table() {
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml")).unwrap();
    let table = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let of_targets = |key: &str| -> Vec<String> {
        let targets = manifest.split("[[test]]").skip(1);
        let value = |target: &str| target.split(key).nth(1)?.split('"').next().map(str::to_owned);
        targets.map(|target| value(target).expect("a target has a name and a path")).collect()
    };
    for name in of_targets("name = \"") {
        assert!(table.contains(&format!("`{name}`")), "tests/README.md has no {name}");
    }
    let paths = of_targets("path = \"");
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".rs") || paths.contains(&name), "{name} is no target");
    }
}

#[test]
fn nothing_is_unfinished_and_no_test_is_ignored() {
    for dir in ["pool-runtime", "pool-macros", "examples", "tests", "benches"] {
        for (path, source) in sources(dir) {
            for mark in
                [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("#[ign", "ore")]
            {
                assert!(!source.contains(mark), "{} has {mark}", path.display());
            }
        }
    }
}

#[test]
fn no_clock_is_read_but_by_the_c_library() {
    // rustix reads the clock, and the number of the processor, in memory that valgrind
    // replaces, and ends the program there.
    for (path, source) in sources("pool-runtime/src") {
        for name in ["clock_gettime", "sched_getcpu"] {
            let by_rustix = source.lines().any(|line| {
                line.contains(name) && !line.contains("libc::") && !line.trim().starts_with("//")
            });
            assert!(!by_rustix, "{}: {name} is not libc's", path.display());
        }
    }
}
