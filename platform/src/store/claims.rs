//! Unique values and guarded sets: items of table `claims`, changed in the transaction of the commit that changes them.

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{AttributeValue, Delete, Put, TransactWriteItem, Update},
};
use events::{
    claim::{Claim, GuardedSet, NORMALISER},
    decider::Decider,
    stream::{StreamId, Version},
};

use super::{AppendError, Draft, EventStore, StoreError, error::unavailable};

const OURS_OR_FREE: &str = "attribute_not_exists(#key) OR #owner = :owner";

/// A stream that is no member may always leave; the last member may not.
const NOT_THE_LAST: &str = "NOT contains(members, :member) OR size(members) > :one";

impl EventStore {
    /// Who holds a unique value; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn owner_of(&self, claim: &Claim) -> Result<Option<StreamId>, StoreError> {
        let item = self.claim_item(self.claim_id(claim)).await?;
        let owner = item.as_ref().and_then(|item| item.get("owner")).and_then(|owner| owner.as_s().ok());
        Ok(owner.and_then(|owner| owner.parse().ok()))
    }

    /// Looks whether a commit would be refused for what others hold, without writing anything.
    ///
    /// # Errors
    /// [`AppendError::ClaimTaken`], [`AppendError::LastMember`] or [`AppendError::Store`].
    pub async fn would_hold<D: Decider>(&self, draft: &Draft<D>) -> Result<(), AppendError> {
        for claim in draft.claims().gained {
            if self.owner_of(&claim).await?.is_some_and(|owner| owner != draft.stream) {
                return Err(AppendError::ClaimTaken(claim));
            }
        }
        for set in draft.memberships().lost {
            let item = self.claim_item(set_id(set)).await?;
            let members = item.as_ref().and_then(|item| item.get("members")).and_then(|members| members.as_ss().ok());
            let member = draft.stream.to_string();
            if members.is_some_and(|members| members.len() == 1 && members.contains(&member)) {
                return Err(AppendError::LastMember(set));
            }
        }
        Ok(())
    }

    pub(super) fn take(
        &self,
        claim: &Claim,
        owner: StreamId,
        version: Version,
    ) -> Result<TransactWriteItem, BuildError> {
        let owner = AttributeValue::S(owner.to_string());
        let put = Put::builder()
            .table_name(&self.claims)
            .item("claim", AttributeValue::S(self.claim_id(claim)))
            .item("owner", owner.clone())
            .item("version", AttributeValue::N(version.to_string()))
            .condition_expression(OURS_OR_FREE)
            .expression_attribute_names("#key", "claim")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", owner)
            .build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    pub(super) fn release(&self, claim: &Claim, owner: StreamId) -> Result<TransactWriteItem, BuildError> {
        let delete = Delete::builder()
            .table_name(&self.claims)
            .key("claim", AttributeValue::S(self.claim_id(claim)))
            .condition_expression(OURS_OR_FREE)
            .expression_attribute_names("#key", "claim")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", AttributeValue::S(owner.to_string()))
            .build()?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    pub(super) fn join(&self, set: GuardedSet, member: StreamId) -> Result<TransactWriteItem, BuildError> {
        let update = Update::builder()
            .table_name(&self.claims)
            .key("claim", AttributeValue::S(set_id(set)))
            .update_expression("ADD members :members")
            .expression_attribute_values(":members", AttributeValue::Ss(vec![member.to_string()]))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    pub(super) fn leave(&self, set: GuardedSet, member: StreamId) -> Result<TransactWriteItem, BuildError> {
        let update = Update::builder()
            .table_name(&self.claims)
            .key("claim", AttributeValue::S(set_id(set)))
            .update_expression("DELETE members :members")
            .condition_expression(NOT_THE_LAST)
            .expression_attribute_values(":members", AttributeValue::Ss(vec![member.to_string()]))
            .expression_attribute_values(":member", AttributeValue::S(member.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    async fn claim_item(
        &self,
        id: String,
    ) -> Result<Option<std::collections::HashMap<String, AttributeValue>>, StoreError> {
        let get = self.client.get_item().table_name(&self.claims).key("claim", AttributeValue::S(id));
        Ok(get.consistent_read(true).send().await.map_err(unavailable)?.item)
    }

    /// Kind, number of the rules and HMAC: the value itself is never stored.
    pub(super) fn claim_id(&self, claim: &Claim) -> String {
        let kind = claim.kind.as_str();
        format!("{kind}#{NORMALISER}#{}", self.claim_key.tag(&[kind.as_bytes(), claim.value().as_bytes()]))
    }
}

/// The key of a guarded set's item.
pub fn set_id(set: GuardedSet) -> String {
    format!("set#{}", set.as_str())
}
