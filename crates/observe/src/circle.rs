//! Workers that tail each other: whether what one tells leads back to it.

use std::collections::{HashMap, HashSet};

/// Whether `to`, by what it tells its own tail workers and those theirs, tells `from` in the end. An invocation by
/// `tail` is then not told on this way: it would be told for ever. `tells` has the folded names of each worker's tail
/// workers.
pub(crate) fn leads_back(tells: &HashMap<String, Vec<String>>, from: &str, to: &str) -> bool {
    let mut seen = HashSet::new();
    let mut next = vec![to];
    while let Some(worker) = next.pop() {
        if worker == from {
            return true;
        }
        if seen.insert(worker) {
            next.extend(tells.get(worker).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_back_is_found_and_a_chain_is_none() {
        let tells = |pairs: &[(&str, &str)]| {
            let mut map: HashMap<String, Vec<String>> = HashMap::new();
            for (from, to) in pairs {
                map.entry((*from).to_owned()).or_default().push((*to).to_owned());
            }
            map
        };
        assert!(leads_back(&tells(&[("a", "a")]), "a", "a"), "itself");
        assert!(leads_back(&tells(&[("a", "b"), ("b", "a")]), "a", "b"));
        let ring = tells(&[("a", "b"), ("b", "c"), ("c", "a"), ("b", "d")]);
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "a")] {
            assert!(leads_back(&ring, from, to), "{from} {to}");
        }
        assert!(!leads_back(&ring, "b", "d"));
        let chain = tells(&[("a", "b"), ("b", "c"), ("d", "d")]);
        assert!(
            !leads_back(&chain, "a", "b") && !leads_back(&chain, "b", "c") && !leads_back(&chain, "a", "d")
        );
    }
}
