//! Chosen passwords stretched beside everything else: few at a time, for each takes a core and 19
//! MiB; who comes while many wait is refused.

use std::sync::Arc;

use ics_core::port::{HasherUnavailable, PasswordHasher, PortFuture};
use ics_vault::stretch_password;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::Config;

/// How many are stretched at once.
const AT_ONCE: usize = 2;
/// How many there are at most, those that wait included.
const MOST: usize = 64;

/// What chosen passwords are stretched with, where they are taken.
pub(super) fn password_hasher(config: &Config) -> Option<Arc<dyn PasswordHasher>> {
    let devices = config.devices.as_ref()?;
    let taken = devices.chosen_passwords;
    taken.then(|| Arc::new(Stretching::default()) as _)
}

struct Stretching {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Stretching {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl PasswordHasher for Stretching {
    fn hash<'a>(
        &'a self,
        password: &'a str,
        salt: [u8; 32],
    ) -> PortFuture<'a, Result<[u8; 32], HasherUnavailable>> {
        Box::pin(async move {
            let place = Arc::clone(&self.places).try_acquire_owned();
            let place = place.map_err(|_| HasherUnavailable)?;
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            let turn = turn.map_err(|_| HasherUnavailable)?;
            let password = password.to_owned();
            // Nobody may wait for it any more: it keeps its turn until it is done.
            let stretched = spawn_blocking(move || {
                let _kept = (place, turn);
                stretch_password(&password, salt)
            });
            stretched.await.unwrap_or(Err(HasherUnavailable))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_comes_while_many_wait_is_refused_and_is_served_once_they_are_gone() {
        let stretching = Stretching::default();
        let mut waiting: Vec<_> = (0..MOST)
            .map(|_| stretching.hash("a password", [7; 32]))
            .collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none(), "it takes its time");
        }
        let more = stretching.hash("a password", [7; 32]).await;
        assert_eq!(more, Err(HasherUnavailable));
        // Those that wait go; those under way end by themselves.
        drop(waiting);
        let served = async {
            loop {
                if let Ok(hash) = stretching.hash("a password", [7; 32]).await {
                    return hash;
                }
                tokio::task::yield_now().await;
            }
        };
        let served = tokio::time::timeout(std::time::Duration::from_secs(60), served);
        assert_eq!(
            Ok(served.await.unwrap()),
            stretch_password("a password", [7; 32])
        );
    }
}
