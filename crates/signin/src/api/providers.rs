//! Providers of single sign-on, for who answers for the installation.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use hearth_store::ProviderWrite;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Signin, Visitor};
use crate::error::Refusal;
use crate::oidc::Settings;
use crate::oidc::settings::{MOST, is_id};

/// `GET /api/signin/providers`.
pub async fn list(State(signin): State<Signin>, visitor: Visitor) -> Result<Json<Value>, Refusal> {
    let all = signin.store().providers().await?;
    let shown = all.into_iter().map(|provider| {
        let mut shown = provider.settings;
        shown["redirect_uri"] = signin.redirect_uri(&visitor, &provider.id).into();
        shown["has_secret"] = provider.has_secret.into();
        shown["id"] = provider.id.into();
        shown
    });
    Ok(Json(json!({"providers": shown.collect::<Value>()})))
}

#[derive(Deserialize)]
pub struct All {
    providers: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    id: String,
    /// Absent keeps the one that there is; empty removes it.
    client_secret: Option<String>,
    #[serde(flatten)]
    settings: Settings,
}

/// `PUT /api/signin/providers`: all of them.
pub async fn replace(
    State(signin): State<Signin>,
    Body(All { providers }): Body<All>,
) -> Result<StatusCode, Refusal> {
    if providers.len() > MOST {
        return Err(Refusal::invalid(format!("There are at most {MOST} providers.")));
    }
    let mut ids = BTreeSet::new();
    let mut all = Vec::with_capacity(providers.len());
    for One { id, client_secret, settings } in providers {
        if !is_id(&id) || !ids.insert(id.clone()) {
            let text =
                format!("{id:?} is no id of a provider: lower-case letters, digits and `-`, each id once.");
            return Err(Refusal::invalid(text));
        }
        settings.check()?;
        for rule in &settings.mapping {
            if let Some(account) = &rule.account {
                signin.store().account(account).await?;
            }
        }
        let settings = serde_json::to_value(settings).map_err(Refusal::internal)?;
        all.push(ProviderWrite { id, settings, secret: client_secret });
    }
    signin.store().put_providers(&all).await?;
    Ok(StatusCode::OK)
}
