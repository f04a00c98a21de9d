//! The devices that a user has signed in with: a sign-in with another one is told to them.
//!
//! What lies in table `credentials` is a MAC of each device's name, so it says nothing of the devices, and it is deleted with
//! the user. A device is known by what it calls itself, its version numbers left out: an update makes no new device. Somebody
//! who lies about it is not found out by this; it is there for the thief who does not think of it.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Delete, TransactWriteItem},
};
use chrono::TimeDelta;
use events::ids::UserId;
use platform::{
    aws::{Item, Wanted, get_each},
    clock::Clock,
    credentials::Credential,
    crypto::MacKey,
    store::{StoreError, unavailable},
    tables::{CREDENTIALS, Names},
};

/// Devices that are remembered of one user, the newest ones.
const MOST: usize = 20;

/// How long they are remembered after the last new one.
const REMEMBERED_FOR: TimeDelta = TimeDelta::days(400);

/// The devices of one stage. Clones share everything.
#[derive(Debug, Clone)]
pub struct Devices {
    client: Client,
    table: String,
    key: MacKey,
    clock: Clock,
}

/// The devices of a user's earlier sign-ins.
#[derive(Debug)]
pub struct Known(Vec<String>);

/// What is known of the device of a sign-in.
#[derive(Debug)]
pub struct Met {
    user: UserId,
    device: String,
    known: Vec<String>,
}

impl Known {
    /// Those in a user's row.
    pub fn in_row(row: Option<Item>) -> Self {
        let row = row.unwrap_or_default();
        let devices = row.get("devices").and_then(|devices| devices.as_l().ok()).into_iter().flatten();
        Self(devices.filter_map(|device| device.as_s().ok().cloned()).collect())
    }
}

impl Met {
    /// Whether the user has signed in before, and never with such a device.
    pub fn is_new(&self) -> bool {
        !self.known.is_empty() && !self.is_known()
    }

    fn is_known(&self) -> bool {
        self.known.contains(&self.device)
    }
}

impl Devices {
    /// Those of one stage.
    pub fn new(client: Client, names: &Names, key: MacKey, clock: Clock) -> Self {
        Self { client, table: names.table(&CREDENTIALS), key, clock }
    }

    /// Where those of a user lie, for who reads them beside other items.
    pub fn wanted(&self, user: UserId) -> Wanted {
        Wanted { table: self.table.clone(), key: ("user", Credential::Devices.key(user)) }
    }

    /// Those of a user.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn known(&self, user: UserId) -> Result<Known, StoreError> {
        let [row] = get_each(&self.client, [self.wanted(user)]).await?;
        Ok(Known::in_row(row))
    }

    /// Looks a device up by what it calls itself. All that say nothing are one device.
    pub fn meet(&self, user: UserId, name: Option<&str>, known: Known) -> Met {
        let name = without_versions(name.unwrap_or_default());
        let device = self.key.tag(&[b"device", user.0.as_bytes(), name.as_bytes()]);
        Met { user, device, known: known.0 }
    }

    /// Remembers a device that was not known. Of two whose sign-ins overlap one is remembered, and the other is told once more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn remember(&self, met: Met) -> Result<(), StoreError> {
        if met.is_known() {
            return Ok(());
        }
        let forgotten = (met.known.len() + 1).saturating_sub(MOST);
        let devices = met.known.into_iter().skip(forgotten).chain([met.device]).map(AttributeValue::S);
        let until = (self.clock.now() + REMEMBERED_FOR).timestamp();
        let item = HashMap::from([
            ("user".to_owned(), Credential::Devices.key(met.user)),
            ("devices".to_owned(), AttributeValue::L(devices.collect())),
            ("expires_at".to_owned(), AttributeValue::N(until.to_string())),
        ]);
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// The action that forgets a user's devices, for the transaction of the commit that erases them.
    ///
    /// # Errors
    /// Only if the action cannot be built.
    pub fn forget_action(&self, user: UserId) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder().table_name(&self.table).key("user", Credential::Devices.key(user));
        Ok(TransactWriteItem::builder().delete(delete.build()?).build())
    }
}

fn without_versions(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_ascii_digit() && *letter != '.').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_makes_no_new_device() {
        let firefox =
            |version: &str| format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}) Gecko/20100101 Firefox/{version}");
        assert_eq!(without_versions(&firefox("140.0")), without_versions(&firefox("141.0.2")));
        assert_ne!(
            without_versions(&firefox("140.0")),
            without_versions("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)")
        );
    }
}
