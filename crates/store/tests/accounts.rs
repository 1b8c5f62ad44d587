//! Accounts, their labels, and tokens.

mod support;

use hearth_model::{AccountId, Dialect, Policy};
use hearth_store::{Entity, NewWorker, Page, Store, StoreError, TokenOwner, TokenTerms, WorkerChanges};
use support::{ADMIN, Fixture};

#[tokio::test]
async fn the_first_start_generates_one_admin_token_and_shows_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let first = store.bootstrap(None).await.unwrap();
    let token = first.generated_token.unwrap();
    assert!(token.len() >= 40 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
    let again = store.bootstrap(None).await.unwrap();
    assert!(again.generated_token.is_none());
    assert_eq!(again.account, first.account);
    assert_eq!(first.account.host_label(), None);
    let principal = store.authenticate(&token, None).await.unwrap().good().unwrap();
    assert!(principal.grants.is_everything());
}

#[tokio::test]
async fn a_given_admin_token_takes_the_place_of_the_one_before() {
    let fixture = Fixture::new().await;
    let given = "another-admin-token";
    assert!(fixture.store.bootstrap(Some(given)).await.unwrap().generated_token.is_none());
    assert!(fixture.store.authenticate(given, None).await.unwrap().good().is_some());
    assert!(fixture.store.authenticate(ADMIN, None).await.unwrap().good().is_none());
    assert_eq!(fixture.store.tokens(&TokenOwner::Installation).await.unwrap().len(), 1);
    let short = fixture.store.bootstrap(Some("short")).await;
    assert!(matches!(short, Err(StoreError::Invalid { what: Entity::Token, .. })));
}

#[tokio::test]
async fn tokens_work_until_they_are_revoked_and_are_not_stored() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let terms = |account: &AccountId| TokenTerms {
        name: "ci".to_owned(),
        policies: Policy::whole_account(account),
        ..TokenTerms::default()
    };
    let owner = TokenOwner::Account(fixture.account.clone());
    let created = store.create_token("ci@example.com", owner.clone(), terms(&fixture.account)).await.unwrap();
    let principal = store.authenticate(&created.text, None).await.unwrap().good().unwrap();
    assert_eq!(principal.token.id, created.token.id);
    assert!(principal.grants.knows(&fixture.account) && !principal.grants.is_everything());
    assert!(!principal.grants.knows(&AccountId::random()));
    for wrong in ["", "x", &created.text[1..], &created.text.to_lowercase()] {
        assert!(store.authenticate(wrong, None).await.unwrap().good().is_none(), "{wrong}");
    }
    assert_eq!(store.tokens(&owner).await.unwrap()[0].id, created.token.id);
    for file in ["hearth.db", "hearth.db-wal"] {
        let bytes = std::fs::read(fixture.folder.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(created.text.len()).any(|window| window == created.text.as_bytes()), "{file}");
    }
    store.revoke_token(&created.token.id).await.unwrap();
    assert!(store.authenticate(&created.text, None).await.unwrap().good().is_none());
    assert!(store.revoke_token(&created.token.id).await.unwrap_err().is_not_found(Entity::Token));
    let nowhere = store.create_token("x", TokenOwner::Installation, terms(&AccountId::random())).await;
    assert!(nowhere.is_err_and(|e| e.is_not_found(Entity::Account)));
}

#[tokio::test]
async fn a_label_is_an_accounts_or_a_default_workers_but_never_both() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let team = store.create_account("Team A").await.unwrap();
    assert_eq!(team.host_label(), Some("team-a"));
    assert_eq!(store.account(&team.id).await.unwrap(), team);

    let make = |name: &str| {
        let new = NewWorker {
            account: fixture.account.clone(),
            dialect: Dialect::Workers,
            name: name.parse().unwrap(),
        };
        store.create_worker(new, WorkerChanges::default())
    };
    let clash = make("TEAM-A").await.unwrap_err();
    assert!(matches!(&clash, StoreError::Conflict { what: Entity::Worker, .. }), "{clash}");
    // Whose label it is, is not for who only wants a name.
    assert!(clash.to_string().contains("reserved") && !clash.to_string().contains("Team A"), "{clash}");
    support::worker(store, &team.id, "team-a").await;

    fixture.worker("Shop").await;
    let clash = store.create_account("shop").await.unwrap_err();
    assert!(matches!(&clash, StoreError::Conflict { what: Entity::Account, .. }), "{clash}");
    assert!(clash.to_string().contains("taken"), "{clash}");
    assert!(store.set_account_subdomain(&team.id, "shop").await.is_err());
    assert!(!store.subdomain_is_free("shop").await.unwrap());
    assert!(!store.subdomain_is_free("team-a").await.unwrap());
    assert!(store.subdomain_is_free("free").await.unwrap());
    assert!(store.create_account("TEAM A").await.is_err());
    assert!(store.create_account("team.a").await.is_err());

    let moved = store.set_account_subdomain(&team.id, "Elsewhere").await.unwrap();
    assert_eq!(moved.subdomain, "elsewhere");
    fixture.worker("team-a").await;
    assert!(make("elsewhere").await.is_err());
    assert!(store.set_account_subdomain(&team.id, "a.b").await.is_err());
    // The default account has no part in hosts, so its own label takes nothing from its workers.
    fixture.worker("default").await;
}

#[tokio::test]
async fn accounts_are_listed_in_pages_the_default_one_first() {
    let fixture = Fixture::new().await;
    for name in ["b", "a", "c"] {
        fixture.store.create_account(name).await.unwrap();
    }
    let first = fixture.store.accounts(Page::numbered(1, 3)).await.unwrap();
    let names: Vec<_> = first.items.iter().map(|account| account.name.as_str()).collect();
    assert_eq!((names.as_slice(), first.total), (["default", "a", "b"].as_slice(), 4));
    assert_eq!(fixture.store.accounts(Page::numbered(2, 3)).await.unwrap().items.len(), 1);
    assert!(fixture.store.accounts(Page::numbered(3, 3)).await.unwrap().items.is_empty());
}
