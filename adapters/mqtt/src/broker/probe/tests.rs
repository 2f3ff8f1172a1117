use super::*;
use crate::broker::fake::{FakeBroker, FakeWays, Manner};
use crate::packet::Reason;

async fn try_one(manner: Manner) -> Result<(), ProbeError> {
    probe(&FakeWays(FakeBroker::new(manner)), "gateway").await
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_goes_by_certificates_is_served_and_one_by_client_ids_is_not() {
    try_one(Manner::ByCertificate).await.unwrap();
    let found = try_one(Manner::ByClientId).await;
    assert!(
        matches!(found, Err(ProbeError::LetsWrite(Disguise::ClientId))),
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_refuses_a_disguise_and_is_alive_is_served() {
    for reason in [
        Reason::NotAuthorized,
        Reason::ClientId,
        Reason::BadCredentials,
    ] {
        try_one(Manner::Refuses(reason)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_disguise_that_did_not_come_to_be_judged_was_not_tried() {
    for manner in [
        Manner::CutsOff,
        Manner::RefusesAndStops,
        Manner::Refuses(Reason::Unavailable),
        Manner::Refuses(Reason::ConnectionRate),
        Manner::Refuses(Reason::Quota),
    ] {
        let found = try_one(manner).await;
        assert!(
            matches!(found, Err(ProbeError::Untried(Disguise::ClientId, _))),
            "{manner:?} {found:?}"
        );
    }
}
