//! The account that a call acts in whose path names none: those of the dialects.

use hearth_model::{AccountId, Grants, On, Right};
use hearth_store::{Account, Entity, StoreError};
use http::HeaderMap;

use crate::auth::Caller;
use crate::error::{ApiError, code};
use crate::state::Api;

/// The header by which such a call names its account, by the account's id.
pub const ACCOUNT_HEADER: &str = "hearth-account";

/// What that header is, for the OpenAPI document.
pub const ABOUT_ACCOUNT_HEADER: &str = "The id of the account to act in. Without, the only one in which the caller may do this; of several the installation's default one.";

impl Api {
    /// The account that a dialect's call acts in, which takes a right there.
    ///
    /// # Errors
    /// 400 when the account is not named as it has to be, does not exist, or could be any of several; 403 for a caller who
    /// has not the right there. Whoever has nothing in an account is told the same whether it exists or not.
    pub async fn account_of(
        &self,
        caller: &Caller,
        right: Right,
        headers: &HeaderMap,
    ) -> Result<Account, ApiError> {
        let named = named(headers)?;
        let default = self.store().default_account().await?;
        let id = choose(&caller.grants, right, named, &default.id)?;
        if id == default.id {
            return Ok(default);
        }
        match self.store().account(&id).await {
            Err(StoreError::NotFound { what: Entity::Account, .. }) => {
                let text = format!("`{ACCOUNT_HEADER}` names the account {id}, which does not exist here.");
                Err(ApiError::bad_request(code::BAD_IDENTIFIER, text))
            }
            found => Ok(found?),
        }
    }
}

/// The account that a call names.
fn named(headers: &HeaderMap) -> Result<Option<AccountId>, ApiError> {
    let mut all = headers.get_all(ACCOUNT_HEADER).iter();
    let (first, second) = (all.next(), all.next());
    let Some(first) = first else { return Ok(None) };
    match first.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        Some(id) if second.is_none() => Ok(Some(id)),
        _ => {
            let text = format!("`{ACCOUNT_HEADER}` must hold the id of one account.");
            Err(ApiError::bad_request(code::BAD_IDENTIFIER, text))
        }
    }
}

/// Which account it is: the one that is named; else the only one in which the caller has the right; else, of several, the
/// default one.
fn choose(
    grants: &Grants,
    right: Right,
    named: Option<AccountId>,
    default: &AccountId,
) -> Result<AccountId, ApiError> {
    let may = |id: &AccountId| grants.allows(right, On::Account(id));
    if let Some(id) = named {
        return match may(&id) {
            true => Ok(id),
            false if grants.knows(&id) => {
                Err(ApiError::lacking(&format!("the right `{right}` in that account")))
            }
            false => Err(ApiError::forbidden()),
        };
    }
    if may(default) && grants.accounts().is_none() {
        return Ok(default.clone());
    }
    let mut held = grants.accounts().unwrap_or_default();
    held.retain(|id| may(id));
    match held.as_slice() {
        [] => Err(ApiError::lacking(&format!("the right `{right}` in an account"))),
        [only] => Ok((*only).clone()),
        several if several.contains(&default) => Ok(default.clone()),
        several => {
            let ids: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
            let text = format!(
                "You may do this in several accounts: name one by the header `{ACCOUNT_HEADER}`. They are {}.",
                ids.join(", ")
            );
            Err(ApiError::bad_request(code::BAD_IDENTIFIER, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::{Area, Grant, Role};
    use http::{HeaderValue, StatusCode};

    use super::*;

    const WRITE: Right = Area::Workers.write();

    fn person(roles: &[(&AccountId, Role)]) -> Grants {
        let roles = roles.iter().map(|(account, role)| ((*account).clone(), *role)).collect();
        Grants::all_of(vec![Grant::Person { user: "u".to_owned(), roles }])
    }

    fn ids() -> (AccountId, AccountId, AccountId) {
        (AccountId::random(), AccountId::random(), AccountId::random())
    }

    #[test]
    fn who_names_an_account_acts_in_that_one_or_not_at_all() {
        let (default, ours, theirs) = ids();
        let both = person(&[(&default, Role::Viewer), (&ours, Role::Developer)]);
        let named = |grants: &Grants, id: &AccountId| choose(grants, WRITE, Some(id.clone()), &default);
        assert_eq!(named(&both, &ours).unwrap(), ours);
        assert_eq!(named(&Grants::everything(), &ours).unwrap(), ours);
        let lacking = named(&both, &default).unwrap_err();
        assert_eq!(lacking.status(), StatusCode::FORBIDDEN);
        assert!(lacking.message().contains("workers.write"), "{}", lacking.message());
        // Not a word on whether it exists.
        let foreign = named(&both, &theirs).unwrap_err();
        assert_eq!((foreign.status(), foreign.message()), (StatusCode::FORBIDDEN, "Authentication error"));
    }

    #[test]
    fn who_names_none_acts_in_the_only_one_or_in_the_default_one() {
        let (default, ours, others) = ids();
        let unnamed = |grants: &Grants| choose(grants, WRITE, None, &default);
        assert_eq!(unnamed(&Grants::everything()).unwrap(), default);
        assert_eq!(unnamed(&person(&[(&ours, Role::Owner)])).unwrap(), ours);
        let both = person(&[(&ours, Role::Owner), (&default, Role::Owner)]);
        assert_eq!(unnamed(&both).unwrap(), default);
        // In the default one this cannot be done.
        let one = person(&[(&default, Role::Viewer), (&ours, Role::Owner)]);
        assert_eq!(unnamed(&one).unwrap(), ours);
        let any = person(&[(&ours, Role::Owner), (&others, Role::Owner)]);
        let unclear = unnamed(&any).unwrap_err();
        assert_eq!(unclear.status(), StatusCode::BAD_REQUEST);
        for word in ["hearth-account", ours.as_str(), others.as_str()] {
            assert!(unclear.message().contains(word), "{}", unclear.message());
        }
        for none in [person(&[(&ours, Role::Viewer)]), person(&[]), Grants::all_of(Vec::new())] {
            assert_eq!(unnamed(&none).unwrap_err().status(), StatusCode::FORBIDDEN);
        }
    }

    #[test]
    fn one_account_is_named_by_its_id() {
        let (id, other, _) = ids();
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCOUNT_HEADER, HeaderValue::from_str(value).unwrap());
            }
            headers
        };
        assert_eq!(named(&headers(&[])).unwrap(), None);
        assert_eq!(named(&headers(&[id.as_str()])).unwrap(), Some(id.clone()));
        for wrong in [&["two words"][..], &[""], &[id.as_str(), other.as_str()]] {
            assert_eq!(named(&headers(wrong)).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong:?}");
        }
    }
}
