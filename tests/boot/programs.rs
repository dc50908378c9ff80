//! Builds the programs: everything once, before the first test uses any of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use pool_tests::clean::clean;

use super::run::{Ended, Program, adopt_orphans, bury_zygotes};

/// What the first builds of a machine may take: cargo downloads, and compiles
/// the dependencies once for each profile.
const BUILD_MINUTES: u64 = 10;

/// A way of building, each in a directory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    Debug,
    Release,
    /// Release, with fat link-time optimisation in one codegen unit.
    Fat,
    /// Release, with `panic = "abort"`.
    Abort,
    /// Debug, and no shared library, not even the C library.
    Static,
}

/// The packages that every kind of build has, apart from `constructors`, which
/// needs another compiler.
const EVERYWHERE: [&str; 4] = ["--package", "doubler", "--package", "libraries"];

impl Built {
    /// The arguments of `cargo build`, but for the packages of every kind.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Built::Debug => &["--workspace", "--all-targets"],
            // The bench is what `cargo bench` runs.
            Built::Release => &["--release"],
            Built::Fat => &["--profile", "fat"],
            Built::Abort => &["--profile", "abort", "--package", "panics"],
            // With a target named, the flags are not for build scripts and macros,
            // which cannot be linked so.
            Built::Static => &["--target", TARGET],
        }
    }

    fn directory(self) -> PathBuf {
        let directory = match self {
            Built::Debug => "debug",
            Built::Release => "release",
            Built::Fat => "fat",
            Built::Abort => "abort",
            Built::Static => &format!("{TARGET}/debug"),
        };
        target().join(directory)
    }

    /// A program of the workspace, built in this way.
    pub(crate) fn program(self, name: &str) -> PathBuf {
        let built = all();
        assert!(name != "constructors" || built.constructors, "{NO_COMPILER}");
        if let Some((_, why)) = built.failed.iter().find(|(failed, _)| *failed == self) {
            panic!("{self:?} could not be built: {why}");
        }
        self.directory().join(name)
    }

    /// The same, ready to run.
    pub(crate) fn run(self, name: &str) -> Program {
        Program::new(self.program(name))
    }
}

#[cfg(target_arch = "x86_64")]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const TARGET: &str = "aarch64-unknown-linux-gnu";

const NO_COMPILER: &str = "this test links C++, and no compiler for it answers to `c++ --version`: \
                           install one (on Debian, the package g++)";

/// A test of programs: begins when all are built, leaves no process behind.
pub(crate) fn test(body: impl FnOnce()) {
    all();
    let _clean = clean();
    adopt_orphans();
    body();
    // The zygote of a program sees its program end; nobody else may be left.
    bury_zygotes();
}

struct All {
    /// Whether there is a compiler for the program that links C++.
    constructors: bool,
    failed: Vec<(Built, String)>,
}

/// Builds whatever is not built yet. The two threads need not wait for each
/// other: cargo locks each profile's directory.
fn all() -> &'static All {
    static ALL: OnceLock<All> = OnceLock::new();
    ALL.get_or_init(|| {
        let constructors = compiles_cpp();
        let build = |several: &[Built]| -> Vec<_> {
            let failure = |&built| Some((built, build(built, constructors).err()?));
            several.iter().filter_map(failure).collect()
        };
        let failed = thread::scope(|scope| {
            let slow = scope.spawn(|| build(&[Built::Fat, Built::Abort]));
            let mut failed = build(&[Built::Debug, Built::Static, Built::Release]);
            failed.extend(slow.join().unwrap());
            failed
        });
        All { constructors, failed }
    })
}

fn build(built: Built, constructors: bool) -> Result<Ended, String> {
    let mut arguments = vec!["build"];
    arguments.extend(built.arguments());
    match (built, constructors) {
        (Built::Debug, true) => {}
        (Built::Debug, false) => arguments.extend(["--exclude", "constructors"]),
        (_, true) => arguments.extend(["--package", "constructors"]),
        (_, false) => {}
    }
    if built != Built::Debug {
        arguments.extend(EVERYWHERE);
    }
    let mut cargo = cargo(arguments);
    if built == Built::Static {
        cargo = cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    }
    cargo.run().outcome()
}

fn compiles_cpp() -> bool {
    let version = Command::new("c++").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Cargo in the workspace of the programs, apart from the one that runs this.
pub(crate) fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
    Program::new(env!("CARGO"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("programs"))
        .env("CARGO_TARGET_DIR", target())
        // Where the built programs are must not depend on who runs the tests.
        .env_remove("CARGO_BUILD_TARGET")
        .minutes(BUILD_MINUTES)
}

/// Kept from one run of the tests to the next.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs")
}
