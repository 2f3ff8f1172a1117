use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ics_core::principal::{AuthenticationFailure, PeerCertificate};

use super::*;
use crate::error::Refusal;
use crate::fixture::{BOTH, ISSUER, SHOP, VENDOR, World, certificate, sp};
use crate::wire::{Form, TokenResponse};

const BACK: &str = "https://shop.example/back";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn consent(n: u8) -> ConsentId {
    ConsentId::from_bytes([n; 16])
}

fn form(members: &[(&str, &str)]) -> Form {
    let encode = |text: &str| {
        text.bytes()
            .map(|b| format!("%{b:02x}"))
            .collect::<String>()
    };
    let pairs = members
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    Form::parse(pairs.collect::<Vec<_>>().join("&").as_bytes()).unwrap()
}

impl World {
    fn push(&self, peer: &PeerCertificate, state: &str) -> Result<String, Refusal> {
        let hash = digest(&SHA256, VERIFIER.as_bytes());
        let details = r#"[{"type":"ics_mapping","serviceUri":"https://shop.example/a",
            "deviceSerialNumber":"FR-1","purpose":"dpv:ServiceProvision"}]"#;
        let admitted = self.server.admit(Some(peer))?;
        let form = form(&[
            ("response_type", "code"),
            ("redirect_uri", BACK),
            ("state", state),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(hash.as_ref())),
            ("code_challenge_method", "S256"),
            ("authorization_details", details),
        ]);
        Ok(self.server.push(&admitted, &form)?.request_uri)
    }

    /// A code for a consent of that number.
    fn code(&self, peer: &PeerCertificate, n: u8) -> String {
        let request_uri = self.push(peer, "s").unwrap();
        let taken = self.server.take_up(&peer.sp, &request_uri).unwrap();
        let url = self.server.grant(&taken, consent(n)).unwrap();
        let rest = url.strip_prefix("https://shop.example/back?code=").unwrap();
        rest.split('&').next().unwrap().to_owned()
    }

    fn redeem(
        &self,
        peer: &PeerCertificate,
        (code, back, verifier): (&str, &str, &str),
    ) -> Result<TokenResponse, Refusal> {
        let admitted = self.server.admit(Some(peer))?;
        let members = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back),
            ("code_verifier", verifier),
        ];
        self.server.issue(&admitted, &form(&members))
    }

    fn principal_consent(
        &self,
        peer: &Arc<PeerCertificate>,
        token: &str,
    ) -> Result<Option<ConsentId>, AuthenticationFailure> {
        use ics_core::port::Authenticator as _;
        let principal = self.server.authenticate(peer, token, self.now())?;
        Ok(principal.consent)
    }
}

#[test]
fn a_code_yields_one_token_for_its_consent() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let token = world
        .redeem(&shop, (&world.code(&shop, 1), BACK, VERIFIER))
        .unwrap();
    assert_eq!(
        (token.expires_in, token.scope.as_str()),
        (300, "ics-mapping:request")
    );
    let held = world.principal_consent(&shop, &token.access_token);
    assert_eq!(held, Ok(Some(consent(1))));
    // RFC 8705: not with a renewed certificate of the same client.
    let renewed = world.principal_consent(&certificate(SHOP, 2), &token.access_token);
    assert_eq!(renewed, Err(AuthenticationFailure::InvalidToken));
    world.advance(Duration::from_secs(300));
    let over = world.principal_consent(&shop, &token.access_token);
    assert_eq!(over, Err(AuthenticationFailure::InvalidToken));
}

#[test]
fn a_code_that_comes_twice_costs_what_it_issued() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let code = world.code(&shop, 1);
    let token = world.redeem(&shop, (&code, BACK, VERIFIER)).unwrap();
    // Even without the verifier: whoever has the code had it from somewhere.
    let again = world.redeem(&shop, (&code, BACK, "x")).err();
    assert_eq!(again, Some(Refusal::Grant));
    let held = world.principal_consent(&shop, &token.access_token);
    assert_eq!(held, Err(AuthenticationFailure::InvalidToken));
    actix_web::rt::System::new().block_on(world.server.settle());
    assert_eq!(world.taken_back(), [consent(1)]);
}

#[test]
fn a_code_is_good_for_its_client_redirect_uri_and_verifier_alone() {
    let world = World::new();
    let (shop, both) = (certificate(SHOP, 1), certificate(BOTH, 1));
    let code = world.code(&shop, 1);
    let wrong: [(&PeerCertificate, &str, &str, &str); 7] = [
        (&both, &code, BACK, VERIFIER),
        (&shop, &code, "https://shop.example/back/", VERIFIER),
        (&shop, &code, "https://shop.example/bac", VERIFIER),
        (
            &shop,
            &code,
            BACK,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK",
        ),
        (&shop, &code, BACK, "short"),
        (&shop, "unknown", BACK, VERIFIER),
        (&shop, &"A".repeat(43), BACK, VERIFIER),
    ];
    for (peer, code, back, verifier) in wrong {
        let refused = world.redeem(peer, (code, back, verifier)).err();
        assert_eq!(
            refused,
            Some(Refusal::Grant),
            "{} {back} {verifier}",
            peer.sp
        );
    }
    assert!(
        world.redeem(&shop, (&code, BACK, VERIFIER)).is_ok(),
        "it was kept"
    );
    let late = world.code(&shop, 2);
    world.advance(Duration::from_secs(60));
    let refused = world.redeem(&shop, (&late, BACK, VERIFIER)).err();
    assert_eq!(refused, Some(Refusal::Grant));
}

#[test]
fn of_many_who_redeem_a_code_at_once_one_gets_a_token() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let code = world.code(&shop, 1);
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let redeem = || world.redeem(&shop, (&code, BACK, VERIFIER)).ok();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(redeem)).collect();
        threads
            .into_iter()
            .filter_map(|t| t.join().unwrap())
            .collect()
    });
    let [token] = tokens.as_slice() else {
        panic!("{} tokens", tokens.len());
    };
    let held = world.principal_consent(&shop, &token.access_token);
    assert_eq!(
        held,
        Err(AuthenticationFailure::InvalidToken),
        "the others came again"
    );
}

#[test]
fn a_pushed_request_is_taken_up_once_in_time_by_its_client() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let request_uri = world.push(&shop, "s").unwrap();
    assert!(world.server.take_up(&sp(BOTH), &request_uri).is_none());
    assert!(
        world
            .server
            .take_up(&sp(SHOP), "urn:ietf:params:oauth:request_uri:x")
            .is_none()
    );
    let taken = world.server.take_up(&sp(SHOP), &request_uri).unwrap();
    assert_eq!(taken.offer().iot_sp, sp(VENDOR));
    assert!(
        world.server.take_up(&sp(SHOP), &request_uri).is_none(),
        "once"
    );
    let late = world.push(&shop, "s").unwrap();
    world.advance(REQUEST_LIFETIME);
    assert!(world.server.take_up(&sp(SHOP), &late).is_none());
}

#[test]
fn the_answer_carries_state_and_issuer() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let request_uri = world.push(&shop, "a&b=c d").unwrap();
    let taken = world.server.take_up(&sp(SHOP), &request_uri).unwrap();
    let refused = world.server.refuse(&taken, "access_denied");
    let iss = ISSUER.replace(':', "%3A").replace('/', "%2F");
    let expected = format!("{BACK}?error=access_denied&state=a%26b%3Dc%20d&iss={iss}");
    assert_eq!(refused, expected);
}

#[test]
fn who_may_not_ask_is_told_why() {
    let world = World::new();
    let denied = world.push(&certificate(VENDOR, 1), "s").unwrap_err();
    assert_eq!(denied.body().error_description, denied.to_string());
    assert_eq!((denied.status(), denied.cause()), (400, "ACCESS_DENIED"));
}

#[test]
fn requests_and_codes_of_one_client_are_bounded() {
    let world = World::new();
    let (shop, both) = (certificate(SHOP, 1), certificate(BOTH, 1));
    let other = world.push(&both, "s").unwrap();
    let first = world.push(&shop, "s").unwrap();
    for _ in 0..MOST_OF_CLIENT {
        world.push(&shop, "s").unwrap();
    }
    assert!(world.server.take_up(&sp(SHOP), &first).is_none());
    assert!(world.server.take_up(&sp(BOTH), &other).is_some());
}
