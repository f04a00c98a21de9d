//! Which telephone numbers want no messages.

use events::{
    decider::Decider,
    envelope::Metadata,
    ids::NumberId,
    number::{Number, NumberCommand, NumberRefusal, NumberState},
    values::Phone,
};
use uuid::Builder;

use crate::{
    crypto::MacKey,
    store::{ExecuteError, Folded, Intent, StoreError, Streams},
};

/// Bytes of an id.
const ID_BYTES: usize = 16;

/// The numbers of one stage. Clones share everything.
#[derive(Debug, Clone)]
pub struct Numbers {
    streams: Streams<Number>,
    key: MacKey,
}

impl Numbers {
    /// Those of one stage. `key` makes their ids, so it must never change.
    pub fn new(streams: Streams<Number>, key: MacKey) -> Self {
        Self { streams, key }
    }

    /// A number's id: a part of a MAC (RFC 9562 §5.8), so that who reads the log cannot try out which number it is.
    pub fn id(&self, phone: &Phone) -> NumberId {
        id_of(&self.key, phone)
    }

    /// Whether nothing may be sent to a number, as the log says now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_opted_out(&self, phone: &Phone) -> Result<bool, StoreError> {
        Ok(self.streams.load(self.id(phone).into()).await?.state.opted_out)
    }

    /// Records what was said of a number.
    ///
    /// # Errors
    /// [`ExecuteError`].
    pub async fn record<R: From<NumberRefusal> + Send>(
        &self,
        phone: &Phone,
        command: NumberCommand,
        metadata: Metadata,
    ) -> Result<(), ExecuteError<R>> {
        let decide = |folded: &Folded<NumberState>| Ok(Number::decide(&folded.state, command)?);
        self.streams.execute(self.id(phone).into(), &Intent::of(metadata), decide).await.map(drop)
    }
}

fn id_of(key: &MacKey, phone: &Phone) -> NumberId {
    let tag = key.bytes(&[b"telephone number", phone.as_str().as_bytes()]);
    let mut bytes = [0; ID_BYTES];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    NumberId(Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_one_number_and_one_key() {
        let phone = |text: &str| Phone::parse(text).unwrap();
        let id = |key: u8, text: &str| id_of(&MacKey::new(&[key; 32]), &phone(text));
        assert_eq!(id(1, "+15125550123"), id(1, "+15125550123"));
        assert_ne!(id(1, "+15125550123"), id(2, "+15125550123"));
        assert_ne!(id(1, "+15125550123"), id(1, "+15125550124"));
        assert_eq!(id(1, "+15125550123").0.get_version_num(), 8);
    }
}
