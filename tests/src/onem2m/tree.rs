//! Everything a CSE holds, to be compared with what it held before.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::OneM2mClient;

/// Attributes that say when, not what.
const TIMES: [&str; 4] = ["ct", "lt", "et", "ctm"];

/// The resources of a CSE by their structured addresses, without their times.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Value>);

impl Tree {
    /// What `client` finds under that CSEBase, and the CSEBase itself: all there is, where it is
    /// the CSE's admin.
    pub fn of(client: &OneM2mClient, base: &str) -> Self {
        let found = client.retrieve(&format!("{base}?fu=1&drt=1")).expect(2000);
        let found = found.member("m2m:uril");
        let found = found.as_array().expect("a list of addresses").iter();
        let found = found.map(|address| address.as_str().expect("an address").to_owned());
        let resources = std::iter::once(base.to_owned())
            .chain(found)
            .filter_map(|address| {
                let answer = client.retrieve(&address);
                // What expires between is there no more.
                (answer.rsc != 4004).then(|| (address, timeless(answer.expect(2000).content())))
            });
        Self(resources.collect())
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The resource at that address, with its member name.
    pub fn resource(&self, address: &str) -> Option<&Value> {
        self.0.get(address)
    }

    /// The same for the same resources, to the byte.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.0).expect("JSON")
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_json())
    }
}

fn timeless(mut content: Value) -> Value {
    for resource in content.as_object_mut().expect("a resource").values_mut() {
        let attributes = resource.as_object_mut().expect("attributes");
        attributes.retain(|name, _| !TIMES.contains(&name.as_str()));
    }
    content
}
