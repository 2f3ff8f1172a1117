//! What an SP says on its websocket (TS 29.122 5.2.5.4): that it has a notification.

use serde::Deserialize;
use utoipa::ToSchema;

use super::read::{Body, present};
use super::schema;
use super::text::Text;

/// The acknowledgement of a notification: delivered from here on.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NotificationAcknowledgement)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledgement<'a> {
    /// Of the notification, as it was sent.
    #[serde(borrow)]
    #[schema(schema_with = schema::notification_id)]
    pub(crate) notification_id: Text<'a>,
    /// As in `Acknowledgement` of TS 29.122; not read.
    #[serde(borrow, default, deserialize_with = "present")]
    #[schema(schema_with = schema::details)]
    #[expect(dead_code, reason = "told to nobody")]
    pub(crate) details: Option<Text<'a>>,
}

impl<'a> Body<'a> for Acknowledgement<'a> {
    const MANDATORY: &'static [&'static str] = &["notificationId"];
}
