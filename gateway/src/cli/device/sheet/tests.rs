use super::*;

fn read(text: &str) -> Result<Vec<Row>, SheetError> {
    read_sheet(text, Path::new("/tables"))
}

fn device(row: &Row) -> &(NewDevice, Proofs) {
    row.device.as_ref().unwrap()
}

#[test]
fn columns_come_in_any_order_and_most_may_be_left_out() {
    let text = "\u{feff}deviceModel,deviceSerialNumber,channels,credentials\r\n\
                \"Fridge \"\"9\"\"\",FR-1,mqtt coap,password certificate\r\n\
                \r\n\
                \"two\nlines\",\"FR,2\",,\r\n\
                ,FR-3,coap,certificate psk";
    let rows = read(text).unwrap();
    let lines: Vec<_> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 4, 6]);
    let (first, proofs) = device(&rows[0]);
    assert_eq!(first.device_model.as_deref(), Some("Fridge \"9\""));
    assert_eq!(first.device_serial_number, "FR-1");
    assert_eq!(first.channels, [ChannelName::Mqtt, ChannelName::Coap]);
    assert!(proofs.password && proofs.certificate && proofs.request.is_none());
    assert!(!proofs.psk);
    let (second, proofs) = device(&rows[1]);
    assert_eq!(second.device_serial_number, "FR,2");
    assert_eq!(second.device_model.as_deref(), Some("two\nlines"));
    assert_eq!(second.channels, [ChannelName::Mqtt]);
    assert!(proofs.password && !proofs.certificate);
    let (third, proofs) = device(&rows[2]);
    assert_eq!(third.device_model, None);
    assert_eq!(third.channels, [ChannelName::Coap]);
    assert!(!proofs.password && proofs.psk && proofs.certificate);
}

#[test]
fn a_request_file_is_found_beside_the_table_and_asks_for_a_certificate() {
    let rows = read("deviceSerialNumber,certificateRequest\nFR-1,csr/1.pem\nFR-2,\n").unwrap();
    let (_, proofs) = device(&rows[0]);
    assert!(proofs.certificate && !proofs.password);
    assert_eq!(
        proofs.request.as_deref(),
        Some(Path::new("/tables/csr/1.pem"))
    );
    assert!(device(&rows[1]).1.password);
}

#[test]
fn what_is_wrong_with_a_line_is_that_line_s() {
    let text = "deviceSerialNumber,channels,credentials\n\
                FR-1,smoke,\n,mqtt,\nFR-3,mqtt\nFR-4,mqtt,hope\nFR-5,,\n";
    let rows = read(text).unwrap();
    let faults: Vec<_> = rows.iter().map(|row| row.device.as_ref().err()).collect();
    assert_eq!(
        faults,
        [
            Some(&"channels are mqtt, coap, onem2m"),
            Some(&"has no serial number"),
            Some(&"does not have as many cells as the header"),
            Some(&"credentials are password, psk, certificate"),
            None
        ]
    );
}

#[test]
fn what_is_wrong_with_the_table_refuses_it() {
    for (text, error) in [
        ("", SheetError::NoHeader),
        ("\n\n", SheetError::NoHeader),
        (
            "serial\nFR-1",
            SheetError::Column {
                name: "serial".into(),
            },
        ),
        ("deviceVendor\nacme", SheetError::NoSerial),
        (
            "deviceSerialNumber,deviceSerialNumber\n",
            SheetError::Repeated("deviceSerialNumber".into()),
        ),
        ("deviceSerialNumber\n\"FR-1\n", SheetError::Quotes(2)),
        (
            "deviceSerialNumber\nFR-0\n\"FR\"-1\n",
            SheetError::Quotes(3),
        ),
    ] {
        assert_eq!(read(text).unwrap_err(), error, "{text:?}");
    }
}
