//! The keys of access tokens, as they lie in a world's secrets.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use platform::{
    clock::Clock,
    crypto::{Secrets, SigningKeys},
};
use serde_json::Value;

/// Keeps secrets with these keys in a data directory; new ones if there are none yet.
pub fn place(data_dir: &Path, keys: &SigningKeys) {
    Secrets::load_or_create(data_dir, Clock::system().now()).unwrap();
    change(data_dir, |secrets| secrets["signing"] = serde_json::to_value(keys).unwrap());
}

/// Lets time pass since the keys were drawn and rotated.
pub fn age(data_dir: &Path, by: TimeDelta) {
    change(data_dir, |secrets| aged(secrets, by));
}

/// The text of secrets, its keys older than they are.
pub fn aged(secrets: &mut Value, by: TimeDelta) {
    let earlier = |time: &mut Value| {
        let before: DateTime<Utc> = serde_json::from_value(time.clone()).unwrap();
        *time = serde_json::to_value(before - by).unwrap();
    };
    let keys = secrets["signing"].as_object_mut().unwrap();
    earlier(&mut keys["rotated_at"]);
    for place in ["next", "current", "previous"] {
        if let Some(key) = keys.get_mut(place) {
            earlier(&mut key["created_at"]);
        }
    }
}

/// Replaces the file as an operator's command does: at once.
fn change(data_dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = data_dir.join(Secrets::FILE);
    let mut secrets = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut secrets);
    let partial = data_dir.join("secrets.of-a-test");
    std::fs::write(&partial, secrets.to_string()).unwrap();
    std::fs::rename(&partial, &path).unwrap();
}
