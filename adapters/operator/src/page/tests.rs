use super::*;

fn key(sequence: u64) -> OutboxKey {
    OutboxKey {
        addressee: Addressee {
            role: Role::IotSp,
            sp: SpId::parse("vendor").unwrap(),
        },
        subject: Subject::Mapping(MappingId::from_bytes([9; 16])),
        sequence,
    }
}

#[test]
fn outbox_token_survives_a_round_trip() {
    for key in [
        key(0),
        key(u64::MAX),
        OutboxKey {
            subject: Subject::Subscription(SubscriptionId::from_bytes([0; 16])),
            ..key(1)
        },
    ] {
        assert_eq!(parse_token(Some(&render_token(&key))), Ok(Some(key)));
    }
}

#[test]
fn token_that_was_not_made_here_is_refused_without_it() {
    for token in ["", "0", "zz", "00ff", "746d00", &"é".repeat(3)] {
        let refusal = parse_token::<OutboxKey>(Some(token)).unwrap_err();
        assert_eq!(refusal.status(), 400, "{token}");
        let reason = &refusal.problem().invalid_params[0].reason;
        assert_eq!(reason, "is not one of this list");
    }
    assert!(parse_token::<SpId>(Some("ff00")).is_err());
    assert!(parse_token::<AgreementId>(Some("00")).is_err());
    for zeros in ["00", "0001"] {
        assert!(parse_token::<CertificateSerial>(Some(zeros)).is_err());
    }
}

#[test]
fn limit_is_bounded() {
    assert_eq!(parse_limit(None), Ok(100));
    assert_eq!(parse_limit(Some(1)), Ok(1));
    assert_eq!(parse_limit(Some(500)), Ok(500));
    assert!(parse_limit(Some(0)).is_err());
    assert!(parse_limit(Some(501)).is_err());
}

#[test]
fn pages_cover_the_list_once() {
    let all: Vec<SpId> = ["a1", "b2", "c3", "d4", "e5"]
        .into_iter()
        .map(|id| SpId::parse(id).unwrap())
        .collect();
    let (mut seen, mut after) = (Vec::new(), None::<SpId>);
    loop {
        let rest = all
            .iter()
            .filter(|id| after.as_ref().is_none_or(|after| after < id));
        let page = cut_page(rest, 2, (|id| (*id).clone(), |id| id.to_string()));
        seen.extend(page.items);
        let Some(token) = page.next_page_token else {
            break;
        };
        after = parse_token(Some(&token)).unwrap();
    }
    assert_eq!(seen, ["a1", "b2", "c3", "d4", "e5"]);
}
