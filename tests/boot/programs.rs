//! Builds the programs: everything once, before the first test uses any of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use pool_tests::clean::clean;

use super::run::{Program, adopt_orphans, bury_zygotes};

/// What the first builds of a machine may take: cargo downloads, and compiles
/// the dependencies once for each profile.
const BUILD_MINUTES: u64 = 60;

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

impl Built {
    /// The arguments of `cargo build`, but for the packages.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Built::Debug => &[],
            Built::Release => &["--release"],
            Built::Fat => &["--profile", "fat"],
            Built::Abort => &["--profile", "abort"],
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
        if let Some((_, why)) = all().iter().find(|(failed, _)| *failed == self) {
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

/// A test of programs: begins when all are built, leaves no process behind.
pub(crate) fn test(body: impl FnOnce()) {
    all();
    let _clean = clean();
    adopt_orphans();
    body();
    // The zygote of a program sees its program end; nobody else may be left.
    bury_zygotes();
}

/// Builds whatever this test uses and is not built yet; gives what could not be. The two
/// threads need not wait for each other: cargo locks each profile's directory.
fn all() -> &'static [(Built, String)] {
    static FAILED: OnceLock<Vec<(Built, String)>> = OnceLock::new();
    FAILED.get_or_init(|| {
        let build = |several: &[Built]| -> Vec<_> {
            let failure = |&built| Some((built, build(built).err()?));
            several.iter().filter_map(failure).collect()
        };
        thread::scope(|scope| {
            let slow = scope.spawn(|| build(&[Built::Fat, Built::Abort]));
            let mut failed = build(&[Built::Debug, Built::Static, Built::Release]);
            failed.extend(slow.join().unwrap());
            failed
        })
    })
}

fn build(built: Built) -> Result<(), String> {
    let packages = crate::packages(built);
    if packages.is_empty() {
        return Ok(());
    }
    let mut cargo = cargo(["build"].iter().chain(built.arguments()).chain(packages));
    if built == Built::Static {
        cargo = cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    }
    cargo.run().outcome().map(drop)
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
