//! What happens with one message.

use std::error::Error;

use events::ids::NotificationId;
use platform::{
    tables::{MAX_RECEIVES, VISIBILITY_SECONDS},
    telemetry::{
        metrics::QUEUE_AGE,
        trip::{Hop, SpanKind, Start},
    },
};
use tracing::Instrument;

use super::{
    super::{
        queue::Received,
        work::{Done, WorkError},
    },
    AtWork,
    heartbeat::beside,
};

impl AtWork {
    /// A message whose handling failed becomes visible again and is tried anew.
    pub(super) async fn handle(&self, message: Received) {
        let lane = self.lane;
        let Some(id) = message.id else {
            tracing::error!(
                ?lane,
                times = message.times,
                "a message is no notification's id; it goes to the dead letters"
            );
            return;
        };
        if message.times == 1
            && let Some(sent_at) = message.sent_at
        {
            let age = (self.worker.context.clock.now() - sent_at).to_std().unwrap_or_default();
            QUEUE_AGE.record(age, [lane.as_str().into()]);
        }
        let hop = match &message.traceparent {
            None => Hop::default(),
            trip => Start::new(SpanKind::Consumer, format!("dispatch {}", lane.as_str()))
                .after(trip.as_deref())
                .with("fieldfuze.notification", id.to_string())
                .with("messaging.system", "aws_sqs")
                .begin(),
        };
        let span = tracing::info_span!("dispatch", trace_id = hop.trip());
        let failing = hop.clone();
        let handling = async {
            let times = message.times;
            if let Err(error) = self.work_on(id, message).await {
                failing.failed("it comes again");
                tracing::warn!(?lane, notification = %id, times, error = &error as &dyn Error, "a message was not finished and comes again");
            }
        };
        hop.carry(Box::pin(handling)).instrument(span).await;
    }

    async fn work_on(&self, id: NotificationId, message: Received) -> Result<(), WorkError> {
        let worked = if self.shutdown.has_begun() {
            Ok(Done::GivenBack)
        } else {
            let hide_on = || self.queues.show_again_in(self.lane, &message, VISIBILITY_SECONDS);
            beside(Box::pin(self.worker.work(id, &self.shutdown)), hide_on).await
        };
        self.finish(id, message, worked).await
    }

    async fn finish(
        &self,
        id: NotificationId,
        message: Received,
        worked: Result<Done, WorkError>,
    ) -> Result<(), WorkError> {
        let failed = match worked {
            Ok(Done::Finished) => Ok(()),
            // A fresh message: this one has been received, and after some shutdowns it would be taken for one that always
            // fails. Should the process end before this one is deleted there are two, and one finds nothing to do. A receive
            // of ours that is still under way would take it at once.
            Ok(Done::GivenBack) => {
                self.received_all.cancelled().await;
                self.queues.give_back(self.lane, id, message.traceparent.as_deref()).await?;
                Ok(())
            }
            Ok(Done::Dead) => {
                self.queues.bury(self.lane, id).await?;
                Ok(())
            }
            // Whatever is away comes back, and then the sweeper queues what still waits. The dead letters are for what
            // fails for a reason of its own.
            Err(error) if message.times >= MAX_RECEIVES => Err(error),
            Err(error) => {
                self.queues.show_again_in(self.lane, &message, pause_after(message.times)).await?;
                return Err(error);
            }
        };
        // Nobody takes it any more only when the process ends.
        let _ = self.served.send(message).await;
        failed
    }
}

/// Seconds until a message comes again whose handling failed for so many times: 2, 4, 8, 16. What failed may work in a moment,
/// and nothing was sent.
fn pause_after(times: u32) -> u32 {
    1 << times.min(MAX_RECEIVES)
}
