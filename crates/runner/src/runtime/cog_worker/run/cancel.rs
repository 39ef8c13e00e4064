//! Stopping a prediction that runs: asked first, by force when the model does not obey.

use std::time::Duration;

use super::super::mark::Mark;
use super::super::protocol::{Order, Word};
use super::{Run, Verdict};
use crate::runtime::cog_model::NOT_CANCELLED;

/// How long a cancel that may be lost is given before it is repeated. The worker forgets one that comes before the
/// model is called, and for an asynchronous model also shortly afterwards. A synchronous model gets no second one: it
/// would disturb what the model does about the first.
const CANCEL_AGAIN: Duration = Duration::from_millis(50);

impl Run<'_> {
    /// Tells the model to stop, and kills it when it does not.
    pub(super) async fn cancel(&mut self) -> Verdict {
        let clock = &self.worker.life.clock;
        let timeout = self.worker.config.cancel_timeout;
        let order = Order::Cancel { slot: self.worker.desk.name(self.slot.index) };
        self.worker.order(&order).await;
        let mut deadline = clock.sleep(timeout);
        let mut again = clock.sleep(CANCEL_AGAIN);
        let mut may_be_lost = self.call.is_none_or(|call| call.is_async);
        loop {
            tokio::select! {
                () = &mut deadline => {
                    let seconds = timeout.as_secs_f64();
                    self.worker.life.kill(format!("{NOT_CANCELLED} {seconds} s."));
                    return Verdict::Gone;
                }
                () = &mut again, if may_be_lost && self.call.is_some() => {
                    again = clock.sleep(CANCEL_AGAIN);
                    may_be_lost = self.call.is_some_and(|call| call.is_async);
                    self.worker.order(&order).await;
                }
                Some(message) = self.messages.recv() => self.note(message),
                word = self.slot.words.next::<Word>() => match word {
                    Ok(Some(Word::Done { .. } | Word::Cancelled {} | Word::Failed { .. })) => return Verdict::Cancelled,
                    Ok(Some(word)) => self.overhear(word).await,
                    Ok(None) => return Verdict::Gone,
                    Err(error) => return self.broken_off(&error),
                },
            }
            // Nobody reads it any more.
            self.log.clear();
        }
    }

    /// Hears what a cancelled prediction says. Its files are taken to be deleted.
    async fn overhear(&mut self, word: Word) {
        let handover = &self.worker.handover;
        let taken = match word {
            Word::LogLine { data } => match self.worker.marks.read(&data) {
                Some(Mark::Begun(call)) => {
                    self.call = Some(call);
                    return;
                }
                Some(Mark::Item(item)) => handover.value(&item).await,
                Some(Mark::ItemFile(path)) => handover.json_file(path).await,
                _ => return,
            },
            Word::OutputChunk { output } => handover.value(&output).await,
            Word::FileOutput { filename, kind } => handover.file(filename, kind).await,
            _ => return,
        };
        drop(taken);
    }
}
