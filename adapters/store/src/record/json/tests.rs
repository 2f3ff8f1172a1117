use super::super::fields::{Sink, Source};
use super::{JsonSink, JsonSource, parse_uuid, render_uuid};

#[test]
fn what_was_written_is_read_and_nothing_may_be_left() {
    let mut out = JsonSink::begin("x");
    out.list("texts", &["a\"b", "", "{"], |out, name, v| {
        out.text(name, v)
    });
    out.group("inner", |out| {
        out.list("pairs", &[1, 2], |out, name, v| {
            out.group(name, |out| {
                out.number("n", *v);
                out.option("none", None::<bool>, Sink::flag);
                out.option("some", Some(true), Sink::flag);
            });
        });
    });
    out.list("empty", &[] as &[u64], |out, name, v| out.number(name, *v));
    let line = out.end();
    assert_eq!(
        std::str::from_utf8(&line).unwrap(),
        "{\"record\":\"x\",\"texts\":[\"a\\\"b\",\"\",\"{\"],\"inner\":{\"pairs\":[\
         {\"n\":1,\"some\":true},{\"n\":2,\"some\":true}]},\"empty\":[]}\n"
    );
    let source = JsonSource::parse(&line).unwrap();
    let read = source.read(|input| {
        assert_eq!(input.text("record")?, "x");
        let texts = input.list("texts", |input, name| Ok(input.text(name)?.into_owned()))?;
        let pairs = input.group("inner", |input| {
            input.list("pairs", |input, name| {
                input.group(name, |input| {
                    let number = input.number("n")?;
                    assert_eq!(input.option("none", Source::flag)?, None);
                    Ok((number, input.option("some", Source::flag)?))
                })
            })
        })?;
        assert!(input.list("empty", Source::number)?.is_empty());
        Ok((texts, pairs))
    });
    let (texts, pairs) = read.unwrap();
    assert_eq!(texts, ["a\"b", "", "{"]);
    assert_eq!(pairs, [(1, Some(true)), (2, Some(true))]);
}

#[test]
fn the_place_of_a_misfit_names_all_around_it() {
    let source = JsonSource::parse(b"{\"a\":{\"b\":[{\"c\":\"secret\"}]}}").unwrap();
    let misfit = source.read(|input| {
        input.group("a", |input| {
            input.list("b", |input, name| {
                input.group(name, |input| input.number("c"))
            })
        })
    });
    let misfit = misfit.unwrap_err();
    assert_eq!(misfit.field, "a.b.b.c");
    assert_eq!(misfit.wrong, "is no natural number");
}

#[test]
fn json_that_no_record_has_is_refused() {
    for text in [
        "",
        "[]",
        "7",
        "{",
        "{\"a\":1,\"a\":1}",
        "{\"a\":null}",
        "{\"a\":1.5}",
        "{\"a\":-1}",
        "{\"a\":18446744073709551616}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{}{}",
    ] {
        assert!(JsonSource::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn an_id_has_one_spelling() {
    let id: [u8; 16] = std::array::from_fn(|n| u8::try_from(n * 16 + 1).unwrap());
    let text = render_uuid(&id);
    assert_eq!(text, "01112131-4151-6171-8191-a1b1c1d1e1f1");
    assert_eq!(parse_uuid(&text), Some(id));
    for other in [
        text.to_uppercase(),
        text.replace('-', ""),
        format!("+{text}"),
        String::new(),
    ] {
        assert_eq!(parse_uuid(&other), None, "{other}");
    }
}
