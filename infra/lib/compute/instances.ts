// The instances: one launch template, and two auto scaling groups of which one, the active colour, has instances.

import { CfnCondition, CfnParameter, Duration, Fn, RemovalPolicy, type Stack, Tags } from 'aws-cdk-lib';
import * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type { ApplicationTargetGroup } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as iam from 'aws-cdk-lib/aws-iam';

import { acknowledge } from '../acknowledge.ts';
import { activeColourParameter } from '../data.ts';
import type { Network } from '../network.ts';
import { type Stage, ZONES } from '../stage.ts';

export const COLOURS = ['blue', 'green'] as const;
export type Colour = (typeof COLOURS)[number];

/** Sign-in is what costs CPU: above this, a storm of it finds no room. */
const CPU_PERCENT = 50;

/** The three processes take less than 100 MB together; what fills the memory is a leak or a load nobody measured. */
const MEMORY_PERCENT = 70;

/** From the start of an instance to its first healthy answer: packages, image, deployment. */
const WARM_UP = Duration.minutes(5);

/** What an instance's disk holds: the system, two images, a day of logs. */
const DISK_GB = 20;

export interface InstancesProps {
  readonly stage: Stage;
  readonly network: Network;
  readonly role: iam.Role;
  readonly userData: ec2.UserData;
  readonly targetGroups: readonly ApplicationTargetGroup[];
}

export function groupName(stage: Stage, colour: Colour): string {
  return `fieldfuze-${stage.name}-${colour}`;
}

export function instances(stack: Stack, props: InstancesProps): Map<Colour, autoscaling.AutoScalingGroup> {
  const { stage, network, role, userData } = props;
  const launchTemplate = new ec2.LaunchTemplate(stack, 'Instance', {
    launchTemplateName: `fieldfuze-${stage.name}`,
    machineImage: ec2.MachineImage.latestAmazonLinux2023(),
    instanceType: new ec2.InstanceType(stage.instances.type),
    securityGroup: network.instances,
    role,
    userData,
    requireImdsv2: true,
    // Containers share the host's network, so that one hop is enough.
    httpPutResponseHopLimit: 1,
    detailedMonitoring: true,
    blockDevices: [
      {
        deviceName: '/dev/xvda',
        volume: ec2.BlockDeviceVolume.ebs(DISK_GB, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3 }),
      },
    ],
  });
  launchTemplate.applyRemovalPolicy(RemovalPolicy.DESTROY);
  const active = new CfnParameter(stack, 'ActiveColour', {
    type: 'AWS::SSM::Parameter::Value<String>',
    default: activeColourParameter(stage),
    description: 'Where the deploy script says which colour takes traffic',
  });
  return new Map(COLOURS.map((colour) => [colour, group(stack, props, launchTemplate, active, colour)]));
}

function group(
  stack: Stack,
  { stage, network, targetGroups }: InstancesProps,
  launchTemplate: ec2.LaunchTemplate,
  active: CfnParameter,
  colour: Colour,
): autoscaling.AutoScalingGroup {
  const isActive = new CfnCondition(stack, `${colour}IsActive`, {
    expression: Fn.conditionEquals(active.valueAsString, colour),
  });
  const least = stage.instances.perZone * ZONES.length;
  const most = stage.instances.mostPerZone * ZONES.length;
  const made = new autoscaling.AutoScalingGroup(stack, colour === 'blue' ? 'Blue' : 'Green', {
    autoScalingGroupName: groupName(stage, colour),
    vpc: network.vpc,
    vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    launchTemplate,
    minCapacity: least,
    maxCapacity: most,
    healthChecks: autoscaling.HealthChecks.withAdditionalChecks({
      additionalTypes: [autoscaling.AdditionalHealthCheckType.ELB],
      gracePeriod: WARM_UP,
    }),
    defaultInstanceWarmup: WARM_UP,
    groupMetrics: [autoscaling.GroupMetrics.all()],
    terminationPolicies: [autoscaling.TerminationPolicy.OLDEST_LAUNCH_TEMPLATE, autoscaling.TerminationPolicy.DEFAULT],
  });
  // The deploy script sets how many there are while it deploys. What a deployment of this stack then says agrees with the
  // active colour, and it says no `DesiredCapacity`, so that it never resets what scaling has chosen.
  const cfn = made.node.defaultChild as autoscaling.CfnAutoScalingGroup;
  const ifActive = (value: number): string => Fn.conditionIf(isActive.logicalId, `${value}`, '0').toString();
  cfn.minSize = ifActive(least);
  cfn.maxSize = ifActive(most);
  // An idle group has none, or whatever it starts would take traffic before it is deployed to.
  cfn.targetGroupArns = Fn.conditionIf(
    isActive.logicalId,
    targetGroups.map((group) => group.targetGroupArn),
    Fn.ref('AWS::NoValue'),
  ) as unknown as string[];

  made.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: CPU_PERCENT, estimatedInstanceWarmup: WARM_UP });
  made.scaleToTrackMetric('Memory', {
    metric: new Metric({
      namespace: 'CWAgent',
      metricName: 'mem_used_percent',
      dimensionsMap: { AutoScalingGroupName: groupName(stage, colour) },
    }),
    targetValue: MEMORY_PERCENT,
    estimatedInstanceWarmup: WARM_UP,
  });
  Tags.of(made).add('fieldfuze:colour', colour, { applyToLaunchedInstances: true });
  // By them the deploy script knows how large the idle group has to be.
  Tags.of(made).add('fieldfuze:least', `${least}`, { applyToLaunchedInstances: false });
  Tags.of(made).add('fieldfuze:most', `${most}`, { applyToLaunchedInstances: false });
  acknowledge(made, 'AS3', 'Scaling is no news: the alarms tell when it does not help');
  return made;
}
