//! Decisions about a history, without its files: which point is meant, and what may be thrown away.

use std::ops::Range;
use std::time::Duration;

use crate::Position;

/// A state that can be had again, and when the database came to it, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Where it stands.
    pub position: Position,
    /// Since when.
    pub time: i64,
}

/// Which state is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The one of a bookmark.
    Bookmark(Position),
    /// The one that the database had at a time, in microseconds since 1970.
    Time(i64),
}

/// Why no state can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// It is older than what is kept.
    #[error("the database's history does not reach back that far")]
    TooOld,
    /// It is to come.
    #[error("the bookmark is later than the database's present")]
    Future,
}

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How far back any minute can be had.
    pub keep: Duration,
    /// After this long, commits of one minute become one.
    pub fine: Duration,
    /// Most bytes of one database's history beside its base; the oldest goes first.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// 30 days, as D1 keeps; every commit for an hour; 1 GiB.
    fn default() -> Self {
        Self { keep: Duration::from_hours(30 * 24), fine: Duration::from_hours(1), max_bytes: 1 << 30 }
    }
}

/// The last of `points`, which ascend, that is not after what is asked for. `now` is the present.
///
/// # Errors
/// When it is before the first or after the present.
pub fn resolve(points: &[Point], now: Position, at: At) -> Result<Position, Unreachable> {
    let later = match at {
        At::Bookmark(position) if position > now => return Err(Unreachable::Future),
        At::Bookmark(position) => points.partition_point(|point| point.position <= position),
        At::Time(time) => points.partition_point(|point| point.time <= time),
    };
    later.checked_sub(1).map(|last| points[last].position).ok_or(Unreachable::TooOld)
}

/// A segment that is not written to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// When its last commit was, in microseconds since 1970.
    pub until: i64,
    /// Its bytes.
    pub bytes: u64,
}

/// How many of the oldest segments to put into the base. The base is written anew for that, so it happens a day's worth,
/// or a quarter of the limit, at a time.
pub fn fold(segments: &[Closed], now: i64, limits: &Limits) -> usize {
    let kept = now - micros(limits.keep);
    let day = micros(Duration::from_hours(24));
    let aged = segments.iter().take_while(|segment| segment.until <= kept).count();
    let overdue = segments.first().is_some_and(|first| first.until <= kept - day);
    let mut total: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut over = 0;
    if total > limits.max_bytes {
        for segment in segments {
            if total <= limits.max_bytes / 4 * 3 {
                break;
            }
            total -= segment.bytes;
            over += 1;
        }
    }
    over.max(if overdue { aged } else { 0 })
}

/// Which records of a segment become one: those of one minute, when the whole segment is old enough. None when it
/// would change nothing.
pub fn merge(times: &[i64], now: i64, limits: &Limits) -> Option<Vec<Range<usize>>> {
    let last = times.last()?;
    if *last > now - micros(limits.fine) {
        return None;
    }
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (at, time) in times.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if minute(times[group.start]) == minute(*time) => group.end = at + 1,
            _ => groups.push(at..at + 1),
        }
    }
    (groups.len() < times.len()).then_some(groups)
}

fn minute(time: i64) -> i64 {
    time.div_euclid(60_000_000)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000;

    fn points(steps: &[(u32, u32)]) -> Vec<Point> {
        let mut points = vec![Point { position: Position { generation: 0, frame: 0 }, time: i64::MIN }];
        let (mut frame, mut time) = (0, 0);
        for (more, later) in steps {
            (frame, time) = (frame + more, time + i64::from(*later));
            points.push(Point { position: Position { generation: 1, frame }, time });
        }
        points
    }

    proptest! {
        #[test]
        fn a_time_gives_the_last_state_of_then(
            steps in prop::collection::vec((1..9_u32, 0..90_u32), 0..30), time in -10..2000_i64
        ) {
            let points = points(&steps);
            let now = points[points.len() - 1].position;
            let found = resolve(&points, now, At::Time(time)).unwrap();
            let by_hand = points.iter().rev().find(|point| point.time <= time).unwrap();
            prop_assert_eq!(found, by_hand.position);
            prop_assert_eq!(resolve(&points[1..], now, At::Time(-1)), Err(Unreachable::TooOld));
        }

        #[test]
        fn every_point_is_found_by_its_own_bookmark(steps in prop::collection::vec((1..9_u32, 0..90_u32), 1..30)) {
            let points = points(&steps);
            let now = points[points.len() - 1].position;
            for point in &points {
                prop_assert_eq!(resolve(&points, now, At::Bookmark(point.position)), Ok(point.position));
            }
            let future = Position { frame: now.frame + 1, ..now };
            prop_assert_eq!(resolve(&points, now, At::Bookmark(future)), Err(Unreachable::Future));
        }

        #[test]
        fn merging_keeps_the_state_at_every_full_minute(times in prop::collection::vec(0..20 * MINUTE, 1..40)) {
            let mut times = times;
            times.sort_unstable();
            let groups = merge(&times, i64::MAX / 2, &Limits::default());
            let kept: Vec<usize> = match &groups {
                Some(groups) => groups.iter().map(|group| group.end - 1).collect(),
                None => (0..times.len()).collect(),
            };
            prop_assert_eq!(kept.last(), Some(&(times.len() - 1)));
            for end in 1..22 {
                let at = end * MINUTE - 1;
                let before = times.iter().rposition(|time| *time <= at);
                let after = kept.iter().rev().copied().find(|kept| times[*kept] <= at);
                prop_assert_eq!(before, after);
            }
        }

        #[test]
        fn folding_keeps_what_must_be_kept_and_obeys_the_limit(
            ages in prop::collection::vec((0..60 * 24_i64, 1..200_u64), 0..40), max in 1..3000_u64
        ) {
            let limits = Limits { max_bytes: max, ..Limits::default() };
            let now = 100 * 24 * 60 * MINUTE;
            let mut ages = ages;
            ages.sort_unstable_by_key(|(age, _)| -age);
            let segments: Vec<Closed> = ages.iter()
                .map(|(age, bytes)| Closed { until: now - age * 60 * MINUTE, bytes: *bytes }).collect();
            let folded = fold(&segments, now, &limits);
            let rest: u64 = segments[folded..].iter().map(|segment| segment.bytes).sum();
            prop_assert!(rest <= max);
            let total: u64 = segments.iter().map(|segment| segment.bytes).sum();
            if total <= max {
                prop_assert!(segments[..folded].iter().all(|segment| segment.until <= now - 30 * 24 * 60 * MINUTE));
                prop_assert!(segments[folded..].iter().all(|segment| segment.until > now - 31 * 24 * 60 * MINUTE));
            }
        }
    }

    #[test]
    fn what_is_recent_is_not_merged() {
        let now = 100 * MINUTE;
        let limits = Limits::default();
        assert_eq!(merge(&[now - 1, now], now, &limits), None);
        assert_eq!(merge(&[0, 1, MINUTE], now, &limits), Some(vec![0..2, 2..3]));
        assert_eq!(merge(&[0, MINUTE], now, &limits), None, "nothing to gain");
    }
}
