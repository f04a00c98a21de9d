//! The directory that holds the local world's state, and the lock that keeps a second world out of it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The file that is locked.
const LOCK_FILE: &str = "fieldfuze.lock";

/// What the lock file of a directory says that was empty when this program came. Only such a directory is ever wiped.
const OURS: &str = "This directory belongs to fieldfuze, which may wipe it.\n";

/// For the owner alone: keys and personal data of the local world lie inside.
const DIRECTORY_MODE: u32 = 0o700;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds the lock.
    #[error("{} is in use by another fieldfuze: stop it or choose another FIELDFUZE_DATA_DIR", .0.display())]
    InUse(PathBuf),
    /// A wipe was asked for, but the directory held other things before this program came.
    #[error("{} holds files that are not fieldfuze's, so it is not wiped: remove it by hand", .0.display())]
    NotOurs(PathBuf),
    /// The file system refused.
    #[error("cannot use the data directory {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// An open data directory. The lock is held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    ours: bool,
    _lock: File,
}

impl DataDir {
    /// Opens the directory, which is created (mode 0700) when it is missing, and locks it.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] when another process has it open, [`DataDirError::Io`] for the rest.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_path_buf(), source };
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let ours = mark(path, &mut lock).map_err(failed)?;
        Ok(Self { path: path.canonicalize().map_err(failed)?, ours, _lock: lock })
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Deletes everything inside but the lock. Call it before anything in the directory is opened.
    ///
    /// # Errors
    /// [`DataDirError::NotOurs`] when the directory was in use for something else before, [`DataDirError::Io`].
    pub fn reset(&self) -> Result<(), DataDirError> {
        if !self.ours {
            return Err(DataDirError::NotOurs(self.path.clone()));
        }
        self.wipe().map_err(|source| DataDirError::Io { path: self.path.clone(), source })
    }

    fn wipe(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name() == LOCK_FILE {
                continue;
            }
            // A link is removed itself, never what it points to.
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether the directory is ours: it says so, or holds nothing but the lock and says so from now on.
fn mark(path: &Path, lock: &mut File) -> io::Result<bool> {
    let mut says = String::new();
    lock.read_to_string(&mut says)?;
    let ours = says == OURS || fs::read_dir(path)?.count() == 1;
    if ours {
        fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE))?;
        if says != OURS {
            lock.write_all(OURS.as_bytes())?;
        }
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_world_is_told_in_one_line() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, DIRECTORY_MODE);
        let refusal = DataDir::open(&path).unwrap_err();
        assert!(matches!(refusal, DataDirError::InUse(_)));
        assert!(!refusal.to_string().contains('\n'));
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_reset_leaves_an_empty_locked_directory() {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(&parent.path().join("data")).unwrap();
        fs::create_dir(data.path().join("inner")).unwrap();
        fs::write(data.path().join("inner/file"), "x").unwrap();
        fs::write(data.path().join("file"), "x").unwrap();
        data.reset().unwrap();
        let left: Vec<_> = fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK_FILE]);
        assert!(DataDir::open(data.path()).is_err());
    }

    #[test]
    fn a_directory_of_other_things_is_never_wiped() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        for _ in 0..2 {
            let data = DataDir::open(home.path()).unwrap();
            assert!(matches!(data.reset(), Err(DataDirError::NotOurs(_))));
        }
        assert!(home.path().join("thesis.txt").exists());
    }
}
