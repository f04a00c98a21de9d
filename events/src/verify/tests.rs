use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::{envelope::Actor, ids::derive, stream::Category};

/// An attribute by attribute copy of a commit, as a tamperer sees it.
type Text = BTreeMap<String, String>;

fn text_of(commit: &StoredCommit) -> Text {
    let mut text: Text = commit.attributes().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    text.insert("hash".to_owned(), commit.hash.to_string());
    text
}

fn commit_of(text: &Text) -> Option<StoredCommit> {
    let get = |name: &str| text.get(name);
    Some(StoredCommit {
        stream: get("stream")?.parse().ok()?,
        version: Version(get("version")?.parse().ok()?),
        events: get("events")?.clone(),
        recorded_at: get("recorded_at")?.parse().ok()?,
        actor: get("actor")?.parse().ok()?,
        reason: get("reason").cloned(),
        correlation_id: get("correlation_id")?.parse().ok()?,
        causation_id: None,
        traceparent: get("traceparent").cloned(),
        idempotency: get("idempotency").cloned(),
        state: None,
        hash: get("hash")?.parse().ok()?,
    })
}

fn stream(number: usize) -> StreamId {
    StreamId { category: Category::Role, id: derive(&["stream", &number.to_string()]) }
}

/// A log of streams with these lengths, stream by stream.
fn log(lengths: &[usize]) -> Vec<Text> {
    let mut all = Vec::new();
    for (number, length) in lengths.iter().enumerate() {
        let mut before = Hash::GENESIS;
        for version in 1..=*length as u64 {
            let event = derive(&["event", &number.to_string(), &version.to_string()]);
            let mut commit = StoredCommit {
                stream: stream(number),
                version: Version(version),
                events: format!("[{{\"event_id\":\"{event}\",\"type\":\"RoleRetired\",\"schema\":1,\"data\":{{}}}}]"),
                recorded_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(version).unwrap()),
                actor: Actor::System,
                reason: Some("a reason".to_owned()),
                correlation_id: derive(&["trip"]),
                causation_id: None,
                traceparent: None,
                idempotency: None,
                state: None,
                hash: Hash::GENESIS,
            };
            commit.hash = commit.expected_hash(&before);
            before = commit.hash;
            all.push(text_of(&commit));
        }
    }
    all
}

fn verify(log: &[Text], signed: &HashMap<StreamId, Head>) -> Verifier {
    let mut verifier = Verifier::default();
    for text in log {
        match commit_of(text) {
            Some(commit) => verifier.take(&commit, text, signed.get(&commit.stream)),
            None => verifier.note("somewhere", Wrong::Undecodable("an attribute".to_owned())),
        }
    }
    verifier.compare(signed);
    verifier
}

fn signed(log: &[Text]) -> HashMap<StreamId, Head> {
    verify(log, &HashMap::new()).heads().into_iter().collect()
}

#[derive(Debug, Clone)]
enum Tampering {
    Flip { commit: prop::sample::Index, attribute: prop::sample::Index, byte: prop::sample::Index, bit: u8 },
    Add { commit: prop::sample::Index },
    Drop(prop::sample::Index),
    Double(prop::sample::Index),
    Swap(prop::sample::Index),
    DropStream(prop::sample::Index),
    Truncate(prop::sample::Index),
}

fn any_tampering() -> impl Strategy<Value = Tampering> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (index(), index(), index(), 0_u8..7).prop_map(|(commit, attribute, byte, bit)| Tampering::Flip { commit, attribute, byte, bit }),
        1 => index().prop_map(|commit| Tampering::Add { commit }),
        1 => index().prop_map(Tampering::Drop),
        1 => index().prop_map(Tampering::Double),
        1 => index().prop_map(Tampering::Swap),
        1 => index().prop_map(Tampering::DropStream),
        1 => index().prop_map(Tampering::Truncate),
    ]
}

/// Whether it changed anything.
fn tamper(log: &mut Vec<Text>, tampering: &Tampering) -> bool {
    let before = log.clone();
    match tampering {
        Tampering::Flip { commit, attribute, byte, bit } => {
            let at = commit.index(log.len());
            let text = &mut log[at];
            let name = text.keys().nth(attribute.index(text.len())).unwrap().clone();
            let mut bytes = text[&name].clone().into_bytes();
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << bit;
            text.insert(name, String::from_utf8(bytes).unwrap());
        }
        Tampering::Add { commit } => {
            let at = commit.index(log.len());
            log[at].insert("traceparent".to_owned(), "00-00".to_owned());
        }
        Tampering::Drop(commit) => drop(log.remove(commit.index(log.len()))),
        Tampering::Double(commit) => {
            let at = commit.index(log.len());
            log.insert(at, log[at].clone());
        }
        Tampering::Swap(commit) => {
            let at = commit.index(log.len());
            let next = (at + 1) % log.len();
            // The order of streams among each other means nothing.
            if log[at]["stream"] == log[next]["stream"] {
                log.swap(at, next);
            }
        }
        Tampering::DropStream(commit) => {
            let gone = log[commit.index(log.len())]["stream"].clone();
            log.retain(|text| text["stream"] != gone);
        }
        Tampering::Truncate(commit) => log.truncate(commit.index(log.len())),
    }
    *log != before
}

proptest! {
    #[test]
    fn a_sound_log_is_sound(lengths in prop::collection::vec(1_usize..8, 1..6)) {
        let log = log(&lengths);
        let verifier = verify(&log, &signed(&log));
        prop_assert_eq!(verifier.findings(), &[]);
        prop_assert_eq!(verifier.commits(), log.len() as u64);
    }

    #[test]
    fn whatever_is_done_to_a_signed_log_is_found(
        lengths in prop::collection::vec(1_usize..8, 1..6), tampering in any_tampering(),
    ) {
        let mut log = log(&lengths);
        let signed = signed(&log);
        if tamper(&mut log, &tampering) {
            prop_assert!(verify(&log, &signed).found() > 0, "{:?}", tampering);
        }
    }

    #[test]
    fn without_a_checkpoint_all_but_a_cut_end_is_found(
        lengths in prop::collection::vec(2_usize..8, 1..6), tampering in any_tampering(),
    ) {
        let mut log = log(&lengths);
        let ends = matches!(tampering, Tampering::Drop(_) | Tampering::DropStream(_) | Tampering::Truncate(_));
        if tamper(&mut log, &tampering) && !ends {
            prop_assert!(verify(&log, &HashMap::new()).found() > 0, "{:?}", tampering);
        }
    }
}

#[test]
fn a_rewritten_stream_is_not_the_one_that_was_signed() {
    let honest = log(&[3]);
    let signed = signed(&honest);
    // Somebody who can write the table makes a chain of their own that holds in itself.
    let forged = rewritten(&[3], |commit| commit.reason = Some("another reason".to_owned()));
    let wrong: Vec<Wrong> = verify(&forged, &signed).findings().iter().map(|finding| finding.wrong.clone()).collect();
    assert_eq!(wrong, [Wrong::NotAsSigned]);
}

/// A log whose commits were changed by who can compute hashes.
fn rewritten(lengths: &[usize], change: impl Fn(&mut StoredCommit)) -> Vec<Text> {
    let mut before = HashMap::new();
    log(lengths)
        .iter()
        .map(|text| {
            let mut commit = commit_of(text).unwrap();
            change(&mut commit);
            commit.hash = commit.expected_hash(before.get(&commit.stream).unwrap_or(&Hash::GENESIS));
            before.insert(commit.stream, commit.hash);
            text_of(&commit)
        })
        .collect()
}

#[test]
fn time_does_not_go_back() {
    let log = rewritten(&[4], |commit| {
        if commit.version == Version(3) {
            commit.recorded_at = DateTime::UNIX_EPOCH;
        }
    });
    let wrong: Vec<Wrong> =
        verify(&log, &HashMap::new()).findings().iter().map(|finding| finding.wrong.clone()).collect();
    assert_eq!(wrong, [Wrong::BackInTime]);
}

#[test]
fn what_only_a_later_build_can_read_is_told_and_no_fault() {
    let log = rewritten(&[2, 3], |commit| {
        if commit.version == Version(2) {
            commit.events = commit.events.replace("RoleRetired", "RolePainted");
        }
    });
    let verifier = verify(&log, &HashMap::new());
    assert_eq!((verifier.found(), verifier.unknown()), (0, 2), "{:?}", verifier.findings());
}

#[test]
fn a_head_reads_back_from_its_line() {
    let head = Head { version: Version(7), hash: Hash::of([7; 32]) };
    let line = crate::checkpoint::line(stream(1), head);
    assert_eq!(crate::checkpoint::parse_line(&line), Some((stream(1), head)));
    for broken in ["", "x", &line[1..], &format!("{line} x")] {
        assert_eq!(crate::checkpoint::parse_line(broken), None, "{broken}");
    }
}
