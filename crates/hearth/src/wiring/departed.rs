//! What an account leaves on the disk that is no resource of its own, and so goes with the account: logs, data points, assets.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use hearth_model::AccountId;
use hearth_store::{Page, Store};

use crate::assemble::{ANALYTICS_FOLDER, ASSETS_FOLDER, LOGS_FOLDER};

/// Folders in which each account has what its id names.
const FOLDERS: [&str; 3] = [ANALYTICS_FOLDER, ASSETS_FOLDER, LOGS_FOLDER];

/// Removes what lies there of accounts that are gone. It holds whenever it is called: an account's id is never used again, and
/// what a server that ended had not removed, the next one does.
pub async fn remove(data_dir: &Path, store: &Store) {
    if let Err(error) = try_remove(data_dir.to_owned(), store).await {
        tracing::warn!(%error, "what deleted accounts have left stays on the disk until it is looked for again");
    }
}

async fn try_remove(data_dir: PathBuf, store: &Store) -> io::Result<()> {
    let found = tokio::task::spawn_blocking(move || list(&data_dir)).await??;
    if found.is_empty() {
        return Ok(());
    }
    // Read after what lies there was listed: an account is known before anything of it is written.
    let all = store.accounts(Page::ALL).await.map_err(io::Error::other)?;
    let known: HashSet<AccountId> = all.items.into_iter().map(|account| account.id).collect();
    tokio::task::spawn_blocking(move || {
        for (account, path) in found.into_iter().filter(|(account, _)| !known.contains(account)) {
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            match removed {
                Ok(()) => {
                    tracing::info!(%account, path = %path.display(), "an account is gone, and this with it")
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
    .await?
}

/// What lies there, with whose it is.
fn list(data_dir: &Path) -> io::Result<Vec<(AccountId, PathBuf)>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let entries = match std::fs::read_dir(data_dir.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            // A database has files beside it: `<account>.db-wal`.
            let name = path.file_name().and_then(|name| name.to_str()?.split('.').next());
            let account = name.and_then(|name| name.parse().ok());
            found.extend(account.map(|account| (account, path)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_left_of_accounts_that_are_gone_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let present = store.bootstrap(None).await.unwrap().account.id.to_string();
        let gone = "0123456789abcdef0123456789abcdef";
        let mut files = Vec::new();
        for account in [present.as_str(), gone] {
            files.push(format!("{LOGS_FOLDER}/{account}/1.db"));
            files.push(format!("{ASSETS_FOLDER}/{account}/ab/abcd"));
            files.push(format!("{ANALYTICS_FOLDER}/{account}.db"));
            files.push(format!("{ANALYTICS_FOLDER}/{account}.db-wal"));
        }
        files.push(format!("{ASSETS_FOLDER}/.incoming/{gone}"));
        for file in &files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        remove(folder.path(), &store).await;
        for file in &files {
            let stays = !file.contains(gone) || file.contains("incoming");
            assert_eq!(folder.path().join(file).exists(), stays, "{file}");
        }
        assert!(!folder.path().join(LOGS_FOLDER).join(gone).exists());
        remove(folder.path(), &store).await;
    }
}
