//! The sender in a simulated world: thousands of ways in which things go wrong, each of them repeatable.
//!
//! A seed decides everything: how many nodes and receivers there are, when predictions end, which use cases the store refuses
//! and whose answers it loses, when nodes die, stop, start, stand still, are cut off and have their clocks set, and how
//! receivers treat requests. Then everything is left in peace, and what receivers saw is compared with what is promised: every
//! end is told or given up after its whole schedule, messages begin in order and one at a time whoever sends them, the final
//! one last, the same id and body each time, within the bounds, within the lease, and not again once the store knows that it
//! arrived.
//!
//! **What is real**: all of this crate above the sink, the handoff, and SQLite with every decision about lanes. **What is
//! not**: the network, which is simulated at the seam of [`Sink`](cogwire_delivery::Sink) (the real sink has its own tests,
//! over real sockets); being a node, of which SQLite knows nothing (`members.rs`); time, which passes when every task waits;
//! and the engine, which is played by `customers.rs`.
//!
//! ```text
//! cargo test -p cogwire-delivery --test sim                             some hundred seeds
//! COGWIRE_SIM_RUNS=5000 cargo test -p cogwire-delivery --test sim       the first five thousand, or those from COGWIRE_SIM_FIRST on
//! COGWIRE_SIM_SEED=42 cargo test -p cogwire-delivery --test sim         one of them, with what happened
//! ```

#![expect(clippy::panic, reason = "a simulation that breaks a promise says which")]

mod customers;
mod ledger;
mod ledger_tests;
mod machine;
mod members;
mod receivers;
mod store;
mod store_rest;
mod time;
mod world;

use ledger::Tally;
use world::{Outcome, simulate};

/// Seeds that are tried when nobody asks for more: about a minute on a slow machine.
const RUNS: u64 = 240;

#[test]
fn every_promise_holds_whatever_happens() {
    if let Some(seed) = number("COGWIRE_SIM_SEED") {
        return keeps_its_promises(seed, &simulate(seed));
    }
    let mut tally = Tally::default();
    let first = number("COGWIRE_SIM_FIRST").unwrap_or(0);
    for seed in first..first + number("COGWIRE_SIM_RUNS").unwrap_or(RUNS) {
        let outcome = simulate(seed);
        keeps_its_promises(seed, &outcome);
        tally.add(&outcome.tally);
    }
    assert!(tally.has_everything(), "something never happened, so nothing is known about it: {tally:?}");
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..10 {
        let (one, other) = (simulate(seed), simulate(seed));
        let difference = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!((one.trace.len(), one.tally), (other.trace.len(), other.tally), "seed {seed}");
    }
}

fn keeps_its_promises(seed: u64, outcome: &Outcome) {
    let Outcome { broken, trace, .. } = outcome;
    assert!(
        broken.is_empty(),
        "COGWIRE_SIM_SEED={seed} breaks {} promises:\n{}\n\nWhat happened:\n{}",
        broken.len(),
        broken.join("\n"),
        trace.join("\n")
    );
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
