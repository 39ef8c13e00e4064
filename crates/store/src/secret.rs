//! What becomes of an account's signing secrets, the same for all databases.
//!
//! Of each kind, the newest secret is current. Those before it go on signing beside it until their time is up or somebody
//! retires them, so that receivers have time to take the new one. What is retired keeps its row and loses its key.

use cogwire_core::time::Timestamp;
use cogwire_core::webhook::vault::StoredSecret;

/// The most secrets of an account that sign at once: each adds an entry to a header of every request.
pub const MAX_SIGNING: usize = 10;

/// The most retired secrets whose times are kept.
pub(crate) const MAX_RETIRED: u32 = 20;

/// A signing secret, or what is left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Its number, which grows from secret to secret.
    pub id: i64,
    /// The secret; of a retired one only its kind.
    pub secret: StoredSecret,
    /// Whether it was retired.
    pub retired: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it signs, or when it was retired. `None` for a current one, and for one that signs until it is retired.
    pub signs_until: Option<Timestamp>,
}

/// How a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretState {
    /// It signs, and is the newest of its kind.
    Current,
    /// It signs beside a newer one.
    Previous,
    /// It does not sign any more.
    Retired,
}

/// A new current secret.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The secret.
    pub fresh: StoredSecret,
    /// Until when the one before it signs; `None` until it is retired.
    pub overlap_until: Option<Timestamp>,
}

/// What came of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The new secret signs.
    Done,
    /// [`MAX_SIGNING`] sign already. Nothing was changed.
    Full,
}

/// Which secrets to retire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// This one.
    One(i64),
    /// All that a newer one of their kind has replaced.
    Previous,
}

/// What came of retiring secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retired {
    /// These do not sign any more.
    Done(Vec<i64>),
    /// There is no such secret, or it was retired before.
    NotFound,
    /// It is the current one, and others of its kind would sign without it. Nothing was changed.
    HasPrevious,
    /// Nothing would sign any more. Nothing was changed.
    Last,
}

impl SecretState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Retired => "retired",
        }
    }
}

impl SecretRow {
    /// Whether it signs at this time.
    pub fn signs(&self, now: Timestamp) -> bool {
        !self.retired && self.signs_until.is_none_or(|until| now < until)
    }

    /// How it stands among the account's secrets, which are the newest first.
    pub fn state(&self, all: &[Self], now: Timestamp) -> SecretState {
        let newest = all.iter().find(|other| !other.retired && other.secret.kind() == self.secret.kind());
        match newest {
            _ if !self.signs(now) => SecretState::Retired,
            Some(newest) if newest.id == self.id => SecretState::Current,
            _ => SecretState::Previous,
        }
    }
}

/// What a rotation does to the secrets there are; `None` when too many would sign. All that it names stop signing at the
/// time of the rotation's overlap.
pub(crate) fn replaced(rows: &[SecretRow], rotation: &Rotation, now: Timestamp) -> Option<Vec<i64>> {
    let kind = rotation.fresh.kind();
    let is_replaced =
        |row: &&SecretRow| row.secret.kind() == kind && row.state(rows, now) == SecretState::Current;
    let replaced: Vec<i64> = rows.iter().filter(is_replaced).map(|row| row.id).collect();
    let overlaps = rotation.overlap_until.is_none_or(|until| now < until);
    let signs = |row: &&SecretRow| row.signs(now) && (overlaps || !replaced.contains(&row.id));
    (rows.iter().filter(signs).count() < MAX_SIGNING).then_some(replaced)
}

/// The secrets to retire.
pub(crate) fn retired(rows: &[SecretRow], which: Retirement, now: Timestamp) -> Retired {
    let signing = || rows.iter().filter(|row| row.signs(now));
    let previous = |row: &&SecretRow| row.state(rows, now) == SecretState::Previous;
    match which {
        Retirement::Previous => Retired::Done(signing().filter(previous).map(|row| row.id).collect()),
        Retirement::One(id) => match signing().find(|row| row.id == id) {
            None => Retired::NotFound,
            Some(row) if previous(&row) => Retired::Done(vec![id]),
            Some(row) => {
                let others = |other: &&SecretRow| other.id != id;
                let same = |other: &SecretRow| other.secret.kind() == row.secret.kind();
                if signing().filter(others).any(same) {
                    return Retired::HasPrevious;
                }
                if signing().any(|other| others(&other)) { Retired::Done(vec![id]) } else { Retired::Last }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use cogwire_core::webhook::signature::{Secret, SecretKind};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn stored(kind: SecretKind) -> StoredSecret {
        StoredSecret::from(&Secret::fresh(kind, &[1; 32]))
    }

    fn row(id: i64, kind: SecretKind, signs_until: Option<i64>) -> SecretRow {
        let signs_until = signs_until.map(at);
        SecretRow { id, secret: stored(kind), retired: false, created_at: at(0), signs_until }
    }

    /// Two of each kind, and one whose time is up at 10.
    fn rows() -> Vec<SecretRow> {
        use SecretKind::{Ed25519, Hmac};
        vec![
            row(5, Ed25519, None),
            row(4, Hmac, None),
            row(3, Hmac, Some(10)),
            row(2, Hmac, None),
            row(1, Ed25519, Some(20)),
        ]
    }

    fn states(rows: &[SecretRow], now: i64) -> Vec<(i64, &'static str)> {
        rows.iter().map(|row| (row.id, row.state(rows, at(now)).as_str())).collect()
    }

    #[test]
    fn each_kind_has_a_current_one_and_time_retires_the_others() {
        let rows = rows();
        let (current, previous, retired) = ("current", "previous", "retired");
        let all = [(5, current), (4, current), (3, previous), (2, previous), (1, previous)];
        assert_eq!(states(&rows, 9), all);
        assert_eq!(states(&rows, 10)[2], (3, retired), "the end is not included");
        assert_eq!(states(&rows, 20)[2..], [(3, retired), (2, previous), (1, retired)]);
    }

    #[test]
    fn a_rotation_replaces_the_current_one_of_its_kind() {
        for (kind, expected) in [(SecretKind::Hmac, 4), (SecretKind::Ed25519, 5)] {
            let rotation = Rotation { fresh: stored(kind), overlap_until: None };
            assert_eq!(replaced(&rows(), &rotation, at(0)), Some(vec![expected]));
            assert_eq!(replaced(&[], &rotation, at(0)), Some(Vec::new()));
        }
    }

    #[test]
    fn what_does_not_sign_any_more_does_not_count() {
        let overlap =
            |until: Option<i64>| Rotation { fresh: stored(SecretKind::Hmac), overlap_until: until.map(at) };
        let mut rows: Vec<SecretRow> =
            (1..=10).rev().map(|id| row(id, SecretKind::Hmac, (id < 10).then_some(5))).collect();
        assert_eq!(replaced(&rows, &overlap(None), at(4)), None);
        assert_eq!(
            replaced(&rows, &overlap(Some(4)), at(4)),
            Some(vec![10]),
            "it makes room for the new one"
        );
        assert_eq!(replaced(&rows, &overlap(None), at(5)), Some(vec![10]));
        rows[3].retired = true;
        assert_eq!(replaced(&rows, &overlap(None), at(4)), Some(vec![10]));
    }

    #[test]
    fn something_always_signs_and_the_newest_of_a_kind_goes_last() {
        let all = rows();
        assert_eq!(retired(&all, Retirement::Previous, at(0)), Retired::Done(vec![3, 2, 1]));
        assert_eq!(retired(&all, Retirement::Previous, at(15)), Retired::Done(vec![2, 1]));
        assert_eq!(retired(&all, Retirement::One(3), at(0)), Retired::Done(vec![3]));
        assert_eq!(retired(&all, Retirement::One(3), at(10)), Retired::NotFound);
        assert_eq!(retired(&all, Retirement::One(9), at(0)), Retired::NotFound);
        assert_eq!(retired(&all, Retirement::One(4), at(0)), Retired::HasPrevious);
        assert_eq!(retired(&all, Retirement::One(5), at(20)), Retired::Done(vec![5]));
        assert_eq!(retired(&all[1..2], Retirement::One(4), at(0)), Retired::Last);
    }
}
