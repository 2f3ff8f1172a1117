use proptest::prelude::*;

use super::*;

fn device(number: u8) -> DeviceId {
    DeviceId::mint([number; 16])
}

fn settled(intake: &mut Intake<&'static str, u32>) -> Vec<u32> {
    std::iter::from_fn(|| intake.settle()).collect()
}

#[test]
fn messages_of_one_device_have_their_turn_one_after_the_other() {
    let mut intake = Intake::new();
    let first = intake.take(device(1), "a", Some(1)).unwrap();
    assert!(intake.take(device(1), "b", Some(2)).is_none());
    let other = intake.take(device(2), "c", Some(3)).unwrap();
    assert_eq!((first.message, other.message), ("a", "c"));
    let second = intake.finish(first.number, first.device).unwrap();
    assert_eq!(second.message, "b");
    assert!(intake.finish(second.number, second.device).is_none());
    assert!(!intake.is_idle());
    assert!(intake.finish(other.number, other.device).is_none());
    assert!(intake.is_idle());
}

#[test]
fn nothing_is_settled_before_what_came_before_it() {
    let mut intake = Intake::new();
    let slow = intake.take(device(1), "slow", Some(1)).unwrap();
    let quick = intake.take(device(2), "quick", Some(2)).unwrap();
    intake.ignore(Some(3));
    intake.finish(quick.number, quick.device);
    assert!(settled(&mut intake).is_empty());
    intake.finish(slow.number, slow.device);
    assert_eq!(settled(&mut intake), [1, 2, 3]);
}

#[test]
fn a_message_of_quality_0_is_settled_by_nothing_and_holds_nothing_up() {
    let mut intake = Intake::new();
    let unassured = intake.take(device(1), "unassured", None).unwrap();
    intake.ignore(Some(2));
    assert_eq!(settled(&mut intake), [2]);
    // Nor is anything kept of those that nobody acts upon, however long the first one takes.
    let slow = intake.take(device(2), "slow", Some(3)).unwrap();
    (0..1000).for_each(|_| intake.ignore(None));
    assert_eq!(intake.unsettled.len(), 1);
    assert!(intake.finish(unassured.number, unassured.device).is_none());
    intake.finish(slow.number, slow.device);
    assert_eq!(settled(&mut intake), [3]);
}

proptest! {
    /// Whatever finishes when: settled in order, each once, and each device served in order.
    #[test]
    fn order_is_kept_whatever_finishes_when(
        devices in prop::collection::vec(0_u8..4, 1..60),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 60),
    ) {
        let mut intake = Intake::new();
        let mut running = Vec::new();
        let mut served: HashMap<u8, Vec<usize>> = HashMap::new();
        for (n, of) in devices.iter().enumerate() {
            let turn = intake.take(device(*of), (n, *of), Some(n));
            running.extend(turn);
        }
        let mut acks = Vec::new();
        let mut choices = choices.into_iter();
        while !running.is_empty() {
            let turn = running.swap_remove(choices.next().unwrap().index(running.len()));
            let (n, of) = turn.message;
            served.entry(of).or_default().push(n);
            running.extend(intake.finish(turn.number, turn.device));
            acks.extend(std::iter::from_fn(|| intake.settle()));
        }
        prop_assert!(intake.is_idle());
        prop_assert_eq!(acks, (0..devices.len()).collect::<Vec<_>>());
        for order in served.values() {
            prop_assert!(order.is_sorted());
        }
    }
}
