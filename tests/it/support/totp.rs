//! An authenticator.

use platform::clock::Clock;
use serde_json::json;
use totp_rs::{Builder, Secret};

use super::Client;

/// Seconds of an authenticator's step.
const STEP: u64 = 30;

/// What an authenticator with this seed shows so many steps from now.
pub fn shown(seed: &str, steps: u64) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(seed).unwrap()).build().unwrap();
    totp.generate(Clock::system().now().timestamp().unsigned_abs() + steps * STEP).to_string()
}

impl Client {
    /// Sets an authenticator up for whoever is signed in.
    pub async fn set_up_totp(&self) {
        let seed = self.post("/v1/auth/mfa/totp", &json!({})).await.expect(200).text("secret");
        let code = json!({ "code": shown(&seed, 0) });
        self.post("/v1/auth/mfa/totp/confirm", &code).await.expect(200);
    }
}
