"""The synthesized templates, less what the emulator does not know, created through CloudFormation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
STAGE = "production"
TEMPLATES = ROOT / "target" / "infra" / "cdk.out" / STAGE
PARTS = ("Network", "Data", "Compute", "Edge", "Observability")

# Types that ministack does not know: the whole template would be refused. What they are is asserted on the templates
# instead (`infra/test`). The list is asserted, so that a new one is seen.
CUT = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm of more than one metric",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::IAM::OIDCProvider",
    "AWS::Route53::HealthCheck",
}

# Given to the stacks that have them: what the deploy script looks up, and an image that every emulator has.
PARAMETERS = {"CloudFrontPrefixList": "pl-3b927c52", "Image": "ami-12345678"}


def load(part: str) -> dict[str, Any]:
    """One stack's template as CDK has written it."""
    return json.loads((TEMPLATES / f"Fieldfuze-{STAGE}-{part}.template.json").read_text())


def cut(template: dict[str, Any], exports: set[str]) -> tuple[dict[str, Any], set[str]]:
    """The template without what is not known and without what refers to it, and the types that were cut.

    What other stacks can import no more is added to `exports`.
    """
    resources = dict(template["Resources"])
    gone = {name for name, resource in resources.items() if _kind(resource) in CUT}
    types = {_kind(resources[name]) for name in gone}
    while True:
        more = {name for name, resource in resources.items() if name not in gone and _needs(resource, gone | exports)}
        if not more:
            break
        for name in sorted(more):
            smaller = _without(resources[name], gone | exports)
            if smaller is None:
                gone.add(name)
            else:
                resources[name] = smaller
    kept = {name: resource for name, resource in resources.items() if name not in gone}
    outputs = dict(template.get("Outputs", {}))
    for name, output in template.get("Outputs", {}).items():
        if _needs(output, gone):
            exports.add(outputs.pop(name)["Export"]["Name"])
    parameters = {name: _parameter(parameter) for name, parameter in template.get("Parameters", {}).items()}
    return {**template, "Resources": kept, "Outputs": outputs, "Parameters": parameters}, types


def _kind(resource: dict[str, Any]) -> str:
    several = "Metrics" in resource.get("Properties", {})
    return f"{resource['Type']} of more than one metric" if several else resource["Type"]


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    # Neither is there a way to write AWS's own parameters.
    if str(parameter.get("Default", "")).startswith("/aws/service/"):
        return {"Type": "String", "Default": PARAMETERS["Image"]}
    return parameter


def _needs(part: Any, gone: set[str]) -> bool:
    if isinstance(part, dict):
        if part.get("Ref") in gone or part.get("Fn::ImportValue") in gone:
            return True
        attribute = part.get("Fn::GetAtt")
        if attribute and attribute[0] in gone:
            return True
        depends = part.get("DependsOn", [])
        if set([depends] if isinstance(depends, str) else depends) & gone:
            return True
        return any(_needs(value, gone) for value in part.values())
    if isinstance(part, list):
        return any(_needs(value, gone) for value in part)
    return False


def _without(resource: dict[str, Any], gone: set[str]) -> dict[str, Any] | None:
    """A resource that only waits for what is gone waits for it no more; one that names it is gone as well."""
    depends = resource.get("DependsOn", [])
    left = [name for name in ([depends] if isinstance(depends, str) else depends) if name not in gone]
    smaller = {**resource, "DependsOn": left}
    return None if _needs({**smaller, "DependsOn": []}, gone) else smaller


def environment(port: int) -> dict[str, str]:
    """Of the emulator: on the loopback address alone, and without the servers that nobody here asks."""
    return {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "MINISTACK_REGION": "us-east-1",
    }
