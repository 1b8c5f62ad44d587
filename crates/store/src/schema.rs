//! The database's tables, as numbered steps.

use sqlx::{Connection, Row, SqliteConnection};

use crate::{Result, StoreError};

/// Steps in order. A step that was released never changes; a change is another step.
const STEPS: [&str; 16] = [
    include_str!("../migrations/0001_init.sql"),
    include_str!("../migrations/0002_resources.sql"),
    include_str!("../migrations/0003_token_policies.sql"),
    include_str!("../migrations/0004_scheduled_runs.sql"),
    include_str!("../migrations/0005_objects.sql"),
    include_str!("../migrations/0006_dialects.sql"),
    include_str!("../migrations/0007_token_expiry.sql"),
    include_str!("../migrations/0008_assets.sql"),
    include_str!("../migrations/0009_pages.sql"),
    include_str!("../migrations/0010_people.sql"),
    include_str!("../migrations/0011_signin.sql"),
    include_str!("../migrations/0012_quotas.sql"),
    include_str!("../migrations/0013_tokens.sql"),
    include_str!("../migrations/0014_oauth.sql"),
    include_str!("../migrations/0015_access.sql"),
    include_str!("../migrations/0016_access_groups.sql"),
];

/// Brings the tables up to date. SQLite's `user_version` counts the steps taken, and each is one transaction with
/// its count, so a crash between two leaves a database that goes on from there.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let known = STEPS.len() as i64;
    let found: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await?.try_get(0)?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    if found == known {
        return Ok(());
    }
    // A step that makes a table anew drops the old one, which would take along whatever refers to it.
    sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut *connection).await?;
    for (index, step) in STEPS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *transaction).await?;
        if !orphans.is_empty() {
            return Err(StoreError::Corrupt(format!(
                "step {} would leave {} orphans",
                index + 1,
                orphans.len()
            )));
        }
        let count = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", index + 1));
        sqlx::raw_sql(count).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    sqlx::raw_sql("PRAGMA foreign_keys = ON").execute(&mut *connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    /// A table that is made anew is dropped first, which with foreign keys in force takes along what refers to it.
    #[tokio::test]
    async fn what_was_there_before_a_step_is_there_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("a.db"))
            .create_if_missing(true)
            .foreign_keys(true);
        let mut connection = options.connect().await.unwrap();
        for step in &STEPS[..5] {
            sqlx::raw_sql(*step).execute(&mut connection).await.unwrap();
        }
        sqlx::raw_sql(
            "INSERT INTO accounts VALUES ('a', 'a', 'a', 1, 0);
             INSERT INTO workers (id, account, name, folded, created_on, modified_on, last_version)
             VALUES ('w', 'a', 'Hello', 'hello', 1, 2, 1);
             INSERT INTO versions VALUES ('w', 1, 'v', 1, NULL, '{}');
             INSERT INTO version_blobs VALUES ('v', 'hash');
             PRAGMA user_version = 5;",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        migrate(&mut connection).await.unwrap();
        let kept = "SELECT w.name || w.dialect || w.last_version || b.hash FROM workers w
                    JOIN versions v ON v.worker = w.id JOIN version_blobs b ON b.version = v.id";
        let kept: String = sqlx::query_scalar(kept).fetch_one(&mut connection).await.unwrap();
        assert_eq!(kept, "Helloworkers1hash");
        // And they are in force again: a worker still takes its versions along.
        sqlx::raw_sql("DELETE FROM workers").execute(&mut connection).await.unwrap();
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM version_blobs")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn tokens_keep_what_they_were_good_for() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SqliteConnectOptions::new().filename(folder.path().join("a.db")).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        for step in &STEPS[..12] {
            sqlx::raw_sql(*step).execute(&mut connection).await.unwrap();
        }
        sqlx::raw_sql(
            r#"INSERT INTO tokens (id, name, email, hash, accounts, is_admin, created_on, policies) VALUES
             ('admin', 'a', 'e', x'00', NULL, 1, 1, NULL),
             ('whole', 'b', 'e', x'01', '["aa","bb"]', 0, 1, NULL),
             ('r2', 'c', 'e', x'02', NULL, 0, 1, '[
                {"id":"p","resources":[{"account":"aa"},{"bucket":{"account":"bb","bucket":"b-1"}}],
                 "permissions":["storage_write","item_read"]},
                {"id":"q","resources":[{"bucket":{"account":"aa","bucket":"x"}}],
                 "permissions":["storage_read","item_write"]}]');
             PRAGMA user_version = 12;"#,
        )
        .execute(&mut connection)
        .await
        .unwrap();
        migrate(&mut connection).await.unwrap();
        let mut policies = async |id: &str| -> Option<Vec<hearth_model::Policy>> {
            let found: Option<String> = sqlx::query_scalar("SELECT policies FROM tokens WHERE id = ?")
                .bind(id.to_owned())
                .fetch_one(&mut connection)
                .await
                .unwrap();
            found.map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
        };
        assert_eq!(policies("admin").await, None);
        let (aa, bb) = ("aa".parse().unwrap(), "bb".parse().unwrap());
        let whole = policies("whole").await.unwrap();
        let (of_aa, of_bb) =
            (hearth_model::Policy::whole_account(&aa), hearth_model::Policy::whole_account(&bb));
        for (index, policy) in whole.iter().enumerate() {
            assert_eq!(policy.permissions, of_aa[index].permissions);
            let resources = [of_aa[index].resources[0].clone(), of_bb[index].resources[0].clone()];
            assert_eq!(policy.resources, resources);
        }
        assert_eq!(whole.len(), of_aa.len());
        let bucket = |account: &hearth_model::AccountId, name: &str| {
            let thing = hearth_model::Thing {
                account: account.clone(),
                kind: hearth_model::ThingKind::Bucket,
                id: name.to_owned(),
            };
            hearth_model::Target::Thing(thing)
        };
        let r2 = policies("r2").await.unwrap();
        assert_eq!(r2[0].resources, [hearth_model::Target::Account(aa.clone()), bucket(&bb, "b-1")]);
        assert_eq!(r2[1].resources, [bucket(&aa, "x")]);
        let rights =
            |index: usize| -> Vec<String> { r2[index].permissions.iter().map(ToString::to_string).collect() };
        assert_eq!(rights(0), ["r2_storage.write", "r2_items.read"]);
        assert_eq!(rights(1), ["r2_storage.read", "r2_items.write"]);
    }
}
