//! Deployments, and which version of one a request gets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::VersionId;

/// How far the shares of a deployment may miss 100 in sum, in percent: clients send decimals.
pub const SHARE_TOLERANCE: f64 = 0.01;

/// The versions that serve a worker's traffic, from some moment on.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Its id.
    pub id: uuid::Uuid,
    /// When it took effect.
    pub created_on: Timestamp,
    /// Which client made it.
    pub source: DeploymentSource,
    /// The e-mail of the token's owner.
    pub author_email: String,
    /// `workers/message`, `workers/triggered_by`.
    pub annotations: BTreeMap<String, String>,
    /// Versions and their shares.
    pub split: Split,
}

/// Which client made a deployment, as wrangler prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentSource(pub String);

/// Versions with their shares in percent; they add up to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(VersionId, f64)>", into = "Vec<(VersionId, f64)>")]
pub struct Split(Vec<(VersionId, f64)>);

/// Why shares were refused; fit for the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// No version.
    #[error("a deployment needs at least one version")]
    Empty,
    /// One version twice.
    #[error("version {0} is listed twice")]
    Repeated(VersionId),
    /// A share outside 0 to 100, or not a number.
    #[error("the percentage of version {0} must be between 0 and 100")]
    Share(VersionId),
    /// Not 100 in sum.
    #[error("the percentages must add up to 100, they add up to {0}")]
    Sum(f64),
}

/// What a request says about the version it wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct VersionChoice<'a> {
    /// `Cloudflare-Workers-Version-Key`: equal keys get equal versions.
    pub key: Option<&'a [u8]>,
    /// The version that `Cloudflare-Workers-Version-Overrides` names for this worker.
    pub wanted: Option<VersionId>,
}

impl Split {
    /// All traffic to one version.
    pub fn all(version: VersionId) -> Self {
        Self(vec![(version, 100.0)])
    }

    /// Checks shares, in percent.
    ///
    /// # Errors
    /// [`SplitError`] when they are not a whole.
    pub fn new(shares: Vec<(VersionId, f64)>) -> Result<Self, SplitError> {
        if shares.is_empty() {
            return Err(SplitError::Empty);
        }
        for (index, (version, share)) in shares.iter().enumerate() {
            if !(0.0..=100.0).contains(share) {
                return Err(SplitError::Share(*version));
            }
            if shares[..index].iter().any(|(other, _)| other == version) {
                return Err(SplitError::Repeated(*version));
            }
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if (sum - 100.0).abs() > SHARE_TOLERANCE {
            return Err(SplitError::Sum(sum));
        }
        Ok(Self(shares))
    }

    /// Versions and shares, as they were given.
    pub fn shares(&self) -> &[(VersionId, f64)] {
        &self.0
    }

    /// Whether the version is part of it, with whatever share.
    pub fn contains(&self, version: VersionId) -> bool {
        self.0.iter().any(|(other, _)| *other == version)
    }

    /// The version for a request. `random` is uniform in `[0, 1)` and decides where the request says nothing.
    ///
    /// A wanted version that is not part of the split is ignored, as on Cloudflare. A key keeps its version while
    /// shares stay, and moves only towards the version whose share grows, because shares are laid end to end.
    pub fn choose(&self, choice: VersionChoice<'_>, random: f64) -> VersionId {
        if let Some(wanted) = choice.wanted.filter(|version| self.contains(*version)) {
            return wanted;
        }
        let point = choice.key.map_or(random, unit_hash) * 100.0;
        let mut end = 0.0;
        for (version, share) in &self.0 {
            end += share;
            if point < end {
                return *version;
            }
        }
        // Shares may fall short of 100 by the tolerance: the rest belongs to the last version that has any.
        self.0.iter().rev().find(|(_, share)| *share > 0.0).unwrap_or(&self.0[0]).0
    }
}

impl TryFrom<Vec<(VersionId, f64)>> for Split {
    type Error = SplitError;

    fn try_from(shares: Vec<(VersionId, f64)>) -> Result<Self, SplitError> {
        Self::new(shares)
    }
}

impl From<Split> for Vec<(VersionId, f64)> {
    fn from(split: Split) -> Self {
        split.0
    }
}

/// FNV-1a with a final mix, as a number in `[0, 1)`. It must be the same in every process and release, since
/// stickiness outlives both; it need not resist an adversary, who may choose the version by name anyway.
fn unit_hash(key: &[u8]) -> f64 {
    let mut hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn versions(n: usize) -> Vec<VersionId> {
        (0..n).map(|_| VersionId::random()).collect()
    }

    #[test]
    fn shares_must_be_a_whole() {
        let v = versions(2);
        assert!(Split::new(vec![(v[0], 30.0), (v[1], 70.0)]).is_ok());
        assert!(Split::new(vec![(v[0], 33.333), (v[1], 66.667)]).is_ok());
        assert_eq!(Split::new(vec![]), Err(SplitError::Empty));
        assert_eq!(Split::new(vec![(v[0], 30.0), (v[1], 60.0)]), Err(SplitError::Sum(90.0)));
        assert_eq!(Split::new(vec![(v[0], 50.0), (v[0], 50.0)]), Err(SplitError::Repeated(v[0])));
        assert_eq!(Split::new(vec![(v[0], -1.0), (v[1], 101.0)]), Err(SplitError::Share(v[0])));
        assert_eq!(Split::new(vec![(v[0], f64::NAN)]), Err(SplitError::Share(v[0])));
    }

    #[test]
    fn an_override_wins_only_within_the_deployment() {
        let v = versions(3);
        let split = Split::new(vec![(v[0], 100.0), (v[1], 0.0)]).unwrap();
        let want = |wanted| split.choose(VersionChoice { key: None, wanted: Some(wanted) }, 0.5);
        assert_eq!(want(v[1]), v[1]);
        assert_eq!(want(v[2]), v[0]);
    }

    proptest! {
        #[test]
        fn a_version_without_share_gets_nothing(random in 0.0..1.0_f64) {
            let v = versions(3);
            let split = Split::new(vec![(v[0], 0.0), (v[1], 100.0), (v[2], 0.0)]).unwrap();
            prop_assert_eq!(split.choose(VersionChoice::default(), random), v[1]);
        }

        #[test]
        fn a_growing_share_only_gains_keys(key in prop::collection::vec(any::<u8>(), 0..32), a in 0.0..100.0_f64, b in 0.0..100.0_f64) {
            let v = versions(2);
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let pick = |share| {
                let split = Split::new(vec![(v[0], share), (v[1], 100.0 - share)]).unwrap();
                split.choose(VersionChoice { key: Some(&key), wanted: None }, 0.0)
            };
            prop_assert!(pick(low) != v[0] || pick(high) == v[0]);
        }
    }

    #[test]
    fn keys_spread_by_share() {
        let v = versions(2);
        let split = Split::new(vec![(v[0], 30.0), (v[1], 70.0)]).unwrap();
        let hits = (0..10_000)
            .filter(|i| {
                let key = format!("user-{i}");
                split.choose(VersionChoice { key: Some(key.as_bytes()), wanted: None }, 0.0) == v[0]
            })
            .count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
    }
}
