use crate::{
    contest::{Contest, Pair},
    raw::Raw,
    stage::Stage,
};

/// Registers users through command-api, beside the bare SDK's transaction of the same items.
pub(crate) struct Registrations {
    stage: Stage,
    raw: Raw,
}

impl Contest for Registrations {
    const SIDES: &'static [&'static str] = &["command-api", "bare SDK"];
    const PAIRS: &'static [Pair] =
        &[Pair { cell: "register a user", sides: (0, 1), at_least: Some(0.6), p99_at_most: None }];

    async fn start(_: usize) -> anyhow::Result<Self> {
        let stage = Stage::start(0).await?;
        let raw = Raw::new(&stage.engines.dynamodb_url(), 0);
        Ok(Self { stage, raw })
    }

    async fn request(&self, side: usize, _: usize) -> anyhow::Result<()> {
        let number = self.stage.next();
        match side {
            0 => self.stage.register(usize::try_from(number)?).await.map(drop),
            _ => self.raw.register(number).await,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stage.stop().await;
        Ok(())
    }
}
