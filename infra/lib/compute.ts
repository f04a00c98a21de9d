// What runs the three services: instances in two colours, their role, the target groups, and how builds come to them.

import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import type { AutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';

import { acknowledge, ACCOUNT, wildcards } from './acknowledge.ts';
import { type Delivery, delivery } from './compute/delivery.ts';
import { type Colour, instances } from './compute/instances.ts';
import { secretArn, SERVICES, statements } from './compute/role.ts';
import { userData } from './compute/user-data.ts';
import { contract, port } from './contract.ts';
import { type Data, prefixOf, secretNames } from './data.ts';
import type { Network } from './network.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';

export interface ComputeProps extends StackProps {
  readonly stage: Stage;
  readonly site: Site;
  readonly network: Network;
  readonly data: Data;
}

const THROUGH_DYNAMODB = {
  'Action::kms:GenerateDataKey*': 'With and without the plain text, as DynamoDB needs it; only through DynamoDB',
  'Action::kms:ReEncrypt*': 'From and to, as DynamoDB needs it; only through DynamoDB',
};

/** The services behind the load balancer. */
export type Facing = 'command-api' | 'query-api';

export class Compute extends Stack {
  readonly targetGroups: ReadonlyMap<Facing, elb.ApplicationTargetGroup>;
  readonly groups: ReadonlyMap<Colour, AutoScalingGroup>;
  readonly delivery: Delivery;

  constructor(scope: Construct, id: string, { stage, site, network, data, ...props }: ComputeProps) {
    super(scope, id, props);
    this.targetGroups = new Map(
      (['command-api', 'query-api'] as const).map((name) => [name, this.targetGroup(stage, network, name)]),
    );
    const role = this.instanceRole(stage, data);
    this.operatorRole(stage, data);
    this.delivery = delivery(this, { stage, site, instanceRole: role });
    this.groups = instances(this, {
      stage,
      network,
      role,
      userData: userData(this, { stage, site, repository: this.delivery.repository }),
      targetGroups: [...this.targetGroups.values()],
    });
    new CfnOutput(this, 'ImageRepository', { value: this.delivery.repository.repositoryUri });
  }

  private targetGroup(stage: Stage, { vpc }: Network, name: Facing): elb.ApplicationTargetGroup {
    return new elb.ApplicationTargetGroup(this, name === 'command-api' ? 'CommandApi' : 'QueryApi', {
      targetGroupName: `fieldfuze-${stage.name}-${name}`,
      vpc,
      port: port(name),
      protocol: elb.ApplicationProtocol.HTTP,
      targetType: elb.TargetType.INSTANCE,
      // A service drains for 25 s, and its container is stopped after 45.
      deregistrationDelay: Duration.seconds(contract.drain_seconds + 5),
      // Alive, not ready: the group ends what this finds unhealthy. Not ready are all of them at once, when DynamoDB is away
      // for a moment. No instance gets traffic before the validation of its deployment has found it ready.
      healthCheck: {
        path: contract.health.alive,
        healthyHttpCodes: '200',
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 2,
      },
    });
  }

  private instanceRole(stage: Stage, data: Data): iam.Role {
    const role = new iam.Role(this, 'InstanceRole', {
      roleName: `fieldfuze-${stage.name}-instance`,
      assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName('AmazonSSMManagedInstanceCore')],
    });
    const kept = 'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore]';
    acknowledge(role, kept, 'What Session Manager needs, kept by AWS; it replaces SSH');
    const services = new iam.ManagedPolicy(this, 'ServicesPolicy', {
      description: 'What command-api, query-api and projector call',
      statements: statements(this, stage, data, SERVICES),
    });
    services.attachToRole(role);
    wildcards(services, {
      ...THROUGH_DYNAMODB,
      [`Resource::arn:<AWS::Partition>:dynamodb:${this.region}:${ACCOUNT}:table/${prefixOf(stage)}events/stream/*`]:
        'A stream is named by the moment when it was switched on',
      ...this.indexes(stage),
    });
    const logs = `log-group:/fieldfuze/${stage.name}/*`;
    const allow = (sid: string, actions: string[], resources: string[], conditions = {}): void => {
      role.addToPolicy(new iam.PolicyStatement({ sid, actions, resources, conditions }));
    };
    allow('TelnyxKey', ['secretsmanager:GetSecretValue'], [`${secretArn(this, secretNames(stage).telnyxKey)}-??????`]);
    allow(
      'Logs',
      ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
      [`arn:${this.partition}:logs:${this.region}:${this.account}:${logs}`],
    );
    allow('Metrics', ['cloudwatch:PutMetricData'], ['*'], {
      StringEquals: { 'cloudwatch:namespace': ['CWAgent'] },
    });
    // The agent's settings are in a parameter; it looks up its own instance's group for the metrics' dimension.
    allow(
      'AgentSettings',
      ['ssm:GetParameter'],
      [
        this.formatArn({
          service: 'ssm',
          resource: 'parameter',
          resourceName: `fieldfuze/${stage.name}/cloudwatch-agent`,
        }),
      ],
    );
    allow('AgentDimensions', ['ec2:DescribeTags', 'ec2:DescribeInstances'], ['*']);
    allow(
      'Traces',
      ['xray:PutTraceSegments', 'xray:PutTelemetryRecords', 'xray:PutSpans', 'xray:PutSpansForIndexing'],
      ['*'],
    );
    wildcards(role, {
      'Resource::*': 'Metrics, traces, tags and the login of ECR know no resources',
      [`Resource::arn:<AWS::Partition>:logs:${this.region}:${ACCOUNT}:${logs}`]:
        'A log stream is named by its instance',
    });
    return role;
  }

  /** For people who run the operator commands: with a second factor, with rights that no instance has. */
  private operatorRole(stage: Stage, data: Data): void {
    const role = new iam.Role(this, 'OperatorRole', {
      roleName: `fieldfuze-${stage.name}-operator`,
      maxSessionDuration: Duration.hours(4),
      assumedBy: new iam.AccountRootPrincipal().withConditions({ Bool: { 'aws:MultiFactorAuthPresent': 'true' } }),
    });
    const policy = new iam.ManagedPolicy(this, 'OperatorPolicy', {
      description: 'What the operator commands of projector call',
      statements: statements(this, stage, data, ['operator']),
    });
    policy.attachToRole(role);
    wildcards(policy, { ...THROUGH_DYNAMODB, ...this.indexes(stage) });
  }

  private indexes(stage: Stage): Record<string, string> {
    const indexed = contract.tables.filter((table) => table.indexes.length > 0);
    return Object.fromEntries(
      indexed.map(({ name }) => [
        `Resource::arn:<AWS::Partition>:dynamodb:${this.region}:${ACCOUNT}:table/${prefixOf(stage)}${name}/index/*`,
        'All indexes of one table are read alike',
      ]),
    );
  }
}
