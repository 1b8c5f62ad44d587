//! Who calls, and in which account.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use hearth_api::{ApiError, Caller, InAccount, Params, code};
use hearth_store::Account;
use http::request::Parts;

/// How a dialect says no.
pub(crate) trait Tongue {
    /// The answer; `name` is the function that the path names.
    fn refuse(error: &ApiError, name: Option<&str>) -> Response;
}

/// A call of somebody who may make it.
pub(crate) struct Session<T> {
    pub caller: Caller,
    pub account: Account,
    /// The path's named segments.
    params: HashMap<String, String>,
    tongue: std::marker::PhantomData<T>,
}

impl<T: Tongue> Session<T> {
    /// A named segment of the path; empty when it has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// An error as an answer to this call.
    pub fn refuse(&self, error: &ApiError) -> Response {
        error.report();
        T::refuse(error, self.params.get("name").map(String::as_str))
    }
}

/// How a call is refused before it has a session.
pub(crate) fn refused_as<T: Tongue>(error: &ApiError, params: &Params) -> Response {
    T::refuse(error, Some(params.get("name")).filter(|name| !name.is_empty()))
}

impl<S, T> FromRequestParts<S> for Session<T>
where
    S: Send + Sync,
    T: Tongue,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let params: HashMap<String, String> = match RawPathParams::from_request_parts(parts, state).await {
            Ok(params) => params.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            Err(error) => {
                let error = ApiError::bad_request(code::BAD_IDENTIFIER, error.to_string());
                return Err(T::refuse(&error, None));
            }
        };
        let opened = async {
            let caller = Caller::from_request_parts(parts, state).await?;
            let InAccount(account) = InAccount::from_request_parts(parts, state).await?;
            Ok::<_, ApiError>((caller, account))
        };
        match opened.await {
            Ok((caller, account)) => Ok(Self { caller, account, params, tongue: std::marker::PhantomData }),
            Err(error) => Err(T::refuse(&error, params.get("name").map(String::as_str))),
        }
    }
}
