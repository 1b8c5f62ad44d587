//! Named servers, and which one commands are for: a file of the user's own.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its API.
    pub api: String,
    /// API token; None where `--dev` needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The account that commands act in; None: the first that the token sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Targets {
    /// The name of the one that commands are for unless they say otherwise.
    pub current: Option<String>,
    /// By name.
    pub targets: BTreeMap<String, Named>,
}

impl Targets {
    /// Reads the user's file; there may be none.
    ///
    /// # Errors
    /// When it cannot be read, or is not valid.
    pub fn load() -> Result<Self> {
        match path() {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("{} is not valid", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// Writes the user's file. It holds tokens, so only its owner may read it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<()> {
        let path = path().context("neither XDG_CONFIG_HOME nor HOME says where settings are kept")?;
        let write = || {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().tempfile_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.persist(&path).map_err(|error| error.error)
        };
        write().map(drop).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The server of this name, else the current one; None when no name is given and none is current.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn choose(&self, name: Option<&str>) -> Result<Option<&Named>> {
        let Some(name) = name.or(self.current.as_deref()) else { return Ok(None) };
        match self.targets.get(name) {
            Some(named) => Ok(Some(named)),
            None => bail!("there is no environment `{name}`; `hearth env list` shows those that there are"),
        }
    }
}

/// The API of a server.
pub fn api_of(server: &url::Url) -> String {
    let base = server.as_str().trim_end_matches('/');
    if base.ends_with("/client/v4") { base.to_owned() } else { format!("{base}/client/v4") }
}

/// Where the file lies.
fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("hearth").join("environments.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_one_wins_over_the_current_one() {
        let named = |api: &str| Named { api: api.to_owned(), token: None, account: None };
        let mut targets = Targets::default();
        assert_eq!(targets.choose(None).unwrap(), None);
        targets.targets.insert("a".to_owned(), named("http://a"));
        targets.targets.insert("b".to_owned(), named("http://b"));
        targets.current = Some("a".to_owned());
        assert_eq!(targets.choose(None).unwrap().unwrap().api, "http://a");
        assert_eq!(targets.choose(Some("b")).unwrap().unwrap().api, "http://b");
        assert!(targets.choose(Some("c")).unwrap_err().to_string().contains("`c`"));
    }
}
