use std::collections::HashMap;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::stream::{lease::Lease, sightings::Sightings};

const LEASE_TIME: Duration = Duration::from_secs(10);
const HAND_OVER_TIME: Duration = Duration::from_secs(30);

fn rules(me: u128) -> Rules {
    Rules { me: Uuid::from_u128(me), lease_time: LEASE_TIME, hand_over_time: HAND_OVER_TIME }
}

fn free(shard: &str) -> Candidate {
    Candidate {
        shard: shard.to_owned(),
        owner: None,
        wanted_by: None,
        standing: Duration::ZERO,
        wanted: Duration::ZERO,
        running: false,
    }
}

fn of(owner: u128, shard: &str) -> Candidate {
    Candidate { owner: Some(Uuid::from_u128(owner)), ..free(shard) }
}

fn mine(shard: &str) -> Candidate {
    Candidate { running: true, ..of(1, shard) }
}

fn take(shard: &str) -> Choice {
    Choice::Take(shard.to_owned())
}

#[test]
fn alone_it_takes_everything_that_nobody_holds() {
    let mut choices = choose(&rules(1), &[free("a"), free("b"), mine("c")]);
    choices.sort_by_key(|choice| format!("{choice:?}"));
    assert_eq!(choices, [take("a"), take("b")]);
}

#[test]
fn an_expired_lease_is_taken_and_a_live_one_is_not() {
    let expired = Candidate { standing: LEASE_TIME, ..of(2, "a") };
    let live = Candidate { standing: Duration::from_millis(9_999), ..of(2, "a") };
    assert_eq!(choose(&rules(1), &[expired]), [take("a")]);
    assert_eq!(choose(&rules(1), &[live]), []);
}

#[test]
fn of_what_is_free_it_takes_no_more_than_its_share() {
    let candidates = [mine("a"), of(2, "b"), of(2, "c"), free("d"), free("e"), free("f")];
    assert_eq!(choose(&rules(1), &candidates).len(), 2);
}

#[test]
fn its_own_lease_that_it_is_not_reading_is_taken_again() {
    assert_eq!(choose(&rules(1), &[of(1, "a"), mine("b")]), [take("a")]);
}

#[test]
fn it_asks_the_most_loaded_for_one_lease_and_waits_for_it() {
    let candidates = [of(2, "a"), of(2, "b"), of(3, "c")];
    let choices = choose(&rules(1), &candidates);
    assert!(matches!(&choices[..], [Choice::Ask(shard)] if shard == "a" || shard == "b"), "{choices:?}");
    let asked = Candidate { wanted_by: Some(Uuid::from_u128(1)), ..of(2, "a") };
    assert_eq!(choose(&rules(1), &[asked, of(2, "b"), of(2, "c"), of(2, "d")]), []);
}

#[test]
fn it_does_not_ask_for_a_lease_that_would_leave_the_other_with_less() {
    assert_eq!(choose(&rules(1), &[of(2, "a")]), []);
    assert_eq!(choose(&rules(1), &[mine("a"), of(2, "b"), of(2, "c")]), []);
}

#[test]
fn a_lease_that_was_let_go_belongs_to_who_asked_for_it() {
    let wanted = |by| Candidate { wanted_by: Some(Uuid::from_u128(by)), ..free("a") };
    assert_eq!(choose(&rules(1), &[wanted(1)]), [take("a")]);
    assert_eq!(choose(&rules(1), &[wanted(2)]), []);
    let late = Candidate { standing: LEASE_TIME, ..wanted(2) };
    assert_eq!(choose(&rules(1), &[late]), [take("a")]);
}

#[test]
fn an_owner_that_does_not_hand_over_is_not_waited_for_for_ever() {
    let asked = |wanted| Candidate { wanted_by: Some(Uuid::from_u128(1)), wanted, ..of(2, "a") };
    assert_eq!(choose(&rules(1), &[asked(Duration::from_millis(29_999))]), []);
    assert_eq!(choose(&rules(1), &[asked(HAND_OVER_TIME)]), [take("a")]);
}

/// The lease table as all processes share it, and what one process believes.
#[derive(Default)]
struct Model {
    rows: Vec<Lease>,
    processes: Vec<Process>,
}

struct Process {
    rules: Rules,
    sightings: Sightings,
    /// What it holds, and since when the last write of it counts.
    holds: HashMap<String, (Lease, Instant)>,
}

impl Model {
    fn new(shards: usize, processes: usize) -> Self {
        let rows = (0..shards).map(|shard| Lease::of_shard("arn", &format!("s{shard}"), vec![], None)).collect();
        let processes = (1..=processes)
            .map(|id| Process {
                rules: rules(u128::try_from(id).unwrap()),
                sightings: Sightings::default(),
                holds: HashMap::new(),
            })
            .collect();
        Self { rows, processes }
    }

    fn replace(&mut self, seen: &Lease, new: &Lease) -> bool {
        let row = self.rows.iter_mut().find(|row| row.shard == seen.shard).unwrap();
        let request_changes = seen.wanted_by != new.wanted_by;
        let alike = (row.owner, row.counter) == (seen.owner, seen.counter)
            && (!request_changes || row.wanted_by == seen.wanted_by);
        if alike {
            let wanted_by = if request_changes { new.wanted_by } else { row.wanted_by };
            *row = Lease { wanted_by, ..new.clone() };
        }
        alike
    }

    /// A process stops by itself what it could not renew in time.
    fn drop_outdated(&mut self, now: Instant) {
        for process in &mut self.processes {
            process.holds.retain(|_, (_, confirmed)| now.duration_since(*confirmed) < LEASE_TIME);
        }
    }

    fn renew(&mut self, who: usize, now: Instant) {
        let held: Vec<Lease> = self.processes[who].holds.values().map(|(lease, _)| lease.clone()).collect();
        for lease in held {
            let new = lease.renewed(lease.checkpoint.clone(), None);
            let renewed = self.replace(&lease, &new);
            let holds = &mut self.processes[who].holds;
            if renewed {
                holds.insert(new.shard.clone(), (new, now));
            } else {
                holds.remove(&lease.shard);
            }
        }
    }

    /// Reads the table at one moment and writes by it at a later one, when others may have written.
    fn read(&mut self, who: usize, now: Instant) -> (Vec<Lease>, Vec<Choice>) {
        let rows = self.rows.clone();
        let process = &mut self.processes[who];
        process.sightings.observe(&rows, now);
        let candidates: Vec<Candidate> = rows
            .iter()
            .map(|lease| Candidate {
                shard: lease.shard.clone(),
                owner: lease.owner,
                wanted_by: lease.wanted_by,
                standing: process.sightings.standing(lease, now),
                wanted: process.sightings.wanted(lease, now),
                running: process.holds.contains_key(&lease.shard),
            })
            .collect();
        let choices = choose(&process.rules, &candidates);
        (rows, choices)
    }

    fn act(&mut self, who: usize, rows: &[Lease], choices: Vec<Choice>, now: Instant) {
        let me = self.processes[who].rules.me;
        for choice in choices {
            let (Choice::Take(shard) | Choice::Ask(shard)) = &choice;
            let seen = rows.iter().find(|row| row.shard == *shard).unwrap();
            if matches!(choice, Choice::Ask(_)) {
                self.replace(seen, &seen.asked_by(me));
            } else {
                let new = seen.taken_by(me);
                if self.replace(seen, &new) {
                    self.processes[who].holds.insert(new.shard.clone(), (new, now));
                }
            }
        }
    }

    /// Lets go of what others asked for.
    fn hand_over(&mut self, who: usize, rows: &[Lease]) {
        let me = Some(self.processes[who].rules.me);
        for row in rows.iter().filter(|row| row.owner == me && row.wanted_by.is_some_and(|by| Some(by) != me)) {
            if let Some((lease, _)) = self.processes[who].holds.remove(&row.shard) {
                self.replace(&lease, &lease.released());
            }
        }
    }

    fn turn(&mut self, who: usize, now: Instant) {
        self.renew(who, now);
        let (rows, choices) = self.read(who, now);
        self.hand_over(who, &rows);
        self.act(who, &rows, choices, now);
    }

    fn owners_of(&self, shard: &str) -> usize {
        self.processes.iter().filter(|process| process.holds.contains_key(shard)).count()
    }
}

proptest! {
    /// Whatever the order, however long a process sleeps: no shard ever has two that believe to hold it. (Whoever asks
    /// for a hand-over in vain takes the lease from an owner that finds out with its next write; left out here.)
    #[test]
    fn no_shard_has_two_owners(
        shards in 1_usize..6,
        processes in 1_usize..4,
        turns in prop::collection::vec((0_usize..4, 0_u8..4, 0_u64..4_000), 1..120),
    ) {
        let mut model = Model::new(shards, processes);
        for process in &mut model.processes {
            process.rules.hand_over_time = Duration::MAX;
        }
        let mut now = Instant::now();
        let mut pending: HashMap<usize, (Vec<Lease>, Vec<Choice>)> = HashMap::new();
        for (who, what, pause) in turns {
            let who = who % processes;
            now += Duration::from_millis(pause);
            model.drop_outdated(now);
            match what {
                0 => model.renew(who, now),
                1 => {
                    let read = model.read(who, now);
                    pending.insert(who, read);
                }
                2 => if let Some((rows, choices)) = pending.remove(&who) {
                    model.act(who, &rows, choices, now);
                },
                _ => model.turn(who, now),
            }
            for row in &model.rows {
                prop_assert!(model.owners_of(&row.shard) <= 1, "{}", row.shard);
            }
        }
    }

    /// From any state, with any of the processes dead, the live ones end with fair shares of everything.
    #[test]
    fn shares_end_balanced(
        shards in 1_usize..20,
        processes in 1_usize..6,
        owners in prop::collection::vec(prop::option::of(1_u128..8), 20),
        wanted in prop::collection::vec(prop::option::weighted(0.2, 1_u128..8), 20),
    ) {
        let mut model = Model::new(shards, processes);
        for (row, (owner, wanted)) in model.rows.iter_mut().zip(owners.iter().zip(wanted)) {
            row.owner = owner.map(Uuid::from_u128);
            row.wanted_by = wanted.map(Uuid::from_u128);
        }
        let start = Instant::now();
        for second in 0..u64::try_from(60 + 2 * shards).unwrap() {
            for who in 0..processes {
                let now = start + Duration::from_secs(second);
                model.drop_outdated(now);
                model.turn(who, now);
            }
        }
        let loads: Vec<usize> = model.processes.iter().map(|process| process.holds.len()).collect();
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        prop_assert_eq!(loads.iter().sum::<usize>(), shards, "{:?}", &loads);
        prop_assert!(most - least <= 1, "{:?}", &loads);
    }
}
