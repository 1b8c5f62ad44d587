//! What a stored response is found by.

use serde::{Deserialize, Serialize};
use url::Url;

/// The cache that a response lies in. None sees what lies in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// `caches.default`.
    Default,
    /// `caches.open(name)`.
    Named(String),
    /// What `fetch` has stored.
    Fetch,
}

/// The name of a stored response. Accounts share nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whose it is.
    pub account: String,
    /// In which cache.
    pub room: Room,
    /// The URL in the WHATWG's spelling, without fragment; purges go by it.
    pub url: String,
    /// What takes the URL's place in the name: `cf.cacheKey`.
    pub custom: Option<String>,
}

/// [`Key`] in 32 bytes, under which it is indexed.
pub(crate) type Digest = [u8; 32];

impl Key {
    /// A key for an absolute URL. `None` if it is none.
    pub fn new(account: &str, room: Room, url: &str, custom: Option<String>) -> Option<Self> {
        let mut url = Url::parse(url).ok().filter(Url::has_host)?;
        url.set_fragment(None);
        Some(Self { account: account.to_owned(), room, url: url.into(), custom })
    }

    /// The same name in another cache.
    pub(crate) fn in_room(&self, room: Room) -> Self {
        Self { room, ..self.clone() }
    }

    pub(crate) fn digest(&self) -> Digest {
        let (room, name) = match &self.room {
            Room::Default => ("default", ""),
            Room::Named(name) => ("named", name.as_str()),
            Room::Fetch => ("fetch", ""),
        };
        let (kind, text) = match &self.custom {
            Some(custom) => ("custom", custom.as_str()),
            None => ("url", self.url.as_str()),
        };
        let mut hasher = blake3::Hasher::new();
        for part in [&self.account, room, name, kind, text] {
            // With its length before it, no part can pass for the end of another.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_key_tells_it_from_others() {
        let key = |account: &str, room: Room, url: &str, custom: Option<&str>| {
            Key::new(account, room, url, custom.map(str::to_owned)).unwrap().digest()
        };
        let named = |name: &str| Room::Named(name.to_owned());
        let all = [
            key("a", Room::Default, "https://x.test/1", None),
            key("b", Room::Default, "https://x.test/1", None),
            key("a", Room::Fetch, "https://x.test/1", None),
            key("a", named(""), "https://x.test/1", None),
            key("a", named("n"), "https://x.test/1", None),
            key("a", Room::Default, "http://x.test/1", None),
            key("a", Room::Default, "https://x.test/2", None),
            key("a", Room::Default, "https://x.test/1", Some("k")),
            key("a", Room::Default, "https://x.test/1", Some("https://x.test/1")),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
        assert_eq!(
            key("a", Room::Fetch, "https://x.test/1", Some("k")),
            key("a", Room::Fetch, "https://y.test/", Some("k"))
        );
        assert_eq!(all[0], key("a", Room::Default, "https://X.test:443/1#part", None));
    }

    #[test]
    fn what_has_no_host_is_no_key() {
        for url in ["/a", "data:x", "", "https://"] {
            assert_eq!(Key::new("a", Room::Default, url, None), None, "{url}");
        }
    }
}
