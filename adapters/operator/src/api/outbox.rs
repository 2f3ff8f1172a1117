//! Notifications: what waits, what was given up, and trying again.

use ics_core::outbox::{OutboxEntry, OutboxKey};

use super::{Caller, OperatorApi};
use crate::error::Refusal;
use crate::page::{MAX_LIMIT, parse_limit, parse_token, render_token};
use crate::translate::{parse_sp, show_entry};
use crate::wire::{OutboxQuery, OutboxRetry, OutboxView, Page, RetriedView};

/// The most entries one request looks at while it filters.
const LOOK_AT_MOST: usize = 10_000;
/// The most entries one request tries again.
const RETRY_AT_MOST: usize = 1_000;
/// The longest text that could be a `notificationId`: UUID, dot, sequence, role.
const MAX_NOTIFICATION_ID: usize = 64;

impl OperatorApi {
    pub(crate) async fn list_outbox(
        &self,
        query: &OutboxQuery,
    ) -> Result<Page<OutboxView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let mut after: Option<OutboxKey> = parse_token(query.page_token.as_deref())?;
        let sp = query
            .sp
            .as_deref()
            .map(|text| parse_sp("sp", text))
            .transpose()?;
        let is_wanted = |entry: &OutboxEntry| {
            sp.as_ref().is_none_or(|sp| entry.key.addressee.sp == *sp)
                && query.dead.is_none_or(|dead| entry.dead.is_some() == dead)
        };
        let (mut items, mut seen) = (Vec::new(), 0_usize);
        loop {
            let room = limit.saturating_sub(items.len());
            let entries = self.service().list_outbox(after.as_ref(), room).await?;
            let Some(last) = entries.last().map(|entry| entry.key.clone()) else {
                return Ok(Page {
                    items,
                    next_page_token: None,
                });
            };
            seen = seen.saturating_add(entries.len());
            items.extend(
                entries
                    .iter()
                    .filter(|entry| is_wanted(entry))
                    .map(show_entry),
            );
            if items.len() >= limit || seen >= LOOK_AT_MOST {
                return Ok(Page {
                    items,
                    next_page_token: Some(render_token(&last)),
                });
            }
            after = Some(last);
        }
    }

    pub(crate) async fn retry_entry(
        &self,
        caller: &Caller,
        notification_id: &str,
    ) -> Result<RetriedView, Refusal> {
        if notification_id.len() > MAX_NOTIFICATION_ID {
            return Err(Refusal::NoNotification);
        }
        let found = self.service().find_entry(notification_id).await?;
        let entry = found.ok_or(Refusal::NoNotification)?;
        let outcome = match self.service().retry_entry(&entry.key, self.now()).await {
            Ok(true) => Ok(RetriedView {
                retried: 1,
                more: false,
            }),
            // Delivered while it was looked for.
            Ok(false) => Err(Refusal::NoNotification),
            Err(failure) => Err(failure.into()),
        };
        caller.note("outbox.retry", entry.key.addressee.sp.as_str(), outcome)
    }

    /// Tries everything again that was given up towards one service provider.
    pub(crate) async fn retry_all(
        &self,
        caller: &Caller,
        wanted: &OutboxRetry,
    ) -> Result<RetriedView, Refusal> {
        let sp = parse_sp("/spId", &wanted.sp_id)?;
        if self.service().directory().party(&sp).is_none() {
            return Err(Refusal::NoPartyOf("/spId"));
        }
        let outcome = self.revive_all(&sp).await;
        caller.note("outbox.retry-all", sp.as_str(), outcome)
    }

    async fn revive_all(&self, sp: &ics_core::id::SpId) -> Result<RetriedView, Refusal> {
        let mut retried = 0_usize;
        let mut after: Option<OutboxKey> = None;
        loop {
            let entries = self
                .service()
                .list_outbox(after.as_ref(), MAX_LIMIT)
                .await?;
            let Some(last) = entries.last().map(|entry| entry.key.clone()) else {
                return Ok(RetriedView {
                    retried,
                    more: false,
                });
            };
            let given_up = |e: &&OutboxEntry| e.key.addressee.sp == *sp && e.dead.is_some();
            for entry in entries.iter().filter(given_up) {
                if retried >= RETRY_AT_MOST {
                    return Ok(RetriedView {
                        retried,
                        more: true,
                    });
                }
                let there = self.service().retry_entry(&entry.key, self.now()).await?;
                retried = retried.saturating_add(usize::from(there));
            }
            after = Some(last);
        }
    }
}
