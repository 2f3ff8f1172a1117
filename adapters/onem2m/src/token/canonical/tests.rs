use proptest::prelude::*;
use serde_json::json;

use super::*;

/// RFC 8785 3.2.2 to 3.2.4: the example, its members in order, its text.
#[test]
fn the_example_of_the_rfc_has_the_text_of_the_rfc() {
    let value = json!({
        "numbers": [333_333_333.333_333_3, 1E30, 4.50, 2e-3, 1e-27],
        "string": "\u{20ac}$\u{f}\nA'\u{42}\"\\\\\"/",
        "literals": [null, true, false],
    });
    let expected = concat!(
        r#"{"literals":[null,true,false],"#,
        r#""numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
        "\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    );
    assert_eq!(canonical(&value), expected);
}

/// RFC 8785 3.2.3: the example of sorting.
#[test]
fn members_are_sorted_by_utf_16_code_units() {
    let value = json!({
        "\u{20ac}": "Euro Sign",
        "\r": "Carriage Return",
        "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\u{1f600}": "Emoji: Grinning Face",
        "\u{80}": "Control",
        "\u{f6}": "Latin Small Letter O With Diaeresis",
    });
    let text = canonical(&value);
    let order = [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ];
    let places: Vec<_> = order.iter().map(|name| text.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

/// RFC 8785 appendix B: doubles by their bits.
#[test]
fn numbers_are_written_as_ecmascript_writes_them() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let number = f64::from_bits(bits);
        assert_eq!(canonical(&json!(number)), expected, "{bits:x}");
    }
}

#[test]
fn whole_numbers_are_doubles_too() {
    for (number, expected) in [
        (json!(0), "0"),
        (json!(-0.0), "0"),
        (json!(2), "2"),
        (json!(2.0), "2"),
        (json!(-17), "-17"),
        (json!(100), "100"),
        (json!(u64::MAX), "18446744073709552000"),
        (json!(9_007_199_254_740_993_i64), "9007199254740992"),
    ] {
        assert_eq!(canonical(&number), expected);
    }
}

#[test]
fn nothing_but_what_must_be_is_escaped() {
    assert_eq!(
        canonical(&json!("\u{8}\t\n\u{c}\r\"\\/\u{7f}\u{2028}é\u{1f}")),
        "\"\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}\u{2028}é\\u001f\""
    );
    assert_eq!(canonical(&json!({})), "{}");
    assert_eq!(canonical(&json!([[], {}])), "[[],{}]");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn a_double_reads_back_as_itself(bits: u64) {
        let double = f64::from_bits(bits);
        prop_assume!(double.is_finite());
        prop_assert_eq!(canonical(&json!(double)).parse::<f64>(), Ok(double));
    }

    #[test]
    fn texts_read_back_as_they_were(value in any_value()) {
        let texts = |value: &Value| {
            let mut all = Vec::new();
            collect_texts(value, &mut all);
            all.sort();
            all
        };
        let again: Value = serde_json::from_str(&canonical(&value)).unwrap();
        prop_assert_eq!(texts(&again), texts(&value));
    }
}

fn collect_texts(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) => all.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, all)),
        Value::Object(members) => {
            for (name, value) in members {
                all.push(name.clone());
                collect_texts(value, all);
            }
        }
        _ => {}
    }
}
