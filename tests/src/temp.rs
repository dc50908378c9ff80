//! A directory for one test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty directory, removed with what is in it when this goes.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pool-tests-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        TempDir(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, as text, for arguments of tasks.
    ///
    /// # Panics
    ///
    /// When the temporary directory's name is not UTF-8.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }

    /// A shell script of these lines in it, to be executed.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    #[must_use]
    pub fn script(&self, name: &str, lines: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }
}

impl Default for TempDir {
    fn default() -> Self {
        TempDir::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A test may have removed it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
