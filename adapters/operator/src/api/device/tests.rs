use ics_core::device::CredentialId;
use ics_core::id::{DeviceId, PskIdentity};
use ics_core::port::AuthorityError;

use super::*;
use crate::fixture::World;
use crate::wire::{
    ChannelName, CredentialKindName, DeviceStatusName, NewDeviceCertificate, NewLimits, NewParty,
    NewPassword, NewPsk, RoleName, SerialNamespaceView,
};

async fn onboard(world: &World, id: &str, role: RoleName) {
    let serials = SerialNamespaceView {
        vendor: None,
        prefix: Some("FR-".into()),
        pattern: None,
    };
    let is_host = role == RoleName::IotSp;
    let new = NewParty {
        id: id.into(),
        roles: vec![role],
        services: Vec::new(),
        unproven_services: Vec::new(),
        serial_namespaces: is_host.then_some(serials).into_iter().collect(),
        callback_origins: vec![format!("https://{id}.example")],
        token_endpoint: None,
        onem2m: None,
        limits: NewLimits::default(),
    };
    world.api.add_party(&world.caller(), &new).await.unwrap();
}

async fn world() -> World {
    let world = World::new();
    onboard(&world, "vendor", RoleName::IotSp).await;
    onboard(&world, "vendor2", RoleName::IotSp).await;
    onboard(&world, "shop", RoleName::ThirdPartySp).await;
    world
}

fn password(validity: Option<u32>) -> NewCredential {
    NewCredential {
        password: Some(NewPassword {
            value: None,
            validity,
        }),
        ..NewCredential::default()
    }
}

fn psk(validity: Option<u32>) -> NewCredential {
    NewCredential {
        psk: Some(NewPsk { validity }),
        ..NewCredential::default()
    }
}

fn certificate(request: &str) -> NewCredential {
    NewCredential {
        certificate: Some(NewDeviceCertificate {
            request: request.into(),
            validity: None,
        }),
        ..NewCredential::default()
    }
}

fn device(serial: &str) -> NewDevice {
    NewDevice {
        device_serial_number: serial.into(),
        device_vendor: Some("acme".into()),
        device_model: None,
        owner_subject: None,
        channels: vec![ChannelName::Mqtt],
        credentials: vec![certificate("CSR"), password(Some(60))],
    }
}

const YES: Confirmation = Confirmation { confirm: true };
const NO: Confirmation = Confirmation { confirm: false };

#[tokio::test]
async fn secrets_are_told_once_and_serial_numbers_never() {
    let world = world().await;
    let caller = world.caller();
    let made = world
        .api
        .register_device(&caller, "vendor", &device("FR-1"))
        .await
        .unwrap();
    let [issued, minted] = made.credentials.as_slice() else {
        panic!("{made:?}");
    };
    assert_eq!(issued.kind, CredentialKindName::Certificate);
    assert!(issued.certificate.is_some());
    assert_eq!(minted.password.as_ref().map(String::len), Some(32));
    let shown = world.api.show_device("vendor", &made.device_id).await;
    let shown = shown.unwrap();
    assert_eq!(shown.status, DeviceStatusName::Active);
    assert_eq!(shown.device_vendor.as_deref(), Some("acme"));
    let secrets = |c: &DeviceCredentialView| c.certificate.is_some() || c.password.is_some();
    assert!(!shown.credentials.iter().any(secrets));
    let told = serde_json::to_string(&(&made, &shown)).unwrap();
    assert!(!told.contains("FR-1"), "{told}");
    assert!(!format!("{made:?}").contains(minted.password.as_deref().unwrap()));

    let added = world
        .api
        .add_credential(&caller, ("vendor", &made.device_id), &password(None))
        .await
        .unwrap();
    assert_eq!(added.credential_id, "3");
    assert!(added.password.is_some());
    let revoked = world
        .api
        .revoke_credential(&caller, ("vendor", &made.device_id, "3"))
        .await
        .unwrap();
    let times = revoked.credentials.iter().map(|c| c.revoke_time.is_some());
    assert_eq!(times.collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn a_pre_shared_key_is_told_once_and_shown_to_no_log() {
    let world = world().await;
    let caller = world.caller();
    let mut new = device("FR-1");
    new.channels = vec![ChannelName::Coap];
    new.credentials = vec![password(None), psk(Some(60))];
    let made = world.api.register_device(&caller, "vendor", &new).await;
    let made = made.unwrap();
    let name = ("vendor", made.device_id.as_str());
    let added = world.api.add_credential(&caller, name, &psk(None)).await;
    let added = added.unwrap();
    let [_, minted] = made.credentials.as_slice() else {
        panic!("{made:?}");
    };
    for (credential, number) in [(minted, 2), (&added, 3)] {
        assert_eq!(credential.kind, CredentialKindName::Psk);
        let identity = PskIdentity {
            device_id: DeviceId::parse(&made.device_id).unwrap(),
            credential: CredentialId(number),
        };
        assert_eq!(credential.psk_identity, Some(identity.to_shown()));
        let key = credential.psk.as_deref().unwrap();
        assert!(key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit()));
        let logged = format!("{made:?} {added:?} {credential:?}");
        assert!(!logged.contains(key), "{logged}");
    }
    assert_ne!(minted.psk, added.psk);
    assert!(minted.password.is_none() && minted.certificate.is_none());
    let shown = world.api.show_device(name.0, name.1).await.unwrap();
    let secret = |c: &DeviceCredentialView| c.psk.is_some() || c.psk_identity.is_some();
    assert!(!shown.credentials.iter().any(secret));
    let kinds: Vec<_> = shown.credentials.iter().map(|c| c.kind).collect();
    let both = [CredentialKindName::Psk; 2];
    assert_eq!(kinds[1..], both);
}

#[tokio::test]
async fn devices_are_listed_page_by_page_for_their_sp_alone() {
    let world = world().await;
    let mut made = Vec::new();
    for n in 0..3 {
        let device = device(&format!("FR-{n}"));
        let registered = world
            .api
            .register_device(&world.caller(), "vendor", &device)
            .await;
        made.push(registered.unwrap().device_id);
    }
    made.sort();
    let mut query = PageQuery {
        limit: Some(2),
        page_token: None,
    };
    let mut seen = Vec::new();
    loop {
        let page = world.api.list_devices("vendor", &query).await.unwrap();
        seen.extend(page.items.into_iter().map(|device| device.device_id));
        match page.next_page_token {
            Some(token) => query.page_token = Some(token),
            None => break,
        }
    }
    assert_eq!(seen, made);
    let all = PageQuery::default();
    let others = world.api.list_devices("vendor2", &all).await;
    assert_eq!(others.unwrap().items, []);
    let foreign = world.api.show_device("vendor2", &seen[0]).await;
    assert_eq!(foreign, Err(Refusal::NoDevice));
    let shop = world.api.list_devices("shop", &PageQuery::default()).await;
    assert_eq!(shop, Err(Refusal::WrongRole("")));
    let nobody = world.api.show_device("nobody", &seen[0]).await;
    assert_eq!(nobody, Err(Refusal::NoParty));
}

#[tokio::test]
async fn a_device_is_given_up_only_when_it_is_meant() {
    let world = world().await;
    let caller = world.caller();
    let made = world
        .api
        .register_device(&caller, "vendor", &device("FR-1"))
        .await
        .unwrap();
    let name = ("vendor", made.device_id.as_str());
    let refused = world.api.unregister_device(&caller, name, NO).await;
    assert_eq!(refused, Err(Refusal::Unconfirmed { rows: 0 }));
    let shown = world.api.show_device(name.0, name.1).await.unwrap();
    assert_eq!(shown.status, DeviceStatusName::Active);
    for _ in 0..2 {
        let gone = world.api.unregister_device(&caller, name, YES).await;
        assert_eq!(gone.unwrap().status, DeviceStatusName::Unregistering);
    }
    let order = password(None);
    let late = world.api.add_credential(&caller, name, &order).await;
    assert_eq!(late.unwrap_err(), Refusal::DeviceUnregistering);
}

#[tokio::test]
async fn what_is_not_registered_has_a_cause_of_its_own() {
    let world = world().await;
    let caller = world.caller();
    let refuse = async |new: &NewDevice| {
        let refused = world.api.register_device(&caller, "vendor", new).await;
        refused.unwrap_err()
    };
    assert_eq!(refuse(&device("XX-1")).await, Refusal::SerialNotGranted);
    let mut new = device("FR-1");
    new.credentials = vec![certificate("RSA-1024")];
    let weak = Refusal::Authority(AuthorityError::KeyNotAllowed);
    assert_eq!(refuse(&new).await, weak);
    new.channels.clear();
    let two = NewCredential {
        psk: Some(NewPsk::default()),
        ..password(None)
    };
    new.credentials = vec![
        NewCredential::default(),
        password(Some(0)),
        two,
        psk(Some(316_224_001)),
    ];
    let Refusal::Incorrect(params) = refuse(&new).await else {
        panic!("not told where");
    };
    let places: Vec<_> = params.iter().map(|param| param.param.as_str()).collect();
    assert_eq!(
        places,
        [
            "/channels",
            "/credentials/0",
            "/credentials/1/password/validity",
            "/credentials/2",
            "/credentials/3/psk/validity"
        ]
    );
    let new = device("FR-1");
    let registered = world.api.register_device(&caller, "vendor", &new).await;
    let id = registered.unwrap().device_id;
    assert_eq!(refuse(&device("FR-1")).await, Refusal::DeviceExists);
    for absent in ["9", "01", "x"] {
        let name = ("vendor", id.as_str(), absent);
        let refused = world.api.revoke_credential(&caller, name).await;
        assert_eq!(refused, Err(Refusal::NoCredential), "{absent}");
    }
    let (name, order) = (("vendor", id.as_str()), password(None));
    for _ in 2..8 {
        let added = world.api.add_credential(&caller, name, &order).await;
        assert!(added.is_ok());
    }
    let full = world.api.add_credential(&caller, name, &order).await;
    assert_eq!(full.unwrap_err(), Refusal::CredentialsFull);
}
