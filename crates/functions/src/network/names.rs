//! The addresses that names are answered with: of the range for benchmarks (RFC 2544), which leads nowhere. Pure.

use std::collections::HashMap;
use std::net::Ipv4Addr;

/// `198.18.0.0`, of a /15.
const FIRST: u32 = 0xc612_0000;

/// Names that are remembered of one process; the oldest give their addresses up.
const MOST: u32 = 4096;

/// Names and their addresses.
#[derive(Debug, Default)]
pub(crate) struct Names {
    addresses: HashMap<String, Ipv4Addr>,
    names: HashMap<Ipv4Addr, String>,
    given: u32,
}

impl Names {
    /// The address of a name, in lower case and without a trailing dot.
    pub(crate) fn address(&mut self, name: &str) -> Ipv4Addr {
        if let Some(address) = self.addresses.get(name) {
            return *address;
        }
        // Neither the first of the range nor one that ends in 0.
        let place = self.given % MOST;
        let address = Ipv4Addr::from(FIRST + (place / 250) * 256 + place % 250 + 1);
        self.given += 1;
        if let Some(old) = self.names.insert(address, name.to_owned()) {
            self.addresses.remove(&old);
        }
        self.addresses.insert(name.to_owned(), address);
        address
    }

    /// Whether a name has an address.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.addresses.contains_key(name)
    }

    /// The name that an address was given for.
    pub(crate) fn name(&self, address: Ipv4Addr) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_until_it_is_the_oldest() {
        let mut names = Names::default();
        let one = names.address("one.test");
        assert_eq!(one, Ipv4Addr::new(198, 18, 0, 1));
        assert_eq!((names.address("one.test"), names.name(one)), (one, Some("one.test")));
        let mut seen = std::collections::HashSet::from([one]);
        for number in 1..MOST {
            assert!(seen.insert(names.address(&format!("{number}.test"))));
        }
        assert_eq!(names.name(one), Some("one.test"));
        assert_eq!(names.address("last.test"), one);
        assert_eq!((names.name(one), names.names.len()), (Some("last.test"), MOST as usize));
        assert_ne!(names.address("one.test"), one);
    }
}
