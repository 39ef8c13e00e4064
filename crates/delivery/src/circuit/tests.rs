use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000_000) + Duration::from_secs(seconds)
}

fn origin(name: &str) -> Arc<str> {
    name.into()
}

fn circuits() -> Circuits {
    Circuits::new(3 * DAY)
}

/// Opens the circuit of `a` at `at(10)`.
fn opened() -> (Circuits, Arc<str>) {
    let (mut circuits, a) = (circuits(), origin("a"));
    (1..=10).for_each(|second| circuits.ended(&a, false, Health::Stalls, at(second)));
    assert_eq!(circuits.take_changes(), [(origin("a"), Change::Opened(at(1)))]);
    (circuits, a)
}

fn ready(circuits: &mut Circuits, now: u64) -> Option<Arc<str>> {
    circuits.tick(at(now));
    circuits.next_ready()
}

#[test]
fn ten_stalls_in_a_row_open_it_and_any_answer_in_between_does_not_let_them() {
    let ease = Health::Slows(Duration::ZERO);
    for between in [Health::Answers, Health::Lags, ease] {
        let (mut circuits, a) = (circuits(), origin("a"));
        for second in 0..100 {
            let health = if second % 10 == 9 { between } else { Health::Stalls };
            circuits.ended(&a, false, health, at(second));
        }
        assert!(!circuits.is_off("a") && circuits.take_changes().is_empty());
    }
    let (mut circuits, a) = (circuits(), origin("a"));
    for second in 0..19 {
        assert!(!circuits.is_off("a"), "after {second}");
        let health = if second % 2 == 0 { Health::Stalls } else { Health::Unknown };
        circuits.ended(&a, false, health, at(second));
    }
    assert!(circuits.is_off("a") && !circuits.is_off("b"));
    assert_eq!(circuits.open_count(), 1);
}

#[test]
fn probes_become_rarer_up_to_a_minute() {
    let (mut circuits, a) = opened();
    let mut now = 10;
    for wait in [5, 10, 20, 40, 60, 60] {
        assert_eq!(circuits.next_at(at(now)), Some(at(now + wait)));
        assert_eq!(ready(&mut circuits, now + wait - 1), None);
        now += wait;
        assert_eq!(ready(&mut circuits, now), Some(origin("a")));
        assert_eq!(circuits.next_at(at(now)), None, "it is being probed");
        let again_after = Duration::from_secs((wait * 2).min(60));
        assert_eq!(circuits.probe("a"), Some(Probe { again_after }));
        circuits.ended(&a, true, if wait == 20 { Health::Unknown } else { Health::Stalls }, at(now));
    }
}

#[test]
fn requests_that_were_on_their_way_do_not_move_the_probe() {
    let (mut circuits, a) = opened();
    (11..15).for_each(|second| circuits.ended(&a, false, Health::Stalls, at(second)));
    assert_eq!(ready(&mut circuits, 15), Some(origin("a")));
    circuits.ended(&a, false, Health::Stalls, at(16));
    assert_eq!(circuits.next_at(at(16)), None);
    assert!(circuits.take_changes().is_empty());
}

#[test]
fn an_answer_closes_it_whoever_gets_it() {
    for (is_probe, health) in [(true, Health::Answers), (true, Health::Lags), (false, Health::Answers)] {
        let (mut circuits, a) = opened();
        circuits.tick(at(15));
        circuits.ended(&a, is_probe, health, at(16));
        assert_eq!(circuits.take_changes(), [(origin("a"), Change::Closed(at(1)))]);
        assert_eq!((circuits.is_off("a"), circuits.open_count(), circuits.probe("a")), (false, 0, None));
        assert_eq!((ready(&mut circuits, 1000), circuits.next_at(at(1000))), (None, None));
    }
}

#[test]
fn one_that_asks_for_it_is_left_alone_for_a_while() {
    let (mut circuits, a) = (circuits(), origin("a"));
    circuits.ended(&a, false, Health::Slows(Duration::from_secs(7)), at(0));
    circuits.ended(&a, false, Health::Slows(Duration::from_secs(30)), at(1));
    circuits.ended(&a, false, Health::Answers, at(2));
    assert_eq!((circuits.is_off("a"), circuits.probe("a"), circuits.open_count()), (true, None, 0));
    circuits.tick(at(6));
    assert!(circuits.is_off("a"));
    assert_eq!(ready(&mut circuits, 7), None);
    assert!(!circuits.is_off("a"));
    let changes: Vec<_> = circuits.take_changes().into_iter().map(|(_, change)| change).collect();
    assert_eq!(changes, [Change::Rests, Change::Rested]);
}

#[test]
fn one_that_is_down_and_then_asks_for_less_is_up_and_left_alone() {
    let (mut circuits, a) = opened();
    circuits.ended(&a, true, Health::Slows(Duration::from_secs(7)), at(15));
    let changes: Vec<_> = circuits.take_changes().into_iter().map(|(_, change)| change).collect();
    assert_eq!(changes, [Change::Closed(at(1)), Change::Rests]);
    assert!(circuits.is_off("a"));
    circuits.tick(at(22));
    assert!(!circuits.is_off("a"));
}

#[test]
fn one_for_which_nothing_waits_for_long_is_forgotten() {
    let (mut circuits, a) = opened();
    for now in [15, 25, 45, 85] {
        assert_eq!(ready(&mut circuits, now), Some(origin("a")));
        circuits.found_nothing(&a, at(now));
        assert!(circuits.is_off("a"));
    }
    assert_eq!(ready(&mut circuits, 145), Some(origin("a")));
    circuits.found_nothing(&a, at(145));
    assert_eq!((circuits.is_off("a"), circuits.open_count()), (false, 0));
    assert_eq!(circuits.take_changes(), [(origin("a"), Change::Forgotten)]);
}

#[test]
fn a_failure_on_this_side_does_not_make_probes_rarer() {
    let (mut circuits, a) = opened();
    for now in [15, 20, 25] {
        assert_eq!(ready(&mut circuits, now), Some(origin("a")));
        circuits.try_soon(&a, at(now));
    }
}

#[test]
fn what_is_too_old_is_given_up_once_the_origin_has_been_down_for_an_hour() {
    let (circuits, _) = opened();
    let too_old = |circuits: &Circuits, now| circuits.too_old("a", now).map(|old| old.due_before);
    assert_eq!(too_old(&circuits, at(3600)), None);
    assert_eq!(too_old(&circuits, at(3601)), Some(at(3601) - 3 * DAY));
    assert_eq!(circuits.too_old("b", at(3601)), None);
    let mut hasty = Circuits::new(Duration::from_secs(60));
    (1..=10).for_each(|_| hasty.ended(&origin("a"), false, Health::Stalls, at(1)));
    assert_eq!((too_old(&hasty, at(60)), too_old(&hasty, at(61))), (None, Some(at(1))));
}

#[test]
fn a_clock_that_is_set_back_delays_no_probe() {
    let (mut circuits, _) = opened();
    circuits.tick(Timestamp::from_micros(0));
    assert!(circuits.is_ready());
}

#[test]
fn memory_is_bounded_and_those_that_are_down_are_kept() {
    let mut circuits = circuits();
    for number in 0..MAX_CIRCUITS + 5 {
        circuits.ended(&origin(&format!("stalls {number}")), false, Health::Stalls, at(0));
        assert!(circuits.known.len() <= MAX_CIRCUITS);
    }
    for number in 0..MAX_CIRCUITS + 5 {
        let down = origin(&format!("down {number}"));
        (0..10).for_each(|_| circuits.ended(&down, false, Health::Stalls, at(0)));
    }
    assert_eq!((circuits.open_count(), circuits.known.len()), (MAX_CIRCUITS, MAX_CIRCUITS));
    assert!(circuits.is_off("down 0") && !circuits.is_off("down 10003"));
    circuits.ended(&origin("another"), false, Health::Slows(Duration::from_secs(5)), at(0));
    assert!(!circuits.is_off("another"));
}

proptest! {
    /// Whatever happens, each origin that is left alone has exactly one thing that ends it, and what is told adds up.
    #[test]
    fn nobody_is_left_alone_for_ever(steps in prop::collection::vec((0u8..8, 0usize..3, 0u64..90), 1..300)) {
        let mut circuits = circuits();
        let names = ["a", "b", "c"].map(origin);
        let (mut now, mut probing, mut off) = (0, Vec::new(), [false; 3]);
        for (step, index, wait) in steps {
            let name = &names[index];
            now += wait;
            match step {
                0..4 => circuits.ended(name, false, Health::Stalls, at(now)),
                4 => circuits.ended(name, false, Health::Answers, at(now)),
                5 => circuits.ended(name, false, Health::Slows(Duration::from_secs(wait)), at(now)),
                6 => {
                    circuits.tick(at(now));
                    probing.extend(circuits.next_ready());
                }
                _ => probing.drain(..).for_each(|name| match wait % 3 {
                    0 => circuits.ended(&name, true, Health::Stalls, at(now)),
                    1 => circuits.found_nothing(&name, at(now)),
                    _ => circuits.try_soon(&name, at(now)),
                }),
            }
            for (name, change) in circuits.take_changes() {
                let index = names.iter().position(|known| *known == name).expect("one of three");
                let now_off = matches!(change, Change::Opened(_) | Change::Rests);
                prop_assert_ne!(off[index], now_off, "{:?} of {}", change, name);
                off[index] = now_off;
            }
            for (index, name) in names.iter().enumerate() {
                prop_assert_eq!(circuits.is_off(name), off[index]);
                let planned = circuits.times.iter().filter(|(_, planned)| planned == name).count();
                let waits = circuits.ready.iter().filter(|ready| *ready == name).count();
                prop_assert!(planned + waits <= 1);
                let is_probed = probing.contains(name);
                prop_assert!(!off[index] || planned + waits == 1 || is_probed);
            }
            prop_assert!(circuits.times.iter().all(|(due, _)| *due <= at(now) + LONGEST_WAIT));
            prop_assert_eq!(circuits.open_count(), names.iter().filter(|name| circuits.probe(name).is_some()).count());
        }
    }
}
