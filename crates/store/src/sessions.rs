//! Browsers that are signed in. A cookie holds a random secret, of which only the SHA-256 is stored: whoever reads
//! `hearth.db` is not signed in by that.

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::tokens::{hash_of, random_token};
use crate::{Entity, Result, SessionId, Store, StoreError, TokenId, User, UserId, rows, users};

/// How long a session lasts without a call.
const IDLE: SignedDuration = SignedDuration::from_hours(24);
/// How long a session lasts.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How exactly it is known when a session was used last: each time costs a write.
const GRAIN: SignedDuration = SignedDuration::from_mins(1);
/// Sessions of one person or token; beyond these the oldest end.
const MOST: i64 = 100;

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// A person.
    User(User),
    /// Whoever has that token, who showed it to sign in. Whether it is still good is for [`Store::principal`] to say.
    Token(TokenId),
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, which opens nothing.
    pub id: SessionId,
    /// Who is signed in.
    pub signed: Signed,
    /// Since when.
    pub created_on: Timestamp,
    /// When it made a call last, to the minute.
    pub seen_on: Timestamp,
    /// When it ends, if it is in use until then.
    pub expires_on: Timestamp,
    /// The address from which it was begun.
    pub address: String,
    /// What the browser called itself.
    pub agent: String,
    /// In which groups the provider of single sign-on said that the person is; none without one.
    pub groups: Vec<String>,
}

/// What is kept of how a session was begun.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// The client's address.
    pub address: String,
    /// Its `User-Agent`.
    pub agent: String,
    /// See [`Session::groups`].
    pub groups: Vec<String>,
}

impl Store {
    /// Begins a session of a person or a token, and returns the secret of its cookie, which is kept nowhere.
    pub async fn begin_session(&self, signed: Signed, begun: Begun) -> Result<(Session, String)> {
        let secret = random_token();
        let now = rows::now();
        let session = Session {
            id: SessionId::random(),
            signed,
            created_on: now,
            seen_on: now,
            expires_on: now.saturating_add(LONGEST).unwrap_or(Timestamp::MAX),
            address: begun.address,
            agent: begun.agent,
            groups: begun.groups,
        };
        let (user, token) = match &session.signed {
            Signed::User(user) => (Some(user.id.as_str()), None),
            Signed::Token(token) => (None, Some(token.as_str())),
        };
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_on <= ? OR seen_on <= ?")
            .bind(now.as_microsecond())
            .bind(idle_since(now).as_microsecond())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE user IS ?1 AND token IS ?2
             ORDER BY created_on DESC LIMIT -1 OFFSET ?3)",
        )
        .bind(user)
        .bind(token)
        .bind(MOST - 1)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO sessions (digest, id, user, token, created_on, seen_on, expires_on, address, agent,
             groups) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(hash_of(&secret).as_slice())
        .bind(session.id.as_str())
        .bind(user)
        .bind(token)
        .bind(now.as_microsecond())
        .bind(now.as_microsecond())
        .bind(session.expires_on.as_microsecond())
        .bind(&session.address)
        .bind(&session.agent)
        .bind(rows::to_json(&session.groups)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok((session, secret))
    }

    /// The session of a cookie's secret; None when there is none, it has ended, or its person is suspended.
    pub async fn session(&self, secret: &str) -> Result<Option<Session>> {
        let now = rows::now();
        let row = sqlx::query("SELECT * FROM sessions WHERE digest = ? AND expires_on > ? AND seen_on > ?")
            .bind(hash_of(secret).as_slice())
            .bind(now.as_microsecond())
            .bind(idle_since(now).as_microsecond())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let session = session_of(&mut *self.read().await?, &row).await?;
        if matches!(&session.signed, Signed::User(user) if user.suspended) {
            return Ok(None);
        }
        if now.duration_since(session.seen_on) >= GRAIN {
            let mut transaction = self.write().await?;
            sqlx::query("UPDATE sessions SET seen_on = ? WHERE id = ?")
                .bind(now.as_microsecond())
                .bind(session.id.as_str())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(Some(session))
    }

    /// A person's sessions, the newest first.
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>> {
        let now = rows::now();
        let mut connection = self.read().await?;
        let all = sqlx::query(
            "SELECT * FROM sessions WHERE user = ? AND expires_on > ? AND seen_on > ? ORDER BY created_on DESC",
        )
        .bind(user.as_str())
        .bind(now.as_microsecond())
        .bind(idle_since(now).as_microsecond())
        .fetch_all(&mut *connection)
        .await?;
        let mut sessions = Vec::with_capacity(all.len());
        for row in &all {
            sessions.push(session_of(&mut connection, row).await?);
        }
        Ok(sessions)
    }

    /// Ends a session.
    pub async fn end_session(&self, id: &SessionId) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE id = ?").bind(id.as_str()).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Ends a session of a person.
    ///
    /// # Errors
    /// Not found when it is not that person's.
    pub async fn end_session_of(&self, user: &UserId, id: &SessionId) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM sessions WHERE user = ? AND id = ?")
            .bind(user.as_str())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Session, id));
        }
        Ok(transaction.commit().await?)
    }

    /// Ends all sessions of a person or a token, but for that one.
    pub async fn end_sessions(&self, signed: &Signed, but: Option<&SessionId>) -> Result<()> {
        let mut transaction = self.write().await?;
        end_all(&mut transaction, signed, but).await?;
        Ok(transaction.commit().await?)
    }
}

pub(crate) async fn end_all(
    connection: &mut SqliteConnection,
    signed: &Signed,
    but: Option<&SessionId>,
) -> Result<()> {
    let (sql, whose) = match signed {
        Signed::User(user) => ("DELETE FROM sessions WHERE user = ? AND id IS NOT ?", user.id.as_str()),
        Signed::Token(token) => ("DELETE FROM sessions WHERE token = ? AND id IS NOT ?", token.as_str()),
    };
    sqlx::query(sql).bind(whose).bind(but.map(SessionId::as_str)).execute(connection).await?;
    Ok(())
}

fn idle_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(IDLE).unwrap_or(Timestamp::MIN)
}

async fn session_of(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<Session> {
    let user: Option<UserId> = rows::parsed_option(row, "user")?;
    let signed = match user {
        Some(user) => Signed::User(users::find(connection, &user).await?),
        None => Signed::Token(rows::from_text(row.try_get("token")?, "token")?),
    };
    Ok(Session {
        id: rows::parsed(row, "id")?,
        signed,
        created_on: rows::time(row, "created_on")?,
        seen_on: rows::time(row, "seen_on")?,
        expires_on: rows::time(row, "expires_on")?,
        address: rows::text(row, "address")?,
        agent: rows::text(row, "agent")?,
        groups: rows::json(row, "groups")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserChanges;

    async fn age(store: &Store, column: &'static str, by: SignedDuration) {
        let mut transaction = store.write().await.unwrap();
        let sql = format!("UPDATE sessions SET {column} = {column} - ?");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(i64::try_from(by.as_micros()).unwrap())
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_idle_when_it_is_old_and_when_it_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let ann = store.create_user("ann@corp.test", "Ann", true).await.unwrap();
        store.create_user("op@corp.test", "Op", true).await.unwrap();
        let signed = Signed::User(ann.clone());
        let begin = || store.begin_session(signed.clone(), Begun::default());

        let (first, secret) = begin().await.unwrap();
        assert_eq!(store.session(&secret).await.unwrap().unwrap().id, first.id);
        assert!(store.session(first.id.as_str()).await.unwrap().is_none(), "the id opens nothing");
        age(&store, "seen_on", IDLE).await;
        assert!(store.session(&secret).await.unwrap().is_none(), "idle");

        let (_, secret) = begin().await.unwrap();
        age(&store, "seen_on", SignedDuration::from_hours(2)).await;
        assert!(store.session(&secret).await.unwrap().is_some());
        age(&store, "seen_on", IDLE - SignedDuration::from_hours(1)).await;
        assert!(store.session(&secret).await.unwrap().is_some(), "its use was noted");
        age(&store, "expires_on", LONGEST).await;
        assert!(store.session(&secret).await.unwrap().is_none(), "old");

        let (own, kept) = begin().await.unwrap();
        let (_, other) = begin().await.unwrap();
        let bob = store.create_user("bob@corp.test", "", false).await.unwrap();
        assert!(store.end_session_of(&bob.id, &own.id).await.is_err(), "somebody else's");
        assert!(store.session(&kept).await.unwrap().is_some());
        store.end_sessions(&signed, Some(&own.id)).await.unwrap();
        assert!(store.session(&other).await.unwrap().is_none());
        assert_eq!(store.sessions(&ann.id).await.unwrap().len(), 1);
        let suspend = |suspended| UserChanges { suspended: Some(suspended), ..UserChanges::default() };
        store.update_user(&ann.id, suspend(true)).await.unwrap();
        assert!(store.session(&kept).await.unwrap().is_none(), "suspended");
        store.update_user(&ann.id, suspend(false)).await.unwrap();
        assert!(store.session(&kept).await.unwrap().is_some());
        store.delete_user(&ann.id).await.unwrap();
        assert!(store.session(&kept).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn there_are_so_many_sessions_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let ann = store.create_user("ann@corp.test", "", true).await.unwrap();
        let begin = || store.begin_session(Signed::User(ann.clone()), Begun::default());
        let (_, first) = begin().await.unwrap();
        for _ in 0..MOST {
            begin().await.unwrap();
        }
        assert_eq!(store.sessions(&ann.id).await.unwrap().len(), MOST as usize);
        assert!(store.session(&first).await.unwrap().is_none(), "the oldest went");
    }
}
