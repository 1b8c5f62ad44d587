//! Tokens that are limited: to R2's buckets, and in time.

mod support;

use hearth_model::AccountId;
use hearth_store::{R2Action, R2Permission, R2Policy, R2Resource, Scope, Validity};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use support::Fixture;

fn reader_of(account: &AccountId, bucket: &str) -> Scope {
    Scope::R2(vec![R2Policy {
        id: "0".repeat(32),
        resources: vec![R2Resource::Bucket { account: account.clone(), bucket: bucket.to_owned() }],
        permissions: vec![R2Permission::ItemRead],
    }])
}

#[tokio::test]
async fn a_token_for_a_bucket_is_nothing_else() {
    let fixture = Fixture::new().await;
    let scope = reader_of(&fixture.account, "photos");
    let made = fixture.store.create_token("r", "r@example.com", scope.clone()).await.unwrap();
    let principal = fixture.store.authenticate(&made.text).await.unwrap().unwrap();
    assert_eq!(principal.scope, scope);
    assert!(!principal.scope.allows(&fixture.account));
    assert!(principal.scope.allows_r2(&fixture.account, Some("photos"), R2Action::ReadItems));
    assert!(!principal.scope.allows_r2(&fixture.account, Some("photos"), R2Action::WriteItems));
    assert!(!principal.scope.allows_r2(&fixture.account, Some("other"), R2Action::ReadItems));
    assert!(fixture.store.zones(&scope, None, hearth_store::Page::ALL).await.unwrap().items.is_empty());
    let nowhere = reader_of(&AccountId::random(), "photos");
    assert!(fixture.store.create_token("x", "x", nowhere).await.is_err());
}

#[tokio::test]
async fn the_secret_access_key_is_the_digest_of_the_token() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let scope = reader_of(&fixture.account, "photos");
    let made = store.create_token("r", "r@example.com", scope.clone()).await.unwrap();
    let access_key = made.token.id.to_string();
    let key = store.s3_key(&access_key).await.unwrap().unwrap();
    assert_eq!(key.secret, hex::encode(Sha256::digest(&made.text)));
    assert_eq!(key.principal.scope, scope);
    for unknown in ["", "x", &"0".repeat(32), &access_key.to_uppercase()] {
        assert!(store.s3_key(unknown).await.unwrap().is_none(), "{unknown}");
    }
    // It was read and is in memory: revoked is revoked all the same.
    store.revoke_token(&made.token.id).await.unwrap();
    assert!(store.s3_key(&access_key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_token_is_good_between_its_times_only() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    let cases = [
        (Some(now - hour), Some(now + hour), true),
        (None, Some(now - hour), false),
        (Some(now + hour), None, false),
    ];
    for (not_before, expires_on, good) in cases {
        let validity = Validity { not_before, expires_on };
        let scope = Scope::Accounts(vec![fixture.account.clone()]);
        let made = store.create_token_within("t", "t@example.com", scope, validity).await.unwrap();
        assert_eq!(store.authenticate(&made.text).await.unwrap().is_some(), good, "{validity:?}");
        for _ in 0..2 {
            let key = store.s3_key(made.token.id.as_str()).await.unwrap();
            assert_eq!(key.is_some(), good, "{validity:?}");
        }
    }
    let end = Validity { not_before: None, expires_on: Some(now) };
    assert!(!end.includes(now));
}

#[tokio::test]
async fn policies_and_times_survive_a_restart() {
    let fixture = Fixture::new().await;
    let validity = Validity {
        not_before: None,
        expires_on: Some(
            Timestamp::from_microsecond(Timestamp::now().as_microsecond() + 3_600_000_000).unwrap(),
        ),
    };
    let scope = reader_of(&fixture.account, "photos");
    let made = fixture.store.create_token_within("r", "r@example.com", scope, validity).await.unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.store.token(&made.token.id).await.unwrap(), made.token);
}
