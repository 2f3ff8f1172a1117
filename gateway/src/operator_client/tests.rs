use ics_operator::wire::{HealthView, InvalidParam};

use super::*;

fn problem() -> ProblemView {
    ProblemView {
        status: 409,
        title: "Services taken".into(),
        cause: "SERVICE_OWNED".into(),
        detail: Some("a service has one owner".into()),
        invalid_params: vec![InvalidParam {
            param: "/services/0".into(),
            reason: "taken".into(),
        }],
        affected_mappings: None,
        conflicts_with: Some("shop".into()),
    }
}

#[test]
fn refusal_is_told_with_everything_the_gateway_said() {
    assert_eq!(
        refusal_text(&problem()),
        "Services taken (SERVICE_OWNED)\n  a service has one owner\n  in the way: shop\n  \
         /services/0: taken"
    );
}

#[test]
fn count_is_told_where_confirmation_is_wanted() {
    let problem = ProblemView {
        affected_mappings: Some(3),
        conflicts_with: None,
        invalid_params: Vec::new(),
        ..problem()
    };
    assert_eq!(
        refusal_text(&problem),
        "3 live mappings would be de-mapped for good; repeat with --yes"
    );
}

#[test]
fn answers_are_told_apart() {
    let ready = br#"{"status":"ready","future":1}"#;
    assert!(parse_answer::<HealthView>(StatusCode::OK, ready).is_ok());
    let refused = serde_json::to_vec(&problem()).unwrap();
    let answer = parse_answer::<HealthView>(StatusCode::CONFLICT, &refused);
    assert!(matches!(answer, Err(CallError::Refused(p)) if *p == problem()));
    for (status, body) in [
        (StatusCode::OK, "<html>"),
        (StatusCode::BAD_GATEWAY, "oops"),
    ] {
        let answer = parse_answer::<HealthView>(status, body.as_bytes());
        assert!(
            matches!(answer, Err(CallError::Unexpected(told)) if told == status),
            "{body}"
        );
    }
}

#[test]
fn list_is_asked_for_with_its_filters() {
    let filters = [("sp", "shop".to_owned()), ("status", "PENDING".to_owned())];
    assert_eq!(
        list_target("/mappings", &filters, (5, Some("ab01"))),
        "/mappings?limit=5&sp=shop&status=PENDING&page-token=ab01"
    );
    assert_eq!(list_target("/sps", &[], (500, None)), "/sps?limit=500");
}

#[test]
fn the_path_of_the_api_may_stand_in_the_url() {
    let directory = tempfile::tempdir().unwrap();
    let domain = crate::init::Domain {
        directory: directory.path().join("domain"),
        t8: "127.0.0.1:8443".parse().unwrap(),
        operator: "127.0.0.1:8444".parse().unwrap(),
        mqtt: "127.0.0.1:8883".parse().unwrap(),
        coap: "127.0.0.1:5684".parse().unwrap(),
        enrolment: None,
        public_url: None,
        settings: crate::init::Settings::default(),
    };
    let entropy = std::sync::Arc::new(crate::ambient::SystemEntropy::default());
    let clock = crate::ambient::SystemClock::new();
    let file = crate::init::create_domain(&domain, &clock, entropy).unwrap();
    let endpoint = Endpoint::of(&Config::load(&file).unwrap());
    for url in ["", "/", "/operator/v1", "/operator/v1/"] {
        let url = format!("https://127.0.0.1:8444{url}");
        let client = OperatorClient::new(&Endpoint {
            url,
            ..endpoint.clone()
        });
        let root = client.unwrap().root;
        assert_eq!(root, "https://127.0.0.1:8444/operator/v1");
    }
}

#[tokio::test]
async fn a_gateway_that_takes_a_call_and_says_nothing_is_given_up() {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    let refusal_that_hangs = "HTTP/1.1 503 x\r\nContent-Length: 9\r\n\r\n";
    for said in ["", refusal_that_hangs] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = OperatorClient {
            http: plain_client(),
            root: format!("http://{}", listener.local_addr().unwrap()),
            silence: Duration::from_millis(200),
        };
        let gateway = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Until the caller hangs up.
            while stream.read(&mut [0; 1024]).await.unwrap_or(0) > 0 {
                stream.write_all(said.as_bytes()).await.unwrap();
            }
        });
        let answer = timeout(Duration::from_secs(60), client.stream("/backup")).await;
        let answer = answer.expect("not to wait for seven days");
        let error = answer.err().map(|error| format!("{error:?}"));
        let is_silent = error.as_ref().is_some_and(|e| e.starts_with("Silent"));
        assert!(is_silent, "{said}: {error:?}");
        drop(client);
        gateway.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_told_plainly() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let begun = "HTTP/1.1 200 x\r\nIcs-Count: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for said in ["", begun] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = OperatorClient {
            http: plain_client(),
            root: format!("http://{}", listener.local_addr().unwrap()),
            silence: SILENCE,
        };
        let gateway = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(said.as_bytes()).await.unwrap();
        });
        let read = async {
            let mut pieces = client.stream("/backup").await?;
            while pieces.next().await?.is_some() {}
            Ok::<_, CallError>(())
        };
        let error = read.await.unwrap_err();
        gateway.await.unwrap();
        assert!(matches!(error, CallError::CutOff(..)), "{error:?}");
        let told = error.to_string();
        assert!(
            told.ends_with("the connection was closed before its end"),
            "{told}"
        );
    }
}

/// Without TLS, towards a listener of this test.
fn plain_client() -> Client {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy();
    client.build().unwrap()
}
