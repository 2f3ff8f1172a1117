//! A disk that a test can fill: a tmpfs of its own.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk; unmounted when dropped, so whoever has files open on it goes first.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `size` bytes at `at`, which is made.
    ///
    /// # Errors
    /// Why this machine does not let us.
    pub fn mount(at: &Path, size: u64) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        if mounted.status.success() {
            Ok(Self { at: at.into() })
        } else {
            Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned())
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Takes all space but about `left` bytes.
    pub fn take_all_but(&self, left: u64) {
        let free = self.free();
        let mut file = File::create(self.filler()).expect("room for a name");
        let block = vec![1; 64 << 10];
        let mut wanted = usize::try_from(free.saturating_sub(left)).expect("a small disk");
        while wanted > 0 {
            let part = wanted.min(block.len());
            wanted -= part;
            match file.write_all(&block[..part]) {
                // Others write too.
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                written => written.expect("a disk that works"),
            }
        }
    }

    /// Gives it back.
    pub fn give_back(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }

    /// Bytes that are free now.
    pub fn free(&self) -> u64 {
        let output = Command::new("df")
            .args(["--block-size=1", "--output=avail"])
            .arg(&self.at)
            .output()
            .expect("df");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let free = text
            .lines()
            .nth(1)
            .and_then(|line| line.trim().parse().ok());
        free.expect("a number of bytes")
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that was just killed may hold it a moment longer.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
