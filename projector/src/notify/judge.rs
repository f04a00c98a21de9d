//! Whether a notification may be sent, and what it says: judged at the moment of sending.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use events::{
    notification::{
        NotificationDeferred, NotificationState, TextOf, Withheld, quiet, segments::segments, template::Template,
    },
    user::Status,
    values::Phone,
};
use platform::{context::Context, store::StoreError};

/// How long a text waits that this build does not know: a newer one is being rolled out.
const UNKNOWN_TEMPLATE_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// Judges notifications.
#[derive(Debug)]
pub struct Judge {
    context: Context,
    countries: BTreeSet<String>,
}

/// What is to be sent.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) to: Phone,
    pub(super) text: String,
    pub(super) of: TextOf,
}

impl Judge {
    /// A judge that lets messages go to the numbers of these countries (ISO 3166-1 alpha-2).
    pub fn new(context: Context, countries: impl IntoIterator<Item = String>) -> Self {
        Self { context, countries: countries.into_iter().collect() }
    }

    /// What a notification says, or why it is withheld.
    pub(super) async fn judge(&self, it: &NotificationState) -> Result<Result<Ready, Withheld>, StoreError> {
        let never = |cause| Ok(Err(Withheld::Suppressed(cause)));
        let now = self.context.clock.now();
        let Some(template) = Template::named(&it.template) else {
            return Ok(Err(until("unknown-template", now + UNKNOWN_TEMPLATE_PAUSE)));
        };
        let Some(user) = self.context.users.load(it.user_id.into()).await?.state else { return never("no-such-user") };
        if user.status == Status::Erased {
            return never("user-erased");
        }
        if !template.reaches(user.status) {
            return never("user-suspended");
        }
        if !template.is_wanted_by(&user) {
            return never("muted");
        }
        let code = || template.purpose.map(|purpose| self.context.codes.code(it.id, purpose)).unwrap_or_default();
        let (Some(text), Some(to)) = (template.render(&user, code), user.phone.known().cloned()) else {
            return never("nothing-to-send");
        };
        if to.country().is_none_or(|country| !self.countries.contains(&country)) {
            return never("country-not-allowed");
        }
        if self.context.numbers.is_opted_out(&to).await? {
            return never("opted-out");
        }
        if let Some(end) = quiet::until(template, &user, now) {
            return Ok(Err(until("quiet-hours", end)));
        }
        let segments = u32::try_from(segments(&text).parts).unwrap_or(u32::MAX);
        let of = TextOf { template_version: template.version, segments };
        Ok(Ok(Ready { to, text, of }))
    }
}

fn until(why: &str, not_before: chrono::DateTime<chrono::Utc>) -> Withheld {
    Withheld::Until(NotificationDeferred { error_code: why.to_owned(), not_before })
}
