//! The servers of the listeners: all of them run, or the process ends. One ends by itself when, for
//! instance, its workers panic while they start.

use actix_web::dev::{Server, ServerHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Servers that run.
pub(super) struct Serving {
    servers: Vec<(ServerHandle, JoinHandle<()>)>,
    ended: watch::Sender<bool>,
}

impl Serving {
    /// Runs them; each has the name of its listener.
    pub(super) fn begin(servers: impl IntoIterator<Item = (&'static str, Server)>) -> Self {
        let ended = watch::Sender::new(false);
        let servers = servers.into_iter().map(|(listener, server)| {
            let handle = server.handle();
            let ends = Ends(ended.clone());
            let task = tokio::spawn(async move {
                let _ends = ends;
                if let Err(error) = server.await {
                    tracing::error!(%error, listener, "a listener ended");
                }
            });
            (handle, task)
        });
        let servers = servers.collect();
        Self { servers, ended }
    }

    /// Returns when one of them has ended.
    pub(super) async fn ended(&self) {
        // The sender is here: it is waited for until one has.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Nothing new is taken, what is under way ends.
    pub(super) async fn stop(self) {
        // All at once: none goes on taking connections while another drains.
        let stopping = self.servers.into_iter().map(|(handle, task)| async move {
            handle.stop(true).await;
            // It has ended, well or not; a panic of it was logged by its runtime.
            let _ = task.await;
        });
        futures_util::future::join_all(stopping).await;
    }
}

/// Tells that a server ended, whichever way: a panic too.
struct Ends(watch::Sender<bool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use actix_service::fn_service;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A server whose workers do not live to see their first connection, or do.
    fn server(panics: bool) -> (&'static str, Server) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let builder = Server::build().workers(1).disable_signals();
        let server = builder.listen("of a test", socket, move || {
            assert!(!panics, "as httpdate does of a year before 1970");
            fn_service(async |_: TcpStream| Ok::<_, ()>(()))
        });
        ("of a test", server.unwrap().run())
    }

    #[actix_web::test]
    async fn a_listener_whose_workers_panic_ends_the_others_too() {
        let serving = Serving::begin([server(false), server(true)]);
        timeout(LONG, serving.ended()).await.unwrap();
        // And nothing is in the way of a good end.
        timeout(LONG, serving.stop()).await.unwrap();
    }

    #[actix_web::test]
    async fn listeners_that_run_do_so_until_they_are_stopped() {
        let serving = Serving::begin([server(false), server(false)]);
        let ended = timeout(Duration::from_millis(500), serving.ended()).await;
        assert!(ended.is_err(), "nothing ended");
        timeout(LONG, serving.stop()).await.unwrap();
    }
}
