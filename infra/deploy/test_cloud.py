"""The steps against moto's CodeDeploy, scaling, load balancing and parameters."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.codedeploy.models import CodeDeployBackend, DeploymentGroup, codedeploy_backends

from . import __main__ as program
from .bundle import bundle
from .cloud import BACK_WITHIN, HEALTHY_WITHIN, Cloud
from .lock import HELD_FOR, KEY, Overtaken
from .names import REGION, Names
from .plan import Colour, Refused

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

# What S3 asks of whoever wants to know that an object is not there.
S3_ASKS_FOR = {"s3:ListBucket"}

# As it is without the fixture.
RINGS = Cloud._rings

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
C = "sha256:" + "c" * 64
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
    """What moto's CodeDeploy lacks: it runs no deployment, changes no group, and does not say which deployment was last.

    Neither is any target of moto's anything but healthy.
    """

    def __init__(self) -> None:
        self.status = "Succeeded"
        self.rings = False
        #: Of deployments that failed: the id of the way back, once there is one.
        self.way_back: str | None = None
        self.sick: set[str] = set()
        #: Called at each pause.
        self.meanwhile: Callable[[], None] = lambda: None

    @property
    def _backend(self) -> CodeDeployBackend:
        return codedeploy_backends[NAMES.account][REGION]

    def group(self, colour: Colour) -> DeploymentGroup:
        return self._backend.deployment_groups[NAMES.application][NAMES.group(colour)]

    def complete(self, cloud: Cloud) -> None:
        events = cloud._codedeploy.meta.events
        events.register("before-call.codedeploy.UpdateDeploymentGroup", self._update)
        events.register("after-call.codedeploy.GetDeploymentGroup", self._add_last)
        events.register("after-call.codedeploy.GetDeployment", self._add_way_back)
        cloud._balancing.meta.events.register("after-call.elastic-load-balancing-v2.DescribeTargetHealth", self._be_sick)

    def pause(self, _: float) -> None:
        """Every deployment ends while one waits for it."""
        for deployment in self._backend.deployments.values():
            if deployment.status == "Created" and deployment.deployment_id != self.way_back:
                deployment.status = self.status
        self.meanwhile()

    def begin_way_back(self, colour: Colour) -> None:
        if self.way_back is None:
            revision = {"revisionType": "S3", "s3Location": {"bucket": NAMES.bucket, "key": "x.zip", "bundleType": "zip"}}
            self.way_back = self._backend.create_deployment(NAMES.application, NAMES.group(colour), revision)

    def end_way_back(self) -> None:
        self._backend.deployments[self.way_back or ""].status = "Succeeded"

    def _update(self, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        wanted = json.loads(params["body"])
        group = self._backend.deployment_groups[NAMES.application][wanted["currentDeploymentGroupName"]]
        group.auto_scaling_groups, group.ec2_tag_set = wanted["autoScalingGroups"], wanted["ec2TagSet"]
        return AWSResponse("", 200, {}, None), {}

    def _add_last(self, parsed: dict[str, Any], **_: Any) -> None:
        if "deploymentGroupInfo" not in parsed:
            return
        info = parsed["deploymentGroupInfo"]
        of = [each for each in self._backend.deployments.values() if each.deployment_group_name == info["deploymentGroupName"]]
        done = [each for each in of if each.status == "Succeeded"]
        if of:
            info["lastAttemptedDeployment"] = {"deploymentId": of[-1].deployment_id}
        if done:
            info["lastSuccessfulDeployment"] = {"deploymentId": done[-1].deployment_id}

    def _add_way_back(self, parsed: dict[str, Any], **_: Any) -> None:
        info = parsed["deploymentInfo"]
        if info["deploymentId"] == self.way_back:
            info["rollbackInfo"] = {"rollbackTriggeringDeploymentId": "d-failed"}
        elif self.way_back and info["status"] in ("Failed", "Stopped"):
            info["rollbackInfo"] = {"rollbackDeploymentId": self.way_back}

    def _be_sick(self, parsed: dict[str, Any], **_: Any) -> None:
        for each in parsed["TargetHealthDescriptions"]:
            if each["Target"]["Id"] in self.sick:
                each["TargetHealth"] = {"State": "initial"}


@pytest.fixture
def codedeploy(monkeypatch: pytest.MonkeyPatch) -> CodeDeploy:
    codedeploy, connect = CodeDeploy(), Cloud.__init__

    def connected(self: Cloud, stage: str) -> None:
        connect(self, stage, codedeploy.pause)
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


def deploy(*asked: str) -> int:
    """What the program ends with; nobody here has ten minutes."""
    return program.main(["staging", *asked, "--bake", "60"])


def active() -> str:
    return client("ssm").get_parameter(Name=NAMES.parameter)["Parameter"]["Value"]


def sizes() -> dict[str, int]:
    groups = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return {group["AutoScalingGroupName"].rsplit("-", 1)[1]: group["DesiredCapacity"] for group in groups}


def taking_traffic() -> list[str]:
    groups = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return [group["AutoScalingGroupName"].rsplit("-", 1)[1] for group in groups if group["TargetGroupARNs"]]


def instances(colour: Colour) -> set[str]:
    groups = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[NAMES.group(colour)])
    return {each["InstanceId"] for each in groups["AutoScalingGroups"][0]["Instances"]}


def objects() -> list[str]:
    """The bundles."""
    listed = client("s3").list_objects_v2(Bucket=NAMES.bucket).get("Contents", [])
    return [each["Key"] for each in listed if each["Key"] != KEY]


def deployments() -> list[str]:
    return client("codedeploy").list_deployments()["deployments"]


def test_two_deployments_go_to_blue_and_then_to_green(codedeploy: CodeDeploy) -> None:
    assert deploy(A) == 0
    assert (active(), sizes(), taking_traffic()) == ("blue", {"blue": 2, "green": 0}, ["blue"])
    assert deploy(B) == 0
    assert (active(), sizes(), taking_traffic()) == ("green", {"blue": 0, "green": 2}, ["green"])
    assert len(deployments()) == 2
    # What scaling adds later gets what its own colour has.
    assert codedeploy.group(Colour.BLUE).auto_scaling_groups == ["fieldfuze-staging-blue"]
    assert codedeploy.group(Colour.GREEN).auto_scaling_groups == ["fieldfuze-staging-green"]


def test_the_same_again_does_nothing(codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(A) == 0
    assert deploy(A) == 0
    assert capsys.readouterr().out.endswith("is on blue and takes the traffic: nothing to do\n")
    assert len(deployments()) == 1


def test_the_group_is_blue_green_and_rolls_back_on_the_alarm(codedeploy: CodeDeploy) -> None:
    assert deploy(A) == 0
    group = codedeploy.group(Colour.BLUE)
    assert group.deployment_style == {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
    assert group.alarm_configuration["alarms"] == [{"name": "fieldfuze-staging-rollback"}]
    assert [each["name"] for each in group.load_balancer_info["targetGroupInfoList"]] == NAMES.target_groups


def test_a_deployment_that_fails_leaves_the_traffic_where_it_is(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    codedeploy.status = "Failed"
    assert deploy(B) == 1
    assert (active(), sizes(), taking_traffic()) == ("blue", {"blue": 2, "green": 0}, ["blue"])
    assert "failed" in capsys.readouterr().err
    codedeploy.status = "Succeeded"
    assert deploy(B) == 0
    assert active() == "green"


def test_while_one_colour_is_deployed_to_scaling_adds_the_other_one_s_image(codedeploy: CodeDeploy) -> None:
    assert deploy(A) == 0
    seen: list[tuple[Any, ...]] = []

    def look() -> None:
        if len(deployments()) == 2 and not seen:
            groups = [codedeploy.group(colour) for colour in Colour]
            seen.append((*(group.auto_scaling_groups for group in groups), groups[1].ec2_tag_set["ec2TagSetList"]))

    codedeploy.meanwhile = look
    assert deploy(B) == 0
    replaced = [("fieldfuze:stage", "staging"), ("fieldfuze:colour", "blue")]
    tags = [[{"Key": key, "Value": value, "Type": "KEY_AND_VALUE"}] for key, value in replaced]
    assert seen == [(["fieldfuze-staging-blue"], [], tags)]


def test_nothing_ends_before_the_way_back_has_ended_and_the_old_targets_are_healthy(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    codedeploy.status, codedeploy.sick = "Stopped", instances(Colour.BLUE)
    pauses: list[int] = []

    def meanwhile() -> None:
        if len(deployments()) < 2:
            return
        pauses.append(sizes()["green"])
        codedeploy.begin_way_back(Colour.GREEN)
        if len(pauses) == 20:
            codedeploy.end_way_back()
        if len(pauses) == 30:
            codedeploy.sick = set()

    codedeploy.meanwhile = meanwhile
    assert deploy(B) == 1
    assert len(pauses) == 30
    assert set(pauses) == {2}
    assert (active(), sizes()) == ("blue", {"blue": 2, "green": 0})
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize("ends", [False, True])
def test_a_way_back_that_does_not_come_to_its_end_leaves_both_colours(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str], ends: bool
) -> None:
    assert deploy(A) == 0
    codedeploy.status, codedeploy.sick = "Failed", instances(Colour.BLUE)

    def meanwhile() -> None:
        if len(deployments()) >= 2:
            codedeploy.begin_way_back(Colour.GREEN)
            if ends:
                codedeploy.end_way_back()

    codedeploy.meanwhile = meanwhile
    assert deploy(B) == 1
    assert (active(), sizes()) == ("blue", {"blue": 2, "green": 2})
    said = capsys.readouterr().err
    assert f"not so within {HEALTHY_WITHIN if ends else BACK_WITHIN} s" in said
    assert "green is still running: look at CodeDeploy before you shrink it" in said


def test_the_old_colour_leaves_when_all_of_the_new_one_is_healthy(codedeploy: CodeDeploy) -> None:
    assert deploy(A) == 0
    pauses: list[list[str]] = []

    def meanwhile() -> None:
        if active() != "green":
            codedeploy.sick = instances(Colour.GREEN)
        elif len(pauses) < 5:
            pauses.append(taking_traffic())
            # One that is sick is enough.
            codedeploy.sick = {min(instances(Colour.GREEN))} if len(pauses) < 5 else set()

    codedeploy.meanwhile = meanwhile
    assert deploy(B) == 0
    assert pauses == [["blue", "green"]] * 5
    assert taking_traffic() == ["green"]


def test_an_alarm_while_it_bakes_brings_the_old_colour_back(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    codedeploy.rings = True
    assert deploy(B) == 1
    assert (active(), taking_traffic()) == ("blue", ["blue"])
    assert "an alarm rang: blue takes the traffic again" in capsys.readouterr().err
    # What scaling adds to it gets the image that it has, not the one from which one went back.
    assert codedeploy.group(Colour.BLUE).auto_scaling_groups == ["fieldfuze-staging-blue"]
    observed = Cloud("staging").observe()
    assert {colour: group.digest for colour, group in observed.groups.items()} == {Colour.BLUE: A, Colour.GREEN: B}


class WhileItBakes:
    """Does something once, in the third pause after the new colour has become active."""

    def __init__(self, codedeploy: CodeDeploy, do: Callable[[], None]) -> None:
        self._codedeploy = codedeploy
        self._do = do
        self.left = 3
        codedeploy.meanwhile = self

    def __call__(self) -> None:
        if active() != "green" or taking_traffic() != ["green"]:
            return
        self.left -= 1
        if self.left == 0:
            self._codedeploy.meanwhile = lambda: None
            self._do()


def test_going_back_by_hand_while_it_bakes_ends_the_run_and_no_instance(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    ended: list[int] = []
    WhileItBakes(codedeploy, lambda: ended.append(deploy("--back")))
    assert deploy(B) == 1
    assert ended == [0]
    assert (active(), sizes(), taking_traffic()) == ("blue", {"blue": 2, "green": 2}, ["blue"])
    assert "the stage is held by another run now" in capsys.readouterr().err


def test_another_active_colour_ends_the_run_and_no_instance(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    WhileItBakes(codedeploy, lambda: client("ssm").put_parameter(Name=NAMES.parameter, Value="blue", Overwrite=True))
    assert deploy(B) == 1
    assert sizes() == {"blue": 2, "green": 2}
    assert "says blue and no more green: nothing more is done here" in capsys.readouterr().err


def test_nothing_is_shrunk_while_the_active_colour_is_not_healthy(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0

    def fall_sick() -> None:
        codedeploy.sick = instances(Colour.GREEN)

    WhileItBakes(codedeploy, fall_sick)
    assert deploy(B) == 1
    assert sizes() == {"blue": 2, "green": 2}
    assert "green is healthy in both target groups" in capsys.readouterr().err


def test_a_second_digest_is_refused_while_one_is_deployed(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    ended: list[int] = []
    WhileItBakes(codedeploy, lambda: ended.append(deploy(C)))
    assert deploy(B) == 0
    assert ended == [2]
    said = capsys.readouterr().err
    assert f"brings {B} onto green, and holds the stage until" in said
    assert (active(), sizes(), len(deployments())) == ("green", {"blue": 0, "green": 2}, 2)
    # It was given back.
    assert deploy(C) == 0


def test_of_two_that_have_looked_at_once_one_begins(codedeploy: CodeDeploy) -> None:
    first, second = Cloud("staging"), Cloud("staging")
    assert (first.observe().held, second.observe().held) == (None, None)
    first.lock.take("deploys", over=False)
    with pytest.raises(Refused, match="^another run has just begun"):
        second.lock.take("deploys", over=False)
    # Nor does who ended meanwhile leave it to whoever looked before that.
    first.lock.free()
    with pytest.raises(Refused, match="^another run has just begun"):
        second.lock.take("deploys", over=False)


def test_what_was_killed_holds_the_stage_for_five_minutes(
    codedeploy: CodeDeploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, now = Cloud("staging"), time.time()
    killed.observe()
    killed.lock.take("deploys", over=False)
    monkeypatch.setattr(time, "time", lambda: now + HELD_FOR - 5)
    assert deploy(A) == 2
    monkeypatch.setattr(time, "time", lambda: now + HELD_FOR + 5)
    assert deploy(A) == 0
    with pytest.raises(Overtaken):
        killed.lock.hold()


def test_again_brings_the_same_image_onto_new_instances(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy("--again") == 2
    assert "nothing was deployed yet" in capsys.readouterr().err
    assert deploy(A) == 0
    before = instances(Colour.BLUE)
    assert deploy("--again") == 0
    assert (active(), sizes(), taking_traffic()) == ("green", {"blue": 0, "green": 2}, ["green"])
    assert instances(Colour.GREEN) & before == set()
    assert Cloud("staging").observe().groups[Colour.GREEN].digest == A


def test_a_second_deployment_beside_one_that_runs_changes_nothing(
    codedeploy: CodeDeploy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(A) == 0
    codedeploy.status = "Created"
    cloud = Cloud("staging")
    cloud._codedeploy.create_deployment(
        applicationName=NAMES.application,
        deploymentGroupName=NAMES.group(Colour.BLUE),
        revision={"revisionType": "S3", "s3Location": {"bucket": NAMES.bucket, "key": "x.zip", "bundleType": "zip"}},
    )
    before = (active(), sizes(), taking_traffic(), objects())
    assert deploy(B) == 2
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
    assert deploy(A) == 0
    assert deploy(B) == 0
    allowed = {action for action in pipeline_actions() if not action.startswith("ecr:")}
    assert called - allowed == set()
    assert allowed - called == CODEDEPLOY_ASKS_FOR | S3_ASKS_FOR | {"iam:PassRole"}


@pytest.mark.parametrize("arguments", [["prod", A], ["staging", "latest"], ["staging"], ["staging", A, "--back"], ["staging", A, "--again"]])
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
