use std::sync::atomic::Ordering;

use ics_core::outbox::DeadReason;

use super::*;
use crate::fixture::{
    DEVICE, SERIAL, SERVICE, UTI, World, at, established, notification, operator, pending,
};
use crate::wire::*;

fn new_party(id: &str, role: RoleName) -> NewParty {
    NewParty {
        id: id.into(),
        roles: vec![role],
        services: Vec::new(),
        unproven_services: Vec::new(),
        serial_namespaces: Vec::new(),
        callback_origins: vec![format!("https://{id}.example")],
        token_endpoint: None,
        onem2m: None,
        limits: NewLimits::default(),
    }
}

/// shop and vendor with an agreement between them; answers the agreement's id.
async fn onboard(world: &World) -> String {
    let caller = world.caller();
    let mut shop = new_party("shop", RoleName::ThirdPartySp);
    shop.services.push("https://shop.example/".into());
    world.api.add_party(&caller, &shop).await.unwrap();
    let mut vendor = new_party("vendor", RoleName::IotSp);
    vendor.serial_namespaces.push(SerialNamespaceView {
        vendor: Some("acme".into()),
        prefix: Some("FR-".into()),
        pattern: None,
    });
    world.api.add_party(&caller, &vendor).await.unwrap();
    let agreement = world
        .api
        .add_agreement(&caller, &agreement("vendor", "shop"))
        .await
        .unwrap();
    agreement.agreement_id
}

fn agreement(iot_sp: &str, third_party_sp: &str) -> NewAgreement {
    NewAgreement {
        iot_sp_id: iot_sp.into(),
        third_party_sp_id: third_party_sp.into(),
        services: Vec::new(),
        valid_from: None,
        valid_until: None,
        consent_mode: ConsentModeName::Asserted,
        device_id_exposure: ExposureName::Raw,
        pairing_required: false,
    }
}

const YES: Confirmation = Confirmation { confirm: true };
const NO: Confirmation = Confirmation { confirm: false };

#[tokio::test]
async fn nobody_without_a_certificate_that_is_valid_now_is_let_in() {
    let world = World::new();
    assert_eq!(world.api.admit(None).unwrap_err(), Refusal::NoCertificate);
    let over = OperatorCertificate {
        not_after: at(-1),
        ..operator()
    };
    assert_eq!(
        world.api.admit(Some(&over)).unwrap_err(),
        Refusal::CertificateExpired
    );
    assert!(world.api.admit(Some(&operator())).is_ok());
}

#[tokio::test]
async fn grants_come_back_as_they_were_given() {
    let world = World::new();
    onboard(&world).await;
    let vendor = world.api.show_party("vendor").unwrap();
    assert_eq!(vendor.roles, [RoleName::IotSp]);
    assert_eq!(vendor.status, PartyStatusName::Active);
    assert_eq!(vendor.serial_namespaces[0].prefix.as_deref(), Some("FR-"));
    assert_eq!(vendor.callback_origins, ["https://vendor.example"]);
    assert_eq!(
        vendor.limits.requests_per_second, 100,
        "the configured default"
    );
    assert_eq!(
        world.api.show_party("shop").unwrap().services,
        ["https://shop.example/"]
    );
}

#[tokio::test]
async fn overlapping_service_names_its_owner() {
    let world = World::new();
    onboard(&world).await;
    let mut rival = new_party("rival", RoleName::ThirdPartySp);
    rival.services.push("https://shop.example/eggs".into());
    let refusal = world
        .api
        .add_party(&world.caller(), &rival)
        .await
        .unwrap_err();
    let problem = refusal.problem();
    assert_eq!(
        (problem.status, problem.cause.as_str()),
        (409, "SERVICE_OWNED")
    );
    assert_eq!(problem.conflicts_with.as_deref(), Some("shop"));
    assert_eq!(world.api.show_party("rival"), Err(Refusal::NoParty));
}

fn speaks_as(stem: &str) -> NewOneM2mAe {
    NewOneM2mAe {
        onem2m: Some(OneM2mAeView {
            ae: format!("/id-in/{stem}"),
            key: Some(JwkView {
                kty: "OKP".into(),
                crv: "Ed25519".into(),
                x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into(),
                y: None,
            }),
        }),
    }
}

#[tokio::test]
async fn an_ae_is_given_shown_and_taken_away() {
    let world = World::new();
    onboard(&world).await;
    let (api, caller) = (&world.api, world.caller());
    let given = speaks_as("Cshop");
    let changed = api.change_party_ae(&caller, "shop", &given).await.unwrap();
    assert_eq!(changed.onem2m, given.onem2m);
    assert_eq!(api.show_party("shop").unwrap().onem2m, given.onem2m);
    let none = NewOneM2mAe::default();
    let changed = api.change_party_ae(&caller, "shop", &none).await.unwrap();
    assert_eq!(changed.onem2m, None);
    assert_eq!(
        changed.services,
        ["https://shop.example/"],
        "all else stays"
    );
}

#[tokio::test]
async fn an_ae_speaks_for_one_party_and_is_free_again_when_that_is_removed() {
    let world = World::new();
    onboard(&world).await;
    let (api, caller) = (&world.api, world.caller());
    let given = speaks_as("Cshop");
    api.change_party_ae(&caller, "shop", &given).await.unwrap();
    let mut rival = new_party("rival", RoleName::IotSp);
    rival.onem2m = given.onem2m.clone();
    for refusal in [
        api.change_party_ae(&caller, "vendor", &given).await,
        api.add_party(&caller, &rival).await,
    ] {
        let problem = refusal.unwrap_err().problem();
        assert_eq!((problem.status, problem.cause.as_str()), (409, "AE_TAKEN"));
        assert_eq!(problem.conflicts_with.as_deref(), Some("shop"));
    }
    assert_eq!(api.show_party("vendor").unwrap().onem2m, None);
    api.change_party_ae(&caller, "shop", &given).await.unwrap();
    api.suspend_party(&caller, "shop").await.unwrap();
    let refused = api.change_party_ae(&caller, "vendor", &given).await;
    assert!(refused.is_err(), "frozen is not gone");
    api.remove_party(&caller, "shop", YES).await.unwrap();
    api.add_party(&caller, &rival).await.unwrap();
    let refused = api.change_party_ae(&caller, "shop", &given).await;
    assert_eq!(refused.unwrap_err().problem().status, 409);
}

#[tokio::test]
async fn status_changes_and_removal_is_final() {
    let world = World::new();
    onboard(&world).await;
    let caller = world.caller();
    let suspended = world.api.suspend_party(&caller, "shop").await.unwrap();
    assert_eq!(suspended.status, PartyStatusName::Suspended);
    let resumed = world.api.resume_party(&caller, "shop").await.unwrap();
    assert_eq!(resumed.status, PartyStatusName::Active);
    let removed = world.api.remove_party(&caller, "shop", YES).await.unwrap();
    assert_eq!(removed.sp.status, PartyStatusName::Removed);
    let refusal = world.api.resume_party(&caller, "shop").await.unwrap_err();
    assert_eq!(refusal, Refusal::PartyRemoved);
    let order = CertificateOrder {
        csr: "CSR".into(),
        validity_days: None,
    };
    let refusal = world
        .api
        .issue_certificate(&caller, "shop", &order)
        .await
        .unwrap_err();
    assert_eq!(refusal, Refusal::PartyRemoved);
    for stranger in ["nobody", "No Such!"] {
        let refusal = world
            .api
            .suspend_party(&caller, stranger)
            .await
            .unwrap_err();
        assert_eq!(refusal, Refusal::NoParty);
    }
}

#[tokio::test]
async fn removal_without_confirmation_counts_and_changes_nothing() {
    let world = World::new();
    let id = onboard(&world).await;
    world.store.put(established(1, &id));
    world.store.put(pending(2, &id));
    let caller = world.caller();
    for sp in ["shop", "vendor"] {
        let refusal = world.api.remove_party(&caller, sp, NO).await.unwrap_err();
        assert_eq!(refusal, Refusal::Unconfirmed { rows: 2 });
        assert_eq!(
            world.api.show_party(sp).unwrap().status,
            PartyStatusName::Active
        );
    }
    let refusal = world.api.end_agreement(&caller, &id, NO).await.unwrap_err();
    assert_eq!(refusal, Refusal::Unconfirmed { rows: 2 });
    let agreement = world.api.show_agreement(&id).unwrap();
    assert_eq!(agreement.status, AgreementStatusName::Active);
}

#[tokio::test]
async fn confirmed_removal_demaps_the_rows() {
    let world = World::new();
    let id = onboard(&world).await;
    world.store.put(established(1, &id));
    world.store.put(pending(2, &id));
    let removed = world
        .api
        .remove_party(&world.caller(), "vendor", YES)
        .await
        .unwrap();
    assert_eq!(removed.demapped, 2);
    let status = AgreementStatusName::Ended;
    assert_eq!(world.api.show_agreement(&id).unwrap().status, status);
    let page = world
        .api
        .list_mappings(&MappingQuery::default())
        .await
        .unwrap();
    assert!(
        page.items
            .iter()
            .all(|row| row.status == MappingStatusName::Deleted)
    );
    assert_eq!(page.items[0].sub_cause.as_deref(), Some("SP_REMOVED"));
}

#[tokio::test]
async fn ended_agreement_demaps_its_rows_once() {
    let world = World::new();
    let id = onboard(&world).await;
    world.store.put(established(1, &id));
    let ended = world
        .api
        .end_agreement(&world.caller(), &id, YES)
        .await
        .unwrap();
    assert_eq!(
        (ended.demapped, ended.agreement.status),
        (1, AgreementStatusName::Ended)
    );
    assert!(ended.agreement.end_time.is_some());
    let again = world
        .api
        .end_agreement(&world.caller(), &id, YES)
        .await
        .unwrap();
    assert_eq!(again.demapped, 0);
}

/// An embedded store answers at once: between its pages the walk must give way by itself.
#[tokio::test]
async fn counting_many_rows_lets_other_tasks_of_the_thread_have_their_turn() {
    let world = World::new();
    let id = onboard(&world).await;
    for n in 0..3500_u16 {
        let mut row = established(1, &id);
        let mut name = [1; 16];
        name[..2].copy_from_slice(&n.to_be_bytes());
        row.id = ics_core::id::MappingId::from_bytes(name);
        world.store.put(row);
    }
    let caller = world.caller();
    let mut ending = std::pin::pin!(world.api.end_agreement(&caller, &id, YES));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut turns = 0;
    while ending.as_mut().poll(&mut context).is_pending() {
        turns += 1;
    }
    assert!(turns >= 3, "{turns} turns for four pages");
}

#[tokio::test]
async fn agreement_between_the_wrong_sides_names_the_place() {
    let world = World::new();
    onboard(&world).await;
    let caller = world.caller();
    for (iot_sp, third_party_sp, cause, param) in [
        ("vendor", "nobody", "SP_NOT_FOUND", "/thirdPartySpId"),
        ("nobody", "shop", "SP_NOT_FOUND", "/iotSpId"),
        ("shop", "shop", "ROLE_MISMATCH", "/iotSpId"),
        ("vendor", "vendor", "ROLE_MISMATCH", "/thirdPartySpId"),
    ] {
        let new = agreement(iot_sp, third_party_sp);
        let problem = world
            .api
            .add_agreement(&caller, &new)
            .await
            .unwrap_err()
            .problem();
        assert_eq!(problem.cause, cause);
        assert_eq!(
            problem.invalid_params[0].param, param,
            "{iot_sp} {third_party_sp}"
        );
    }
    let again = world
        .api
        .add_agreement(&caller, &agreement("vendor", "shop"))
        .await;
    assert_eq!(again.unwrap_err().cause(), "AGREEMENT_EXISTS");
}

#[tokio::test]
async fn a_service_provider_that_there_is_is_invited_for_a_day_or_as_long_as_is_said() {
    let world = World::new();
    onboard(&world).await;
    let (api, caller) = (&world.api, world.caller());
    let order = |valid_hours| InvitationOrder { valid_hours };
    let invited = api.invite(&caller, "shop", &order(None)).await.unwrap();
    assert_eq!(invited.code, "shop-86400");
    let invited = api.invite(&caller, "shop", &order(Some(1))).await.unwrap();
    assert_eq!(invited.expires, at(3600).to_rfc3339());
    for hours in [0, 721] {
        let refused = api.invite(&caller, "shop", &order(Some(hours))).await;
        assert_eq!(refused.unwrap_err().status(), 400, "{hours}");
    }
    let unknown = api.invite(&caller, "nobody", &order(None)).await;
    assert_eq!(unknown, Err(Refusal::NoParty));
}

#[tokio::test]
async fn issued_certificate_is_on_record_and_can_be_revoked() {
    let world = World::new();
    onboard(&world).await;
    let caller = world.caller();
    let order = CertificateOrder {
        csr: "CSR".into(),
        validity_days: Some(3),
    };
    let issued = world
        .api
        .issue_certificate(&caller, "shop", &order)
        .await
        .unwrap();
    assert_eq!(issued.not_after, at(3 * 86_400).to_rfc3339());
    let query = PageQuery::default();
    let listed = world.api.list_certificates("shop", &query).unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].status, CertificateStatusName::Valid);
    assert_eq!(
        listed[0].fingerprint.as_deref(),
        Some(issued.fingerprint.as_str())
    );
    assert!(
        world
            .api
            .list_certificates("vendor", &query)
            .unwrap()
            .items
            .is_empty()
    );

    let by_serial = Revocation {
        serial: Some(issued.serial),
        ..Revocation::default()
    };
    let revoked = world
        .api
        .revoke_certificate(&caller, &by_serial)
        .await
        .unwrap();
    assert_eq!(revoked.status, CertificateStatusName::Revoked);
    assert_eq!(revoked.revoke_time, Some(at(0).to_rfc3339()));
    let by_fingerprint = Revocation {
        fingerprint: Some(issued.fingerprint),
        ..Revocation::default()
    };
    let again = world
        .api
        .revoke_certificate(&caller, &by_fingerprint)
        .await
        .unwrap();
    assert_eq!(again, revoked);
}

#[tokio::test]
async fn certificate_is_not_given_out_when_it_cannot_be_recorded() {
    let world = World::new();
    onboard(&world).await;
    world.store.is_off.store(true, Ordering::SeqCst);
    let order = CertificateOrder {
        csr: "CSR".into(),
        validity_days: None,
    };
    let refusal = world
        .api
        .issue_certificate(&world.caller(), "shop", &order)
        .await
        .unwrap_err();
    assert_eq!(refusal.status(), 503);
}

#[tokio::test]
async fn certificate_that_was_issued_elsewhere_is_revoked_by_pem_or_by_serial_and_sp() {
    let world = World::new();
    onboard(&world).await;
    let caller = world.caller();
    let pem = Revocation {
        certificate: Some("shop 77 78".into()),
        ..Revocation::default()
    };
    let revoked = world.api.revoke_certificate(&caller, &pem).await.unwrap();
    assert_eq!(
        (revoked.sp_id.as_str(), revoked.serial.as_str()),
        ("shop", "4d")
    );
    assert_eq!(revoked.fingerprint, Some("4e".repeat(32)));

    let unseen = Revocation {
        serial: Some("0A:BC".into()),
        ..Revocation::default()
    };
    let refusal = world
        .api
        .revoke_certificate(&caller, &unseen)
        .await
        .unwrap_err();
    assert_eq!(refusal, Refusal::NoCertificateKnown);
    let unseen = Revocation {
        sp_id: Some("vendor".into()),
        ..unseen
    };
    let revoked = world
        .api
        .revoke_certificate(&caller, &unseen)
        .await
        .unwrap();
    assert_eq!((revoked.serial.as_str(), revoked.not_after), ("0abc", None));
}

#[tokio::test]
async fn revoking_one_certificate_never_hits_another_of_the_same_serial() {
    let world = World::new();
    onboard(&world).await;
    let caller = world.caller();
    let order = CertificateOrder {
        csr: "CSR".into(),
        validity_days: None,
    };
    let issued = world
        .api
        .issue_certificate(&caller, "shop", &order)
        .await
        .unwrap();
    assert_eq!(issued.certificate, "shop 1 1");
    for (pem, serial, sp_id) in [
        (Some("vendor 1 9".to_owned()), None, None),
        (Some("shop 1 9".to_owned()), None, None),
        (None, Some("01".to_owned()), Some("vendor".to_owned())),
    ] {
        let other = Revocation {
            certificate: pem,
            serial,
            sp_id,
            fingerprint: None,
        };
        let refusal = world
            .api
            .revoke_certificate(&caller, &other)
            .await
            .unwrap_err();
        assert_eq!(
            refusal.problem().conflicts_with.as_deref(),
            Some("shop"),
            "{other:?}"
        );
    }
    let listed = world
        .api
        .list_certificates("shop", &PageQuery::default())
        .unwrap()
        .items;
    assert_eq!(listed[0].status, CertificateStatusName::Valid);
}

#[tokio::test]
async fn rows_are_found_by_party_and_state() {
    let world = World::new();
    let id = onboard(&world).await;
    world.store.put(established(1, &id));
    world.store.put(pending(2, &id));
    for (sp, status, found) in [
        (None, None, 2),
        (Some("shop"), None, 2),
        (Some("vendor"), None, 2),
        (Some("vendor"), Some(MappingStatusName::Established), 1),
        (Some("shop"), Some(MappingStatusName::Pending), 1),
        (None, Some(MappingStatusName::Deleted), 0),
    ] {
        let sp = sp.map(str::to_owned);
        let query = MappingQuery {
            sp,
            status,
            ..MappingQuery::default()
        };
        let page = world.api.list_mappings(&query).await.unwrap();
        assert_eq!(page.items.len(), found, "{query:?}");
    }
    let query = MappingQuery {
        sp: Some("nobody".into()),
        ..MappingQuery::default()
    };
    assert_eq!(world.api.list_mappings(&query).await, Err(Refusal::NoParty));
}

#[tokio::test]
async fn pages_of_rows_join_to_the_whole_under_a_filter() {
    let world = World::new();
    let id = onboard(&world).await;
    for n in 1..=9 {
        world.store.put(if n % 3 == 0 {
            established(n, &id)
        } else {
            pending(n, &id)
        });
    }
    let status = Some(MappingStatusName::Pending);
    let mut query = MappingQuery {
        status,
        limit: Some(2),
        ..MappingQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = world.api.list_mappings(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|row| row.mapping_id));
        query.page_token = page.next_page_token;
        if query.page_token.is_none() {
            break;
        }
    }
    let all: Vec<_> = [1_u8, 2, 4, 5, 7, 8]
        .map(|n| ics_core::id::MappingId::from_bytes([n; 16]).to_string())
        .into();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn lists_hold_no_identifier_and_no_answer_holds_a_serial_number() {
    let world = World::new();
    let id = onboard(&world).await;
    world.store.put(established(1, &id));
    world.store.put(pending(2, &id));
    let page = world
        .api
        .list_mappings(&MappingQuery::default())
        .await
        .unwrap();
    let list = serde_json::to_string(&page).unwrap();
    for identifier in [SERVICE, UTI, DEVICE] {
        assert!(!list.contains(identifier), "{identifier}");
    }
    let serial = std::str::from_utf8(SERIAL).unwrap();
    let mut details = String::new();
    for row in &page.items {
        let detail = world.api.show_mapping(&row.mapping_id).await.unwrap();
        details.push_str(&serde_json::to_string(&detail).unwrap());
    }
    assert!(details.contains(SERVICE) && details.contains(UTI) && details.contains(DEVICE));
    let hex: String = SERIAL.iter().map(|b| format!("{b:02x}")).collect();
    for text in [serial, hex.as_str()] {
        assert!(!list.contains(text) && !details.contains(text));
    }
}

#[tokio::test]
async fn outbox_is_listed_and_dead_letters_are_tried_again() {
    let world = World::new();
    onboard(&world).await;
    world
        .store
        .tell(notification(1, Some(DeadReason::DeadlinePassed)));
    world.store.tell(notification(2, None));
    world
        .store
        .tell(notification(3, Some(DeadReason::NoDestination)));
    let dead = OutboxQuery {
        dead: Some(true),
        limit: Some(1),
        ..OutboxQuery::default()
    };
    let first = world.api.list_outbox(&dead).await.unwrap();
    assert_eq!(
        first.items[0].dead_reason,
        Some(DeadReasonName::DeadlinePassed)
    );
    let rest = OutboxQuery {
        page_token: first.next_page_token,
        ..dead.clone()
    };
    let second = world.api.list_outbox(&rest).await.unwrap();
    assert_eq!(
        second.items[0].dead_reason,
        Some(DeadReasonName::NoDestination)
    );

    let caller = world.caller();
    let id = first.items[0].notification_id.clone();
    let rings = world.bell.0.load(Ordering::SeqCst);
    let retried = world.api.retry_entry(&caller, &id).await.unwrap();
    assert_eq!(
        retried,
        RetriedView {
            retried: 1,
            more: false
        }
    );
    assert!(
        world.bell.0.load(Ordering::SeqCst) > rings,
        "the deliverer is told"
    );
    assert_eq!(
        world.api.retry_entry(&caller, "x.1t").await,
        Err(Refusal::NoNotification)
    );

    let all = OutboxRetry {
        sp_id: "shop".into(),
    };
    let retried = world.api.retry_all(&caller, &all).await.unwrap();
    assert_eq!(
        retried,
        RetriedView {
            retried: 1,
            more: false
        }
    );
    assert!(world.api.list_outbox(&dead).await.unwrap().items.is_empty());
    let all = OutboxRetry {
        sp_id: "vendor".into(),
    };
    assert_eq!(world.api.retry_all(&caller, &all).await.unwrap().retried, 0);
}

#[tokio::test]
async fn status_counts_and_names_what_runs_out_next() {
    let world = World::new();
    let id = onboard(&world).await;
    world.store.put(established(1, &id));
    world.store.put(pending(2, &id));
    world.store.tell(notification(1, None));
    let caller = world.caller();
    for (sp, days) in [("shop", 1), ("shop", 30), ("vendor", 10)] {
        let order = CertificateOrder {
            csr: "CSR".into(),
            validity_days: Some(days),
        };
        world
            .api
            .issue_certificate(&caller, sp, &order)
            .await
            .unwrap();
    }
    let status = world.api.show_status().await.unwrap();
    assert_eq!(
        (status.version.as_str(), status.uptime_seconds),
        ("1.2.3", 3600)
    );
    assert_eq!(status.service_providers.active, 2);
    assert_eq!(status.active_agreements, 1);
    let counts = MappingCounts {
        pending: 1,
        established: 1,
        tombstones: 0,
    };
    assert_eq!(status.mappings, Some(counts));
    assert_eq!(status.outbox_depth, Some(1));
    // shop renewed: its first certificate may run out.
    let next = status.next_certificate_expiry.unwrap();
    assert_eq!(
        (next.sp_id.as_str(), next.not_after),
        ("vendor", at(10 * 86_400).to_rfc3339())
    );
}

#[tokio::test]
async fn gateway_is_ready_only_while_its_store_answers() {
    let world = World::new();
    assert_eq!(world.api.show_readiness().await.unwrap().status, "ready");
    world.store.is_off.store(true, Ordering::SeqCst);
    assert_eq!(world.api.show_readiness().await.unwrap_err().status(), 503);
    assert_eq!(OperatorApi::show_liveness().status, "live");
}

#[tokio::test]
async fn a_doubted_clock_is_told_and_does_not_take_the_gateway_out_of_service() {
    let world = World::new();
    let status = world.api.show_status().await.unwrap();
    assert_eq!(status.clock.state, "behind");
    assert!(status.clock.detail.contains("7200 s behind"), "{status:?}");
    let ready = world.api.show_readiness().await.unwrap();
    assert_eq!(ready.status, "ready");
    assert_eq!(ready.clock, Some(status.clock));
    let accepted = world.api.accept_clock(&world.caller()).await.unwrap();
    assert_eq!(accepted.state, "trusted");
    let status = world.api.show_status().await.unwrap();
    assert_eq!(status.clock, accepted);
}

#[tokio::test]
async fn a_decision_log_that_fails_is_told_by_health_and_status() {
    let world = World::new();
    let ready = world.api.show_readiness().await.unwrap();
    assert_eq!(ready.decision_log.unwrap().state, DecisionLogState::Writing);
    world.store.decision_log_fails.store(true, Ordering::SeqCst);
    let ready = world.api.show_readiness().await.unwrap();
    assert_eq!(ready.status, "degraded");
    let status = world.api.show_status().await.unwrap();
    assert_eq!(status.decision_log.state, DecisionLogState::FailingRefused);
}

#[tokio::test]
async fn a_store_that_was_found_damaged_is_told_by_health_and_status() {
    let world = World::new();
    let status = world.api.show_status().await.unwrap();
    assert_eq!(status.store, Some(StoreState::Writing));
    world.store.is_damaged.store(true, Ordering::SeqCst);
    let ready = world.api.show_readiness().await.unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.store),
        ("degraded", Some(StoreState::Damaged))
    );
    // Though its counters cannot be read.
    let status = world.api.show_status().await.unwrap();
    assert_eq!(
        (status.mappings, status.store),
        (None, Some(StoreState::Damaged))
    );
}
