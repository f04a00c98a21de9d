//! The operator's commands, as processes of their own.

use std::process::Output;

use tokio::process::Command;

use super::{TestWorld, process};

/// Runs an operator's command against a world, and gives its exit code and what it says.
pub async fn operator(world: &TestWorld, arguments: &[&str]) -> (i32, String) {
    operator_at(&world.world.addresses.dynamodb, world, arguments).await
}

/// As [`operator`], with DynamoDB elsewhere.
pub async fn operator_at(dynamodb: &str, world: &TestWorld, arguments: &[&str]) -> (i32, String) {
    let mut command = command(world, arguments);
    command.env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb);
    finished(command.output().await.unwrap())
}

/// An operator's command against a world, to be started.
pub fn command(world: &TestWorld, arguments: &[&str]) -> Command {
    let settings = world.settings();
    let mut command = process::part("projector");
    command.args(arguments).env("FIELDFUZE_DATA_DIR", &settings.data_dir).env("AWS_REGION", &settings.aws_region);
    command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
    let addresses = &world.world.addresses;
    command.env("AWS_ENDPOINT_URL_DYNAMODB", &addresses.dynamodb);
    command.env("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", &addresses.dynamodb).env("AWS_ENDPOINT_URL_SQS", &addresses.sqs);
    command
}

/// Exit code and text of a command that has ended.
pub fn finished(output: Output) -> (i32, String) {
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// Expects what a command says and its exit code.
#[track_caller]
pub fn expect(said: &(i32, String), code: i32, text: &str) {
    assert_eq!((said.0, said.1.contains(text)), (code, true), "{text}: {}", said.1);
}
