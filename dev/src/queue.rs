//! SQS in process: `rustack`, on the runtime of the caller. A restart empties it; the log and the sweeper fill it again.

use std::{net::TcpListener, sync::Arc, time::Duration};

use anyhow::Context;
use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::QueueAttributeName,
};
use platform::tables::{MAX_RECEIVES, Names, QUEUES, Queue, VISIBILITY_SECONDS};
use rustack_sqs_core::{config::SqsConfig, handler::RustackSqsHandler, provider::RustackSqs};
use rustack_sqs_http::service::{SqsHttpConfig, SqsHttpService};

use crate::serve::Server;

/// How long the queues' own tasks may take to end.
const CLOSE: Duration = Duration::from_secs(1);

/// The longest that SQS keeps a message: 14 days.
pub const DEAD_LETTER_RETENTION_SECONDS: u32 = 14 * 24 * 60 * 60;

/// The queues of all lanes with their dead-letter queues.
#[derive(Debug)]
pub struct Queues {
    server: Server,
    engine: Arc<RustackSqs>,
}

impl Queues {
    /// Serves SQS on `listener` and creates every queue of [`platform::tables::QUEUES`].
    ///
    /// # Errors
    /// The listener's address is unknown, or a queue is refused.
    pub async fn start(listener: TcpListener, names: &Names) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the queues' address")?;
        let engine = Arc::new(RustackSqs::new(SqsConfig {
            host: address.ip().to_string(),
            port: address.port(),
            ..SqsConfig::default()
        }));
        let handler = Arc::new(RustackSqsHandler::new(Arc::clone(&engine)));
        let service = SqsHttpService::new(handler, SqsHttpConfig::default());
        let server = Server::start_with(listener, service)?;
        let queues = Self { server, engine };
        let client = client(&queues.url());
        for queue in &QUEUES {
            create(&client, names, queue).await.with_context(|| format!("create queue {}", queue.name))?;
        }
        Ok(queues)
    }

    /// The endpoint, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Accepts no more, lets running requests end for up to 2 s (a long poll is cut off) and drops all messages.
    pub async fn stop(self) {
        self.server.stop().await;
        if tokio::time::timeout(CLOSE, self.engine.shutdown_all()).await.is_err() {
            tracing::warn!("the queues did not close in time");
        }
    }
}

/// A client of the local queues, which look at neither region nor credentials.
fn client(url: &str) -> Client {
    Client::from_conf(
        aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(url)
            .build(),
    )
}

async fn create(client: &Client, names: &Names, queue: &Queue) -> anyhow::Result<()> {
    let dead = client
        .create_queue()
        .queue_name(names.queue(queue.dead_letters))
        .attributes(QueueAttributeName::MessageRetentionPeriod, DEAD_LETTER_RETENTION_SECONDS.to_string())
        .send()
        .await?;
    let dead = client
        .get_queue_attributes()
        .queue_url(dead.queue_url().context("a queue without an address")?)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await?;
    let arn = dead
        .attributes()
        .and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn))
        .context("a queue without an ARN")?;
    // The count is a JSON number: this engine refuses the text form, which AWS takes as well.
    let redrive = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES});
    client
        .create_queue()
        .queue_name(names.queue(queue.name))
        .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_SECONDS.to_string())
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
        .send()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
