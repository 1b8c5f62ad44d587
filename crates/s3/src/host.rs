//! Which bucket and account a `Host` names.

use hearth_model::{AccountId, Hostname};
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// What a host says beside the endpoint's own name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addressed {
    /// The account, as in Cloudflare's `<account>.r2.cloudflarestorage.com`.
    pub(crate) account: Option<AccountId>,
    /// The bucket, in virtual-host style.
    pub(crate) bucket: Option<String>,
}

/// Reads a `Host`. One that is none of the endpoint's names says nothing: the path does then.
///
/// The label before the endpoint's name is an account where it has the form of an account's id, so a bucket whose own
/// name has that form is reached by path only.
pub(crate) fn parse(host: &str, names: &[Hostname]) -> Addressed {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.to_ascii_lowercase();
    let below = names.iter().find_map(|name| host.strip_suffix(name.as_str())?.strip_suffix('.'));
    let Some(labels) = below.filter(|labels| !labels.is_empty()) else { return Addressed::default() };
    let (rest, last) = match labels.rsplit_once('.') {
        Some((rest, last)) => (Some(rest), last),
        None => (None, labels),
    };
    let account =
        last.parse().ok().filter(|_| last.len() == 32 && last.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match account {
        Some(account) => Addressed { account: Some(account), bucket: rest.map(str::to_owned) },
        None => Addressed { account: None, bucket: Some(labels.to_owned()) },
    }
}

/// The endpoint's names, for `s3s`.
pub(crate) struct Names(pub(crate) Vec<Hostname>);

impl S3Host for Names {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let named = VirtualHost::new(host);
        Ok(match parse(host, &self.0).bucket {
            Some(bucket) => named.with_bucket(bucket),
            None => named,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str) -> (Option<String>, Option<String>) {
        let names = ["localhost", "s3.corp.test"].map(|name| name.parse().unwrap());
        let addressed = parse(host, &names);
        (addressed.account.map(|account| account.to_string()), addressed.bucket)
    }

    #[test]
    fn buckets_and_accounts_stand_before_the_name() {
        let account = "0123456789abcdef0123456789abcdef".to_owned();
        let none = (None, None);
        assert_eq!(read("localhost:8788"), none);
        assert_eq!(read("LOCALHOST"), none);
        assert_eq!(read("127.0.0.1:8788"), none);
        assert_eq!(read("elsewhere.test"), none);
        assert_eq!(read("notlocalhost"), none);
        assert_eq!(read("photos.localhost:8788"), (None, Some("photos".to_owned())));
        assert_eq!(read("Photos.S3.corp.test"), (None, Some("photos".to_owned())));
        assert_eq!(read(&format!("{account}.localhost")), (Some(account.clone()), None));
        let both = (Some(account.clone()), Some("photos".to_owned()));
        assert_eq!(read(&format!("photos.{account}.s3.corp.test:80")), both);
    }
}
