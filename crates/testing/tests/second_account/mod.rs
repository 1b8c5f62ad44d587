//! A second account: there is no call that makes one.

use hearth_testing::Hearth;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An account and a token that is good for it alone.
pub struct Second {
    /// Its id.
    pub id: String,
    /// The token.
    pub token: String,
}

/// All rights on it and its zones.
fn policies(account: &str) -> Value {
    let policy = |areas: &[&str], resource: String| {
        let rights: Vec<String> = areas.iter().map(|area| format!("{area}.write")).collect();
        json!({"id": "0123456789abcdef0123456789abcd01", "permissions": rights, "resources": [resource]})
    };
    let account = format!("com.cloudflare.api.account.{account}");
    let areas = [
        "account_settings",
        "account_tokens",
        "access",
        "workers",
        "observability",
        "analytics",
        "kv",
        "r2_storage",
        "d1",
        "queues",
        "pages",
    ];
    json!([
        policy(&areas, account.clone()),
        policy(&["zones", "workers_routes", "cache_purge"], format!("{account}/zone.*")),
    ])
}

/// Makes it; the server is stopped for that.
pub async fn second_account(hearth: &mut Hearth) -> Second {
    let second = Second {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        token: "a-token-of-the-second-account".to_owned(),
    };
    hearth.stop().await;
    let store = Connection::open(hearth.data().join("hearth.db")).expect("the store is there");
    store
        .execute(
            "INSERT INTO accounts (id, name, subdomain, is_default, created_on) VALUES (?, 'second', 'second', 0, 0)",
            [&second.id],
        )
        .expect("an account");
    store
        .execute(
            "INSERT INTO tokens (id, name, email, hash, account, policies, is_admin, created_on)
             VALUES ('0123456789abcdef0123456789abcd00', 't', 't@x.test', ?, ?, ?, 0, 0)",
            (Sha256::digest(&second.token).as_slice(), &second.id, policies(&second.id).to_string()),
        )
        .expect("a token");
    drop(store);
    hearth.start_again().await;
    second
}
