//! `hearth users`: people, for who answers for the installation.

use anyhow::{Result, bail};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};

/// Options of `hearth users`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  hearth users add ann@corp.test --role developer
  hearth users invite ann@corp.test
  hearth users list --json
  hearth users suspend ann@corp.test
A person is named by their address or id. What add, invite and reset print is a link to set a password with; it works once.";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show people.
    List {
        #[command(flatten)]
        target: Target,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a person known, and print a link to set a password with.
    Add {
        /// Their address
        email: String,
        /// What they are called
        #[arg(long, default_value = "")]
        name: String,
        /// Let them answer for the installation: all accounts, and all people
        #[arg(long)]
        operator: bool,
        /// What they are in the account: owner, admin, developer or viewer [default: no member]
        #[arg(long)]
        role: Option<hearth_model::Role>,
        /// The account [default: the first one]
        #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
        account: Option<String>,
        #[command(flatten)]
        target: Target,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print another link to set a password with. The one before is none any more.
    Invite(One),
    /// Forget a person's password, authenticator and passkeys, end their sessions, and print a link to begin anew.
    Reset(One),
    /// Let nothing of a person's open anything for now.
    Suspend {
        #[command(flatten)]
        one: One,
        /// Let it again
        #[arg(long)]
        undo: bool,
    },
    /// Forget a person.
    Remove(One),
}

#[derive(Debug, clap::Args)]
struct One {
    /// Their address or id
    person: String,
    #[command(flatten)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries out `hearth users …`.
///
/// # Errors
/// What the server says, or that nobody is meant.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args.action))
}

async fn act(action: Action) -> Result<()> {
    match action {
        Action::List { target, json } => {
            let people = all(&target.client()?).await?;
            if json {
                println!("{:#}", Value::from(people));
                return Ok(());
            }
            for person in &people {
                println!("{}  {:<32}  {}", text(person, "id"), text(person, "email"), state(person));
            }
        }
        Action::Add { email, name, operator, role, account, target, json } => {
            let client = target.client()?;
            let memberships = match role {
                Some(role) => {
                    let account = client.account(account.as_deref()).await?;
                    vec![json!({"account": account, "role": role.as_str()})]
                }
                None => Vec::new(),
            };
            let new =
                json!({"email": email, "name": name, "is_operator": operator, "memberships": memberships});
            let person = client.plain(Method::POST, "/api/users", Some(&new)).await?;
            let path = format!("/api/users/{}/invitation", text(&person, "id"));
            let invitation = client.plain(Method::POST, &path, None).await?;
            show_link(&person, &invitation, json);
        }
        Action::Invite(one) => one.link("invitation").await?,
        Action::Reset(one) => one.link("reset").await?,
        Action::Suspend { one, undo } => {
            let (client, person) = one.find().await?;
            let path = format!("/api/users/{}", text(&person, "id"));
            let changed = client.plain(Method::PATCH, &path, Some(&json!({"suspended": !undo}))).await?;
            one.show(&changed);
        }
        Action::Remove(one) => {
            let (client, person) = one.find().await?;
            client.plain(Method::DELETE, &format!("/api/users/{}", text(&person, "id")), None).await?;
            one.show(&person);
        }
    }
    Ok(())
}

impl One {
    async fn find(&self) -> Result<(Client, Value)> {
        let client = self.target.client()?;
        let people = all(&client).await?;
        let is_meant = |person: &&Value| {
            text(person, "id") == self.person || text(person, "email").eq_ignore_ascii_case(&self.person)
        };
        match people.iter().find(is_meant) {
            Some(person) => Ok((client, person.clone())),
            None => bail!("there is nobody {:?}; `hearth users list` shows who there is", self.person),
        }
    }

    /// Makes a link, and prints it.
    async fn link(&self, how: &str) -> Result<()> {
        let (client, person) = self.find().await?;
        let path = format!("/api/users/{}/{how}", text(&person, "id"));
        show_link(&person, &client.plain(Method::POST, &path, None).await?, self.json);
        Ok(())
    }

    fn show(&self, person: &Value) {
        if self.json {
            println!("{person:#}");
        }
    }
}

/// Everybody.
async fn all(client: &Client) -> Result<Vec<Value>> {
    const PER_PAGE: usize = 1000;
    let mut people = Vec::new();
    for page in 1.. {
        let path = format!("/api/users?page={page}&per_page={PER_PAGE}");
        let found = client.plain(Method::GET, &path, None).await?;
        let found = found["users"].as_array().cloned().unwrap_or_default();
        let last = found.len() < PER_PAGE;
        people.extend(found);
        if last {
            break;
        }
    }
    Ok(people)
}

fn show_link(person: &Value, invitation: &Value, as_json: bool) {
    if as_json {
        let (url, expires_on) = (&invitation["url"], &invitation["expires_on"]);
        println!(
            "{:#}",
            json!({"id": person["id"], "email": person["email"], "url": url, "expires_on": expires_on})
        );
    } else {
        println!("{}", text(invitation, "url"));
    }
}

/// What there is to know at a glance.
fn state(person: &Value) -> String {
    let mut words = Vec::new();
    let mut add = |field: &str, word: &'static str| {
        if person[field] == true {
            words.push(word);
        }
    };
    add("suspended", "suspended");
    add("is_operator", "operator");
    add("invited", "invited");
    add("two_factor", "two factors");
    add("single_sign_on", "single sign-on");
    words.join(", ")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_says_what_is_not_usual() {
        assert_eq!(state(&json!({"suspended": false, "is_operator": false})), "");
        assert_eq!(
            state(&json!({"suspended": true, "is_operator": true, "invited": true})),
            "suspended, operator, invited"
        );
    }
}
