//! From where a token may be used, in the shape that the API has it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What has to hold of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Of its client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_ip: Option<RequestIp>,
}

/// Networks that a client's address has to be in, or not to be in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestIp {
    /// In one of these; none: anywhere.
    #[serde(default, rename = "in", skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<IpNet>,
    /// In none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_in: Vec<IpNet>,
}

impl Condition {
    /// Whether it holds for a client. One whose address is not known is nowhere.
    pub fn admits(&self, client: Option<IpAddr>) -> bool {
        let Some(RequestIp { within, not_in }) = &self.request_ip else { return true };
        if within.is_empty() && not_in.is_empty() {
            return true;
        }
        let Some(client) = client.map(|client| client.to_canonical()) else { return false };
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        (within.is_empty() || is_in(within)) && !is_in(not_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(condition: &str, client: Option<&str>) -> bool {
        let condition: Condition = serde_json::from_str(condition).unwrap();
        condition.admits(client.map(|client| client.parse().unwrap()))
    }

    #[test]
    fn a_client_is_in_one_and_out_of_the_others() {
        let both = r#"{"request_ip":{"in":["10.0.0.0/8","fd00::/8"],"not_in":["10.9.0.0/16"]}}"#;
        for (client, good) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.9.0.1", false),
            ("::ffff:10.9.0.1", false),
            ("11.0.0.1", false),
            ("fd00::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(admits(both, Some(client)), good, "{client}");
        }
        assert!(!admits(both, None));
        let not = r#"{"request_ip":{"not_in":["10.9.0.0/16"]}}"#;
        assert!(admits(not, Some("10.8.0.1")) && !admits(not, Some("10.9.0.1")) && !admits(not, None));
        for none in ["{}", r#"{"request_ip":{}}"#] {
            assert!(admits(none, None), "{none}");
        }
        for bad in [r#"{"request_ip":{"in":["10.0.0.0/33"]}}"#, r#"{"country":{"in":["NL"]}}"#] {
            assert!(serde_json::from_str::<Condition>(bad).is_err(), "{bad}");
        }
    }
}
