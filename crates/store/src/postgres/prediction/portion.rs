//! Dividing a batch into what one statement takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The most bytes of one statement's values, about: what is larger goes alone.
const MAX_BYTES: usize = 16 << 20;

/// A use case that is written together with others.
pub(super) trait Member {
    /// The prediction that it is about.
    fn id(&self) -> &str;

    /// How much there is to write, in bytes, about.
    fn size(&self) -> usize;
}

/// Runs a batch in portions, one after the other. No prediction is in a portion twice: one statement sees each row as it was
/// before the statement. Within a portion predictions are in the order of their ids, so that rows are locked in one order
/// everywhere. When a portion fails for another reason than the state of the database, its members run alone, and only
/// those fail that have to.
pub(super) async fn in_portions<M, T, F, R>(members: Vec<Arc<M>>, run: F) -> Vec<Result<T>>
where
    M: Member,
    F: Fn(Vec<Arc<M>>) -> R,
    R: Future<Output = Result<Vec<Result<T>>>>,
{
    let mut outcomes: Vec<Option<Result<T>>> = members.iter().map(|_| None).collect();
    let mut portions = portions(&members);
    portions.reverse();
    while let Some(portion) = portions.pop() {
        match run(portion.iter().map(|index| Arc::clone(&members[*index])).collect()).await {
            Ok(results) => {
                for (index, result) in portion.into_iter().zip(results) {
                    outcomes[index] = Some(result);
                }
            }
            Err(error) if portion.len() == 1 || error.is_temporary() => {
                for index in portion {
                    outcomes[index] = Some(Err(error.clone()));
                }
            }
            Err(_) => portions.extend(portion.into_iter().rev().map(|index| vec![index])),
        }
    }
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(miscounted()))).collect()
}

/// The places of the members, portion by portion.
fn portions<M: Member>(members: &[Arc<M>]) -> Vec<Vec<usize>> {
    let mut rest: Vec<usize> = (0..members.len()).collect();
    rest.sort_by_key(|index| members[*index].id());
    let mut portions = Vec::new();
    while !rest.is_empty() {
        let (mut taken, mut bytes) = (BTreeSet::new(), 0);
        let (portion, later) = rest.into_iter().partition(|index| {
            let member = &members[*index];
            let fits = bytes == 0 || bytes + member.size() <= MAX_BYTES;
            let takes = fits && taken.insert(member.id());
            bytes += if takes { member.size().max(1) } else { 0 };
            takes
        });
        portions.push(portion);
        rest = later;
    }
    portions
}

fn miscounted() -> Error {
    Error::Backend("a batch of use cases has another number of outcomes".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    impl Member for (&'static str, usize) {
        fn id(&self) -> &str {
            self.0
        }

        fn size(&self) -> usize {
            self.1
        }
    }

    fn members(list: &[(&'static str, usize)]) -> Vec<Arc<(&'static str, usize)>> {
        list.iter().copied().map(Arc::new).collect()
    }

    #[test]
    fn a_portion_has_each_prediction_once_and_in_order() {
        let small = members(&[("b", 1), ("a", 1), ("b", 1), ("c", 1), ("b", 1)]);
        assert_eq!(portions(&small), [vec![1, 0, 3], vec![2], vec![4]]);
    }

    #[test]
    fn what_is_large_goes_alone() {
        let large = members(&[("a", MAX_BYTES), ("b", 1), ("c", MAX_BYTES + 1), ("d", 2)]);
        assert_eq!(portions(&large), [vec![0], vec![1, 3], vec![2]]);
    }

    #[test]
    fn there_is_a_portion_only_for_somebody() {
        assert!(portions(&members(&[])).is_empty());
    }

    /// Runs members of which `bad` fails, and tells which portions there were.
    async fn run(
        list: &[(&'static str, usize)],
        bad: &str,
        error: Error,
    ) -> (Vec<bool>, Vec<Vec<&'static str>>) {
        let seen = Mutex::new(Vec::new());
        let outcomes = in_portions(members(list), async |portion: Vec<Arc<(&'static str, usize)>>| {
            let names: Vec<&str> = portion.iter().map(|member| member.0).collect();
            let fails = names.contains(&bad);
            seen.lock().expect("no panic").push(names.clone());
            if fails { Err(error.clone()) } else { Ok(names.into_iter().map(Ok).collect()) }
        });
        let outcomes = outcomes.await.iter().map(Result::is_ok).collect();
        (outcomes, seen.into_inner().expect("no panic"))
    }

    #[tokio::test]
    async fn one_that_fails_fails_alone() {
        let (outcomes, seen) = run(&[("b", 1), ("a", 1), ("a", 1)], "b", Error::Backend(String::new())).await;
        assert_eq!(outcomes, [false, true, true]);
        assert_eq!(seen, [vec!["a", "b"], vec!["a"], vec!["b"], vec!["a"]]);
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_not_asked_again_for_each() {
        let (outcomes, seen) = run(&[("b", 1), ("a", 1), ("a", 1)], "b", Error::Busy).await;
        assert_eq!(outcomes, [false, false, true]);
        assert_eq!(seen, [vec!["a", "b"], vec!["a"]]);
    }
}
