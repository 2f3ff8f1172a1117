use super::*;
use crate::primitive::Answer;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

fn sp(id: &str) -> SpId {
    SpId::parse(id).unwrap()
}

fn enter(memory: &Memory, sp_id: &str, jti: &str, digest: u8) -> Result<Entered, Refusal> {
    memory.enter((&sp(sp_id), jti.to_owned()), [digest; 32], (at(300), at(0)))
}

#[tokio::test]
async fn the_second_of_the_same_waits_for_the_first() {
    let memory = Memory::default();
    let Ok(Entered::First(slot)) = enter(&memory, "shop", "j1", 1) else {
        panic!("the first");
    };
    let Ok(Entered::Again(answered)) = enter(&memory, "shop", "j1", 1) else {
        panic!("the second");
    };
    let outcome = Ok(Answer::empty(Rsc::Created));
    let (told, ()) = tokio::join!(answered.wait(), async { slot.fill(&outcome) });
    assert_eq!(told, outcome);
}

#[tokio::test]
async fn a_first_that_was_given_up_leaves_no_answer() {
    let memory = Memory::default();
    let first = enter(&memory, "shop", "j1", 1);
    let Ok(Entered::Again(answered)) = enter(&memory, "shop", "j1", 1) else {
        panic!("the second");
    };
    drop(first);
    let refusal = answered.wait().await.unwrap_err();
    assert_eq!(refusal.rsc, Rsc::InternalServerError);
}

#[test]
fn another_token_of_the_same_jti_is_refused_until_the_first_is_over() {
    let memory = Memory::default();
    assert!(enter(&memory, "shop", "j1", 1).is_ok());
    let refusal = enter(&memory, "shop", "j1", 2).unwrap_err();
    assert_eq!(refusal.rsc, Rsc::OriginatorNotAuthenticated);
    assert!(enter(&memory, "acme", "j1", 2).is_ok());
    let later = memory.enter((&sp("shop"), "j1".into()), [2; 32], (at(600), at(300)));
    assert!(matches!(later, Ok(Entered::First(_))));
}

#[test]
fn one_party_takes_its_own_places_alone_and_gets_them_back() {
    let memory = Memory::default();
    for number in 0..MOST_OF_ONE {
        assert!(enter(&memory, "shop", &number.to_string(), 1).is_ok());
    }
    let refusal = enter(&memory, "shop", "more", 1).unwrap_err();
    assert_eq!(refusal.rsc, Rsc::InternalServerError);
    assert!(enter(&memory, "acme", "more", 1).is_ok());
    let later = memory.enter((&sp("shop"), "more".into()), [1; 32], (at(600), at(300)));
    assert!(later.is_ok());
    let used = memory.lock();
    assert_eq!(
        (used.tokens.len(), used.ends.len(), used.of.len()),
        (1, 1, 1)
    );
}
