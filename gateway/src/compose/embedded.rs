//! The embedded stores: which engine, opened how.

use std::sync::Arc;

use ics_store::{OnLoss, OpenError, Upkeep};

use crate::config::{StoreEngine, StoreSection};

/// Opens the store that the configuration names, or begins one.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn open_store(
    section: &StoreSection,
    on_loss: OnLoss,
) -> Result<Arc<dyn Upkeep>, OpenError> {
    let directory = &section.directory;
    Ok(match section.engine {
        StoreEngine::Redb => {
            let options = ics_store_redb::Options {
                on_loss,
                ..redb_options(section)
            };
            Arc::new(ics_store_redb::open(directory, options)?)
        }
        StoreEngine::Sled => {
            let options = ics_store_sled::Options {
                on_loss,
                ..sled_options(section)
            };
            Arc::new(ics_store_sled::open(directory, options)?)
        }
    })
}

/// How redb is opened.
pub(crate) fn redb_options(section: &StoreSection) -> ics_store_redb::Options {
    ics_store_redb::Options {
        cache_bytes: section.cache,
        verify: section.verify,
        ..ics_store_redb::Options::default()
    }
}

/// How sled is opened.
pub(crate) fn sled_options(section: &StoreSection) -> ics_store_sled::Options {
    ics_store_sled::Options {
        cache_bytes: section.cache,
        ..ics_store_sled::Options::default()
    }
}
