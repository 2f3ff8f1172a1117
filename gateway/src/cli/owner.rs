//! Whose a store is: what one user writes, a gateway that runs as another cannot open.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Where the system's users are named.
const USERS: &str = "/etc/passwd";

/// The store is not this user's.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` belongs to {}, this runs as {}: the gateway could not open what would be written; \
     run it as that user:\n  sudo -u {} ics-gateway ..",
    path.display(), told(.owner), told(.user), in_shell(.owner)
)]
pub(super) struct OtherUser {
    path: PathBuf,
    owner: User,
    user: User,
}

/// A user, with the name if there is one.
#[derive(Debug)]
struct User {
    id: u32,
    name: Option<String>,
}

/// Refuses to open or make a store as another user than the gateway's: the one who owns the store
/// or, where there is none yet, the keyring, which its owner alone may read.
///
/// # Errors
/// [`OtherUser`].
pub(super) fn refuse_other_user(config: &Config) -> Result<(), OtherUser> {
    let user = rustix::process::geteuid().as_raw();
    refuse((&config.store.directory, &config.vault.keyring), user)
}

fn refuse((directory, keyring): (&Path, &Path), user: u32) -> Result<(), OtherUser> {
    let path = if holds_something(directory) {
        directory
    } else {
        keyring
    };
    match path.metadata() {
        Ok(found) if found.uid() != user => Err(OtherUser {
            path: path.to_owned(),
            owner: User::named(found.uid()),
            user: User::named(user),
        }),
        // What cannot be looked at is told by whatever needs it.
        _ => Ok(()),
    }
}

fn holds_something(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

impl User {
    fn named(id: u32) -> Self {
        let users = fs::read_to_string(USERS).unwrap_or_default();
        Self {
            id,
            name: name_in(&users, id),
        }
    }
}

/// The name of a user in a file as passwd(5) describes it.
fn name_in(users: &str, id: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        (found == id).then(|| name.to_owned())
    })
}

fn told(user: &User) -> String {
    match &user.name {
        Some(name) => format!("user `{name}`"),
        None => format!("user id {}", user.id),
    }
}

fn in_shell(user: &User) -> String {
    match &user.name {
        Some(name) => name.clone(),
        None => format!("'#{}'", user.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_its_owners_and_before_there_is_one_the_keyrings() {
        let place = tempfile::tempdir().unwrap();
        let (directory, keyring) = (place.path().join("store"), place.path().join("keyring"));
        let me = rustix::process::geteuid().as_raw();
        let other = me ^ 0x4321;
        let refused = |user| refuse((&directory, &keyring), user).err().map(|no| no.path);
        assert_eq!(refused(other), None, "nothing there: told elsewhere");
        fs::write(&keyring, b"").unwrap();
        assert_eq!(refused(other).as_ref(), Some(&keyring));
        fs::create_dir(&directory).unwrap();
        assert_eq!(
            refused(other).as_ref(),
            Some(&keyring),
            "an empty one is none"
        );
        fs::write(directory.join("data"), b"").unwrap();
        assert_eq!(refused(other).as_ref(), Some(&directory));
        assert_eq!(refused(me), None);
    }

    #[test]
    fn a_user_is_told_as_sudo_takes_it() {
        let users = "root:x:0:0:root:/root:/bin/bash\n\nbroken\nics:x:998:998::/etc/ics:/bin/false";
        assert_eq!(name_in(users, 998).as_deref(), Some("ics"));
        assert_eq!(name_in(users, 99), None);
        let user = |id, name: Option<&str>| User {
            id,
            name: name.map(str::to_owned),
        };
        let refusal = |owner| OtherUser {
            path: "/etc/ics/store".into(),
            owner,
            user: user(0, Some("root")),
        };
        let text = refusal(user(998, Some("ics"))).to_string();
        assert!(text.contains("`/etc/ics/store` belongs to user `ics`, this runs as user `root`"));
        assert!(text.contains("sudo -u ics ics-gateway"));
        let text = refusal(user(998, None)).to_string();
        assert!(text.contains("sudo -u '#998' ics-gateway"));
    }
}
