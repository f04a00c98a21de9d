use events::{ids::NotificationId, notification::Lane};
use futures::future::try_join_all;
use platform::{context::Context, store::StoreError, tables::QUEUES};

use crate::notify::{Queues, Received};

/// Letters that are looked at, of each lane: more than a human can judge one by one. Those behind them come next time.
const MOST: usize = 1_000;

/// For how long nobody else sees a letter that is looked at, in seconds.
const LOOKED_AT_SECONDS: u32 = 120;

/// Answers without a letter after which there are no more: one alone says little, for SQS looks on some of its servers first.
const EMPTY_ANSWERS: usize = 2;

/// One message in the dead letters.
pub(super) struct Letter {
    /// The notification; none when the body is no id.
    pub(super) id: Option<NotificationId>,
    /// Whose dead letters.
    pub(super) lane: Lane,
    message: Received,
}

/// The dead letters of all lanes, held for a while.
pub(super) struct Letters {
    queues: Queues,
    letters: Vec<Letter>,
}

impl Letters {
    /// Takes hold of the dead letters. One notification can have several.
    pub(super) async fn open(context: &Context) -> anyhow::Result<Self> {
        let queues = Queues::find(context.aws.sqs.clone(), &context.names).await?;
        let of_lane = async |lane| {
            let found = all_of(async || queues.dead_letters(lane, LOOKED_AT_SECONDS).await).await?;
            let letters = found.into_iter().map(|message| Letter { id: message.id, lane, message });
            Ok::<_, StoreError>(letters.collect::<Vec<_>>())
        };
        // Beside each other, for the end of each takes some seconds.
        let letters = try_join_all(QUEUES.map(|queue| of_lane(queue.lane))).await?.into_iter().flatten().collect();
        Ok(Self { queues, letters })
    }

    pub(super) fn queues(&self) -> &Queues {
        &self.queues
    }

    /// One letter of each notification, and all that name none.
    pub(super) fn all(&self) -> Vec<&Letter> {
        let mut seen = std::collections::HashSet::new();
        self.letters.iter().filter(|letter| letter.id.is_none_or(|id| seen.insert(id))).collect()
    }

    /// Removes the letters of a notification.
    pub(super) async fn remove(&mut self, id: NotificationId) -> Result<usize, StoreError> {
        self.throw_away(|letter| letter.id == Some(id)).await
    }

    /// Removes what is no notification's id. Tells how many there were.
    pub(super) async fn throw_away_the_unreadable(&mut self) -> Result<usize, StoreError> {
        self.throw_away(|letter| letter.id.is_none()).await
    }

    async fn throw_away(&mut self, which: impl Fn(&Letter) -> bool) -> Result<usize, StoreError> {
        let (away, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.letters).into_iter().partition(which);
        self.letters = stay;
        for letter in &away {
            self.queues.delete_dead(letter.lane, &letter.message).await?;
        }
        Ok(away.len())
    }

    /// Lets others see what is left.
    pub(super) async fn put_back(self) -> Result<(), StoreError> {
        for letter in &self.letters {
            self.queues.show_dead_again(letter.lane, &letter.message).await?;
        }
        Ok(())
    }
}

/// All that is received until nothing comes any more.
async fn all_of<T>(receive: impl AsyncFn() -> Result<Vec<T>, StoreError>) -> Result<Vec<T>, StoreError> {
    let (mut all, mut empty) = (Vec::new(), 0);
    while empty < EMPTY_ANSWERS && all.len() < MOST {
        let found = receive().await?;
        empty = if found.is_empty() { empty + 1 } else { 0 };
        all.extend(found);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque};

    use futures::executor::block_on;

    use super::*;

    fn received(answers: &[&[u32]]) -> Vec<u32> {
        let answers: RefCell<VecDeque<Vec<u32>>> = RefCell::new(answers.iter().map(|answer| answer.to_vec()).collect());
        block_on(all_of(async || Ok(answers.borrow_mut().pop_front().expect("it asks no more")))).unwrap()
    }

    #[test]
    fn one_empty_answer_is_not_the_end_of_the_dead_letters() {
        assert_eq!(received(&[&[], &[1, 2], &[], &[3], &[], &[]]), [1, 2, 3]);
        assert!(received(&[&[], &[]]).is_empty());
    }
}
