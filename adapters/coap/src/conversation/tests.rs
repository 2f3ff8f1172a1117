use super::*;

#[test]
fn a_refusal_is_a_word_or_a_concise_problem() {
    for refusal in Refusal::ALL {
        let text = tell_refusal(refusal, false);
        assert_eq!(text.payload, refusal.word().as_bytes());
        assert_eq!(text.content_format, None);
        let problem = tell_refusal(refusal, true);
        assert_eq!(problem.content_format, Some(PROBLEM));
        let (word, code) = (refusal.word(), problem.code.byte());
        let length = 0x60 + u8::try_from(word.len()).unwrap();
        let expected = [&[0xa2, 0x20, length], word.as_bytes(), &[0x23, 0x18, code]].concat();
        assert_eq!(problem.payload, expected);
        let is_for_later = matches!(refusal, Refusal::TooMany | Refusal::Unavailable);
        assert_eq!(problem.max_age.is_some(), is_for_later, "{refusal:?}");
    }
}

#[test]
fn codes_are_those_of_the_numbers_other_channels_tell() {
    for refusal in Refusal::ALL {
        let byte = u16::from(tell_refusal(refusal, false).code.byte());
        let (class, detail) = (byte >> 5, byte & 0x1f);
        assert_eq!(class * 100 + detail, refusal.code(), "{refusal:?}");
    }
}
