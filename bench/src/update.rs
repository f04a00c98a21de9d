use serde_json::json;

use crate::{
    contest::{Contest, Pair},
    raw::Raw,
    stage::Stage,
};

/// Changes users through command-api, beside the bare SDK's `Query` and `PutItem`.
pub(crate) struct Updates {
    stage: Stage,
    raw: Raw,
}

impl Contest for Updates {
    const SIDES: &'static [&'static str] = &["command-api", "bare SDK"];
    const PAIRS: &'static [Pair] =
        &[Pair { cell: "update a user", sides: (0, 1), at_least: Some(0.6), p99_at_most: Some(2.5) }];

    async fn start(clients: usize) -> anyhow::Result<Self> {
        let stage = Stage::start(clients).await?;
        let raw = Raw::new(&stage.engines.dynamodb_url(), clients);
        Ok(Self { stage, raw })
    }

    async fn request(&self, side: usize, client: usize) -> anyhow::Result<()> {
        let Self { stage, raw } = self;
        if side == 1 {
            return raw.append(client).await;
        }
        let body = json!({ "first_name": format!("Ada {}", stage.next()) });
        let path = format!("{}/v1/users/{}", stage.base, stage.users[client]);
        let request = stage.http.patch(path).bearer_auth(&stage.token).header("if-match", "*").json(&body);
        request.send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stage.stop().await;
        Ok(())
    }
}
