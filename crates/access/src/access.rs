//! The state of Access: what is stored, as a snapshot, and the keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hearth_api::{Api, Operation};
use hearth_model::Hostname;
use hearth_store::{AccessKey, StoreError};
use jiff::Timestamp;
use parking_lot::Mutex;
use rand::RngCore;

use crate::codes::Codes;
use crate::keys::{Key, Keys, USUAL_DAYS, generate};
use crate::table::{App, Table};
use crate::{api, login};

/// How often it is looked who is still known, and whether there is to be a new key.
const LOOK: Duration = Duration::from_secs(10);

/// Tokens of services that are kept: signing takes a while.
const MOST_MINTED: usize = 10_000;

/// Keys at a time: what they signed is good for a month, and each is shown to whoever verifies.
const MOST_KEYS: usize = 50;

/// How Access is set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where people sign in, and who issues tokens: the control host's URL without a path.
    pub control: String,
    /// Domains below which every worker has a host of its own.
    pub base_domains: Vec<Hostname>,
    /// Hosts that are the control host's.
    pub control_hosts: Vec<Hostname>,
    /// Whether it is known in which country an address is.
    pub countries: bool,
}

/// Access. Clones are the same.
#[derive(Clone)]
pub struct Access(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub api: Api,
    pub config: Config,
    pub table: ArcSwap<Table>,
    pub keys: ArcSwap<Keys>,
    /// The addresses of people who are known and not suspended, by their ids.
    pub people: ArcSwap<HashMap<String, String>>,
    pub codes: Mutex<Codes<Entry>>,
    /// Tokens of services, by service token and application, and until when they are shown.
    pub minted: Mutex<HashMap<(String, String), (String, i64)>>,
    /// Signs what goes to the control host and comes back: good for this run.
    pub state_key: [u8; 32],
    changing: tokio::sync::Mutex<()>,
}

/// What a code stands for: who may enter which application, and where to.
pub(crate) struct Entry {
    pub app: Arc<App>,
    pub user: String,
    pub groups: Vec<String>,
    /// Path and query.
    pub target: String,
    pub cookie_path: String,
}

impl Access {
    /// Reads what is stored.
    ///
    /// # Errors
    /// When the store cannot be read, or a key in it.
    pub async fn open(api: Api, config: Config) -> Result<Self, StoreError> {
        let mut state_key = [0; 32];
        rand::rng().fill_bytes(&mut state_key);
        let access = Self(Arc::new(Inner {
            api,
            config,
            table: ArcSwap::default(),
            keys: ArcSwap::default(),
            people: ArcSwap::default(),
            codes: Mutex::default(),
            minted: Mutex::default(),
            state_key,
            changing: tokio::sync::Mutex::default(),
        }));
        access.reload().await?;
        Ok(access)
    }

    /// The operations below `/client/v4`.
    pub fn operations(&self) -> Vec<Operation> {
        api::operations(self)
    }

    /// Where people come to sign in, on the control host.
    pub fn pages(&self) -> Vec<Operation> {
        login::operations(self)
    }

    /// Follows people who go, and renews keys, until it is dropped.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.reload().await {
                tracing::error!(%error, "access cannot be read: what was known of it holds");
            }
        }
    }

    /// Takes what is stored into the snapshot. It costs nothing where there is no application.
    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        // One at a time: what is stored last is what holds.
        let _turn = self.0.changing.lock().await;
        let store = self.0.api.store();
        let table = Table::new(store.access(None).await?, &self.0.config);
        if !table.is_empty() {
            self.0.people.store(Arc::new(store.access_people().await?));
            self.renew().await?;
        }
        self.0.table.store(Arc::new(table));
        Ok(())
    }

    /// Reads the keys, and makes a new one when it is time to.
    async fn renew(&self) -> Result<(), StoreError> {
        let store = self.0.api.store();
        if self.0.keys.load().0.is_empty() {
            self.0.keys.store(Arc::new(read(store.access_keys().await?)?));
        }
        let days = self.rotation().await?;
        if !self.0.keys.load().due(days, Timestamp::now()) {
            return Ok(());
        }
        self.add_key().await
    }

    /// How many days a key signs.
    pub(crate) async fn rotation(&self) -> Result<u32, StoreError> {
        Ok(self.0.api.store().access_rotation().await?.unwrap_or(USUAL_DAYS))
    }

    /// Has another key sign from now on. False: as many as there may be are still needed.
    pub(crate) async fn rotate(&self) -> Result<bool, StoreError> {
        let _turn = self.0.changing.lock().await;
        let stored = self.0.api.store().access_keys().await?;
        if stored.len() >= MOST_KEYS {
            return Ok(false);
        }
        self.add_key().await?;
        Ok(true)
    }

    async fn add_key(&self) -> Result<(), StoreError> {
        let store = self.0.api.store();
        let now = Timestamp::now();
        let made = tokio::task::spawn_blocking(generate).await;
        let private = made.map_err(std::io::Error::other).flatten().map_err(unreadable)?;
        let key = AccessKey { id: hex::encode(rand::random::<[u8; 32]>()), private, created_on: now };
        store.add_access_key(&key, Keys::ended(now)).await?;
        self.0.keys.store(Arc::new(read(store.access_keys().await?)?));
        // What services are shown from now on is signed with it.
        self.0.minted.lock().clear();
        tracing::info!(key = key.id, "a key of access was made");
        Ok(())
    }

    /// The token of a service for an application; it is kept until half of its time is over.
    pub(crate) fn of_service(
        &self,
        token: &str,
        aud: &str,
        now: i64,
        make: impl FnOnce() -> Option<(String, i64)>,
    ) -> Option<String> {
        let of = (token.to_owned(), aud.to_owned());
        if let Some((minted, _)) = self.0.minted.lock().get(&of).filter(|(_, until)| now < *until) {
            return Some(minted.clone());
        }
        let (minted, until) = make()?;
        let mut kept = self.0.minted.lock();
        if kept.len() >= MOST_MINTED {
            kept.clear();
        }
        kept.insert(of, (minted.clone(), until));
        Some(minted)
    }

    /// Makes a code for the way back.
    pub(crate) fn grant(&self, authority: String, nonce: [u8; 32], entry: Entry) -> String {
        let code = hex::encode(rand::random::<[u8; 32]>());
        let granted = crate::codes::Granted { authority, nonce, what: entry };
        self.0.codes.lock().grant(&code, granted, Instant::now());
        code
    }
}

fn read(stored: Vec<AccessKey>) -> Result<Keys, StoreError> {
    let open = |key: AccessKey| Key::open(key.id, key.created_on, &key.private).map_err(unreadable);
    Ok(Keys(stored.into_iter().map(open).collect::<Result<_, _>>()?))
}

fn unreadable(error: std::io::Error) -> StoreError {
    StoreError::Corrupt(format!("a key of access: {error}"))
}
