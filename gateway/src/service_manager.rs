//! What a service manager is told (sd_notify(3)): a datagram to `$NOTIFY_SOCKET`, and nothing where
//! there is none.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of the service manager, if it gave us one.
pub(crate) struct ServiceManager(Option<(UnixDatagram, SocketAddr)>);

impl ServiceManager {
    /// As the environment says.
    pub(crate) fn of_environment() -> Self {
        Self::at(std::env::var_os("NOTIFY_SOCKET").as_deref())
    }

    fn at(socket: Option<&OsStr>) -> Self {
        let open = |name: &OsStr| -> io::Result<_> {
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(name)?,
            };
            Ok((UnixDatagram::unbound()?, address))
        };
        Self(socket.and_then(|name| open(name).ok()))
    }

    /// Both listeners accept.
    pub(crate) fn tell_ready(&self) {
        self.tell("READY=1");
    }

    /// The configuration is read anew; [`ServiceManager::tell_ready`] ends that.
    pub(crate) fn tell_reloading(&self) {
        // Without the monotonic clock's time, which nothing here needs: `Type=notify`.
        self.tell("RELOADING=1");
    }

    /// Nothing new is taken.
    pub(crate) fn tell_stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!(%error, "the service manager does not listen");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_arrive_at_the_socket_and_without_one_nothing_happens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let told = ServiceManager::at(Some(path.as_os_str()));
        told.tell_ready();
        told.tell_stopping();
        let mut bytes = [0; 64];
        let n = manager.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..n], b"READY=1");
        let n = manager.recv(&mut bytes).unwrap();
        assert!(bytes[..n].starts_with(b"STOPPING=1"));
        ServiceManager::at(None).tell_ready();
        ServiceManager::at(Some(OsStr::new("/nonexistent/socket"))).tell_ready();
    }
}
