use events::{ids::NotificationId, notification::Lane};
use platform::{context::Context, store::StoreError, tables::QUEUES};

use crate::notify::{Queues, Received};

/// Letters that are looked at, of each lane: more than a human can judge one by one. Those behind them come next time.
const MOST: usize = 1_000;

/// For how long nobody else sees a letter that is looked at, in seconds.
const LOOKED_AT_SECONDS: u32 = 120;

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
        let mut letters = Vec::new();
        for lane in QUEUES.map(|queue| queue.lane) {
            let before = letters.len();
            loop {
                let found = queues.dead_letters(lane, LOOKED_AT_SECONDS).await?;
                if found.is_empty() || letters.len() - before >= MOST {
                    break;
                }
                letters.extend(found.into_iter().map(|message| Letter { id: message.id, lane, message }));
            }
        }
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
