"""The emulator with all stacks, once for all tests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from .stacks import PARAMETERS, PARTS, STAGE, cut, environment, load

# Seconds.
STARTED_WITHIN = 60
CREATED_WITHIN = 120

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


@dataclass
class Emulated:
    """AWS as the stacks left it."""

    url: str
    cut: set[str] = field(default_factory=set)
    #: Exports of what was cut.
    lost: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url, **keys)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("ministack") / "log"
    ministack = Path(sys.executable).with_name("ministack")
    with log.open("w") as out:
        process = subprocess.Popen([ministack], env=environment(port), stdout=out, stderr=out, cwd=log.parent)
    try:
        emulated = Emulated(f"http://127.0.0.1:{port}")
        _wait(emulated, process, log)
        emulated.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        for part in PARTS:
            _create(emulated, part)
        yield emulated
    finally:
        process.terminate()
        process.wait(30)


def _wait(emulated: Emulated, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            emulated.client("sts").get_caller_identity()
            return
        except Exception:  # noqa: BLE001 - whatever it is, it is not up yet
            time.sleep(0.2)
    pytest.fail(f"the emulator did not start: {log.read_text()}")


def _upload(emulated: Emulated, part: str, template: dict[str, Any]) -> str:
    """As CDK does it: a template may be larger than what CloudFormation takes in a request."""
    objects = emulated.client("s3")
    objects.create_bucket(Bucket="templates")
    objects.put_object(Bucket="templates", Key=part, Body=json.dumps(template).encode())
    return f"{emulated.url}/templates/{part}"


def _create(emulated: Emulated, part: str) -> None:
    template, types = cut(load(part), emulated.lost)
    emulated.cut |= types
    name = f"Fieldfuze-{STAGE}-{part}"
    given = [{"ParameterKey": key, "ParameterValue": PARAMETERS[key]} for key in template["Parameters"] if key in PARAMETERS]
    cloudformation = emulated.client("cloudformation")
    cloudformation.create_stack(
        StackName=name, TemplateURL=_upload(emulated, part, template), Parameters=given, Capabilities=CAPABILITIES
    )
    until = time.monotonic() + CREATED_WITHIN
    while time.monotonic() < until:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            reasons = [event.get("ResourceStatusReason", "") for event in events if "FAILED" in event["ResourceStatus"]]
            pytest.fail(f"{name} {stack['StackStatus']}: {reasons}")
        time.sleep(0.2)
    pytest.fail(f"{name} is not created within {CREATED_WITHIN} s")
