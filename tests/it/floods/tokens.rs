//! Many parallel redemptions of one token request.
//!
//! The token endpoint of this gateway knows the client credentials grant over mutual TLS alone:
//! nothing in such a request can be redeemed once only. What must hold of 64 copies at once is
//! that each is answered by itself: a token nobody else has, or a refusal by the rate.

use std::collections::BTreeSet;
use std::sync::Barrier;

use ics_tests::{Answer, Dialer, Domain, Party};
use serde_json::json;

use super::good::GoodClient;

const COPIES: usize = 64;

fn party(domain: &Domain, id: &str, requests_per_second: u32) -> Party {
    domain.onboard(&json!({
        "id": id, "roles": ["THIRD_PARTY_SP"],
        "services": [format!("https://{id}.example/services")],
        "callbackOrigins": [format!("https://{id}.example")],
        "limits": { "requestsPerSecond": requests_per_second, "failedMappingsPerDay": 100 },
    }))
}

/// The answers to the same bytes, sent on as many connections at the same moment.
fn redeem(party: &Party) -> Vec<Answer> {
    let form = "grant_type=client_credentials";
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: ics\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let (dialer, together) = (Dialer::of(party), Barrier::new(COPIES));
    std::thread::scope(|scope| {
        let copies: Vec<_> = (0..COPIES)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = dialer.dial().expect("it listens");
                    // The handshake is over before the first redeems.
                    connection.write("").expect("an open connection");
                    together.wait();
                    connection.write(&request).expect("an open connection");
                    connection.receive().expect("an answer")
                })
            })
            .collect();
        copies
            .into_iter()
            .map(|copy| copy.join().expect("an answer"))
            .collect()
    })
}

#[test]
fn one_token_request_sent_64_times_at_once_is_answered_each_by_itself_within_the_rate() {
    let domain = Domain::start(|text| text);
    let (shop, few) = (party(&domain, "shop", 1_000), party(&domain, "few", 5));
    let mut good = GoodClient::of(&shop);
    let mut tokens = BTreeSet::new();
    for answer in redeem(&shop) {
        let answer = answer.expect(200).json();
        let token = answer["access_token"].as_str().expect("a token").to_owned();
        assert!(tokens.insert(token), "one token for two");
    }
    // Each works, and each by itself: revoked, it takes no other with it.
    let list = shop.path("ics-mapping", "mappings");
    let ask = |token: &str| shop.curl("GET", &list).bearer(token).send();
    let (first, last) = (tokens.first().expect("one"), tokens.last().expect("one"));
    ask(first).expect(200);
    let revoked = shop
        .curl("POST", "/oauth2/revoke")
        .form(&format!("token={first}"));
    revoked.send().expect(200);
    ask(first).expect(401);
    ask(last).expect(200);

    let answers = redeem(&few);
    let limited = answers.iter().filter(|answer| answer.status == 429);
    assert!(
        limited
            .clone()
            .all(|answer| answer.header("retry-after").is_some())
    );
    let given = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(given + limited.count(), COPIES, "nothing else is said");
    println!("5 requests a second: {given} of {COPIES} redeemed");
    assert!((1..=20).contains(&given), "{given}");
    good.assert_served("64 redemptions");
}
