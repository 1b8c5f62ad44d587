//! A second account: there is no call that makes one.

use hearth_testing::Hearth;
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};

/// An account and a token that is good for it alone.
pub struct Second {
    /// Its id.
    pub id: String,
    /// The token.
    pub token: String,
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
            "INSERT INTO tokens (id, name, email, hash, accounts, is_admin, created_on)
             VALUES ('0123456789abcdef0123456789abcd00', 't', 't@x.test', ?, ?, 0, 0)",
            (Sha256::digest(&second.token).as_slice(), json!([second.id]).to_string()),
        )
        .expect("a token");
    drop(store);
    hearth.start_again().await;
    second
}
