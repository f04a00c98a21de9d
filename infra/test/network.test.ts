// Who may talk to whom, and that nobody else does.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contract, port } from '../lib/contract.ts';
import { all, templates } from './stacks.ts';

const of = templates('production');

interface Rule {
  readonly FromPort: number;
  readonly ToPort: number;
  readonly CidrIp?: string;
  readonly CidrIpv6?: string;
  readonly SourcePrefixListId?: unknown;
  readonly SourceSecurityGroupId?: unknown;
  readonly GroupId?: unknown;
}

/** Every rule that lets something in. */
function ingress(): Rule[] {
  const inline = all(of, 'AWS::EC2::SecurityGroup').flatMap((group) => group.Properties.SecurityGroupIngress ?? []);
  const apart = all(of, 'AWS::EC2::SecurityGroupIngress').map((rule) => rule.Properties as unknown);
  return [...inline, ...apart] as Rule[];
}

test('nothing is open to the world', () => {
  assert.ok(ingress().length > 0);
  for (const rule of ingress()) {
    assert.equal(rule.CidrIp, undefined, JSON.stringify(rule));
    assert.equal(rule.CidrIpv6, undefined, JSON.stringify(rule));
  }
});

test('from outside only CloudFront comes in, and only to the load balancer', () => {
  const listed = ingress().filter((rule) => rule.SourcePrefixListId !== undefined);
  assert.deepEqual(listed.map((rule) => rule.FromPort).sort(), [443, 80]);
  for (const rule of listed) assert.deepEqual(rule.SourcePrefixListId, { Ref: 'CloudFrontPrefixList' });
});

test('the load balancer reaches the two services, and nothing else reaches an instance', () => {
  const ports = ingress()
    .filter((rule) => rule.SourceSecurityGroupId !== undefined && rule.FromPort !== 443)
    .map((rule) => [rule.FromPort, rule.ToPort]);
  assert.deepEqual(ports.sort(), [
    [port('command-api'), port('command-api')],
    [port('query-api'), port('query-api')],
  ]);
  assert.ok(
    contract.services.some(({ name }) => name === 'projector'),
    'whose health is asked for on the instance alone',
  );
});

test('an instance reaches HTTPS alone', () => {
  const groups = all(of, 'AWS::EC2::SecurityGroup');
  const out = groups
    .flatMap((group) => group.Properties.SecurityGroupEgress ?? [])
    .filter((rule: any) => rule.CidrIp === '0.0.0.0/0');
  assert.deepEqual(
    out.map((rule: any) => rule.FromPort),
    [443],
  );
});

test('subnets are in both zones, and instances in the private ones', () => {
  const subnets = all(of, 'AWS::EC2::Subnet');
  const zones = new Set(subnets.map((subnet) => subnet.Properties.AvailabilityZone));
  assert.deepEqual([...zones], ['us-east-1a', 'us-east-1b']);
  assert.equal(subnets.length, 4);
  for (const subnet of subnets) assert.equal(subnet.Properties.MapPublicIpOnLaunch, false);
  for (const group of all(of, 'AWS::AutoScaling::AutoScalingGroup')) {
    assert.match(JSON.stringify(group.Properties.VPCZoneIdentifier), /private/);
    assert.doesNotMatch(JSON.stringify(group.Properties.VPCZoneIdentifier), /public/);
  }
});

test('DynamoDB and S3 are reached without the way out', () => {
  const gateways = all(of, 'AWS::EC2::VPCEndpoint').filter(
    (endpoint) => endpoint.Properties.VpcEndpointType === 'Gateway',
  );
  assert.equal(gateways.length, 2);
});
