//! What outlives a platform.

use ics_tests::{Acme, PointOfAccess, eventually};

use super::world::{Ae, instance, subscription};

#[test]
fn a_durable_platform_is_after_its_end_what_it_was() {
    let acme = Acme::options().durable().start();
    let target = PointOfAccess::open();
    let shop = Ae::register(&acme, "shop", None);
    let goods = shop.container("goods");
    let news = subscription("news", &target.url());
    shop.client.create(&goods, 23, &news).expect(2001);
    let before = acme.tree();

    acme.stop();
    acme.resume();
    assert_eq!(acme.tree().to_json(), before.to_json());
    acme.kill();
    acme.resume();
    assert_eq!(acme.tree().to_json(), before.to_json());
    // It still tells, if not of what comes while it still begins.
    eventually("the news", || {
        shop.client
            .create(&goods, 4, &instance("bread"))
            .expect(2001);
        let told = target.received();
        told.iter()
            .any(|told| told.body()["m2m:sgn"]["nev"].is_object())
    });
}

#[test]
fn a_platform_in_memory_forgets() {
    let acme = Acme::options().start();
    let before = acme.tree();
    Ae::register(&acme, "shop", None);
    assert!(acme.tree().addresses().contains(&"cse-in/shop"));
    acme.stop();
    acme.resume();
    assert_eq!(acme.tree(), before);
}
