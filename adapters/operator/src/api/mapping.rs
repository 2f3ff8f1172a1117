//! Rows, read only: what becomes of them is the service providers' business.

use ics_core::id::MappingId;
use ics_core::mapping::{Mapping, MappingStatus};
use ics_core::party::Party;
use ics_core::port::{Cursor, Selection};

use super::OperatorApi;
use crate::error::Refusal;
use crate::page::{parse_limit, parse_token, render_token};
use crate::translate::{parse_sp, show_mapping, show_mapping_detail, status_of};
use crate::wire::{MappingDetail, MappingQuery, MappingView, Page};

/// The most rows one request looks at while it filters.
const LOOK_AT_MOST: usize = 10_000;

impl OperatorApi {
    pub(crate) async fn list_mappings(
        &self,
        query: &MappingQuery,
    ) -> Result<Page<MappingView>, Refusal> {
        let limit = parse_limit(query.limit)?;
        let mut cursor: Option<Cursor> = parse_token(query.page_token.as_deref())?;
        let status = query.status.map(status_of);
        let party = match query.sp.as_deref() {
            None => None,
            Some(text) => {
                let id = parse_sp("sp", text)?;
                let directory = self.service().directory();
                Some(directory.party(&id).cloned().ok_or(Refusal::NoParty)?)
            }
        };
        let selection = selection_for(party.as_deref(), status);
        let is_wanted = |row: &Mapping| {
            let of_party = party
                .as_ref()
                .is_none_or(|p| row.third_party_sp == p.id || row.iot_sp == p.id);
            of_party && status.is_none_or(|status| row.status() == status)
        };
        let (mut items, mut seen) = (Vec::new(), 0_usize);
        loop {
            let room = limit.saturating_sub(items.len());
            let page = (cursor.as_ref(), room);
            let (rows, next) = self.service().show_mappings(&selection, page).await?;
            seen = seen.saturating_add(rows.len().max(1));
            items.extend(rows.iter().filter(|row| is_wanted(row)).map(show_mapping));
            cursor = next;
            if cursor.is_none() || items.len() >= limit || seen >= LOOK_AT_MOST {
                let next_page_token = cursor.as_ref().map(render_token);
                return Ok(Page {
                    items,
                    next_page_token,
                });
            }
        }
    }

    pub(crate) async fn show_mapping(&self, id: &str) -> Result<MappingDetail, Refusal> {
        let id = MappingId::parse(id).map_err(|_| Refusal::NoMapping)?;
        let row = self.service().show_mapping(id).await?;
        row.map(|row| show_mapping_detail(&row))
            .ok_or(Refusal::NoMapping)
    }
}

/// The narrowest walk that holds every row wanted. An IoT SP's own holds live rows alone.
fn selection_for(party: Option<&Party>, status: Option<MappingStatus>) -> Selection {
    let is_live = matches!(
        status,
        Some(MappingStatus::Pending | MappingStatus::Established)
    );
    match party {
        Some(party) if party.third_party_sp && !party.iot_sp => {
            Selection::ThirdPartySp(party.id.clone())
        }
        Some(party) if party.iot_sp && !party.third_party_sp && is_live => {
            Selection::IotSp(party.id.clone())
        }
        _ => Selection::All,
    }
}
