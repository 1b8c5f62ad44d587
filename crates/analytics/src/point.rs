//! A data point as a binding sends it, and what Cloudflare keeps of it.

use serde::Deserialize;

/// Values of a kind that one point may have (Cloudflare's limits page; `MAX_ARRAY_MEMBERS` in workerd's
/// `analytics-engine-impl.h`).
pub const COLUMNS: usize = 20;
/// Longest index, in bytes.
const MAX_INDEX: usize = 96;
/// All blobs of a point together, in bytes (Cloudflare's limits page: 16 KB).
const MAX_BLOBS: usize = 16 << 10;
/// Points of one batch that are kept: Cloudflare's limit for an invocation.
pub const MAX_POINTS: usize = 250;

/// A data point that is within the limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The index; empty when there is none.
    pub index: String,
    /// At most [`COLUMNS`]; empty where there is none.
    pub blobs: Vec<String>,
    /// At most [`COLUMNS`].
    pub doubles: Vec<f64>,
}

impl Point {
    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        let blobs: usize = self.blobs.iter().map(|blob| blob.len() + size_of::<String>()).sum();
        size_of::<Self>() + self.index.len() + blobs + 8 * self.doubles.len()
    }
}

/// The shape that `runtime/bindings/analytics.js` sends: everything is text or a number already.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sent {
    indexes: Vec<Option<String>>,
    blobs: Vec<Option<String>>,
    /// JSON has no NaN and no infinity: they arrive as null.
    doubles: Vec<Option<f64>>,
}

/// The points of a batch that are kept, and how many are not: Cloudflare drops those silently too.
///
/// # Errors
/// What is no batch at all.
pub fn read(body: &[u8]) -> Result<(Vec<Point>, u64), serde_json::Error> {
    let sent: Vec<Sent> = serde_json::from_slice(body)?;
    let all = sent.len();
    let points: Vec<Point> = sent.into_iter().take(MAX_POINTS).filter_map(keep).collect();
    let dropped = all - points.len();
    Ok((points, dropped as u64))
}

fn keep(sent: Sent) -> Option<Point> {
    if sent.indexes.len() > 1 || sent.blobs.len() > COLUMNS || sent.doubles.len() > COLUMNS {
        return None;
    }
    let index = sent.indexes.into_iter().next().flatten().unwrap_or_default();
    let blobs: Vec<String> = sent.blobs.into_iter().map(Option::unwrap_or_default).collect();
    let fits = index.len() <= MAX_INDEX && blobs.iter().map(String::len).sum::<usize>() <= MAX_BLOBS;
    let doubles = sent.doubles.into_iter().map(Option::unwrap_or_default).collect();
    fits.then_some(Point { index, blobs, doubles })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(value: serde_json::Value) -> (usize, u64) {
        let (points, dropped) = read(value.to_string().as_bytes()).unwrap();
        (points.len(), dropped)
    }

    #[test]
    fn what_is_left_out_is_empty() {
        let body =
            json!([{"blobs": ["a", null, "c"], "doubles": [1.5, null], "indexes": [null]}, {}]).to_string();
        let (points, dropped) = read(body.as_bytes()).unwrap();
        let blobs = ["a", "", "c"].map(str::to_owned).to_vec();
        assert_eq!(points[0], Point { index: String::new(), blobs, doubles: vec![1.5, 0.0] });
        assert_eq!((points.len(), dropped), (2, 0));
    }

    #[test]
    fn a_point_over_a_limit_is_dropped_and_the_others_stay() {
        let fine =
            json!({"indexes": ["x".repeat(96)], "blobs": vec!["y".repeat(819); 20], "doubles": vec![1; 20]});
        for over in [
            json!({"indexes": ["a", "b"]}),
            json!({"indexes": ["x".repeat(97)]}),
            json!({"blobs": vec!["a"; 21]}),
            json!({"blobs": ["x".repeat((16 << 10) + 1)]}),
            json!({"doubles": vec![0; 21]}),
        ] {
            assert_eq!(sent(json!([fine, over])), (1, 1), "{over}");
        }
        assert_eq!(sent(json!(vec![json!({}); 260])), (250, 10));
        assert!(read(b"{}").is_err() && read(b"[{\"blobs\":7}]").is_err());
    }
}
