"""The calls of AWS that look at a stage and carry out a plan's steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from .plan import Colour, Group, Observed, Refused, Sent

REGION = "us-east-1"
SERVICES = ("command-api", "query-api")
RUNNING = ["Created", "Queued", "InProgress", "Baking", "Ready"]

# Seconds. An instance installs three packages before it is in service; a deployment pulls, starts and asks for readiness.
INSTANCES_WITHIN = 900
DEPLOYED_WITHIN = 1800
ASK_EVERY = 10


class Failed(Exception):
    """Why a step did not end well."""


@dataclass(frozen=True)
class Names:
    """What is called how in one stage."""

    stage: str
    account: str

    @property
    def application(self) -> str:
        """Of CodeDeploy; its one deployment group has the same name."""
        return f"fieldfuze-{self.stage}"

    @property
    def bucket(self) -> str:
        return f"fieldfuze-{self.stage}-bundles-{self.account}"

    @property
    def parameter(self) -> str:
        return f"/fieldfuze/{self.stage}/active-colour"

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/fieldfuze-{self.stage}-codedeploy"

    @property
    def alarm(self) -> str:
        return f"fieldfuze-{self.stage}-rollback"

    @property
    def target_groups(self) -> list[str]:
        return [f"fieldfuze-{self.stage}-{service}" for service in SERVICES]

    def group(self, colour: Colour) -> str:
        return f"fieldfuze-{self.stage}-{colour.value}"

    @staticmethod
    def bundle(digest: str) -> str:
        return f"{digest.removeprefix('sha256:')}.zip"


class Cloud:
    """One stage on AWS."""

    def __init__(self, stage: str, pause: Callable[[float], None] = time.sleep) -> None:
        session = boto3.Session(region_name=REGION)
        self.names = Names(stage, session.client("sts").get_caller_identity()["Account"])
        self._scaling = session.client("autoscaling")
        self._balancing = session.client("elbv2")
        self._codedeploy = session.client("codedeploy")
        self._alarms = session.client("cloudwatch")
        self._parameters = session.client("ssm")
        self._objects = session.client("s3")
        self._pause = pause

    def observe(self) -> Observed:
        """Looks at everything and changes nothing."""
        return Observed(self._active(), self._groups(), self._running(), self._last())

    def _active(self) -> Colour | None:
        try:
            value = self._parameters.get_parameter(Name=self.names.parameter)["Parameter"]["Value"]
        except ClientError as error:
            raise Refused(f"{self.names.parameter} cannot be read ({_code(error)}): is the stage's data stack there?")
        return None if value == "none" else Colour(value)

    def _groups(self) -> dict[Colour, Group]:
        named = {self.names.group(colour): colour for colour in Colour}
        answer = self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(named))
        found = {named[group["AutoScalingGroupName"]]: _group(group) for group in answer["AutoScalingGroups"]}
        if len(found) != len(named):
            raise Refused(f"{' and '.join(named)} are not both there: is the stage's compute stack?")
        return found

    def _running(self) -> str | None:
        if self._deployment_group() is None:
            return None
        listed = self._codedeploy.list_deployments(
            applicationName=self.names.application,
            deploymentGroupName=self.names.application,
            includeOnlyStatuses=RUNNING,
        )
        return next(iter(listed["deployments"]), None)

    def _last(self) -> Sent | None:
        group = self._deployment_group()
        last = (group or {}).get("lastSuccessfulDeployment", {}).get("deploymentId")
        if last is None:
            return None
        info = self._codedeploy.get_deployment(deploymentId=last)["deploymentInfo"]
        sent_to = info.get("targetInstances", {}).get("autoScalingGroups", [])
        colour = next((colour for colour in Colour if self.names.group(colour) in sent_to), None)
        key = info["revision"]["s3Location"]["key"]
        return Sent(f"sha256:{key.removesuffix('.zip')}", colour) if colour else None

    def _deployment_group(self) -> dict[str, Any] | None:
        try:
            return self._codedeploy.get_deployment_group(
                applicationName=self.names.application, deploymentGroupName=self.names.application
            )["deploymentGroupInfo"]
        except ClientError as error:
            if _code(error) == "DeploymentGroupDoesNotExistException":
                return None
            if _code(error) == "ApplicationDoesNotExistException":
                raise Refused(f"CodeDeploy has no application {self.names.application}: is the compute stack there?")
            raise

    def settle(self, replaced: Colour) -> None:
        """The deployment group, which CloudFormation does not take."""
        wanted = {
            "applicationName": self.names.application,
            "serviceRoleArn": self.names.role,
            "deploymentConfigName": "CodeDeployDefault.AllAtOnce",
            "autoScalingGroups": [self.names.group(replaced)],
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "blueGreenDeploymentConfiguration": {
                "greenFleetProvisioningOption": {"action": "DISCOVER_EXISTING"},
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
                # We shrink it ourselves, after the time in which one may go back.
                "terminateBlueInstancesOnDeploymentSuccess": {"action": "KEEP_ALIVE"},
            },
            "loadBalancerInfo": {"targetGroupInfoList": [{"name": name} for name in self.names.target_groups]},
            "alarmConfiguration": {"enabled": True, "alarms": [{"name": self.names.alarm}]},
            "autoRollbackConfiguration": {"enabled": True, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"]},
        }
        if self._deployment_group() is None:
            self._codedeploy.create_deployment_group(deploymentGroupName=self.names.application, **wanted)
        else:
            self._codedeploy.update_deployment_group(currentDeploymentGroupName=self.names.application, **wanted)

    def upload(self, digest: str, bundle: bytes) -> None:
        """The bundle, under its image's name."""
        self._objects.put_object(Bucket=self.names.bucket, Key=self.names.bundle(digest), Body=bundle)

    def raise_to(self, colour: Colour, size: int) -> None:
        """Gives a colour its instances, and waits until they are in service."""
        group = self._groups()[colour]
        self._scaling.update_auto_scaling_group(
            AutoScalingGroupName=self.names.group(colour), MinSize=group.least, MaxSize=group.most, DesiredCapacity=size
        )
        self._until(
            f"{size} instances of {colour.value} in service",
            INSTANCES_WITHIN,
            lambda: self._groups()[colour].in_service >= size,
        )

    def deploy(self, colour: Colour, digest: str) -> None:
        """One deployment, to its end."""
        created = self._codedeploy.create_deployment(
            applicationName=self.names.application,
            deploymentGroupName=self.names.application,
            description=digest,
            revision={
                "revisionType": "S3",
                "s3Location": {"bucket": self.names.bucket, "key": self.names.bundle(digest), "bundleType": "zip"},
            },
            targetInstances={"autoScalingGroups": [self.names.group(colour)]},
            fileExistsBehavior="OVERWRITE",
        )["deploymentId"]

        def ended() -> bool:
            info = self._codedeploy.get_deployment(deploymentId=created)["deploymentInfo"]
            if info["status"] in ("Failed", "Stopped"):
                why = info.get("errorInformation", {}).get("message", "no reason is given")
                raise Failed(f"deployment {created} {info['status'].lower()}: {why}")
            return info["status"] == "Succeeded"

        self._until(f"deployment {created}", DEPLOYED_WITHIN, ended)

    def flip(self, colour: Colour) -> None:
        """Writes the active colour down, where the stacks' next deployment reads it."""
        self._parameters.put_parameter(Name=self.names.parameter, Value=colour.value, Overwrite=True)

    def follow(self, new: Colour, old: Colour) -> None:
        """Attached groups register their instances by themselves: the new one first, so that there is always one."""
        described = self._balancing.describe_target_groups(Names=self.names.target_groups)["TargetGroups"]
        arns = [group["TargetGroupArn"] for group in described]
        self._scaling.attach_load_balancer_target_groups(AutoScalingGroupName=self.names.group(new), TargetGroupARNs=arns)
        self._until("the new colour's targets", INSTANCES_WITHIN, lambda: self._attached(new) == set(arns))
        leaving = self._attached(old)
        if leaving:
            self._scaling.detach_load_balancer_target_groups(
                AutoScalingGroupName=self.names.group(old), TargetGroupARNs=sorted(leaving)
            )

    def _attached(self, colour: Colour) -> set[str]:
        answer = self._scaling.describe_load_balancer_target_groups(AutoScalingGroupName=self.names.group(colour))
        there = ("Added", "InService")
        groups = answer["LoadBalancerTargetGroups"]
        return {group["LoadBalancerTargetGroupARN"] for group in groups if group["State"] in there}

    def bake(self, seconds: int) -> bool:
        """Whether no alarm rang for so long."""
        for _ in range(0, seconds, ASK_EVERY):
            if self._rings():
                return False
            self._pause(ASK_EVERY)
        return not self._rings()

    def _rings(self) -> bool:
        answer = self._alarms.describe_alarms(AlarmNames=[self.names.alarm], AlarmTypes=["CompositeAlarm"])
        return any(alarm["StateValue"] == "ALARM" for alarm in answer["CompositeAlarms"])

    def shrink(self, colour: Colour) -> None:
        """Ends a colour's instances; each drains."""
        self._scaling.update_auto_scaling_group(
            AutoScalingGroupName=self.names.group(colour), MinSize=0, MaxSize=0, DesiredCapacity=0
        )

    def _until(self, what: str, within: int, is_so: Callable[[], bool]) -> None:
        for _ in range(0, within, ASK_EVERY):
            if is_so():
                return
            self._pause(ASK_EVERY)
        raise Failed(f"{what}: not within {within} s")


def _group(group: dict[str, Any]) -> Group:
    tags = {tag["Key"]: tag["Value"] for tag in group.get("Tags", [])}
    try:
        least, most = int(tags["fieldfuze:least"]), int(tags["fieldfuze:most"])
    except (KeyError, ValueError):
        raise Refused(f"{group['AutoScalingGroupName']} does not say how large it may be: deploy the compute stack")
    in_service = sum(instance["LifecycleState"] == "InService" for instance in group["Instances"])
    return Group(least, most, group["DesiredCapacity"], in_service, bool(group.get("TargetGroupARNs")))


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
