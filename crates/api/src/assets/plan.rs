//! What of an upload's `assets` and `keep_assets` becomes the version's.

use std::collections::HashMap;

use hearth_assets::{ConfigError, Manifest, NewFile, Rules};
use hearth_model::{AssetsConfig, BindingKind, Format, RunWorkerFirst, Version, VersionAssets, WorkerName};
use hearth_store::{Account, AssetContent};
use jiff::Timestamp;
use serde::Deserialize;

use super::announce::Announcement;
use super::token::{Claims, Good};
use crate::error::{ApiError, code};
use crate::state::Api;
use crate::upload::PlannedBindings;

/// What an upload says of assets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WantedAssets {
    /// `assets`.
    pub given: Option<GivenAssets>,
    /// `keep_assets`: those of the version before, where no others are given.
    pub keep: bool,
}

/// `metadata.assets`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct GivenAssets {
    /// The token of a completed upload.
    #[serde(default)]
    jwt: Option<String>,
    /// How they are served; as before when absent.
    #[serde(default)]
    config: Option<AssetsConfig>,
}

impl Api {
    /// The assets of a version to be. What is wrong with them is told before anything runs.
    pub(crate) async fn plan_assets(
        &self,
        account: &Account,
        name: &WorkerName,
        wanted: WantedAssets,
        previous: Option<&Version>,
        format: &Format,
        bindings: &PlannedBindings,
    ) -> Result<Option<VersionAssets>, ApiError> {
        let before = previous.and_then(|version| version.assets.as_ref());
        let GivenAssets { jwt, config } = wanted.given.unwrap_or_default();
        let jwt = jwt.filter(|text| !text.is_empty());
        let assets = match (jwt, before) {
            (Some(jwt), _) => {
                let config = config.unwrap_or_default();
                check(&config, format)?;
                Some(self.uploaded(account, name, &jwt, config).await?)
            }
            (None, Some(before)) if wanted.keep => {
                let config = config.unwrap_or_else(|| before.config.clone());
                check(&config, format)?;
                Some(VersionAssets { config, ..before.clone() })
            }
            (None, None) if wanted.keep => None,
            (None, _) if config.is_some() => {
                return Err(ApiError::invalid_upload(
                    "`assets` has no `jwt`: upload the assets first, or set `keep_assets`.",
                ));
            }
            (None, _) => None,
        };
        require(assets.as_ref(), format, bindings)?;
        Ok(assets)
    }

    /// The assets of a session that is complete.
    async fn uploaded(
        &self,
        account: &Account,
        name: &WorkerName,
        jwt: &str,
        config: AssetsConfig,
    ) -> Result<VersionAssets, ApiError> {
        let refused = || {
            ApiError::invalid_upload(
                "`assets.jwt` is not the token of a completed upload of this Worker's assets, or has expired. Upload them \
                 again.",
            )
        };
        let store = self.store();
        let claims = Claims::verify(jwt, &store.assets_key(), Timestamp::now().as_second())
            .filter(|claims| claims.good == Good::Deploy)
            .ok_or_else(refused)?;
        let session = store.asset_session(&claims.sub).await?.ok_or_else(refused)?;
        if session.account != account.id || session.worker != name.folded() {
            return Err(refused());
        }
        let announcement = Announcement::read(&session.files)?;
        let contents = store.asset_contents(&account.id, &announcement.hashes()).await?;
        let files = announced_files(announcement, &contents).ok_or_else(refused)?;
        let bytes = files.iter().map(|file| u64::from(file.size)).sum();
        let count = files.len() as u64;
        let manifest = store.put_asset_manifest(Manifest::write(&files).into()).await?;
        Ok(VersionAssets { manifest, files: count, bytes, config, pages: None })
    }
}

/// The files of a session, with the types of their contents; None: one of these is missing.
fn announced_files(
    announcement: Announcement,
    contents: &HashMap<String, AssetContent>,
) -> Option<Vec<NewFile>> {
    let file = |(path, file): (String, super::announce::AnnouncedFile)| {
        let content = contents.get(&file.hash)?;
        Some(NewFile {
            path,
            content: file.hash.parse().ok()?,
            size: u32::try_from(content.size).ok()?,
            media_type: content.media_type.clone(),
        })
    };
    announcement.manifest.into_iter().map(file).collect()
}

fn check(config: &AssetsConfig, format: &Format) -> Result<(), ApiError> {
    let first = config.run_worker_first.as_ref();
    if *format == Format::Assets && first.is_some_and(|first| *first != RunWorkerFirst::Always(false)) {
        return Err(ApiError::invalid_upload(
            "`run_worker_first` is set, and there is no Worker script to run.",
        ));
    }
    match Rules::read(config) {
        Ok(_) => Ok(()),
        Err(error @ (ConfigError::Redirects(_) | ConfigError::Headers(_))) => {
            Err(ApiError::bad_request(code::ASSETS_RULES, error.to_string()))
        }
        Err(error) => Err(ApiError::invalid_upload(error.to_string())),
    }
}

/// What needs assets has them.
fn require(
    assets: Option<&VersionAssets>,
    format: &Format,
    bindings: &PlannedBindings,
) -> Result<(), ApiError> {
    if assets.is_some() {
        return Ok(());
    }
    if *format == Format::Assets {
        return Err(ApiError::invalid_upload(
            "The upload has neither a script nor assets: `main_module`, `body_part` or `assets` is missing.",
        ));
    }
    match bindings.bindings.iter().find(|binding| matches!(binding.kind, BindingKind::Assets {})) {
        Some(binding) => Err(ApiError::invalid_upload(format!(
            "binding {} of type assets needs static assets, and the upload has none.",
            binding.name
        ))),
        None => Ok(()),
    }
}
