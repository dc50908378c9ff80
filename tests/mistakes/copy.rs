//! A copy of the scheduler and its simulator, to make a mistake in. It is a crate of its
//! own, since all that the scheduler needs beside itself are names and bounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pool_tests::temp::TempDir;

use crate::list::Change;

const CRATE: &str = "mod ids;\nmod limits;\nmod scheduler;\n";
const TRIAL: &str = include_str!("trial.rs");

/// The sources of the runtime.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("pool-runtime").join("src")
}

pub(crate) struct Copy(TempDir);

impl Copy {
    pub(crate) fn new() -> Copy {
        let copy = Copy(TempDir::new());
        let to = copy.0.path();
        fs::write(to.join("lib.rs"), CRATE).unwrap();
        for file in ["ids.rs", "limits.rs"] {
            fs::copy(sources().join(file), to.join(file)).unwrap();
        }
        copy_dir(&sources().join("scheduler"), &to.join("scheduler"));
        fs::write(to.join("scheduler/sim/trial.rs"), TRIAL).unwrap();
        // A mistake is to be found from outside.
        let blind = ("decide.rs", "        #[cfg(test)]\n        self.check();\n", "");
        let tried = ("sim/mod.rs", "mod world;\n", "mod trial;\nmod world;\n");
        for (file, before, after) in [blind, tried].map(|(a, b, c)| (a.into(), b.into(), c.into()))
        {
            copy.change(&Change { file, before, after }).unwrap();
        }
        copy
    }

    pub(crate) fn change(&self, change: &Change) -> Result<(), String> {
        let path = self.0.path().join("scheduler").join(&change.file);
        let text = change.apply(&fs::read_to_string(&path).unwrap())?;
        fs::write(&path, text).unwrap();
        Ok(())
    }

    pub(crate) fn build(&self) -> Result<Built<'_>, String> {
        let program = self.0.file("trial");
        let mut rustc = Command::new("rustc");
        // A mistake may leave a name without use.
        rustc.args(["--test", "--edition=2024", "--cap-lints=allow", "-o", &program, "lib.rs"]);
        run(rustc.current_dir(self.0.path()))?;
        Ok(Built { program, _sources: self })
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_dir(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

pub(crate) struct Built<'a> {
    program: String,
    _sources: &'a Copy,
}

impl Built<'_> {
    /// Lives so many lives, or until the promise is broken, if it is to be; gives what
    /// the trial says.
    pub(crate) fn try_lives(&self, lives: u64, breaks: Option<&str>) -> Result<String, String> {
        let mut trial = Command::new(&self.program);
        trial.args(["--exact", "scheduler::sim::trial::trial", "--show-output"]);
        trial.env("LIVES", lives.to_string()).envs(breaks.map(|rule| ("BREAKS", rule)));
        let said = run(&mut trial)?;
        let verdict = said.lines().find_map(|line| line.strip_prefix("verdict: "));
        verdict.map(str::to_owned).ok_or(said)
    }
}

/// What the program prints, if it succeeds; else the end of all that it says.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let all = said + &String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = all.lines().collect();
    Err(lines[lines.len().saturating_sub(30)..].join("\n"))
}
