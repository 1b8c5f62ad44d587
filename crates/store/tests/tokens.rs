//! Tokens: whose they are, what they may do, when and from where.

mod support;

use hearth_model::{AccountId, Area, On, Policy, Right, Role, Target, Thing, ThingKind};
use hearth_store::{
    Begun, Condition, CreatedToken, Entity, RequestIp, Shown, Signed, StoreError, TokenOwner, TokenTerms,
    UserChanges, Validity,
};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use support::{ADMIN, Fixture};

fn policy(target: Target, right: Right) -> Vec<Policy> {
    vec![Policy { id: "0".repeat(32), resources: vec![target], permissions: vec![right] }]
}

fn bucket(account: &AccountId, name: &str) -> Target {
    Target::Thing(Thing { account: account.clone(), kind: ThingKind::Bucket, id: name.to_owned() })
}

fn terms(policies: Vec<Policy>) -> TokenTerms {
    TokenTerms { name: "t".to_owned(), policies, ..TokenTerms::default() }
}

impl Fixture {
    async fn token(&self, owner: TokenOwner, terms: TokenTerms) -> CreatedToken {
        self.store.create_token("t@example.com", owner, terms).await.unwrap()
    }

    async fn shown(&self, text: &str) -> Shown {
        self.store.authenticate(text, None).await.unwrap()
    }
}

#[tokio::test]
async fn a_token_for_a_bucket_is_nothing_else() {
    let fixture = Fixture::new().await;
    let reads = terms(policy(bucket(&fixture.account, "photos"), Area::R2Items.read()));
    let made = fixture.token(TokenOwner::Account(fixture.account.clone()), reads).await;
    let grants = fixture.shown(&made.text).await.good().unwrap().grants;
    let photos = On::Thing(&fixture.account, ThingKind::Bucket, "photos");
    assert!(grants.allows(Area::R2Items.read(), photos));
    assert!(!grants.allows(Area::R2Items.write(), photos));
    assert!(!grants.allows(Area::R2Items.read(), On::Account(&fixture.account)));
    let nowhere = terms(policy(bucket(&AccountId::random(), "photos"), Area::R2Items.read()));
    let refused = fixture.store.create_token("x", TokenOwner::Installation, nowhere).await;
    assert!(refused.is_err_and(|error| error.is_not_found(Entity::Account)));
}

#[tokio::test]
async fn the_secret_access_key_is_the_digest_of_the_token() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let reads = terms(policy(bucket(&fixture.account, "photos"), Area::R2Items.read()));
    let made = fixture.token(TokenOwner::Installation, reads).await;
    let access_key = made.token.id.to_string();
    let digest = |text: &str| hex::encode(Sha256::digest(text));
    assert_eq!(store.s3_key(&access_key).await.unwrap().unwrap().secret, digest(&made.text));
    for unknown in ["", "x", &"0".repeat(32), &access_key.to_uppercase()] {
        assert!(store.s3_key(unknown).await.unwrap().is_none(), "{unknown}");
    }
    // It was read and is in memory: rolled is rolled and revoked is revoked all the same. Who signed in with it is signed out.
    let (_, cookie) =
        store.begin_session(Signed::Token(made.token.id.clone()), Begun::default()).await.unwrap();
    assert!(store.session(&cookie).await.unwrap().is_some());
    let rolled = store.roll_token(&made.token.id).await.unwrap();
    assert!(store.session(&cookie).await.unwrap().is_none());
    assert_eq!(store.s3_key(&access_key).await.unwrap().unwrap().secret, digest(&rolled.text));
    assert_eq!(fixture.shown(&made.text).await, Shown::Nobody);
    store.revoke_token(&made.token.id).await.unwrap();
    assert!(store.s3_key(&access_key).await.unwrap().is_none());
    assert_eq!(fixture.shown(&rolled.text).await, Shown::Nobody);
}

#[tokio::test]
async fn a_token_is_good_between_its_times_only_and_while_it_is_active() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    let cases = [
        (Some(now - hour), Some(now + hour), false, true),
        (None, Some(now - hour), false, false),
        (Some(now + hour), None, false, false),
        (None, None, true, false),
    ];
    for (not_before, expires_on, disabled, good) in cases {
        let validity = Validity { not_before, expires_on };
        let policies = Policy::whole_account(&fixture.account);
        let made = fixture
            .token(TokenOwner::Installation, TokenTerms { validity, disabled, ..terms(policies) })
            .await;
        assert_eq!(fixture.shown(&made.text).await.good().is_some(), good, "{validity:?}");
        for _ in 0..2 {
            let key = store.s3_key(made.token.id.as_str()).await.unwrap();
            assert_eq!(key.is_some(), good, "{validity:?}");
        }
        let changed = TokenTerms { disabled: true, ..made.token.terms };
        store.set_token(&made.token.id, changed).await.unwrap();
        assert!(store.s3_key(made.token.id.as_str()).await.unwrap().is_none());
    }
    let end = Validity { not_before: None, expires_on: Some(now) };
    assert!(!end.includes(now));
}

#[tokio::test]
async fn a_token_is_good_where_its_condition_holds() {
    let fixture = Fixture::new().await;
    let request_ip = RequestIp { within: vec!["10.0.0.0/8".parse().unwrap()], not_in: Vec::new() };
    let condition = Condition { request_ip: Some(request_ip) };
    let policies = Policy::whole_account(&fixture.account);
    let made = fixture.token(TokenOwner::Installation, TokenTerms { condition, ..terms(policies) }).await;
    let from = |ip: &str| fixture.store.authenticate(&made.text, Some(ip.parse().unwrap()));
    assert!(from("10.1.1.1").await.unwrap().good().is_some());
    assert_eq!(from("11.1.1.1").await.unwrap(), Shown::Elsewhere);
    assert_eq!(fixture.shown(&made.text).await, Shown::Elsewhere);
}

#[tokio::test]
async fn a_persons_token_follows_what_the_person_may() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let (membership, user) =
        store.add_member(&fixture.account, "ann@corp.test", Role::Developer).await.unwrap();
    assert_eq!(user.last_seen_on, None);
    store.add_member(&fixture.account, "bob@corp.test", Role::Owner).await.unwrap();
    let writes = terms(policy(Target::Accounts, Area::Kv.write()));
    let made = fixture.token(TokenOwner::User(user.id.clone()), writes).await;
    let access_key = made.token.id.to_string();
    let may_write = async || {
        let key = store.s3_key(&access_key).await.unwrap()?;
        let shown = fixture.shown(&made.text).await.good()?;
        assert_eq!(shown.grants, key.principal.grants);
        Some(shown.grants.allows(Area::Kv.write(), On::Account(&fixture.account)))
    };
    assert_eq!(may_write().await, Some(true));
    store.set_role(&fixture.account, &membership.id, Role::Viewer).await.unwrap();
    assert_eq!(may_write().await, Some(false));
    store.set_role(&fixture.account, &membership.id, Role::Admin).await.unwrap();
    assert_eq!(may_write().await, Some(true));
    let suspended = |suspended| UserChanges { suspended: Some(suspended), ..UserChanges::default() };
    store.update_user(&user.id, suspended(true)).await.unwrap();
    assert_eq!(may_write().await, None);
    assert!(store.person(&user.id).await.unwrap().is_none());
    store.update_user(&user.id, suspended(false)).await.unwrap();
    store.remove_member(&fixture.account, &membership.id).await.unwrap();
    assert_eq!(may_write().await, Some(false));
    store.delete_user(&user.id).await.unwrap();
    assert_eq!(may_write().await, None);
    assert!(store.token(&made.token.id).await.unwrap_err().is_not_found(Entity::Token));
}

#[tokio::test]
async fn what_is_said_of_a_token_survives_a_restart() {
    let fixture = Fixture::new().await;
    let end = Timestamp::from_microsecond(Timestamp::now().as_microsecond() + 3_600_000_000).unwrap();
    let account = fixture.account.clone();
    let said = TokenTerms {
        name: " ci ".to_owned(),
        validity: Validity { not_before: None, expires_on: Some(end) },
        condition: Condition {
            request_ip: Some(RequestIp { within: vec!["::1/128".parse().unwrap()], not_in: vec![] }),
        },
        ..terms(policy(bucket(&account, "photos"), Area::R2Items.read()))
    };
    let owner = TokenOwner::Account(account);
    let made = fixture.token(owner.clone(), said).await.token;
    assert_eq!(made.terms.name, "ci");
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.store.token(&made.id).await.unwrap(), made);
    assert_eq!(fixture.store.tokens(&owner).await.unwrap(), [made]);
    // The admin token is the installation's, and stays as it is.
    let installation = fixture.store.tokens(&TokenOwner::Installation).await.unwrap();
    let [admin] = installation.as_slice() else { panic!("{installation:?}") };
    let conflict = |result: Result<(), StoreError>| matches!(result, Err(StoreError::Conflict { .. }));
    assert!(conflict(fixture.store.roll_token(&admin.id).await.map(|_| ())));
    assert!(conflict(fixture.store.set_token(&admin.id, admin.terms.clone()).await.map(|_| ())));
    assert!(conflict(fixture.store.revoke_token(&admin.id).await));
    assert!(fixture.shown(ADMIN).await.good().unwrap().grants.is_everything());
}
