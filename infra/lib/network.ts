// The private network: two zones, public and private subnets, and who may talk to whom.

import { CfnParameter, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import { port } from './contract.ts';
import { type Stage, ZONES } from './stage.ts';

export interface NetworkProps extends StackProps {
  readonly stage: Stage;
}

export class Network extends Stack {
  readonly vpc: ec2.Vpc;
  /** Of the load balancer. */
  readonly balancer: ec2.SecurityGroup;
  /** Of the instances. */
  readonly instances: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, { stage, ...props }: NetworkProps) {
    super(scope, id, props);
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr('10.20.0.0/16'),
      availabilityZones: [...ZONES],
      natGateways: stage.natGateways,
      subnetConfiguration: [
        { name: 'public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
      ],
    });
    this.flowLog(stage);

    this.balancer = this.group('Balancer', 'the load balancer: from CloudFront, to the services');
    this.instances = this.group('Instances', 'the instances: from the load balancer, to HTTPS anywhere');
    this.allow(stage);
  }

  private allow(stage: Stage): void {
    // Its id differs from region to region, so the deploy script looks it up.
    const cloudFront = new CfnParameter(this, 'CloudFrontPrefixList', {
      description: 'Id of the managed prefix list com.amazonaws.global.cloudfront.origin-facing',
      allowedPattern: '^pl-[0-9a-f]{8,17}$',
    });
    const edge = ec2.Peer.prefixList(cloudFront.valueAsString);
    this.balancer.addIngressRule(edge, ec2.Port.tcp(443), 'CloudFront');
    this.balancer.addIngressRule(edge, ec2.Port.tcp(80), 'CloudFront, only to be told to use 443');
    for (const name of ['command-api', 'query-api'] as const) {
      this.balancer.addEgressRule(this.instances, ec2.Port.tcp(port(name)), name);
      this.instances.addIngressRule(this.balancer, ec2.Port.tcp(port(name)), name);
    }
    // AWS's own services and Telnyx, whose addresses nobody can list.
    this.instances.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'AWS, the registry of images and Telnyx');

    for (const [name, service] of [
      ['DynamoDb', ec2.GatewayVpcEndpointAwsService.DYNAMODB],
      ['S3', ec2.GatewayVpcEndpointAwsService.S3],
    ] as const) {
      this.vpc.addGatewayEndpoint(name, { service, subnets: [{ subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }] });
    }
    if (stage.interfaceEndpoints.length === 0) return;
    const endpoints = this.group('Endpoints', 'the endpoints of AWS services: from the instances');
    endpoints.addIngressRule(this.instances, ec2.Port.tcp(443), 'the instances');
    const known = {
      sqs: ec2.InterfaceVpcEndpointAwsService.SQS,
      secretsmanager: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
      kms: ec2.InterfaceVpcEndpointAwsService.KMS,
    };
    for (const name of stage.interfaceEndpoints) {
      // Not `open`: that would let in the whole network instead of the instances.
      this.vpc.addInterfaceEndpoint(name, { service: known[name], open: false, securityGroups: [endpoints] });
    }
  }

  private group(name: string, description: string): ec2.SecurityGroup {
    return new ec2.SecurityGroup(this, name, { vpc: this.vpc, description, allowAllOutbound: false });
  }

  /** What was refused is what somebody looks for; what was let through is in the load balancer's log. */
  private flowLog(stage: Stage): void {
    const group = new logs.LogGroup(this, 'Refused', {
      logGroupName: `/fieldfuze/${stage.name}/refused-connections`,
      retention: stage.logDays === 90 ? logs.RetentionDays.THREE_MONTHS : logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.vpc.addFlowLog('Refused', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(group),
      trafficType: ec2.FlowLogTrafficType.REJECT,
    });
  }
}
