use super::*;

fn compile(text: &str) -> Result<PolicySet, InvalidPolicies> {
    PolicySet::compile(&PolicySources {
        policies: vec![("own.cedar".into(), text.into())],
        ..PolicySources::default()
    })
}

fn refused(text: &str) -> String {
    compile(text).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_with_a_policy_is_said_with_its_file() {
    let syntax = refused("forbid (principal, action, resource) when { context. };");
    assert!(syntax.starts_with("own.cedar: "), "{syntax}");
    let unknown =
        refused(r#"forbid (principal, action, resource) when { context.caller.imsi == "1" };"#);
    assert!(unknown.contains("imsi"), "{unknown}");
    let unlike = refused("forbid (principal, action, resource) when { context.caller.sp == 7 };");
    assert!(!unlike.is_empty());
    // Of `useOwn` there is no device: a policy for all actions must ask first.
    let absent =
        refused("forbid (principal, action, resource) when { context.device.restricted };");
    assert!(absent.contains("device"), "{absent}");
    // An optional fact must be asked for, too: a policy that fails would not forbid.
    let optional = refused(
        r#"forbid (principal, action == Action::"inquire", resource) when { context.device.deviceId == "d" };"#,
    );
    assert!(optional.contains("deviceId"), "{optional}");
}

#[test]
fn names_are_unique_and_those_of_the_gateway_its_own() {
    let forbid = "forbid (principal, action, resource);";
    let twice = format!(r#"@id("a") {forbid} @id("a") {forbid}"#);
    assert_eq!(refused(&twice), "own.cedar: a policy `a` is there already");
    let shipped = format!(r#"@id("shipped.own") {forbid}"#);
    assert!(matches!(
        compile(&shipped),
        Err(InvalidPolicies::Reserved { .. })
    ));
    let reason = format!(r#"@denied("role") {forbid}"#);
    assert!(matches!(
        compile(&reason),
        Err(InvalidPolicies::Reserved { .. })
    ));
    let template = "forbid (principal == ?principal, action, resource);";
    assert!(matches!(
        compile(template),
        Err(InvalidPolicies::Template { .. })
    ));
}

#[test]
fn policies_without_a_name_have_that_of_their_place() {
    let set = compile(&"forbid (principal, action, resource);".repeat(12)).unwrap();
    assert_eq!(set.own_policies(), 12);
    for n in 1..=12 {
        assert!(set.text_of(&format!("own.cedar#{n}")).is_some(), "{n}");
    }
}

#[test]
fn a_permit_that_changes_nothing_is_warned_of() {
    let set = compile(r#"@id("mine") permit (principal, action, resource);"#).unwrap();
    let warnings = set.warnings();
    assert!(
        warnings.iter().any(|warning| warning.contains("`mine`")),
        "{warnings:?}"
    );
    assert!(compile("").unwrap().warnings().is_empty());
}

#[test]
fn sets_of_the_same_texts_have_the_same_fingerprint() {
    let forbid = "forbid (principal, action, resource);";
    let of = |text: &str| compile(text).unwrap().fingerprint();
    assert_eq!(of(forbid), of(forbid));
    assert_ne!(of(forbid), of(""));
}

#[test]
fn a_policy_that_looks_at_a_whole_record_looks_at_everything_in_it() {
    let looks = |body: &str| {
        let text = format!(
            r#"forbid (principal, action == Action::"inquire", resource) when {{ {body} }};"#
        );
        compile(&text).unwrap().mentions
    };
    let nothing = Mentions {
        device: true,
        ..Mentions::default()
    };
    assert_eq!(looks("context.caller.holdsScope"), nothing);
    assert!(looks("context == context").device_id);
    assert!(looks("[context.device].contains(context.device)").device_id);
    assert!(looks("principal == ServiceProvider::\"x\"").caller);
    assert!(looks("resource == Service::\"x\"").service);
    assert!(looks("context.service.uri like \"https://*\"").service);
    assert!(looks("context.now < datetime(\"2027-01-01\")").now);
    assert!(looks("context.device has vendor && context.device.vendor == \"acme\"").device_kind);
    assert!(looks("context has agreement && context.agreement.iotSpId == \"v\"").parties);
    assert!(looks("context.device.groups.contains(\"g\")").groups);
    assert!(looks("if context.device.groups.contains(\"g\") then true else false").groups);
}
