//! De-mappings of many rows, and many inquiries in one body.

use super::*;

use ics_core::id::{DeviceId, MappingId, Uti};
use ics_core::mapping::{Mapping, State};

use super::fakes::{FakeStore, noon};

const SERVICE: &str = "https://shop.example/s/eggs";
const DEMAP: &str = "/ics-demapping/v1/shop/demap";
const BULK: &str = "/ics-inquiry/v1/retrieve-bulk";
const BY_TRANSACTION: &str = "/ics-inquiry/v1/retrieve-by-transaction";

fn uti_of(number: usize) -> String {
    format!("0b7f3a52-7d0a-4b1e-9f35-{number:012x}")
}

/// Rows `0..rows` of [`SERVICE`], established: the first through the API, the others like it.
async fn fill(shop: &Face, acme: &Face, store: &FakeStore, rows: usize) {
    let mut body = request(&uti_of(0));
    body["serviceUri"] = SERVICE.into();
    let made = shop.call("POST", MAPPINGS, &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = path_of(&made);
    let id = id.rsplit('/').next().unwrap();
    let answer = json!({ "result": "ACCEPTED", "deviceId": "d-0" });
    let path = format!("/ics-device-mapping/v1/acme/assignments/{id}");
    assert_eq!(acme.call("PUT", &path, &answer).await.status, 200);
    let mut all = store.rows.lock().unwrap();
    let first = all[&MappingId::parse(id).unwrap()].clone();
    for number in 1..rows {
        let mut random = [0xff; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        let mut row = Mapping {
            id: MappingId::mint(noon(), random),
            ..first.clone()
        };
        row.key.uti = Uti::parse(&uti_of(number)).unwrap();
        row.state = State::Established {
            device_id: DeviceId::parse(&format!("d-{number}")).unwrap(),
            since: noon(),
        };
        all.insert(row.id, row);
    }
}

/// The path of the job an answer began.
fn job_of(answer: &Answer) -> String {
    let location = answer.header("location").unwrap();
    location.strip_prefix(ROOT).unwrap().to_owned()
}

fn key(number: usize) -> Value {
    json!({ "serviceUri": SERVICE, "uti": uti_of(number) })
}

#[actix_web::test]
async fn up_to_a_thousand_rows_are_removed_by_the_answer_and_more_by_a_job() {
    for (rows, status) in [(1000, 200), (1001, 202)] {
        let (api, store) = api();
        let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));
        fill(&shop, &acme, &store, rows).await;
        let body = json!({ "cause": "SERVICE_INVALID", "serviceUri": SERVICE });
        let answer = shop.call("POST", DEMAP, &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 200 {
            assert_eq!(answer.json()["removed"], 1000);
        }
        let live = |store: &FakeStore| {
            let rows = store.rows.lock().unwrap();
            rows.values().filter(|row| row.is_live()).count()
        };
        assert_eq!(live(&store), if status == 200 { 0 } else { rows });
    }
}

#[actix_web::test]
async fn rows_behind_a_fence_are_gone_for_everybody_before_the_sweep() {
    let (api, store) = api();
    let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));
    fill(&shop, &acme, &store, 1200).await;
    let mut waiting = request(&uti_of(5000));
    waiting["serviceUri"] = SERVICE.into();
    let waiting = path_of(&shop.call("POST", MAPPINGS, &waiting).await);
    let body = json!({ "cause": "SERVICE_INVALID", "subCause": "RETIRED", "serviceUri": SERVICE });
    let started = shop.call("POST", DEMAP, &body).await;
    let expected = json!({ "status": "RUNNING", "total": 1201, "done": 0, "failed": 0 });
    assert_eq!((started.status, started.json()), (202, expected.clone()));
    let job = job_of(&started);
    assert!(job.starts_with("/ics-demapping/v1/shop/jobs/"), "{job}");
    assert_eq!(shop.get(&job).await.json(), expected);

    // Inquiries, lists, single rows, answers, amendments, cancellations, another de-mapping.
    let none = shop.call("POST", BY_TRANSACTION, &key(1100)).await;
    assert_eq!(
        (none.status, none.cause()),
        (404, "MAPPING_NOT_FOUND".into())
    );
    let by_device = "/ics-inquiry/v1/retrieve-by-device";
    let device = json!({ "deviceId": "d-1100" });
    assert_eq!(acme.call("POST", by_device, &device).await.status, 404);
    let list = acme.get("/ics-device-mapping/v1/acme/assignments").await;
    assert_eq!(list.json(), json!([]));
    let list = shop
        .get("/ics-mapping/v1/shop/mappings?mapping-status=ESTABLISHED")
        .await;
    assert_eq!(list.json(), json!([]));
    let shown = shop.get(&waiting).await.json();
    assert_eq!(shown["mappingStatus"], "DELETED");
    let patch = json!({ "validityPeriod": 7200 });
    let amended = shop
        .call_with(
            "PATCH",
            &waiting,
            "application/merge-patch+json",
            patch.to_string().as_bytes(),
        )
        .await;
    assert_eq!(amended.cause(), "MODIFICATION_NOT_ALLOWED");
    let id = waiting.rsplit('/').next().unwrap();
    let assignment = format!("/ics-device-mapping/v1/acme/assignments/{id}");
    let answer = json!({ "result": "ACCEPTED", "deviceId": "d-late" });
    let late = acme.call("PUT", &assignment, &answer).await;
    assert_eq!(
        (late.status, late.cause()),
        (409, "MAPPING_NOT_PENDING".into())
    );
    assert_eq!(shop.call("DELETE", &waiting, &json!({})).await.status, 404);
    assert_eq!(shop.call("POST", DEMAP, &body).await.status, 404);

    // The key is free again at once, and its new row is not the fence's.
    let mut again = request(&uti_of(7));
    again["serviceUri"] = SERVICE.into();
    let again = shop.call("POST", MAPPINGS, &again).await;
    assert_eq!(again.status, 201, "{again:?}");
    let mut steps = 0;
    while api.service.step_jobs(noon()).await.unwrap() > 0 {
        steps += 1;
    }
    assert_eq!(steps, 2, "a thousand rows a step");
    let ended = json!({ "status": "DONE", "total": 1201, "done": 1201, "failed": 0 });
    assert_eq!(shop.get(&job).await.json(), ended);
    let again = shop.get(&path_of(&again)).await.json();
    assert_eq!(again["mappingStatus"], "PENDING");
    let rows = store.rows.lock().unwrap();
    assert_eq!(rows.values().filter(|row| row.is_live()).count(), 1);
    drop(rows);
    assert!(api.service.directory().fences().next().is_none());
}

#[actix_web::test]
async fn a_job_is_shown_to_its_owner_alone() {
    let (api, store) = api();
    let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));
    fill(&shop, &acme, &store, 1001).await;
    let body = json!({ "cause": "SERVICE_INVALID", "serviceUri": SERVICE });
    let job = job_of(&shop.call("POST", DEMAP, &body).await);
    let id = job.rsplit('/').next().unwrap();
    let foreign = acme.get(&format!("/ics-demapping/v1/acme/jobs/{id}")).await;
    let never = "0193a5b2-0000-7000-8000-000000000000";
    let unknown = shop
        .get(&format!("/ics-demapping/v1/shop/jobs/{never}"))
        .await;
    let nonsense = shop.get("/ics-demapping/v1/shop/jobs/x").await;
    assert_eq!(unknown.cause(), "JOB_NOT_FOUND");
    assert_eq!(foreign.body, unknown.body);
    assert_eq!(nonsense.body, unknown.body);
}

#[actix_web::test]
async fn a_killed_uti_takes_its_rows_of_other_services_behind_the_fence() {
    let (api, store) = api();
    let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));
    fill(&shop, &acme, &store, 1100).await;
    let elsewhere = "https://shop.example/s/milk";
    let id = {
        let mut rows = store.rows.lock().unwrap();
        let mut row = rows.values().next().unwrap().clone();
        row.id = MappingId::mint(noon(), [0xee; 10]);
        row.key.service_uri = ics_core::id::ServiceUri::parse(elsewhere).unwrap();
        row.key.uti = Uti::parse(&uti_of(1050)).unwrap();
        rows.insert(row.id, row.clone());
        row.id
    };
    let sibling = json!({ "serviceUri": elsewhere, "uti": uti_of(1050) });
    assert_eq!(
        shop.call("POST", BY_TRANSACTION, &sibling).await.status,
        200
    );
    let body = json!({ "cause": "UTI_INVALID", "serviceUri": SERVICE });
    assert_eq!(shop.call("POST", DEMAP, &body).await.status, 202);
    assert_eq!(
        shop.call("POST", BY_TRANSACTION, &sibling).await.status,
        404
    );
    let shown = shop.get(&format!("{MAPPINGS}/{id}")).await.json();
    assert_eq!(shown["mappingStatus"], "DELETED");
    // And the UTI never comes back, not even before the sweep.
    let mut again = request(&uti_of(1060));
    again["serviceUri"] = elsewhere.into();
    let again = shop.call("POST", MAPPINGS, &again).await;
    assert_eq!((again.status, again.cause()), (409, "UTI_IN_USE".into()));
}

#[actix_web::test]
async fn each_line_of_a_bulk_inquiry_is_answered_in_its_place_as_if_it_were_alone() {
    let (api, store) = api();
    let (shop, acme) = (Face::of(&api, Some("shop")), Face::of(&api, Some("acme")));
    fill(&shop, &acme, &store, 150).await;
    let mut lines: Vec<String> = (0..150).map(|n| key(n).to_string()).collect();
    lines[3] = json!({ "deviceId": "d-3" }).to_string();
    lines[70] = "{".into();
    lines[71] = String::new();
    lines[72] = r#"{"device\u0049d":"d-7"}"#.into();
    lines[149] = key(999).to_string();
    for face in [&shop, &acme] {
        // The last line may end with the body.
        let body = lines.join("\n");
        let media = "application/x-ndjson";
        let answer = face.call_with("POST", BULK, media, body.as_bytes()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(media))
        );
        let text = String::from_utf8(dechunk(&answer.body)).unwrap();
        let answers: Vec<_> = text.lines().collect();
        assert_eq!(answers.len(), lines.len());
        for number in [0, 3, 70, 71, 72, 100, 149] {
            let path = if [3, 72].contains(&number) {
                "/ics-inquiry/v1/retrieve-by-device"
            } else {
                BY_TRANSACTION
            };
            let line = lines[number].as_bytes();
            let alone = face.call_with("POST", path, "application/json", line).await;
            let alone = String::from_utf8(alone.body).unwrap();
            assert_eq!(answers[number], alone, "{number}");
        }
    }
}

#[actix_web::test]
async fn a_bulk_inquiry_of_too_many_lines_or_of_another_type_is_refused() {
    let (api, _) = api();
    let shop = Face::of(&api, Some("shop"));
    let lines = |n: usize| "{}\n".repeat(n).into_bytes();
    let media = "application/x-ndjson";
    let most = shop.call_with("POST", BULK, media, &lines(10_000)).await;
    assert_eq!(most.status, 200);
    let answers = dechunk(&most.body).iter().filter(|b| **b == b'\n').count();
    assert_eq!(answers, 10_000);
    let more = shop.call_with("POST", BULK, media, &lines(10_001)).await;
    assert_eq!(more.status, 413);
    let other = shop
        .call_with("POST", BULK, "application/json", b"{}")
        .await;
    assert_eq!(other.status, 415);
}

#[actix_web::test]
async fn bulk_inquiries_of_one_sp_that_never_end_leave_places_to_others() {
    let (api, _) = api();
    let (shop, other) = (Face::of(&api, Some("shop")), Face::of(&api, Some("shop2")));
    let media = "application/x-ndjson";
    // Bodies that do not come, far more of them than there are places.
    let head = format!(
        "POST {BULK} HTTP/1.1\r\nHost: ics\r\nAuthorization: Bearer all\r\n\
         Content-Type: {media}\r\nContent-Length: 9\r\n\r\n"
    );
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let refused = loop {
        let answer = shop.call_with("POST", BULK, media, b"").await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(
        (
            refused.status,
            refused.cause(),
            refused.header("retry-after")
        ),
        (503, "INSUFFICIENT_RESOURCES".into(), Some("1"))
    );
    let answer = other.call_with("POST", BULK, media, b"{}\n").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(held);
    while shop.call_with("POST", BULK, media, b"").await.status != 200 {}
}

/// The bytes of a chunked body.
fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return bytes;
        }
        bytes.extend(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}
