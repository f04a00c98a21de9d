//! How a profile begins and changes.

use std::collections::BTreeSet;

use super::{
    command::{ChangeProfile, Register},
    event::{ProfileChanged, UserEvent, UserRegistered},
    preferences::Preferences,
    state::{Status, UserState},
};
use crate::{envelope::Recorded, ids::UserId, stream::Version, values::Personal};

pub(super) fn registration(new: Register) -> UserRegistered {
    UserRegistered {
        email: new.email.into(),
        username: new.username.into(),
        first_name: new.first_name.into(),
        last_name: new.last_name.into(),
        phone: new.phone.into(),
        locale: new.locale,
        time_zone: new.time_zone,
        status: if new.with_password { Status::Active } else { Status::Invited },
    }
}

pub(super) fn registered(event: &UserRegistered, recorded: &Recorded<UserEvent>) -> UserState {
    UserState {
        id: UserId(recorded.stream.id),
        email: event.email.clone(),
        username: event.username.clone(),
        first_name: event.first_name.clone(),
        last_name: event.last_name.clone(),
        phone: event.phone.clone(),
        locale: event.locale.clone(),
        time_zone: event.time_zone.clone(),
        status: event.status,
        before_suspension: event.status,
        roles: Vec::new(),
        sessions_since: Version::NONE,
        password_change_required: false,
        factors: BTreeSet::new(),
        preferences: Preferences::default(),
        version: recorded.version,
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
    }
}

pub(super) fn is_registration_of(user: &UserState, event: &UserRegistered) -> bool {
    user.email == event.email
        && user.username == event.username
        && user.first_name == event.first_name
        && user.last_name == event.last_name
        && user.phone == event.phone
        && user.locale == event.locale
        && user.time_zone == event.time_zone
        && user.status == event.status
}

pub(super) fn difference(user: &UserState, change: ChangeProfile) -> ProfileChanged {
    fn personal<T: PartialEq>(now: &Personal<T>, new: Option<T>) -> Option<Personal<T>> {
        new.map(Personal::Known).filter(|new| new != now)
    }
    ProfileChanged {
        email: personal(&user.email, change.email),
        username: personal(&user.username, change.username),
        first_name: personal(&user.first_name, change.first_name),
        last_name: personal(&user.last_name, change.last_name),
        phone: personal(&user.phone, change.phone),
        locale: change.locale.filter(|new| *new != user.locale),
        time_zone: change.time_zone.filter(|new| *new != user.time_zone),
    }
}

pub(super) fn apply(user: &mut UserState, change: &ProfileChanged) {
    fn set<T: Clone>(field: &mut T, new: Option<&T>) {
        if let Some(new) = new {
            field.clone_from(new);
        }
    }
    set(&mut user.email, change.email.as_ref());
    set(&mut user.username, change.username.as_ref());
    set(&mut user.first_name, change.first_name.as_ref());
    set(&mut user.last_name, change.last_name.as_ref());
    set(&mut user.phone, change.phone.as_ref());
    set(&mut user.locale, change.locale.as_ref());
    set(&mut user.time_zone, change.time_zone.as_ref());
}
