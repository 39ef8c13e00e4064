use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

type Item = (String, u32);

impl Bound for Item {
    fn origin(&self) -> &str {
        &self.0
    }
}

fn item(origin: &str, number: u32) -> Item {
    (origin.to_owned(), number)
}

fn begin_all(roster: &mut Roster<Item>) -> Vec<(Arc<str>, Item)> {
    std::iter::from_fn(|| roster.next(NOW)).collect()
}

#[test]
fn a_stall_between_ends_loses_no_place() {
    let mut roster = Roster::new(64, 64);
    for number in 0..17 {
        roster.admit(item("a", number)).expect("room");
    }
    let mut under_way = begin_all(&mut roster);
    assert_eq!(under_way.len(), 16);
    let ends = [vec![Health::Answers, Health::Stalls], vec![Health::Answers; 9]].concat();
    for (health, (origin, _)) in ends.into_iter().zip(under_way.drain(..11)) {
        roster.ended(&origin, health, NOW);
    }
    under_way.extend(begin_all(&mut roster));
    assert_eq!(roster.in_flight(), under_way.len());
    for (origin, _) in under_way {
        roster.ended(&origin, Health::Unknown, NOW);
    }
    assert_eq!((roster.in_flight(), roster.next(NOW)), (0, None));
}

proptest::proptest! {
    #[test]
    fn every_place_comes_back(steps in proptest::collection::vec((0u8..3, 0u8..3, 0u8..4), 1..300)) {
        let mut roster = Roster::new(12, 8);
        let mut under_way: Vec<(Arc<str>, Item)> = Vec::new();
        for (number, (step, health, origin)) in (0..).zip(steps) {
            match step {
                0 => drop(roster.admit(item(["a", "b", "c", "d"][origin as usize], number))),
                1 => under_way.extend(roster.next(NOW)),
                _ if under_way.is_empty() => {}
                _ => {
                    let (origin, _) = under_way.remove(0);
                    let healths = [Health::Answers, Health::Stalls, Health::Unknown];
                    roster.ended(&origin, healths[health as usize], NOW);
                }
            }
            let doubtful = roster.origins.values().map(Origin::doubtful);
            proptest::prop_assert_eq!(roster.doubtful, doubtful.fold(Load::default(), Load::with));
            proptest::prop_assert_eq!(roster.in_flight(), under_way.len());
            proptest::prop_assert!(under_way.len() <= 12);
        }
    }
}

#[test]
fn origins_take_turns() {
    let mut roster = Roster::new(8, 64);
    for number in 0..10 {
        roster.admit(item("busy", number)).expect("room");
    }
    roster.admit(item("quiet", 100)).expect("room");
    let begun: Vec<u32> = begin_all(&mut roster).into_iter().map(|(_, item)| item.1).collect();
    assert_eq!(begun, [0, 100, 1, 2]);
}

#[test]
fn origins_that_hang_have_half_of_all_requests_between_them() {
    let mut roster = Roster::new(64, 16);
    roster.admit(item("healthy", 0)).expect("room");
    let first = begin_all(&mut roster);
    roster.ended(&first[0].0, Health::Answers, NOW);
    for number in 0..1000 {
        let _ = roster.admit(item(&format!("hangs {number}"), number));
    }
    let hanging = begin_all(&mut roster);
    assert_eq!(hanging.len(), 32);
    for _ in 0..100 {
        (0..16).for_each(|number| roster.admit(item("healthy", number)).expect("those that hang leave room"));
        let begun = begin_all(&mut roster);
        assert!(begun.len() == 16 && begun.iter().all(|(key, _)| &**key == "healthy"));
        begun.iter().for_each(|(key, _)| roster.ended(key, Health::Answers, NOW));
    }
    hanging[..8].iter().for_each(|(key, _)| roster.ended(key, Health::Stalls, NOW));
    assert_eq!(begin_all(&mut roster).len(), 8);
}

#[test]
fn everything_begins_once_whatever_the_order_of_events() {
    let mut roster = Roster::new(7, 3);
    let mut begun = Vec::new();
    for round in 0..200_u32 {
        let origin = format!("origin {}", round % 5);
        assert!(roster.admit(item(&origin, round)).is_ok(), "three requests let 24 wait");
        if round % 3 == 0 {
            for (key, item) in begin_all(&mut roster) {
                roster.ended(&key, Health::Answers, NOW);
                begun.push(item.1);
            }
        }
    }
    while let Some((key, item)) = roster.next(NOW) {
        roster.ended(&key, Health::Answers, NOW);
        begun.push(item.1);
    }
    begun.sort_unstable();
    assert_eq!(begun, (0..200).collect::<Vec<_>>());
    assert!(roster.origins.is_empty(), "{roster:?}");
}

#[test]
fn an_origin_at_its_limit_goes_on_when_a_request_ends() {
    let mut roster = Roster::new(100, 2);
    for number in 0..5 {
        roster.admit(item("a", number)).expect("room");
    }
    let begun = begin_all(&mut roster);
    assert_eq!(begun.len(), 2);
    roster.ended(&begun[0].0, Health::Unknown, NOW);
    assert_eq!(begin_all(&mut roster).len(), 1);
}

#[test]
fn a_crowded_origin_is_reported_and_others_are_not_concerned() {
    let mut roster = Roster::new(1000, 64);
    let admitted = (0..).take_while(|number| roster.admit(item("a", *number)).is_ok()).count();
    assert_eq!(admitted, 128);
    roster.admit(item("b", 1)).expect("room");
    assert!(roster.is_crowded("a") && !roster.is_crowded("b"));
    let changes: Vec<_> = roster.take_crowding_changes().collect();
    assert_eq!(changes, [("a".into(), true)]);
    for _ in 0..200 {
        let begun = begin_all(&mut roster);
        begun.iter().for_each(|(key, _)| roster.ended(key, Health::Answers, NOW));
    }
    assert!(!roster.is_crowded("a"));
    let changes: Vec<_> = roster.take_crowding_changes().collect();
    assert_eq!(changes, [("a".into(), false)]);
}

#[test]
fn what_was_drained_has_no_turn_any_more() {
    let mut roster = Roster::new(10, 64);
    roster.admit(item("a", 1)).expect("room");
    roster.admit_first(item("a", 0));
    assert_eq!(roster.drain(), [item("a", 0), item("a", 1)]);
    assert!(roster.next(NOW).is_none());
    roster.admit(item("a", 2)).expect("room");
    assert_eq!(begin_all(&mut roster).len(), 1);
}

#[test]
fn one_that_falls_silent_gets_no_more_than_the_doubtful_do() {
    let mut roster = Roster::new(16, 64);
    let admit = |roster: &mut Roster<Item>, origin: &str| {
        (0..8).for_each(|number| roster.admit(item(origin, number)).expect("room"));
    };
    for origin in ["hangs", "answers"] {
        admit(&mut roster, origin);
        begin_all(&mut roster).iter().for_each(|(key, _)| roster.ended(key, Health::Answers, NOW));
    }
    admit(&mut roster, "hangs");
    assert_eq!(begin_all(&mut roster).len(), 8, "nobody knows yet that it hangs");
    admit(&mut roster, "hangs");
    admit(&mut roster, "answers");
    let later = NOW + std::time::Duration::from_millis(1500);
    let begun: Vec<_> = std::iter::from_fn(|| roster.next(later)).collect();
    assert!(begun.len() == 8 && begun.iter().all(|(key, _)| &**key == "answers"), "{begun:?}");
}
