//! A directory for one test.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// An empty directory, which is removed with its contents when this is dropped.
#[derive(Debug)]
pub struct TempDir(tempfile::TempDir);

impl TempDir {
    /// A new one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> TempDir {
        TempDir(tempfile::Builder::new().prefix("pool-tests-").tempdir().unwrap())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file in it, as text, for arguments of tasks.
    ///
    /// # Panics
    ///
    /// When the temporary directory's name is not UTF-8.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.0.path().join(name).into_os_string().into_string().unwrap()
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
