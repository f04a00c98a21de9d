"""The calls of AWS that look at a stage and carry out a plan's steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import ClientError

from .lock import Lock
from .names import REGION, Names
from .plan import Colour, Group, Observed, Refused

RUNNING = ["Created", "Queued", "InProgress", "Baking", "Ready"]

# Seconds. An instance installs three packages before it is in service; a deployment pulls, starts and asks for readiness.
INSTANCES_WITHIN = 900
DEPLOYED_WITHIN = 1800
ASK_EVERY = 10

# Seconds. CodeDeploy's way back is a deployment of its own, begun a moment after the other one has failed; it installs
# nothing, and registers what was taken out. A target is healthy after two answers, ten seconds apart.
BACK_BEGINS_WITHIN = 60
BACK_WITHIN = 900
HEALTHY_WITHIN = 300


class Failed(Exception):
    """Why a step did not end well."""


class TooLate(Failed):
    """What was waited for has not come: it may still."""


class Cloud:
    """One stage on AWS."""

    def __init__(self, stage: str, pause: Callable[[float], None] = time.sleep) -> None:
        session = boto3.Session(region_name=REGION)
        caller = session.client("sts").get_caller_identity()
        self.names = Names(stage, caller["Account"])
        self._scaling = session.client("autoscaling")
        self._balancing = session.client("elbv2")
        self._codedeploy = session.client("codedeploy")
        self._alarms = session.client("cloudwatch")
        self._parameters = session.client("ssm")
        self._objects = session.client("s3")
        self._pause = pause
        self.lock = Lock(self._objects, self.names.bucket, caller["Arn"].rsplit(":", 1)[1])

    def observe(self) -> Observed:
        """Looks at everything and changes nothing."""
        return Observed(self._active(), self._groups(), self._running(), self.lock.held())

    def _active(self) -> Colour | None:
        try:
            value = self._parameters.get_parameter(Name=self.names.parameter)["Parameter"]["Value"]
        except ClientError as error:
            raise Refused(f"{self.names.parameter} cannot be read ({_code(error)}): is the stage's data stack there?")
        return None if value == "none" else Colour(value)

    def _groups(self) -> dict[Colour, Group]:
        named = {self.names.group(colour): colour for colour in Colour}
        answer = self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(named))
        found = {named[group["AutoScalingGroupName"]]: group for group in answer["AutoScalingGroups"]}
        if len(found) != len(named):
            raise Refused(f"{' and '.join(named)} are not both there: is the stage's compute stack?")
        return {colour: _group(group, self._digest(colour)) for colour, group in found.items()}

    def _running(self) -> str | None:
        for colour in Colour:
            if self._deployment_group(colour) is not None:
                listed = self._codedeploy.list_deployments(
                    applicationName=self.names.application,
                    deploymentGroupName=self.names.group(colour),
                    includeOnlyStatuses=RUNNING,
                )
                if listed["deployments"]:
                    return listed["deployments"][0]
        return None

    def _digest(self, colour: Colour) -> str | None:
        """The image of a colour's last deployment, if that brought one and ended well."""
        group = self._deployment_group(colour) or {}
        last = group.get("lastSuccessfulDeployment", {}).get("deploymentId")
        if last is None or group.get("lastAttemptedDeployment", {}).get("deploymentId", last) != last:
            return None
        info = self._codedeploy.get_deployment(deploymentId=last)["deploymentInfo"]
        # A way back names a revision, but puts it nowhere.
        if "rollbackTriggeringDeploymentId" in info.get("rollbackInfo", {}):
            return None
        return f"sha256:{info['revision']['s3Location']['key'].removesuffix('.zip')}"

    def _deployment_group(self, colour: Colour) -> dict[str, Any] | None:
        try:
            return self._codedeploy.get_deployment_group(
                applicationName=self.names.application, deploymentGroupName=self.names.group(colour)
            )["deploymentGroupInfo"]
        except ClientError as error:
            if _code(error) == "DeploymentGroupDoesNotExistException":
                return None
            if _code(error) == "ApplicationDoesNotExistException":
                raise Refused(f"CodeDeploy has no application {self.names.application}: is the compute stack there?")
            raise

    def settle(self, new: Colour) -> None:
        """The deployment group of a colour, before it is deployed to: what is replaced are the other one's instances.

        They are named by their tags. Named as an auto scaling group, what scaling adds to it would get what was deployed
        here last, which is not what runs there.
        """
        tags = {"fieldfuze:stage": self.names.stage, "fieldfuze:colour": new.other.value}
        each = [[{"Key": key, "Value": value, "Type": "KEY_AND_VALUE"}] for key, value in tags.items()]
        self._write_group(new, {"autoScalingGroups": [], "ec2TagSet": {"ec2TagSetList": each}})

    def adopt(self, colour: Colour) -> None:
        """What scaling adds to a colour from now on gets what was deployed to it last."""
        self._write_group(colour, {"autoScalingGroups": [self.names.group(colour)], "ec2TagSet": {"ec2TagSetList": []}})

    def _write_group(self, colour: Colour, replaced: dict[str, Any]) -> None:
        name = self.names.group(colour)
        wanted = {
            "applicationName": self.names.application,
            "serviceRoleArn": self.names.role,
            "deploymentConfigName": "CodeDeployDefault.AllAtOnce",
            **replaced,
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
        if self._deployment_group(colour) is None:
            self._codedeploy.create_deployment_group(deploymentGroupName=name, **wanted)
        else:
            self._codedeploy.update_deployment_group(currentDeploymentGroupName=name, **wanted)

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
        """One deployment, to its end; if it fails, until the other colour takes all of the traffic again."""
        created = self._codedeploy.create_deployment(
            applicationName=self.names.application,
            deploymentGroupName=self.names.group(colour),
            description=digest,
            revision={
                "revisionType": "S3",
                "s3Location": {"bucket": self.names.bucket, "key": self.names.bundle(digest), "bundleType": "zip"},
            },
            targetInstances={"autoScalingGroups": [self.names.group(colour)]},
            fileExistsBehavior="OVERWRITE",
        )["deploymentId"]
        info = self._ended(created, DEPLOYED_WITHIN)
        if info["status"] == "Succeeded":
            return
        why = info.get("errorInformation", {}).get("message", "no reason is given")
        said = f"deployment {created} {info['status'].lower()}: {why}"
        try:
            self._turned_back(created, colour.other)
        except TooLate as late:
            raise TooLate(f"{said}; {late}") from late
        raise Failed(said)

    def _ended(self, deployment: str, within: int) -> dict[str, Any]:
        info: dict[str, Any] = {}

        def ended() -> bool:
            info.update(self._codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"])
            return info["status"] in ("Succeeded", "Failed", "Stopped")

        self._until(f"deployment {deployment} has ended", within, ended)
        return info

    def _turned_back(self, failed: str, old: Colour) -> None:
        """Waits until CodeDeploy's way back has ended, and the old colour's targets are healthy."""
        for _ in range(0, BACK_BEGINS_WITHIN, ASK_EVERY):
            info = self._codedeploy.get_deployment(deploymentId=failed)["deploymentInfo"].get("rollbackInfo", {})
            if "rollbackDeploymentId" in info:
                self._ended(info["rollbackDeploymentId"], BACK_WITHIN)
                break
            self._wait()
        # What ends well here is nothing but the targets' health, whether or not there was a way back.
        if self._groups()[old].desired > 0:
            self._until(f"{old.value} is healthy in both target groups", HEALTHY_WITHIN, lambda: self._serves(old))

    def flip(self, colour: Colour) -> None:
        """Writes the active colour down, where the stacks' next deployment reads it."""
        self._parameters.put_parameter(Name=self.names.parameter, Value=colour.value, Overwrite=True)

    def follow(self, new: Colour, old: Colour) -> None:
        """Attached groups register their instances by themselves: the old one leaves when all of the new one is healthy."""
        self._scaling.attach_load_balancer_target_groups(
            AutoScalingGroupName=self.names.group(new), TargetGroupARNs=self._target_groups()
        )
        self._until(f"{new.value} is healthy in both target groups", INSTANCES_WITHIN, lambda: self._serves(new))
        leaving = self._attached(old)
        if leaving:
            self._scaling.detach_load_balancer_target_groups(
                AutoScalingGroupName=self.names.group(old), TargetGroupARNs=sorted(leaving)
            )

    def _target_groups(self) -> list[str]:
        described = self._balancing.describe_target_groups(Names=self.names.target_groups)["TargetGroups"]
        return [group["TargetGroupArn"] for group in described]

    def _serves(self, colour: Colour) -> bool:
        """Whether each instance of a colour that is in service is a healthy target of both services, and there is one."""
        answer = self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.names.group(colour)])
        instances = answer["AutoScalingGroups"][0]["Instances"]
        in_service = {each["InstanceId"] for each in instances if each["LifecycleState"] == "InService"}
        return bool(in_service) and all(in_service <= self._healthy(arn) for arn in self._target_groups())

    def _healthy(self, target_group: str) -> set[str]:
        answer = self._balancing.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
        return {each["Target"]["Id"] for each in answer if each["TargetHealth"]["State"] == "healthy"}

    def _attached(self, colour: Colour) -> set[str]:
        answer = self._scaling.describe_load_balancer_target_groups(AutoScalingGroupName=self.names.group(colour))
        there = ("Added", "InService")
        groups = answer["LoadBalancerTargetGroups"]
        return {group["LoadBalancerTargetGroupARN"] for group in groups if group["State"] in there}

    def bake(self, new: Colour, seconds: int) -> bool:
        """Whether no alarm rang for so long. Fails when another colour has become the active one meanwhile."""
        for _ in range(0, seconds, ASK_EVERY):
            self._must_be_active(new)
            if self._rings():
                return False
            self._wait()
        self._must_be_active(new)
        return not self._rings()

    def must_serve(self, new: Colour) -> None:
        """Fails unless a colour is the active one and takes the traffic: only then the other one may end."""
        self._must_be_active(new)
        self._until(f"{new.value} is healthy in both target groups", HEALTHY_WITHIN, lambda: self._serves(new))
        self.lock.hold()
        self._must_be_active(new)

    def _must_be_active(self, new: Colour) -> None:
        active = self._active()
        if active is not new:
            named = active.value if active else "none"
            raise Failed(f"{self.names.parameter} says {named} and no more {new.value}: nothing more is done here")

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
            self._wait()
        raise TooLate(f"not so within {within} s: {what}")

    def _wait(self) -> None:
        self._pause(ASK_EVERY)
        self.lock.hold()


def _group(group: dict[str, Any], digest: str | None) -> Group:
    tags = {tag["Key"]: tag["Value"] for tag in group.get("Tags", [])}
    try:
        least, most = int(tags["fieldfuze:least"]), int(tags["fieldfuze:most"])
    except (KeyError, ValueError):
        raise Refused(f"{group['AutoScalingGroupName']} does not say how large it may be: deploy the compute stack")
    in_service = sum(instance["LifecycleState"] == "InService" for instance in group["Instances"])
    return Group(least, most, group["DesiredCapacity"], in_service, bool(group.get("TargetGroupARNs")), digest)


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
