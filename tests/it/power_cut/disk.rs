//! A disk whose power can be cut: ext4 on a loop device. What has reached the disk is what its
//! backing file holds; a file system that is still mounted has more, in memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use ics_tests::wait_for;
use tempfile::TempDir;

const SIZE: u64 = 512 << 20;
/// The journal is committed every so many seconds where nothing asks for it: later than a round
/// lasts.
const MOUNT: &str = "commit=30";

/// The disk, mounted; unmounted and its loop device given back when dropped.
pub(super) struct Disk {
    own: TempDir,
    device: Option<String>,
    /// Which backing file is in.
    image: u32,
}

impl Disk {
    /// A new one.
    ///
    /// # Errors
    /// What this machine does not allow.
    pub(super) fn create() -> Result<Self, String> {
        let own = TempDir::new().map_err(|error| error.to_string())?;
        let mut disk = Self {
            own,
            device: None,
            image: 0,
        };
        fs::create_dir(disk.mount_point()).map_err(|error| error.to_string())?;
        File::create(disk.image(0))
            .and_then(|file| file.set_len(SIZE))
            .map_err(|error| error.to_string())?;
        // Nothing is left to be written later by the kernel on its own.
        let lazy = "lazy_itable_init=0,lazy_journal_init=0";
        let image = text(&disk.image(0));
        run(
            "mkfs.ext4",
            &["-q", "-F", "-N", "1024", "-J", "size=8", "-E", lazy, &image],
        )?;
        disk.insert()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(super) fn mount_point(&self) -> PathBuf {
        self.own.path().join("mounted")
    }

    fn image(&self, number: u32) -> PathBuf {
        self.own.path().join(format!("disk-{number}"))
    }

    fn insert(&mut self) -> Result<(), String> {
        let image = text(&self.image(self.image));
        let device = run("losetup", &["--find", "--show", &image])?;
        let device = self.device.insert(device.trim().to_owned());
        let device = device.clone();
        run(
            "mount",
            &[
                "-t",
                "ext4",
                "-o",
                MOUNT,
                &device,
                &text(&self.mount_point()),
            ],
        )?;
        Ok(())
    }

    /// Copies what has reached the disk, as of one moment: again, when something reached it
    /// meanwhile. Nobody may write to it.
    pub(super) fn keep_what_reached_it(&self) {
        let (from, to) = (self.image(self.image), self.image(self.image + 1));
        let written = || -> SystemTime {
            let found = fs::metadata(&from).and_then(|found| found.modified());
            found.expect("a backing file")
        };
        wait_for("the disk to be quiet", || {
            let before = written();
            let arguments = ["--sparse=always", &text(&from), &text(&to)];
            run("cp", &arguments).expect("it is copied");
            (written() == before).then_some(())
        });
    }

    /// Takes the disk out, and puts in what was kept of it. Nobody may use it.
    pub(super) fn go_back_to_what_was_kept(&mut self) {
        // A process that another test is starting has a copy of every descriptor for a moment.
        wait_for("the disk to be free", || {
            run("umount", &[&text(&self.mount_point())]).ok()
        });
        self.give_back_device().expect("it is mounted no more");
        fs::remove_file(self.image(self.image)).expect("its backing file");
        self.image += 1;
        self.insert().expect("the copy is a file system");
    }

    fn give_back_device(&mut self) -> Result<(), String> {
        match self.device.take() {
            Some(device) => run("losetup", &["--detach", &device]).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let at = text(&self.mount_point());
        if run("umount", &[&at]).is_err() {
            // Out of sight now, gone when its last user is.
            let _ = run("umount", &["--lazy", &at]);
        }
        let _ = self.give_back_device();
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Where system commands lie, also for a root who never logged in.
fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/sbin:/sbin")
}

/// Runs a command to its end: what it said, or what it complained of.
fn run(command: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(command)
        .env("PATH", search_path())
        .args(arguments)
        .output()
        .map_err(|error| format!("{command}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command}: {}", said.trim()))
}
