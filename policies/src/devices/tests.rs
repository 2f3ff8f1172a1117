use super::*;

fn refused(text: &str) -> String {
    DeviceTable::parse(text).unwrap_err()
}

#[test]
fn what_is_wrong_is_said_with_the_name_of_the_group() {
    let group = "[[group]]\nname = 'meters'\n";
    assert!(refused(group).contains("`meters`: holds nothing"));
    let whole = format!("{group}serial-prefixes = ['MTR-']\n");
    assert!(DeviceTable::parse(&whole).is_ok());
    assert!(refused(&format!("{whole}{whole}")).contains("twice"));
    assert!(refused(&format!("{group}serial-patterns = ['(']")).contains("`meters`"));
    assert!(refused(&format!("{group}device-ids = ['']")).contains("device ID"));
    assert!(refused(&format!("{whole}imsi = '1'")).contains("imsi"));
    let grant = "[[grant]]\ngroup = 'other'\nthird-party-sp = 'shop'";
    assert!(refused(&format!("{whole}{grant}")).contains("`other`, which is not there"));
    let grant = "[[grant]]\ngroup = 'meters'\nthird-party-sp = 'shop'\nservices = ['eggs']";
    assert!(refused(&format!("{whole}{grant}")).contains("grant of `meters`: service"));
}
