//! Tasks that run beside everything else until they are told to stop.
//!
//! One that ends by itself does so by a panic, and nothing here begins it anew: whoever supervises
//! the process does, if the process ends. So somebody looks at [`Background::ended`].

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A task that runs.
pub(crate) struct Background {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Background {
    /// Runs the task that `begin` makes. It keeps what it is handed for as long as it runs, and
    /// ends once that tells it to.
    pub(crate) fn begin<F>(begin: impl FnOnce(Stopping) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(begin(Stopping(stopping)));
        Self { stop, task }
    }

    /// Returns when it has ended, whether it was stopped or not.
    pub(crate) async fn ended(&self) {
        self.stop.closed().await;
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // It has ended, well or not; a panic of it was logged by its runtime.
        let _ = self.task.await;
    }
}

/// Whether a task is to stop.
#[derive(Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns once it is.
    pub(crate) async fn asked(&mut self) {
        // Behind an error nobody is there who could ask: the rest is gone.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn one_that_panics_has_ended() {
        let fallen = Background::begin(|stopping| async move {
            let _kept = stopping;
            panic!("of a test");
        });
        timeout(LONG, fallen.ended()).await.unwrap();
        timeout(LONG, fallen.stop()).await.unwrap();
    }

    #[tokio::test]
    async fn one_runs_until_it_is_told_to_stop() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let running = Background::begin(|mut stopping| async move {
            stopping.asked().await;
            tell.send("good end").unwrap();
        });
        let ended = timeout(Duration::from_millis(200), running.ended()).await;
        assert!(ended.is_err(), "nothing ended");
        timeout(LONG, running.stop()).await.unwrap();
        assert_eq!(told.await, Ok("good end"));
    }
}
