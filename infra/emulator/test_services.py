"""The three services on the tables, queues and secrets that were created, with the integration tests' own trip."""

from __future__ import annotations

import os
import subprocess

from .conftest import Emulated
from .stacks import ROOT, STAGE

TEST = "deployed::the_services_make_the_trip_on_what_cloudformation_created"


def test_the_services_make_the_trip(aws: Emulated) -> None:
    endpoints = ("DYNAMODB", "DYNAMODB_STREAMS", "SQS", "KMS", "SECRETS_MANAGER")
    environment = {
        **os.environ,
        **{f"AWS_ENDPOINT_URL_{service}": aws.url for service in endpoints},
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "FIELDFUZE_TABLE_PREFIX": f"fieldfuze-{STAGE}-",
        "FIELDFUZE_SECRETS_ID": f"fieldfuze/{STAGE}/secrets",
        "FIELDFUZE_WRAPPING_KEY": f"alias/fieldfuze-{STAGE}-wrapping",
    }
    command = ["cargo", "test", "--workspace", "--locked", "--test", "it", "--", "--ignored", "--exact", TEST]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    assert "1 passed" in said, said
