use std::collections::HashSet;
use std::thread;

use ics_core::party::PartyStatus;
use ics_core::reference_point::{ReferencePoint, Role};

use super::*;
use crate::fixture::{BOTH, ISSUER, NO_ROLE, SHOP, VENDOR, World, certificate, sp};

const GRANT: &str = "grant_type=client_credentials";

fn form(text: &str) -> Form {
    Form::parse(text.as_bytes()).unwrap()
}

impl World {
    fn token(&self, peer: &PeerCertificate, body: &str) -> Result<TokenResponse, Refusal> {
        let admitted = self.server.admit(Some(peer))?;
        self.server.issue(&admitted, &form(body))
    }

    fn issued(&self, peer: &PeerCertificate) -> String {
        self.token(peer, GRANT).unwrap().access_token
    }

    fn check(
        &self,
        peer: &Arc<PeerCertificate>,
        token: &str,
    ) -> Result<Principal, AuthenticationFailure> {
        self.server.authenticate(peer, token, self.now())
    }

    /// What the resource server is told.
    fn introspect(&self, token: &str) -> IntrospectionResponse {
        let resource_server = certificate(BOTH, 9);
        let admitted = self.server.admit(Some(&resource_server)).unwrap();
        self.server
            .introspect(&admitted, &form(&format!("token={token}")))
            .unwrap()
    }

    fn revoke(&self, peer: &PeerCertificate, token: &str) -> Result<(), Refusal> {
        let admitted = self.server.admit(Some(peer))?;
        self.server
            .revoke(&admitted, &form(&format!("token={token}")))
    }
}

#[test]
fn a_token_works_on_connections_of_its_certificate() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let answer = world.token(&shop, GRANT).unwrap();
    assert_eq!(answer.token_type, "Bearer");
    assert_eq!(answer.expires_in, 600);
    assert_eq!(
        answer.scope,
        Scopes::of_roles([Role::ThirdPartySp]).to_string()
    );
    let principal = world.check(&shop, &answer.access_token).unwrap();
    assert_eq!(principal.sp, sp(SHOP));
    assert_eq!(principal.proof, Proof::Certificate(shop));
    assert_eq!(principal.scopes, Scopes::of_roles([Role::ThirdPartySp]));
}

#[test]
fn a_token_of_another_certificate_is_refused() {
    let world = World::new();
    let token = world.issued(&certificate(SHOP, 1));
    for other in [
        certificate(SHOP, 2),
        certificate(VENDOR, 1),
        certificate(BOTH, 1),
    ] {
        assert_eq!(
            world.check(&other, &token),
            Err(AuthenticationFailure::InvalidToken)
        );
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let token = world.issued(&shop);
    let cut = token.get(..42).unwrap();
    // The last character carries four bits: another spelling of the same 256 bits.
    let respelled = format!("{cut}{}", if token.ends_with('U') { 'V' } else { 'U' });
    let padded = format!("{token}=");
    let forged = "A".repeat(43);
    for text in ["", " ", "x", respelled.as_str(), &padded, cut, &forged] {
        assert_eq!(
            world.check(&shop, text),
            Err(AuthenticationFailure::InvalidToken),
            "{text}"
        );
    }
}

#[test]
fn a_token_ends_with_its_lifetime() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let token = world.issued(&shop);
    world.advance(Duration::from_millis(599_999));
    assert!(world.check(&shop, &token).is_ok());
    world.advance(Duration::from_millis(1));
    assert_eq!(
        world.check(&shop, &token),
        Err(AuthenticationFailure::InvalidToken)
    );
    assert_eq!(world.introspect(&token), IntrospectionResponse::INACTIVE);
}

#[test]
fn scopes_are_those_asked_for_within_the_roles() {
    let own = "ics-mapping:request";
    let table: [(&str, &str, Result<&str, Refusal>); 13] = [
        (SHOP, "&scope=ics-mapping:request", Ok(own)),
        (
            SHOP,
            "&scope=ics-mapping%3Arequest+ics-mapping:request",
            Ok(own),
        ),
        (
            SHOP,
            "&scope=ics-inquiry:by-transaction+ics-mapping:request",
            Ok("ics-mapping:request ics-inquiry:by-transaction"),
        ),
        (
            BOTH,
            "&scope=ics-mapping:request+ics-mapping:assign",
            Ok("ics-mapping:request ics-mapping:assign"),
        ),
        (SHOP, "&scope=ics-mapping:assign", Err(Refusal::Scope)),
        (
            SHOP,
            "&scope=ics-mapping:request+ics-mapping:assign",
            Err(Refusal::Scope),
        ),
        (SHOP, "&scope=nonsense", Err(Refusal::Scope)),
        (
            SHOP,
            "&scope=ics-mapping:request++ics-access:service",
            Err(Refusal::Scope),
        ),
        (SHOP, "&scope=+ics-mapping:request", Err(Refusal::Scope)),
        (
            SHOP,
            "&scope=ics-mapping:request%0Aics-access:service",
            Err(Refusal::Scope),
        ),
        (SHOP, "&scope=%22", Err(Refusal::Scope)),
        (NO_ROLE, "", Err(Refusal::Scope)),
        (NO_ROLE, "&scope=ics-mapping:request", Err(Refusal::Scope)),
    ];
    for (id, scope, expected) in table {
        let world = World::new();
        let answer = world.token(&certificate(id, 1), &format!("{GRANT}{scope}"));
        assert_eq!(
            answer.map(|a| a.scope),
            expected.map(str::to_owned),
            "{id} {scope}"
        );
    }
}

#[test]
fn no_scope_is_every_scope_of_the_roles() {
    let world = World::new();
    for (id, roles) in [
        (SHOP, vec![Role::ThirdPartySp]),
        (VENDOR, vec![Role::IotSp]),
        (BOTH, vec![Role::ThirdPartySp, Role::IotSp]),
    ] {
        for body in [GRANT, "grant_type=client_credentials&scope="] {
            let scope = world.token(&certificate(id, 1), body).unwrap().scope;
            assert_eq!(scope, Scopes::of_roles(roles.clone()).to_string(), "{id}");
        }
    }
}

#[test]
fn a_token_narrowed_at_issue_stays_narrow() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let body = format!("{GRANT}&scope=ics-access:service");
    let token = world.token(&shop, &body).unwrap().access_token;
    let scopes = world.check(&shop, &token).unwrap().scopes;
    assert_eq!(scopes.iter().collect::<Vec<_>>(), [ReferencePoint::Ics5]);
}

#[test]
fn requests_that_are_no_client_credentials_grant_are_refused() {
    let table = [
        ("", Refusal::GrantTypeMissing),
        ("grant_type=", Refusal::GrantTypeMissing),
        ("scope=ics-mapping:request", Refusal::GrantTypeMissing),
        (
            "grant_type=password&username=a&password=b",
            Refusal::GrantType,
        ),
        (
            "grant_type=authorization_code&code=x",
            Refusal::ParameterMissing("redirect_uri"),
        ),
        (
            "grant_type=refresh_token&refresh_token=x",
            Refusal::GrantType,
        ),
        ("grant_type=Client_Credentials", Refusal::GrantType),
        (
            "grant_type=client_credentials&client_id=vendor",
            Refusal::ClientMismatch,
        ),
        (
            "grant_type=client_credentials&client_id=Shop",
            Refusal::ClientMismatch,
        ),
        (
            "grant_type=client_credentials&client_id=shop:x",
            Refusal::ClientMismatch,
        ),
        (
            "grant_type=client_credentials&client_secret=x",
            Refusal::SecondAuthentication,
        ),
        (
            "grant_type=client_credentials&client_id=shop&client_secret=x",
            Refusal::SecondAuthentication,
        ),
        (
            "grant_type=client_credentials&client_assertion=x",
            Refusal::SecondAuthentication,
        ),
    ];
    let world = World::new();
    for (body, expected) in table {
        let refusal = world.token(&certificate(SHOP, 1), body).err();
        assert_eq!(refusal, Some(expected), "{body}");
    }
}

#[test]
fn the_client_may_name_itself_and_send_what_nobody_knows() {
    let world = World::new();
    let body = format!("{GRANT}&client_id=shop&resource=https%3A%2F%2Fx&state=");
    assert!(world.token(&certificate(SHOP, 1), &body).is_ok());
}

#[test]
fn who_is_not_admitted_gets_and_uses_no_token() {
    type Event = fn(&World, &PeerCertificate);
    let cases: [(AuthenticationFailure, Event); 4] = [
        (AuthenticationFailure::PartyNotServed, |w, _| {
            w.set_status(SHOP, PartyStatus::Suspended)
        }),
        (AuthenticationFailure::PartyNotServed, |w, _| {
            w.set_status(SHOP, PartyStatus::Removed)
        }),
        (AuthenticationFailure::CertificateRevoked, |w, peer| {
            w.revoke_certificate(peer)
        }),
        (AuthenticationFailure::CertificateExpired, |w, _| {
            w.advance(Duration::from_millis(86_400_001));
        }),
    ];
    for (failure, happens) in cases {
        let world = World::new();
        let shop = certificate(SHOP, 1);
        let token = world.issued(&shop);
        happens(&world, &shop);
        assert_eq!(world.check(&shop, &token), Err(failure));
        assert_eq!(
            world.token(&shop, GRANT).err(),
            Some(Refusal::Client(failure))
        );
        assert_eq!(
            world.revoke(&shop, &token).err(),
            Some(Refusal::Client(failure))
        );
    }
    let world = World::new();
    let stranger = world.token(&certificate("stranger", 1), GRANT).err();
    assert_eq!(
        stranger,
        Some(Refusal::Client(AuthenticationFailure::PartyNotServed))
    );
    assert!(world.server.admit(None).is_err(), "no certificate: nobody");
}

#[test]
fn a_resumed_party_goes_on_with_its_tokens_unless_they_were_dropped() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let token = world.issued(&shop);
    world.set_status(SHOP, PartyStatus::Suspended);
    world.set_status(SHOP, PartyStatus::Active);
    assert!(world.check(&shop, &token).is_ok());
    assert_eq!(world.server.drop_tokens_of_sp(&sp(SHOP)), 1);
    assert_eq!(
        world.check(&shop, &token),
        Err(AuthenticationFailure::InvalidToken)
    );
}

#[test]
fn a_role_taken_back_takes_its_tokens() {
    let world = World::new();
    let both = certificate(BOTH, 1);
    let all = world.issued(&both);
    let narrow = world
        .token(&both, &format!("{GRANT}&scope=ics-mapping:request"))
        .unwrap()
        .access_token;
    world.change_party(BOTH, |party| party.iot_sp = false);
    assert_eq!(
        world.check(&both, &all),
        Err(AuthenticationFailure::InvalidToken)
    );
    assert!(world.check(&both, &narrow).is_ok());
}

#[test]
fn a_client_over_its_limit_waits() {
    let world = World::new();
    world.exceed_limit();
    let refusal = world.token(&certificate(SHOP, 1), GRANT).err().unwrap();
    assert_eq!(refusal.status(), 429);
    assert_eq!(refusal.retry_after(), Some(Duration::from_millis(1_001)));
}

#[test]
fn a_client_revokes_its_own_tokens_and_no_others() {
    let world = World::new();
    let (shop, vendor) = (certificate(SHOP, 1), certificate(VENDOR, 1));
    let (own, foreign) = (world.issued(&shop), world.issued(&vendor));
    assert_eq!(
        world.revoke(&shop, &foreign),
        Ok(()),
        "as for an unknown token"
    );
    assert!(world.check(&vendor, &foreign).is_ok());
    // With a renewed certificate too: the client is the same.
    assert_eq!(world.revoke(&certificate(SHOP, 2), &own), Ok(()));
    assert_eq!(
        world.check(&shop, &own),
        Err(AuthenticationFailure::InvalidToken)
    );
    assert_eq!(world.revoke(&shop, &own), Ok(()), "again");
    assert_eq!(world.revoke(&shop, "nonsense"), Ok(()));
    assert_eq!(world.revoke(&shop, ""), Err(Refusal::TokenMissing));
}

#[test]
fn introspection_tells_what_works_here_and_now() {
    let world = World::new();
    let shop = certificate(SHOP, 1);
    let token = world.issued(&shop);
    let IntrospectionResponse::Active(told) = world.introspect(&token) else {
        panic!("own token is active");
    };
    assert_eq!(told.client_id, SHOP);
    assert_eq!(
        told.scope,
        Scopes::of_roles([Role::ThirdPartySp]).to_string()
    );
    assert_eq!(told.exp - told.iat, 600);
    assert_eq!(told.iat, world.now().millis() / 1000);
    assert_eq!(told.iss, ISSUER);
    assert_eq!(
        told.cnf.certificate_thumbprint,
        URL_SAFE_NO_PAD.encode(shop.thumbprint.0)
    );
}

#[test]
fn introspection_tells_resource_servers_alone() {
    let world = World::new();
    let token = world.issued(&certificate(SHOP, 1));
    for caller in [certificate(VENDOR, 1), certificate(SHOP, 1)] {
        let admitted = world.server.admit(Some(&caller)).unwrap();
        for asked in [&token, "nonsense"] {
            let body = form(&format!("token={asked}"));
            let refused = world.server.introspect(&admitted, &body);
            assert_eq!(refused, Err(Refusal::NotResourceServer));
        }
    }
    world.set_status(SHOP, PartyStatus::Suspended);
    assert_eq!(world.introspect(&token), IntrospectionResponse::INACTIVE);
    assert_eq!(
        world.introspect("nonsense"),
        IntrospectionResponse::INACTIVE
    );
}

#[test]
fn the_tokens_of_a_certificate_go_with_it() {
    let world = World::new();
    let (old, new) = (certificate(SHOP, 1), certificate(SHOP, 2));
    let (of_old, of_new) = (world.issued(&old), world.issued(&new));
    assert_eq!(world.server.drop_tokens_of_certificate(&old.thumbprint), 1);
    assert_eq!(
        world.check(&old, &of_old),
        Err(AuthenticationFailure::InvalidToken)
    );
    assert!(world.check(&new, &of_new).is_ok());
}

#[test]
fn one_client_cannot_push_out_the_tokens_of_another() {
    let world = World::with_cap(8);
    let (shop, vendor) = (certificate(SHOP, 1), certificate(VENDOR, 1));
    let kept = world.issued(&vendor);
    let first = world.issued(&shop);
    let later: Vec<_> = (0..8).map(|_| world.issued(&shop)).collect();
    assert!(world.check(&vendor, &kept).is_ok());
    assert!(later.iter().all(|token| world.check(&shop, token).is_ok()));
    assert_eq!(
        world.check(&shop, &first),
        Err(AuthenticationFailure::InvalidToken)
    );
}

#[test]
fn sixty_four_clients_at_once_get_tokens_of_their_own() {
    let world = World::new();
    let start = &std::sync::Barrier::new(64);
    let world = &world;
    let tokens: Vec<String> = thread::scope(|scope| {
        let asking: Vec<_> = (0..64u8)
            .map(|n| {
                scope.spawn(move || {
                    let peer = certificate([SHOP, VENDOR, BOTH][usize::from(n) % 3], n);
                    start.wait();
                    let token = world.issued(&peer);
                    assert!(world.check(&peer, &token).is_ok());
                    token
                })
            })
            .collect();
        asking
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 64);
}

#[test]
fn tokens_are_known_by_their_hash_alone() {
    let world = World::new();
    let token = world.issued(&certificate(SHOP, 1));
    assert_eq!(token.len(), 43);
    let hash = TokenHash::of(&token).unwrap();
    assert!(!format!("{hash:?}").contains(&token));
    assert_ne!(hash.0.as_slice(), URL_SAFE_NO_PAD.decode(&token).unwrap());
    assert!(world.server.tokens.find(&sp(SHOP), &hash).is_some());
}

#[test]
fn settings_out_of_range_are_refused() {
    let world = World::new();
    for (lifetime, expected) in [
        (Duration::ZERO, Some(InvalidSettings::Lifetime)),
        (Duration::from_millis(999), Some(InvalidSettings::Lifetime)),
        (Duration::from_secs(3601), Some(InvalidSettings::Lifetime)),
        (Duration::from_secs(3600), None),
        (Duration::from_secs(1), None),
    ] {
        let settings = Settings {
            token_lifetime: lifetime,
            ..Settings::new(Origin::parse(ISSUER).unwrap())
        };
        let server = AuthorizationServer::new(settings, world.server.ports.clone());
        assert_eq!(server.err(), expected, "{lifetime:?}");
    }
}
