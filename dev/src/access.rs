//! IAM at home: each call of a service is looked at before it goes out, and refused unless it is granted.

mod asked;
mod record;

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use platform::access::{GRANTS, Principal};

use self::asked::Asked;

/// Says where to write down what was called with the right to it: one line for each principal, action and resource. Tests set it.
pub const RECORD: &str = "FIELDFUZE_ACCESS_RECORD";

/// From now on clients that this process makes call only what [`GRANTS`] has.
pub fn enforce() {
    platform::aws::watch(Guard);
}

/// Every grant as the lines that [`RECORD`] has of it.
pub fn granted() -> Vec<String> {
    let lines = GRANTS.iter().flat_map(|grant| {
        let asked = |action: &&str| Asked { action: (*action).to_owned(), on: asked::name(&grant.on) };
        grant.actions.iter().map(move |action| line(grant.to, &asked(action)))
    });
    lines.collect()
}

fn line(principal: Principal, asked: &Asked<'_>) -> String {
    format!("{} {} {}", principal.name(), asked.action, asked.on)
}

#[derive(Debug)]
struct Guard;

/// What was called without the right to it.
#[derive(Debug, thiserror::Error)]
#[error("{0}: not granted, add it to platform/src/access/grants.rs if it must be")]
struct NotGranted(String);

impl Intercept for Guard {
    fn name(&self) -> &'static str {
        "access"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let header = |name| request.headers().get(name).unwrap_or_default();
        let Some(principal) = principal(header("user-agent")) else { return Ok(()) };
        let body = request.body().bytes().unwrap_or_default();
        for asked in asked::asked(header("x-amz-target"), body)? {
            let line = line(principal, &asked);
            if !is_granted(principal, &asked) {
                tracing::error!(call = line, "the call is not granted: AWS would refuse it");
                return Err(NotGranted(line).into());
            }
            record::add(&line)?;
        }
        Ok(())
    }
}

/// Who calls, unless it is somebody who has no role.
fn principal(user_agent: &str) -> Option<Principal> {
    let name = user_agent.split_whitespace().find_map(|part| part.strip_prefix("app/"))?;
    Principal::ALL.into_iter().find(|principal| principal.name() == name)
}

fn is_granted(principal: Principal, asked: &Asked<'_>) -> bool {
    GRANTS.iter().any(|grant| {
        grant.to == principal && grant.actions.contains(&asked.action.as_str()) && asked::name(&grant.on) == asked.on
    })
}
