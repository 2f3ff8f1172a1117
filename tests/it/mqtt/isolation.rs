//! A device can neither read, write nor subscribe anything of another.

use ics_tests::{DeviceClient, HostedDevice, Library, Mapping, Version};
use serde_json::{Value, json};

use super::world::{World, acknowledge};

/// An attacker, and a victim that hears everything there is to hear for it.
struct Scene {
    world: World,
    mallory: HostedDevice,
    victim: HostedDevice,
    ear: DeviceClient,
    held: Mapping,
    offered: Mapping,
}

impl Scene {
    /// The victim holds one row and is offered another.
    fn set() -> Self {
        let world = World::start();
        let (mallory, victim) = (world.device("MALLORY"), world.device("VICTIM"));
        let mut ear = victim.connect(Library::MqttJs, Version::V5);
        ear.subscribe(&victim.topic("#"));
        let held = world.offer(&victim);
        let (version, _) = world.versions(&victim);
        ear.publish(&victim.topic("doc/ack"), &acknowledge(version));
        let offered = world.offer(&victim);
        let scene = Self {
            world,
            mallory,
            victim,
            ear,
            held,
            offered,
        };
        scene.wait_for_newest();
        scene
    }

    fn wait_for_newest(&self) {
        let (version, _) = self.world.versions(&self.victim);
        self.ear
            .wait_message("its document", |message| message.json()["v"] == version);
    }

    /// Nothing has changed for the victim, and nothing reached it that its own service providers
    /// did not cause.
    fn is_untouched(&self) {
        let (world, victim) = (&self.world, &self.victim);
        let (version, acknowledged) = world.versions(victim);
        assert!(acknowledged < version);
        assert_eq!(world.shop.status(&self.held), "ESTABLISHED");
        assert_eq!(world.shop.status(&self.offered), "PENDING");
        // What was on its way to it has come once this has.
        let _ = world.offer(victim);
        self.wait_for_newest();
        let topic = victim.topic("doc");
        for message in self.ear.messages() {
            assert_eq!(message.topic, topic, "{message:?}");
        }
    }

    /// Filters that are not within the attacker's subtree.
    fn foreign_filters(&self) -> Vec<String> {
        let (own, other) = (&self.mallory.id, &self.victim.id);
        let mut filters: Vec<String> = [
            "#",
            "+",
            "+/#",
            "+/+/+/+/+",
            "ics/#",
            "ics/v1/#",
            "ics/v1/+/#",
            "ics/v1/d/#",
            "ics/v1/d/+",
            "ics/v1/d/+/doc",
            "ics/v1/d/+/#",
            "/#",
            "$SYS/#",
            "$SYS/broker/uptime",
            "ics/v1/d//doc",
            "ICS/V1/D/#",
            "$share/g/#",
            "$share/g/ics/v1/d/+/doc",
            "$share/g/ics/v1/d/#",
            "$queue/ics/v1/d/+/doc",
        ]
        .map(str::to_owned)
        .to_vec();
        for (before, after) in [
            ("ics/v1/d/", "/#"),
            ("ics/v1/d/", "/doc"),
            ("ics/v1/d/", "/doc/cbor"),
            ("ics/v1/d/", "/inq/+/accepted"),
            ("$share/g/ics/v1/d/", "/doc"),
            ("/ics/v1/d/", "/doc"),
            ("ics/v1/+/", "/doc"),
        ] {
            filters.push(format!("{before}{other}{after}"));
        }
        for prefix in [
            "$share/g/ics/v1/d/",
            "$exclusive/ics/v1/d/",
            "$queue/ics/v1/d/",
            "/ics/v1/d/",
        ] {
            filters.push(format!("{prefix}{own}/doc"));
        }
        filters.push(format!("ics/v1/d/{own}"));
        filters.push(format!("ics/v1/d/{own}x/doc"));
        filters.push(format!("ics/v1/d/{}/doc", &own[..own.len() - 1]));
        filters.push(format!("ics/v1/d/{}/doc", own.to_uppercase()));
        filters
    }

    /// Topics of the victim, and of nobody, with something to say there.
    fn foreign_publications(&self) -> Vec<(String, Vec<u8>)> {
        let (version, _) = self.world.versions(&self.victim);
        let event = json!({ "id": self.held.id(), "data": "open" }).to_string();
        let given = json!({ "id": self.held.id() }).to_string();
        let own = &self.mallory.id;
        let mut publications: Vec<(String, Vec<u8>)> = [
            ("doc/ack", acknowledge(version)),
            ("doc", br#"{"v":9,"m":[]}"#.to_vec()),
            ("evt", event.clone().into_bytes()),
            ("rev", given.clone().into_bytes()),
            ("rev/1", given.into_bytes()),
            ("inq/1", b"{}".to_vec()),
            ("inq/1/accepted", b"{}".to_vec()),
            ("st", b"gone".to_vec()),
            ("anything", b"".to_vec()),
        ]
        .map(|(topic, payload)| (self.victim.topic(topic), payload))
        .to_vec();
        for topic in [
            "ics/v1/d/st".to_owned(),
            "$SYS/broker/uptime".to_owned(),
            format!("ics/v1/d/{own}x/doc/ack"),
            format!("$share/g/ics/v1/d/{}/doc/ack", self.victim.id),
            format!("/ics/v1/d/{}/doc/ack", self.victim.id),
        ] {
            publications.push((topic, acknowledge(version)));
        }
        publications
    }
}

#[test]
fn no_filter_beyond_its_own_subtree_is_granted() {
    let scene = Scene::set();
    for version in [Version::V5, Version::V3] {
        let mut client = scene.mallory.connect(Library::Paho, version);
        for filter in scene.foreign_filters() {
            let reason = client.try_subscribe(&filter);
            let expected = if version == Version::V5 { 0x87 } else { 0x80 };
            assert_eq!(reason, Some(expected), "{filter} over {version:?}");
        }
        // It is served all the same, with what is its own.
        client.subscribe(&scene.mallory.topic("doc"));
        let own = client.wait_message("its own document", |_| true);
        assert_eq!(own.topic, scene.mallory.topic("doc"));
        scene.is_untouched();
        assert_eq!(client.messages(), [own]);
    }
}

#[test]
fn nothing_is_taken_at_a_topic_beyond_its_own_subtree() {
    let scene = Scene::set();
    let mut client = scene.mallory.connect(Library::Paho, Version::V5);
    for (topic, payload) in scene.foreign_publications() {
        assert_eq!(client.try_publish(&topic, &payload), Some(0x87), "{topic}");
    }
    client.publish(&scene.mallory.topic("st"), b"here still");
    // Over 3.1.1 there is no reason: the connection is closed. One for each, a few of them.
    for (topic, payload) in scene.foreign_publications().into_iter().take(5) {
        let mut client = scene.mallory.connect(Library::Paho, Version::V3);
        assert_eq!(client.try_publish(&topic, &payload), None, "{topic}");
    }
    scene.is_untouched();
}

#[test]
fn rows_of_others_are_no_rows() {
    let scene = Scene::set();
    let own = scene.world.offer(&scene.mallory);
    let mut client = scene.mallory.connect(Library::Paho, Version::V5);
    client.subscribe(&scene.mallory.topic("rev/+/+"));
    let topic = |name: &str| scene.mallory.topic(name);
    let (version, _) = scene.world.versions(&scene.mallory);
    // It says that it does not want what another is offered, or holds.
    let no = json!({ "v": version, "no": [scene.offered.id(), scene.held.id()] });
    client.publish(&topic("doc/ack"), no.to_string().as_bytes());
    assert_eq!(scene.world.shop.status(&own), "ESTABLISHED");
    let by_key = json!({ "svc": scene.held.service, "uti": scene.held.uti });
    let given = [
        json!({ "id": scene.held.id() }),
        json!({ "id": scene.offered.id() }),
        by_key,
        json!({ "id": "01a20334-dc1f-715d-aa57-cb407a99326f" }),
    ];
    let mut answers = Vec::new();
    for (n, given) in given.iter().enumerate() {
        let payload = given.to_string();
        assert_eq!(
            client.try_publish(&topic("rev"), payload.as_bytes()),
            Some(0x87)
        );
        let request = topic(&format!("rev/{n}"));
        client.publish(&request, payload.as_bytes());
        let rejected = format!("{request}/rejected");
        answers.push(
            client
                .wait_message("a refusal", |m| m.topic == rejected)
                .payload,
        );
        let event = json!({ "id": given.get("id").unwrap_or(&Value::Null), "data": 1 });
        if event["id"].is_string() {
            let reason = client.try_publish(&topic("evt"), event.to_string().as_bytes());
            assert_eq!(reason, Some(0x87), "{event}");
        }
    }
    // A row of another and one that never was: byte by byte the same.
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    scene.is_untouched();
}

#[test]
fn answers_go_nowhere_but_to_who_asked() {
    let scene = Scene::set();
    let own = scene.world.offer(&scene.mallory);
    let mut client = scene.mallory.connect(Library::MqttJs, Version::V5);
    let topic = |name: &str| scene.mallory.topic(name);
    let (version, _) = scene.world.versions(&scene.mallory);
    client.publish(&topic("doc/ack"), &acknowledge(version));
    client.subscribe(&topic("answers"));
    let id = &scene.mallory.id;
    for response in [
        scene.victim.topic("doc"),
        scene.victim.topic("inq/1/accepted"),
        scene.victim.topic("answers"),
        format!("ics/v1/d/{id}"),
        format!("ics/v1/d/{id}x/answers"),
        format!("/ics/v1/d/{id}/answers"),
        "ics/v1/d/answers".to_owned(),
        "answers".to_owned(),
        "$SYS/answers".to_owned(),
    ] {
        let way = (response.as_str(), b"1".as_slice());
        let reason = client.try_request(&topic("inq"), b"{}", way);
        assert_eq!(reason, Some(0x87), "{response}");
    }
    let answers = topic("answers");
    let taken = client.try_request(&topic("inq"), b"{}", (&answers, b"last"));
    assert_eq!(taken, Some(0));
    let answer = client.wait_message("its own answer", |_| true);
    assert_eq!(answer.json()["m"][0]["id"], own.id());
    assert_eq!(answer.correlation.as_deref(), Some(b"last".as_slice()));
    assert_eq!(client.messages().len(), 1);
    scene.is_untouched();
}

#[test]
fn a_will_is_for_its_own_presence_alone() {
    let scene = Scene::set();
    let will = |topic: String| {
        let mut settings = scene.mallory.settings(Version::V5);
        settings["will"] = topic.into();
        DeviceClient::start(Library::Paho, &settings)
    };
    for topic in [scene.victim.topic("st"), scene.victim.topic("doc")] {
        assert_eq!(will(topic).wait_refused(), Some(0x87));
    }
    for own in ["doc/ack", "evt"] {
        assert_eq!(will(scene.mallory.topic(own)).wait_refused(), Some(0x90));
    }
    will(scene.mallory.topic("st")).wait_connected();
    scene.is_untouched();
}
