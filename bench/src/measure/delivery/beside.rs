//! A receiver that is well, beside others that are not.

use std::path::Path;

use cogwire_core::webhook::signature::Secret;

use super::super::{Bench, WEBHOOK, delay, say};
use crate::load::at_a_rate;
use crate::server::Server;
use crate::sink::bad::{Bad, Manner};
use crate::statistics::Spread;

/// Deliveries a second to each of the two receivers.
pub(crate) const RATE: u32 = 100;

/// From a prediction's end to its webhook at a healthy receiver, in milliseconds: medians of the rounds.
pub(crate) struct BesideFigures {
    /// With nobody else.
    pub(crate) alone: Spread,
    /// Beside another receiver, by its manner.
    pub(crate) beside: Vec<(Manner, Spread)>,
}

pub(super) async fn measure(bench: &Bench<'_>, binary: &Path) -> anyhow::Result<BesideFigures> {
    let server = Server::start(binary, &bench.load).await?;
    let secret = server.secret(&bench.load).await?;
    let mut alone = vec![];
    let mut beside = Manner::ALL.map(|manner| (manner, vec![]));
    for round in 1..=bench.plan.rounds {
        say(&format!("receivers beside each other, round {round} of {}", bench.plan.rounds));
        alone.push(bench.healthy(&server, &secret).await?);
        for (manner, spreads) in &mut beside {
            // A new one in every round: nothing is known about it yet.
            let bad = Bad::start(*manner).await?;
            let (healthy, ill) = tokio::join!(
                bench.healthy(&server, &secret),
                at_a_rate(RATE, bench.plan.seconds, bench.create_to(&server, Some(&bad.url())))
            );
            ill?;
            spreads.push(healthy?);
        }
    }
    let beside = beside.map(|(manner, spreads)| (manner, Spread::median(&spreads)));
    Ok(BesideFigures { alone: Spread::median(&alone), beside: beside.into() })
}

impl Bench<'_> {
    async fn healthy(&self, server: &Server, secret: &Secret) -> anyhow::Result<Spread> {
        self.sink.clear();
        at_a_rate(RATE, self.plan.seconds, self.create(server, Some(WEBHOOK))).await?;
        self.sink.wait_for((RATE * self.plan.seconds) as usize).await?;
        let delays: anyhow::Result<Vec<_>> = self.sink.take(secret)?.iter().map(delay).collect();
        Ok(Spread::of(delays?))
    }
}
