//! A reader: every acknowledged row, as the gateway that came back tells it.

use std::collections::BTreeMap;

use ics_tests::{Answer, Dialer, KeptConnection};
use serde_json::json;

use super::row::{Row, State};
use super::world::World;

/// Connections of both parties to a gateway that came back.
pub(crate) struct Reader<'a> {
    world: &'a World,
    shop: KeptConnection,
    acme: KeptConnection,
    tokens: (String, String),
}

impl<'a> Reader<'a> {
    pub(crate) fn start(world: &'a World) -> Self {
        Self {
            world,
            shop: KeptConnection::of(Dialer::of(&world.shop)),
            acme: KeptConnection::of(Dialer::of(&world.acme)),
            tokens: (world.shop.token(), world.acme.token()),
        }
    }

    /// The row is there as it was acknowledged; what was asked for and never answered is settled
    /// by what is found.
    pub(crate) fn check(&mut self, row: &mut Row) {
        if let Some(difference) = self.difference(row) {
            panic!("{difference}: {row:?}");
        }
    }

    /// How the row, read by its id and by both inquiries, is not as it was acknowledged.
    pub(crate) fn difference(&mut self, row: &mut Row) -> Option<String> {
        let path = format!("mappings/{}", row.id);
        let path = self.world.shop.path("ics-mapping", &path);
        let answer = self.get_shop(&path);
        if answer.status != 200 {
            return Some(format!("{} for an acknowledged row", answer.status));
        }
        let shown = answer.json();
        let status = shown["mappingStatus"].as_str().expect("a status");
        if let Some(asked) = row.asked.take()
            && status == asked.status()
        {
            row.acknowledged.push(asked);
        }
        let key = (&json!(row.service), &json!(row.uti));
        if status != row.last().status() || (&shown["serviceUri"], &shown["uti"]) != key {
            return Some(format!("shown as {shown}"));
        }
        self.inquiry_by_transaction(row)
            .or_else(|| self.inquiry_by_device(row))
    }

    fn inquiry_by_transaction(&mut self, row: &Row) -> Option<String> {
        let key = json!({ "serviceUri": row.service, "uti": row.uti });
        let path = "/ics-inquiry/v1/retrieve-by-transaction";
        let answer = self.shop.call(("POST", path), &self.tokens.0, Some(&key));
        let answer = answer.expect("an answer");
        let is_right = match row.last() {
            State::Established => {
                answer.status == 200 && answer.json()["deviceId"] == row.device.as_str()
            }
            _ => answer.status == 404,
        };
        (!is_right).then(|| format!("by transaction: {answer:?}"))
    }

    fn inquiry_by_device(&mut self, row: &Row) -> Option<String> {
        let key = json!({ "deviceId": row.device });
        let path = "/ics-inquiry/v1/retrieve-by-device";
        let answer = self.acme.call(("POST", path), &self.tokens.1, Some(&key));
        let answer = answer.expect("an answer");
        let is_right = match row.last() {
            State::Established => {
                let found = answer.json();
                answer.status == 200
                    && found["mappings"].as_array().map(Vec::len) == Some(1)
                    && found["mappings"][0]["uti"] == row.uti.as_str()
                    && found["mappings"][0]["serviceUri"] == row.service.as_str()
            }
            _ => answer.status == 404,
        };
        (!is_right).then(|| format!("by device: {answer:?}"))
    }

    /// The rows are in the lists of both parties, beside at most `unanswered` others: what was
    /// asked for and never answered.
    pub(crate) fn check_lists(&mut self, rows: &[Row], unanswered: usize) {
        let (shop, acme) = (&self.world.shop, &self.world.acme);
        let mappings = self.list(true, &shop.path("ics-mapping", "mappings"));
        let assignments = self.list(false, &acme.path("ics-device-mapping", "assignments"));
        let others = mappings.len() - rows.len();
        assert!(others <= unanswered, "{others} rows nobody asked for");
        for row in rows {
            let status = row.last().status();
            let listed = mappings.get(&row.id).map(String::as_str);
            assert_eq!(listed, Some(status), "{row:?}");
            let live = Some(status).filter(|status| *status != "DELETED");
            let listed = assignments.get(&row.id).map(String::as_str);
            assert_eq!(listed, live, "{row:?}");
        }
    }

    fn get_shop(&mut self, path: &str) -> Answer {
        self.shop
            .call(("GET", path), &self.tokens.0, None)
            .expect("an answer")
    }

    /// What a list holds, page by page: id and status.
    fn list(&mut self, of_shop: bool, path: &str) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        let mut next = Some(format!("{path}?limit=1000"));
        while let Some(path) = next {
            let (connection, token) = if of_shop {
                (&mut self.shop, &self.tokens.0)
            } else {
                (&mut self.acme, &self.tokens.1)
            };
            let page = connection
                .call(("GET", &path), token, None)
                .expect("an answer")
                .expect(200);
            for row in page.json().as_array().expect("an array") {
                let link = row["self"].as_str().expect("a link");
                let id = link.rsplit('/').next().expect("an id").to_owned();
                let status = row["mappingStatus"].as_str().expect("a status").to_owned();
                assert_eq!(rows.insert(id, status), None, "listed twice");
            }
            next = page.header("link").map(|link| {
                let uri = link.strip_prefix('<').and_then(|l| l.split_once('>'));
                let (uri, _) = uri.expect("a URI");
                let path = uri.strip_prefix(&self.world.shop.root);
                path.expect("one of ours").to_owned()
            });
        }
        rows
    }
}
