"""The steps against moto's CodeDeploy, scaling, load balancing and parameters."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.codedeploy.models import CodeDeployBackend, DeploymentGroup, codedeploy_backends

from . import __main__ as program
from .bundle import bundle
from .cloud import REGION, Cloud, Names
from .plan import Colour

TEMPLATE = Path(__file__).parents[2] / "target/infra/cdk.out/staging/Fieldfuze-staging-Compute.template.json"

IAM_NAMES = {
    "autoscaling": "autoscaling",
    "cloudwatch": "cloudwatch",
    "codedeploy": "codedeploy",
    "elbv2": "elasticloadbalancing",
    "s3": "s3",
    "ssm": "ssm",
}

# What CodeDeploy asks of whoever creates a deployment, beside the call itself.
CODEDEPLOY_ASKS_FOR = {
    "codedeploy:GetApplication",
    "codedeploy:GetApplicationRevision",
    "codedeploy:GetDeploymentConfig",
    "codedeploy:RegisterApplicationRevision",
}

# As it is without the fixture.
RINGS = Cloud._rings

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
NAMES = Names("staging", "123456789012")


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stage as its stacks leave it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "none")
    with mock_aws():
        stacks()
        yield


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def stacks() -> None:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    ec2.create_launch_template(LaunchTemplateName="instance", LaunchTemplateData={"ImageId": "ami-12c6146b"})
    for name in NAMES.target_groups:
        client("elbv2").create_target_group(Name=name, Protocol="HTTP", Port=8081, VpcId=vpc)
    for colour in Colour:
        client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=NAMES.group(colour),
            LaunchTemplate={"LaunchTemplateName": "instance"},
            MinSize=0,
            MaxSize=0,
            VPCZoneIdentifier=subnet,
            Tags=[{"Key": "fieldfuze:least", "Value": "2"}, {"Key": "fieldfuze:most", "Value": "4"}],
        )
    client("ssm").put_parameter(Name=NAMES.parameter, Value="none", Type="String")
    client("s3").create_bucket(Bucket=NAMES.bucket)
    client("codedeploy").create_application(applicationName=NAMES.application, computePlatform="Server")


class CodeDeploy:
    """What moto's CodeDeploy lacks: it runs no deployment, changes no group, and does not say which deployment was last."""

    def __init__(self) -> None:
        self.status = "Succeeded"
        self.rings = False

    @property
    def _backend(self) -> CodeDeployBackend:
        return codedeploy_backends[NAMES.account][REGION]

    def group(self) -> DeploymentGroup:
        return self._backend.deployment_groups[NAMES.application][NAMES.application]

    def complete(self, cloud: Cloud) -> None:
        events = cloud._codedeploy.meta.events
        events.register("before-call.codedeploy.UpdateDeploymentGroup", self._update)
        events.register("after-call.codedeploy.GetDeploymentGroup", self._add_last)
        events.register("after-call.codedeploy.GetDeployment", self._add_target)

    def end(self, _: float) -> None:
        """Every deployment ends while one waits for it."""
        for deployment in self._backend.deployments.values():
            if deployment.status == "Created":
                deployment.status = self.status

    def _update(self, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        wanted = json.loads(params["body"])
        self.group().auto_scaling_groups = wanted["autoScalingGroups"]
        return AWSResponse("", 200, {}, None), {}

    def _add_last(self, parsed: dict[str, Any], **_: Any) -> None:
        done = [each for each in self._backend.deployments.values() if each.status == "Succeeded"]
        if done and "deploymentGroupInfo" in parsed:
            parsed["deploymentGroupInfo"]["lastSuccessfulDeployment"] = {"deploymentId": done[-1].deployment_id}

    def _add_target(self, parsed: dict[str, Any], **_: Any) -> None:
        info = parsed["deploymentInfo"]
        info["targetInstances"] = self._backend.deployments[info["deploymentId"]].target_instances


@pytest.fixture
def codedeploy(monkeypatch: pytest.MonkeyPatch) -> CodeDeploy:
    codedeploy, connect = CodeDeploy(), Cloud.__init__

    def connected(self: Cloud, stage: str) -> None:
        connect(self, stage, codedeploy.end)
        codedeploy.complete(self)

    monkeypatch.setattr(Cloud, "__init__", connected)
    monkeypatch.setattr(Cloud, "_rings", lambda _: codedeploy.rings)
    return codedeploy


def pipeline_actions() -> set[str]:
    """What the template's role of the pipeline may, if the template is there (`.ci/run infra` makes it)."""
    if not TEMPLATE.exists():
        pytest.skip("the templates are not synthesized")
    resources = json.loads(TEMPLATE.read_text())["Resources"]
    policy = next(each for name, each in resources.items() if name.startswith("PipelineDefaultPolicy"))
    actions = (statement["Action"] for statement in policy["Properties"]["PolicyDocument"]["Statement"])
    return {action for each in actions for action in ([each] if isinstance(each, str) else each)}


def active() -> str:
    return client("ssm").get_parameter(Name=NAMES.parameter)["Parameter"]["Value"]


def sizes() -> dict[str, int]:
    groups = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return {group["AutoScalingGroupName"].rsplit("-", 1)[1]: group["DesiredCapacity"] for group in groups}


def taking_traffic() -> list[str]:
    groups = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return [group["AutoScalingGroupName"].rsplit("-", 1)[1] for group in groups if group["TargetGroupARNs"]]


def objects() -> list[str]:
    return [each["Key"] for each in client("s3").list_objects_v2(Bucket=NAMES.bucket).get("Contents", [])]


def deployments() -> list[str]:
    return client("codedeploy").list_deployments()["deployments"]


def test_two_deployments_go_to_blue_and_then_to_green(codedeploy: CodeDeploy) -> None:
    assert program.main(["staging", A]) == 0
    assert (active(), sizes(), taking_traffic()) == ("blue", {"blue": 2, "green": 0}, ["blue"])
    assert program.main(["staging", B]) == 0
    assert (active(), sizes(), taking_traffic()) == ("green", {"blue": 0, "green": 2}, ["green"])
    assert len(deployments()) == 2
    # What scaling adds later gets this image, too.
    assert codedeploy.group().auto_scaling_groups == ["fieldfuze-staging-green"]


def test_the_same_again_does_nothing(codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["staging", A]) == 0
    assert program.main(["staging", A]) == 0
    assert capsys.readouterr().out.endswith("is on blue and takes the traffic: nothing to do\n")
    assert len(deployments()) == 1


def test_the_group_is_blue_green_and_rolls_back_on_the_alarm(codedeploy: CodeDeploy) -> None:
    assert program.main(["staging", A]) == 0
    group = codedeploy.group()
    assert group.deployment_style == {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
    assert group.alarm_configuration["alarms"] == [{"name": "fieldfuze-staging-rollback"}]
    assert [each["name"] for each in group.load_balancer_info["targetGroupInfoList"]] == NAMES.target_groups


def test_a_deployment_that_fails_leaves_the_traffic_where_it_is(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["staging", A]) == 0
    codedeploy.status = "Failed"
    assert program.main(["staging", B]) == 1
    assert (active(), sizes(), taking_traffic()) == ("blue", {"blue": 2, "green": 0}, ["blue"])
    assert "failed" in capsys.readouterr().err
    codedeploy.status = "Succeeded"
    assert program.main(["staging", B]) == 0
    assert active() == "green"


def test_an_alarm_while_it_bakes_brings_the_old_colour_back(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["staging", A]) == 0
    codedeploy.rings = True
    assert program.main(["staging", B]) == 1
    assert (active(), taking_traffic()) == ("blue", ["blue"])
    assert "an alarm rang: blue takes the traffic again" in capsys.readouterr().err


def test_a_second_deployment_beside_one_that_runs_changes_nothing(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["staging", A]) == 0
    codedeploy.status = "Created"
    cloud = Cloud("staging")
    cloud._codedeploy.create_deployment(
        applicationName=NAMES.application,
        deploymentGroupName=NAMES.application,
        revision={"revisionType": "S3", "s3Location": {"bucket": NAMES.bucket, "key": "x.zip", "bundleType": "zip"}},
    )
    before = (active(), sizes(), taking_traffic(), objects())
    assert program.main(["staging", B]) == 2
    assert (active(), sizes(), taking_traffic(), objects()) == before
    assert capsys.readouterr().err.strip().endswith("is running: wait for its end, or stop it")


def test_a_dry_run_says_its_plan_and_changes_nothing(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["staging", A, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "3. raise blue to 2 instances"
    assert len(lines) == 7
    assert (active(), sizes(), deployments(), objects()) == ("none", {"blue": 0, "green": 0}, [], [])


def test_the_pipeline_may_what_this_calls_and_nothing_more(
    codedeploy: CodeDeploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    complete = codedeploy.complete

    def watched(cloud: Cloud) -> None:
        complete(cloud)
        for each in vars(cloud).values():
            if not hasattr(each, "meta"):
                continue
            prefix = IAM_NAMES[each.meta.service_model.service_name]
            each.meta.events.register(
                "provide-client-params.*.*", lambda model, prefix=prefix, **_: called.add(f"{prefix}:{model.name}")
            )

    monkeypatch.setattr(codedeploy, "complete", watched)
    monkeypatch.setattr(Cloud, "_rings", RINGS)
    assert program.main(["staging", A]) == 0
    assert program.main(["staging", B]) == 0
    allowed = {action for action in pipeline_actions() if not action.startswith("ecr:")}
    assert called - allowed == set()
    assert allowed - called == CODEDEPLOY_ASKS_FOR | {"iam:PassRole"}


@pytest.mark.parametrize("arguments", [["prod", A], ["staging", "latest"], ["staging"], ["staging", A, "--back"]])
def test_wrong_arguments_ask_nothing_of_aws(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cloud, "__init__", lambda *_: pytest.fail("it asked"))
    assert program.main(arguments) == 2


def test_a_stage_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["production", A]) == 2
    assert "is the stage's data stack there?" in capsys.readouterr().err


def test_a_bundle_is_the_same_each_time_and_holds_the_digest_alone() -> None:
    assert bundle(A) == bundle(A)
    with zipfile.ZipFile(io.BytesIO(bundle(A))) as archive:
        names = archive.namelist()
        assert archive.read("image.txt").decode() == f"{A}\n"
        assert {"appspec.yml", "hooks/pull", "units/fieldfuze@.service", "limits/projector"} <= set(names)
        assert not [name for name in names if name.startswith("test/")]
        assert archive.getinfo("hooks/pull").external_attr >> 16 & 0o111
