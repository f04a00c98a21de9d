"""What the stacks created, asked of AWS's own interfaces."""

from __future__ import annotations

import json

from .conftest import Emulated
from .stacks import CUT, ROOT, STAGE, cut, load

CONTRACT = json.loads((ROOT / "infra" / "contract" / "platform.json").read_text())
PREFIX = f"fieldfuze-{STAGE}-"


def test_nothing_else_was_cut(aws: Emulated) -> None:
    unseen = {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"}
    assert aws.cut == CUT - unseen, "these two are in the templates of reserved capacity alone"


def test_tables_are_what_the_code_says(aws: Emulated) -> None:
    dynamodb = aws.client("dynamodb")
    names = dynamodb.list_tables()["TableNames"]
    assert sorted(names) == sorted(PREFIX + table["name"] for table in CONTRACT["tables"])
    for table in CONTRACT["tables"]:
        found = dynamodb.describe_table(TableName=PREFIX + table["name"])["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}

        def keys(schema: list[dict[str, str]]) -> list[dict[str, str] | None]:
            by_role = {each["KeyType"]: each["AttributeName"] for each in schema}
            each = [by_role.get(role) for role in ("HASH", "RANGE")]
            return [{"name": name, "type": types[name]} if name else None for name in each]

        assert keys(found["KeySchema"]) == [table["partition"], table["sort"]], table["name"]
        indexes = {each["IndexName"]: keys(each["KeySchema"]) for each in found.get("GlobalSecondaryIndexes", [])}
        wanted = {each["name"]: [each["partition"], each["sort"]] for each in table["indexes"]}
        assert indexes == wanted, table["name"]
        assert found.get("StreamSpecification", {}).get("StreamEnabled", False) == table["streamed"], table["name"]
        assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert found["DeletionProtectionEnabled"]


def test_queues_hand_what_fails_to_their_dead_letters(aws: Emulated) -> None:
    sqs = aws.client("sqs")
    for queue in CONTRACT["queues"]:
        url = sqs.get_queue_url(QueueName=PREFIX + queue["name"])["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(attributes["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(f":{PREFIX}{queue['dead_letters']}")
        assert int(redrive["maxReceiveCount"]) == CONTRACT["max_receives"]
        assert int(attributes["VisibilityTimeout"]) == CONTRACT["visibility_seconds"]


def test_the_load_balancer_routes_by_method(aws: Emulated) -> None:
    elb = aws.client("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    assert sorted(listener["Port"] for listener in listeners) == [80, 443]
    https = next(listener for listener in listeners if listener["Port"] == 443)
    rules = elb.describe_rules(ListenerArn=https["ListenerArn"])["Rules"]
    assert sorted(rule["Priority"] for rule in rules if rule["Priority"] != "default") == ["10", "20"]
    groups = {group["TargetGroupName"]: group for group in elb.describe_target_groups()["TargetGroups"]}
    ports = {name: group["Port"] for name, group in groups.items()}
    assert ports == {f"{PREFIX}command-api": 8081, f"{PREFIX}query-api": 8082}


def test_both_colours_are_there_and_have_no_instances(aws: Emulated) -> None:
    groups = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    sizes = {group["AutoScalingGroupName"]: (int(group["MinSize"]), int(group["MaxSize"])) for group in groups}
    assert sizes == {f"{PREFIX}blue": (0, 0), f"{PREFIX}green": (0, 0)}
    parameter = aws.client("ssm").get_parameter(Name=f"/fieldfuze/{STAGE}/active-colour")["Parameter"]
    assert parameter["Value"] == "none"


def test_the_network_is_in_two_zones(aws: Emulated) -> None:
    ec2 = aws.client("ec2")
    vpc = next(vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["CidrBlock"] == "10.20.0.0/16")
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = ec2.describe_subnets(Filters=of_vpc)["Subnets"]
    assert sorted(subnet["AvailabilityZone"] for subnet in subnets) == ["us-east-1a"] * 2 + ["us-east-1b"] * 2
    endpoints = [each for each in ec2.describe_vpc_endpoints()["VpcEndpoints"] if each["VpcId"] == vpc]
    kinds = sorted(endpoint["VpcEndpointType"] for endpoint in endpoints)
    assert kinds == ["Gateway"] * 2 + ["Interface"] * 3


def test_alarms_and_log_groups_are_there(aws: Emulated) -> None:
    template = cut(load("Observability"), aws.lost)[0]["Resources"].values()
    wanted = {each["Properties"]["AlarmName"] for each in template if each["Type"] == "AWS::CloudWatch::Alarm"}
    pages = aws.client("cloudwatch").get_paginator("describe_alarms").paginate()
    assert wanted <= {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/fieldfuze/{STAGE}/")["logGroups"]
    assert {group["retentionInDays"] for group in groups} == {90}


def test_the_instances_role_may_what_the_contract_grants(aws: Emulated) -> None:
    iam = aws.client("iam")
    attached = iam.list_attached_role_policies(RoleName=f"{PREFIX}instance")["AttachedPolicies"]
    assert len(attached) == 2
    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    assert {f"{PREFIX}{name}" for name in ("instance", "operator", "codedeploy")} <= roles
