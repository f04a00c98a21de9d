use events::{
    chain::Hash,
    envelope::Actor,
    ids::{UserId, derive},
    stream::Version,
    values::Email,
};

use super::*;

fn commit() -> StoredCommit {
    let mut commit = StoredCommit {
        stream: UserId(derive(&["user"])).into(),
        version: Version(1),
        events: "[]".to_owned(),
        recorded_at: "2026-01-02T03:04:05.678901Z".parse().unwrap(),
        actor: Actor::System,
        reason: None,
        correlation_id: derive(&["trip"]),
        causation_id: None,
        traceparent: None,
        idempotency: None,
        state: None,
        hash: Hash::GENESIS,
    };
    commit.hash = commit.expected_hash(&Hash::GENESIS);
    commit
}

fn claim() -> Claim {
    Claim::email(&Email::parse("ada@example.com").unwrap())
}

/// What is made of a transaction that puts a commit and takes a claim, and is cancelled for these two reasons.
fn explained(own: CancellationReason, claims: &str) -> Result<(), AppendError> {
    explain(&commit(), vec![Purpose::Commit, Purpose::Take(claim())], &[own, reason(claims)])
}

fn reason(code: &str) -> CancellationReason {
    CancellationReason::builder().code(code).build()
}

#[test]
fn a_taken_claim_is_blamed_only_when_the_commit_s_own_condition_was_looked_at() {
    let refused = "ConditionalCheckFailed";
    assert!(matches!(explained(reason("None"), refused), Err(AppendError::ClaimTaken(taken)) if taken == claim()));
    // A repeat collides with its own claims, too; the stream tells that it is one.
    assert!(matches!(explained(reason(refused), refused), Err(AppendError::Conflict)));
    let own = CancellationReason::builder().code(refused).set_item(Some(encode(&commit()))).build();
    assert!(explained(own, refused).is_ok());
    assert!(matches!(explained(reason("TransactionConflict"), refused), Err(AppendError::Conflict)));
    for own in ["ThrottlingError", "ProvisionedThroughputExceeded", "of tomorrow"] {
        let error = explained(reason(own), refused).unwrap_err();
        assert!(matches!(&error, AppendError::Store(error) if error.is_outage()), "{own}: {error}");
    }
    let error = explained(reason("ValidationError"), refused).unwrap_err();
    assert!(matches!(&error, AppendError::Store(error) if !error.is_outage()), "{error}");
}

#[test]
fn what_fails_for_no_condition_can_be_tried_again() {
    assert!(matches!(explained(reason("None"), "TransactionConflict"), Err(AppendError::Conflict)));
    for codes in [("None", "ThrottlingError"), ("None", "None")] {
        let error = explained(reason(codes.0), codes.1).unwrap_err();
        assert!(matches!(&error, AppendError::Store(error) if error.is_outage()), "{codes:?}: {error}");
    }
    let error = explain(&commit(), Vec::new(), &[]).unwrap_err();
    assert!(matches!(&error, AppendError::Store(error) if error.is_outage()), "{error}");
}
