//! The table in memory: one small table a client, so that no client can crowd out another.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ics_core::id::{ConsentId, SpId};
use ics_core::principal::CertificateThumbprint;
use ics_core::time::Timestamp;

use super::{TokenGrant, TokenTable};
use crate::token::TokenHash;

/// Tokens in memory; gone when the process ends.
///
/// A lookup is two hash lookups under two read locks. Memory is bounded by the number of clients
/// the operator onboarded times the cap, about 250 bytes each. Each insert drops what is over of
/// its own client and of one other, in turn, so that tokens of idle clients go too.
#[derive(Debug)]
pub struct MemoryTokenTable {
    cap: NonZeroUsize,
    clients: RwLock<Clients>,
    next_swept: AtomicUsize,
}

type Client = Arc<RwLock<ClientTokens>>;

#[derive(Debug, Default)]
struct Clients {
    by_sp: HashMap<SpId, Client>,
    in_turn: Vec<Client>,
}

#[derive(Debug, Default)]
struct ClientTokens {
    grants: HashMap<TokenHash, (u64, Arc<TokenGrant>)>,
    oldest_first: BTreeMap<u64, TokenHash>,
    issued_ever: u64,
}

impl MemoryTokenTable {
    /// An empty table that keeps at most `cap` tokens of each client.
    #[must_use]
    pub fn new(cap: NonZeroUsize) -> Self {
        Self {
            cap,
            clients: RwLock::default(),
            next_swept: AtomicUsize::new(0),
        }
    }

    fn client(&self, sp: &SpId) -> Option<Client> {
        self.clients
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_sp
            .get(sp)
            .cloned()
    }

    fn client_or_new(&self, sp: &SpId) -> Client {
        if let Some(client) = self.client(sp) {
            return client;
        }
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        let Clients { by_sp, in_turn } = &mut *clients;
        let client = by_sp.entry(sp.clone()).or_insert_with(|| {
            let client = Client::default();
            in_turn.push(Arc::clone(&client));
            client
        });
        Arc::clone(client)
    }

    fn sweep_next(&self, now: Timestamp) {
        let turn = self.next_swept.fetch_add(1, Ordering::Relaxed);
        let next = {
            let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
            turn.checked_rem(clients.in_turn.len())
                .and_then(|n| clients.in_turn.get(n))
                .map(Arc::clone)
        };
        if let Some(client) = next {
            write(&client, |tokens| tokens.drop_expired(now));
        }
    }

    fn all(&self) -> Vec<Client> {
        self.clients
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .in_turn
            .clone()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all()
            .iter()
            .map(|c| c.read().unwrap().grants.len())
            .sum()
    }
}

impl TokenTable for MemoryTokenTable {
    fn insert(&self, hash: TokenHash, grant: TokenGrant) {
        let now = grant.issued;
        write(&self.client_or_new(&grant.sp), |tokens| {
            tokens.drop_expired(now);
            while tokens.grants.len() >= self.cap.get() && tokens.drop_oldest() {}
            tokens.add(hash, grant);
        });
        self.sweep_next(now);
    }

    fn find(&self, sp: &SpId, hash: &TokenHash) -> Option<Arc<TokenGrant>> {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let tokens = clients
            .by_sp
            .get(sp)?
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        tokens.grants.get(hash).map(|(_, grant)| Arc::clone(grant))
    }

    fn find_of_any(&self, hash: &TokenHash) -> Option<Arc<TokenGrant>> {
        self.all().iter().find_map(|client| {
            let tokens = client.read().unwrap_or_else(PoisonError::into_inner);
            tokens.grants.get(hash).map(|(_, grant)| Arc::clone(grant))
        })
    }

    fn remove(&self, sp: &SpId, hash: &TokenHash) -> bool {
        self.client(sp)
            .is_some_and(|client| write(&client, |tokens| tokens.remove(hash)))
    }

    fn remove_of_sp(&self, sp: &SpId) -> usize {
        self.client(sp).map_or(0, |client| {
            write(&client, |tokens| tokens.retain(|_| false))
        })
    }

    fn remove_of_certificate(&self, thumbprint: &CertificateThumbprint) -> usize {
        let stays = |grant: &TokenGrant| grant.thumbprint != *thumbprint;
        self.all()
            .iter()
            .map(|client| write(client, |tokens| tokens.retain(stays)))
            .sum()
    }

    fn remove_of_consent(&self, consent: ConsentId) -> usize {
        let stays = |grant: &TokenGrant| grant.consent != Some(consent);
        self.all()
            .iter()
            .map(|client| write(client, |tokens| tokens.retain(stays)))
            .sum()
    }
}

impl ClientTokens {
    fn add(&mut self, hash: TokenHash, grant: TokenGrant) {
        self.issued_ever = self.issued_ever.saturating_add(1);
        self.oldest_first.insert(self.issued_ever, hash);
        self.grants
            .insert(hash, (self.issued_ever, Arc::new(grant)));
    }

    fn remove(&mut self, hash: &TokenHash) -> bool {
        self.grants
            .remove(hash)
            .is_some_and(|(order, _)| self.oldest_first.remove(&order).is_some())
    }

    fn drop_oldest(&mut self) -> bool {
        self.oldest_first
            .pop_first()
            .is_some_and(|(_, hash)| self.grants.remove(&hash).is_some())
    }

    /// Of one lifetime, the first issued is the first over: stops at the first that is live. One of
    /// a shorter lifetime waits for those before it, or for the cap.
    fn drop_expired(&mut self, now: Timestamp) {
        while let Some(first) = self.oldest_first.first_entry() {
            if self
                .grants
                .get(first.get())
                .is_some_and(|(_, grant)| grant.is_live(now))
            {
                break;
            }
            self.grants.remove(first.get());
            first.remove();
        }
    }

    fn retain(&mut self, stays: impl Fn(&TokenGrant) -> bool) -> usize {
        let before = self.grants.len();
        self.grants.retain(|_, (_, grant)| stays(grant));
        self.oldest_first
            .retain(|_, hash| self.grants.contains_key(hash));
        before.saturating_sub(self.grants.len())
    }
}

fn write<T>(client: &RwLock<ClientTokens>, act: impl FnOnce(&mut ClientTokens) -> T) -> T {
    act(&mut client.write().unwrap_or_else(PoisonError::into_inner))
}
