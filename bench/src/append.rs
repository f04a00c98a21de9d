use crate::{
    adapter::Adapter,
    contest::{Contest, Pair},
    dynamo_es::DynamoEs,
    log::Log,
    raw::{self, Raw},
    stage::Stage,
};

/// Appends to the log as a library does it, beside the bare SDK's `Query` and `PutItem` and beside other libraries.
pub(crate) struct Appends {
    stage: Stage,
    log: Log,
    raw: Raw,
    dynamo_es: DynamoEs,
    adapter: Adapter,
}

const COLD: &str = "append, state read from the log";
const WARM: &str = "append, state in memory";

const fn pair(cell: &'static str, ours: usize, peer: usize, at_least: f64) -> Pair {
    Pair { cell, sides: (ours, peer), at_least: Some(at_least), p99_at_most: None }
}

impl Contest for Appends {
    const SIDES: &'static [&'static str] = &["cold", "warm", "bare SDK", "dynamo-es", "event-store-adapter-rs"];
    const PAIRS: &'static [Pair] =
        &[pair(COLD, 0, 2, 0.95), pair(COLD, 0, 3, 1.3), pair(COLD, 0, 4, 1.6), pair(WARM, 1, 2, 1.05)];

    async fn start(clients: usize) -> anyhow::Result<Self> {
        // Users of their own for either of ours.
        let stage = Stage::start(2 * clients).await?;
        let log = Log::open(&stage).await?;
        let url = stage.engines.dynamodb_url();
        let client = raw::client(&url);
        let dynamo_es = DynamoEs::start(&client, clients).await?;
        let adapter = Adapter::start(&client, clients).await?;
        Ok(Self { log, raw: Raw::new(&url, clients), dynamo_es, adapter, stage })
    }

    async fn request(&self, side: usize, client: usize) -> anyhow::Result<()> {
        let name = || format!("Ada {}", self.stage.next());
        match side {
            0 => self.log.rename_cold(2 * client, &name()).await,
            1 => self.log.rename_warm(2 * client + 1, &name()).await,
            2 => self.raw.append(client).await,
            3 => self.dynamo_es.append(client).await,
            _ => self.adapter.append(client).await,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stage.stop().await;
        Ok(())
    }
}
