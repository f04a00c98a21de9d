//! The operator's commands, as processes of their own.

use std::{path::Path, process::Output};

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
    let addresses = &world.world.addresses;
    command_at(&addresses.dynamodb, &addresses.sqs, world.directory.path(), arguments)
}

/// An operator's command against engines and a data directory.
pub fn command_at(dynamodb: &str, sqs: &str, data: &Path, arguments: &[&str]) -> Command {
    let mut command = process::part("projector");
    command.args(arguments).env("FIELDFUZE_DATA_DIR", data).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
    command.env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb).env("AWS_ENDPOINT_URL_SQS", sqs);
    command.env("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", dynamodb);
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
