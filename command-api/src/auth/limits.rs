//! How often one may try to sign in, to refresh, to show one's password and to get a code, and how often one may change
//! where one is reached.
//!
//! What is counted for a name is counted for what was typed, whether anybody has that name or not: unknown and known
//! accounts behave alike.

use std::net::IpAddr;

use chrono::TimeDelta;
use events::{
    claim::Claim,
    ids::{SessionId, UserId},
    values::Phone,
};

use super::client::Client;
use crate::throttle::{Counter, Counters, Delay, Quota, Rule, Success, Throttle};

/// Sign-ins with one name from one address: who mistypes has five attempts, then waits 1, 2, 4, … seconds, five minutes
/// at most. Who signed in there with that name within 30 days, as long as a session lasts unused, is held up by this rule
/// alone: whatever others do from elsewhere, the owner gets in.
const SIGN_IN_HERE: Rule = Rule::Delay(Delay {
    name: "sign-in",
    free: 5,
    first: TimeDelta::seconds(1),
    longest: TimeDelta::minutes(5),
    forgotten_after: TimeDelta::hours(1),
    success: Success::Remembered(TimeDelta::days(30)),
    told: true,
});

/// Sign-ins with one name from everywhere. It is weaker, because it also holds up an owner at a new address while
/// somebody guesses: 20 attempts, then a minute each at most. That leaves a guesser with any number of addresses 1,440
/// guesses a day, where the policy refuses passwords that fall within 10^8. Answers do not tell where it stands: that
/// would tell that somebody else uses the name.
const SIGN_IN_ACCOUNT: Rule = Rule::Delay(Delay {
    name: "sign-in-account",
    free: 20,
    first: TimeDelta::seconds(1),
    longest: TimeDelta::minutes(1),
    forgotten_after: TimeDelta::hours(1),
    success: Success::NotCounted,
    told: false,
});

/// Sign-ins from one address with any names: 50 a minute let an office through that begins its day behind one address,
/// and whoever signed in from there before is not held up at all. Trying one password on many names stays slow.
const SIGN_IN_ADDRESS: Rule =
    Rule::Quota(Quota { name: "sign-in-address", per_window: 50, window: TimeDelta::minutes(1), told: true });

/// Sign-ins of all, in eight parts of 750 a minute: a hundred a second is what a few instances can hash beside their other
/// work, and no company has as many people who sign in where they never did. One item of the table is written some
/// twelve times a second then, far from being hot.
const SIGN_IN_ALL: Rule =
    Rule::Quota(Quota { name: "sign-in-all", per_window: 750, window: TimeDelta::minutes(1), told: false });

/// Parts in which all sign-ins are counted.
const PARTS: u64 = 8;

/// Refreshes from one address: each device refreshes every ten minutes, so 600 a minute are 6,000 devices behind one
/// address.
const REFRESH_ADDRESS: Rule =
    Rule::Quota(Quota { name: "refresh-address", per_window: 600, window: TimeDelta::minutes(1), told: true });

/// Showing the old password to set another one, within one session. Counted by session, because who stole one must not be
/// able to hold up the owner's others; and no further session begins without the password.
const OLD_PASSWORD: Rule = Rule::Delay(Delay {
    name: "password",
    free: 5,
    first: TimeDelta::seconds(1),
    longest: TimeDelta::minutes(5),
    forgotten_after: TimeDelta::hours(1),
    success: Success::Forgiven,
    told: true,
});

/// Codes asked for with one name: who does not get the first asks again, and each is a message that we pay for.
const ASK_ACCOUNT: Rule =
    Rule::Quota(Quota { name: "ask-account", per_window: 5, window: TimeDelta::hours(1), told: true });

/// Codes asked for from one address: an office's bad morning, and no more.
const ASK_ADDRESS: Rule =
    Rule::Quota(Quota { name: "ask-address", per_window: 10, window: TimeDelta::hours(1), told: true });

/// Codes that one user gets, at whichever telephone and by whichever of their names: who does not get the first asks again,
/// and whoever changes the telephone in a loop gets no more.
const CODES_OF_USER: Rule =
    Rule::Quota(Quota { name: "codes-of-user", per_window: 5, window: TimeDelta::hours(1), told: true });

/// Codes to whoever has shown their password, from one address. The ten that are usual where anybody may ask would keep an
/// office of eleven out that begins its day behind one address; here each takes the password of an account, and more
/// than five an account are not had from anywhere.
const CODES_FROM_ADDRESS: Rule =
    Rule::Quota(Quota { name: "codes-from-address", per_window: 50, window: TimeDelta::hours(1), told: true });

/// Codes to one telephone, for whichever account: a telephone is flooded by nobody. The usual three in ten minutes would let
/// eighteen through in an hour.
const CODES_TO_PHONE: Rule =
    Rule::Quota(Quota { name: "codes-to-phone", per_window: 6, window: TimeDelta::hours(1), told: false });

/// Codes to one block of 10,000 numbers that follow each other. Who is paid for messages that arrive (toll fraud) holds whole
/// blocks and asks for codes to one number after the other; the people of one company live in many blocks.
const CODES_TO_BLOCK: Rule =
    Rule::Quota(Quota { name: "codes-to-block", per_window: 30, window: TimeDelta::minutes(10), told: false });

/// Codes to all numbers of one country, as many to who has shown a password as to who has not: what ten thousand people ask
/// for who begin their day within three hours, and no more than some $25 in an hour of either. What is spent in a day is bounded by the dispatchers.
const CODES_TO_COUNTRY: Rule =
    Rule::Quota(Quota { name: "codes-to-country", per_window: 3_000, window: TimeDelta::hours(1), told: false });

/// Last digits of a number that tell its subscriber from the others of the block.
const SUBSCRIBER_DIGITS: usize = 4;

/// Codes shown with one name. Each code allows ten guesses by itself; this bounds the work.
const SHOW_ACCOUNT: Rule =
    Rule::Quota(Quota { name: "show-account", per_window: 30, window: TimeDelta::minutes(10), told: true });

/// Codes shown from one address.
const SHOW_ADDRESS: Rule =
    Rule::Quota(Quota { name: "show-address", per_window: 50, window: TimeDelta::minutes(1), told: true });

/// Wrong codes of a second factor of one account, by who has its password already. Two of 10^6 codes of an authenticator are
/// right at a time: at one guess every five minutes that is a chance of one in seventeen in a year, and each guess took
/// the password, too.
const SECOND_FACTOR: Rule = Rule::Delay(Delay {
    name: "second-factor",
    free: 5,
    first: TimeDelta::seconds(1),
    longest: TimeDelta::minutes(5),
    forgotten_after: TimeDelta::hours(1),
    success: Success::Forgiven,
    told: true,
});

/// Changes of one's own e-mail address, carried out or only tried: the answer tells that an address is taken, and who looks for
/// accounts tries many. Who mistypes it needs a second one.
const OWN_EMAIL: Rule =
    Rule::Quota(Quota { name: "own-email", per_window: 5, window: TimeDelta::hours(1), told: true });

/// Bytes of an IPv6 address that say who it is: whoever has one has the whole /64 (RFC 6177).
const IPV6_PREFIX_BYTES: usize = 8;

/// By what a sign-in counts. Without an address, only by its name and with all others.
pub(super) fn sign_in(throttle: &Throttle, name: Option<&Claim>, client: &Client) -> Counters {
    let name = name.map(Claim::value).unwrap_or_default().as_bytes();
    let account = throttle.counter(SIGN_IN_ACCOUNT, &[name]);
    let Some(address) = client.address.map(subject) else {
        let all = all(throttle, &account);
        return Counters { own: None, shared: vec![account, all] };
    };
    let here = throttle.counter(SIGN_IN_HERE, &[name, &address]);
    let from_address = throttle.counter(SIGN_IN_ADDRESS, &[&address]);
    let all = all(throttle, &here);
    Counters { own: Some(here), shared: vec![account, from_address, all] }
}

/// By what a refresh counts: without an address, by nothing. A token that we did not make costs no more than a look at it.
pub(super) fn refresh(throttle: &Throttle, client: &Client) -> Counters {
    let counter = client.address.map(|address| throttle.counter(REFRESH_ADDRESS, &[&subject(address)]));
    Counters { own: counter, shared: Vec::new() }
}

/// By what showing the old password counts.
pub(super) fn old_password(throttle: &Throttle, session: SessionId) -> Counters {
    Counters { own: Some(throttle.counter(OLD_PASSWORD, &[session.0.as_bytes()])), shared: Vec::new() }
}

/// By what showing a second factor counts.
pub(super) fn second_factor(throttle: &Throttle, user: UserId) -> Counters {
    Counters { own: Some(throttle.counter(SECOND_FACTOR, &[user.0.as_bytes()])), shared: Vec::new() }
}

/// By what changing one's own e-mail address counts.
pub fn own_email(throttle: &Throttle, user: UserId) -> Counters {
    Counters { own: None, shared: vec![throttle.counter(OWN_EMAIL, &[user.0.as_bytes()])] }
}

/// By what asking for a code counts.
pub(super) fn ask_for_code(throttle: &Throttle, name: Option<&Claim>, client: &Client) -> Counters {
    by_name_and_address(throttle, (ASK_ACCOUNT, ASK_ADDRESS), name, client)
}

/// By what showing a code counts.
pub(super) fn show_code(throttle: &Throttle, name: Option<&Claim>, client: &Client) -> Counters {
    by_name_and_address(throttle, (SHOW_ACCOUNT, SHOW_ADDRESS), name, client)
}

/// Who asks for a code to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asking<'a> {
    /// Anybody who knows a name. Their address was counted when they asked.
    Anybody,
    /// Who has shown the user's password, from here.
    Owner(&'a Client),
}

/// By what sending a code counts, one after the other: the user, the address, and only then what many share. What anybody may
/// ask for has counters of its own, so that nobody who only knows a name keeps the owner from signing in.
pub(super) fn codes_to(throttle: &Throttle, asking: Asking<'_>, user: UserId, phone: &Phone) -> [Counters; 3] {
    let (who, address) = match asking {
        Asking::Anybody => (b"anybody".as_slice(), None),
        Asking::Owner(client) => (b"owner".as_slice(), client.address),
    };
    let counter = |rule, subject: &[u8]| throttle.counter(rule, &[who, subject]);
    let turn = |shared| Counters { own: None, shared };
    let number = phone.as_str().as_bytes();
    let country = phone.country().unwrap_or_default();
    [
        turn(vec![counter(CODES_OF_USER, user.0.as_bytes())]),
        turn(address.map(|address| counter(CODES_FROM_ADDRESS, &subject(address))).into_iter().collect()),
        turn(vec![
            counter(CODES_TO_PHONE, number),
            counter(CODES_TO_BLOCK, block_of(number)),
            counter(CODES_TO_COUNTRY, country.as_bytes()),
        ]),
    ]
}

fn block_of(number: &[u8]) -> &[u8] {
    &number[..number.len().saturating_sub(SUBSCRIBER_DIGITS)]
}

fn by_name_and_address(
    throttle: &Throttle,
    (by_name, by_address): (Rule, Rule),
    name: Option<&Claim>,
    client: &Client,
) -> Counters {
    let name = name.map(Claim::value).unwrap_or_default().as_bytes();
    let account = throttle.counter(by_name, &[name]);
    let address = client.address.map(|address| throttle.counter(by_address, &[&subject(address)]));
    Counters { own: None, shared: [account].into_iter().chain(address).collect() }
}

/// Which part of all sign-ins a sign-in counts in: spread by a MAC, which nobody can aim.
fn all(throttle: &Throttle, of: &Counter) -> Counter {
    throttle.counter(SIGN_IN_ALL, &[&[of.part(PARTS)]])
}

/// Whose attempts those from an address are.
fn subject(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..IPV6_PREFIX_BYTES].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_and_the_forms_of_an_ipv4_address_are_one() {
        let subject = |text: &str| subject(text.parse().unwrap());
        assert_eq!(subject("2001:db8:1:2:3:4:5:6"), subject("2001:db8:1:2::1"));
        assert_ne!(subject("2001:db8:1:2::1"), subject("2001:db8:1:3::1"));
        assert_eq!(subject("::ffff:192.0.2.7"), subject("192.0.2.7"));
        assert_ne!(subject("192.0.2.8"), subject("192.0.2.7"));
    }

    #[test]
    fn numbers_that_follow_each_other_are_one_block_in_every_country() {
        let block = |text: &str| block_of(Phone::parse(text).unwrap().as_str().as_bytes()).to_vec();
        assert_eq!(block("+15125550123"), block("+15125559999"));
        assert_ne!(block("+15125550123"), block("+15125560123"));
        assert_eq!(block("+34612345678"), block("+34612340000"));
        assert_ne!(block("+34612345678"), block("+34612355678"));
    }
}
