//! `request.cf`: what Cloudflare tells a worker about the connection, as far as it can be known here.

use std::net::IpAddr;

use http::{HeaderValue, Version};
use maxminddb::Reader;
use serde::Serialize;
use serde_json::Value;

use crate::{Config, ConfigError};

/// Where an address is. Field names are those of `request.cf`; absent means unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "isEUCountry")]
    is_eu_country: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    continent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metro_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asn: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_organization: Option<String>,
}

impl Location {
    /// What one database's record says; the field names are MaxMind's (GeoLite2 City and ASN).
    fn from_record(record: &Value) -> Self {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let number = |pointer: &str| record.pointer(pointer).and_then(Value::as_f64);
        let in_eu = record.pointer("/country/is_in_european_union").and_then(Value::as_bool);
        Self {
            country: text("/country/iso_code"),
            is_eu_country: (in_eu == Some(true)).then_some("1"),
            continent: text("/continent/code"),
            city: text("/city/names/en"),
            region: text("/subdivisions/0/names/en"),
            region_code: text("/subdivisions/0/iso_code"),
            postal_code: text("/postal/code"),
            metro_code: number("/location/metro_code").map(|code| format!("{code:.0}")),
            timezone: text("/location/time_zone"),
            latitude: number("/location/latitude").map(|degrees| format!("{degrees:.5}")),
            longitude: number("/location/longitude").map(|degrees| format!("{degrees:.5}")),
            asn: record.pointer("/autonomous_system_number").and_then(Value::as_u64),
            as_organization: text("/autonomous_system_organization"),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            country: self.country.or(other.country),
            is_eu_country: self.is_eu_country.or(other.is_eu_country),
            continent: self.continent.or(other.continent),
            city: self.city.or(other.city),
            region: self.region.or(other.region),
            region_code: self.region_code.or(other.region_code),
            postal_code: self.postal_code.or(other.postal_code),
            metro_code: self.metro_code.or(other.metro_code),
            timezone: self.timezone.or(other.timezone),
            latitude: self.latitude.or(other.latitude),
            longitude: self.longitude.or(other.longitude),
            asn: self.asn.or(other.asn),
            as_organization: self.as_organization.or(other.as_organization),
        }
    }
}

/// The operator's databases.
pub(crate) struct Geo(Vec<Reader<Vec<u8>>>);

impl Geo {
    /// Reads them into memory.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub(crate) fn open(config: &Config) -> Result<Self, ConfigError> {
        let open = |path: &std::path::PathBuf| {
            Reader::open_readfile(path).map_err(|source| ConfigError::Mmdb { path: path.clone(), source })
        };
        Ok(Self(config.mmdb.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Where an address is. A broken record counts as none.
    pub(crate) fn locate(&self, ip: IpAddr) -> Location {
        let records = self.0.iter().filter_map(|reader| reader.lookup(ip).ok()?.decode::<Value>().ok()?);
        records.map(|record| Location::from_record(&record)).fold(Location::default(), Location::or)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    colo: &'a str,
    http_protocol: &'a str,
    // There is no TLS here yet: the fields are present, since scripts test their values and not their presence.
    tls_version: Option<&'a str>,
    tls_cipher: Option<&'a str>,
    client_accept_encoding: &'a str,
    request_priority: &'a str,
    edge_request_keep_alive_status: u8,
    #[serde(flatten)]
    location: &'a Location,
}

/// The header from which workerd makes `request.cf`.
pub(crate) fn blob(
    colo: &str,
    version: Version,
    accept_encoding: Option<&HeaderValue>,
    location: &Location,
) -> HeaderValue {
    let blob = Blob {
        colo,
        http_protocol: match version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            _ => "HTTP/1.1",
        },
        tls_version: None,
        tls_cipher: None,
        client_accept_encoding: accept_encoding.and_then(|value| value.to_str().ok()).unwrap_or_default(),
        request_priority: "",
        edge_request_keep_alive_status: 1,
        location,
    };
    // JSON escapes control characters, and bytes above ASCII are legal in a header.
    let json = serde_json::to_vec(&blob).unwrap_or_default();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(json)).unwrap_or(HeaderValue::from_static("{}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/geo/make.py");
        let config = Config { mmdb: vec![file], ..Config::default() };
        let error = Geo::open(&config).err().expect("a script is no database").to_string();
        assert!(error.contains("make.py"), "{error}");
    }

    #[test]
    fn a_record_becomes_the_fields_of_request_cf() {
        let record = serde_json::json!({
            "country": {"iso_code": "DE", "is_in_european_union": true},
            "city": {"names": {"en": "Köln"}},
            "subdivisions": [{"iso_code": "NW", "names": {"en": "North Rhine-Westphalia"}}],
            "location": {"latitude": 50.93, "longitude": 6.95, "time_zone": "Europe/Berlin"},
        });
        let asn = serde_json::json!({"autonomous_system_number": 64512, "country": {"iso_code": "XX"}});
        let location = Location::from_record(&record).or(Location::from_record(&asn));
        let accept = HeaderValue::from_static("gzip");
        let header = blob("CGN", Version::HTTP_2, Some(&accept), &location);
        let seen: Value = serde_json::from_slice(header.as_bytes()).unwrap();
        for (field, expected) in [
            ("colo", Value::from("CGN")),
            ("country", "DE".into()),
            ("isEUCountry", "1".into()),
            ("city", "Köln".into()),
            ("regionCode", "NW".into()),
            ("latitude", "50.93000".into()),
            ("asn", 64512.into()),
            ("httpProtocol", "HTTP/2".into()),
            ("clientAcceptEncoding", "gzip".into()),
            ("tlsVersion", Value::Null),
        ] {
            assert_eq!(seen[field], expected, "{field}");
        }
        assert!(seen.get("postalCode").is_none());
    }
}
