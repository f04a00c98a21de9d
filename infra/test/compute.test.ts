// Instances, their rights, and how builds come to them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { contract, type Grant, type Resource as On } from '../lib/contract.ts';
import type { Site } from '../lib/site.ts';
import { all, type Resource, templates } from './stacks.ts';

const of = templates('production');

test('instances answer for their metadata with a token alone, and their disks are encrypted', () => {
  const [template] = all(of, 'AWS::EC2::LaunchTemplate');
  const data = template!.Properties.LaunchTemplateData;
  assert.deepEqual([data.MetadataOptions.HttpTokens, data.MetadataOptions.HttpPutResponseHopLimit], ['required', 1]);
  assert.deepEqual(
    data.BlockDeviceMappings.map((disk: any) => disk.Ebs.Encrypted),
    [true],
  );
  assert.equal(data.KeyName, undefined, 'Session Manager instead of SSH');
});

test('the active colour has two to six instances a zone and takes traffic, the other has none', () => {
  const groups = all(of, 'AWS::AutoScaling::AutoScalingGroup');
  assert.deepEqual(
    groups.map((group) => group.Properties.AutoScalingGroupName),
    ['fieldfuze-production-blue', 'fieldfuze-production-green'],
  );
  for (const [index, colour] of ['blue', 'green'].entries()) {
    const group = groups[index]!.Properties;
    const active = `${colour}IsActive`;
    assert.deepEqual(
      [group.MinSize, group.MaxSize],
      [{ 'Fn::If': [active, '4', '0'] }, { 'Fn::If': [active, '12', '0'] }],
    );
    assert.equal(group.DesiredCapacity, undefined, 'scaling chooses it');
    const [condition, targets, none] = group.TargetGroupARNs['Fn::If'];
    assert.deepEqual([condition, targets.length, none], [active, 2, { Ref: 'AWS::NoValue' }]);
    assert.equal(group.HealthCheckType, 'ELB');
  }
  const tracked = all(of, 'AWS::AutoScaling::ScalingPolicy').map(
    (policy) => policy.Properties.TargetTrackingConfiguration,
  );
  assert.equal(
    tracked.filter((one) => one.PredefinedMetricSpecification?.PredefinedMetricType === 'ASGAverageCPUUtilization')
      .length,
    2,
  );
  assert.equal(tracked.filter((one) => one.CustomizedMetricSpecification?.MetricName === 'mem_used_percent').length, 2);
});

test('instances have the tags by which a deployment knows what it replaces', () => {
  for (const [index, colour] of ['blue', 'green'].entries()) {
    const tags: any[] = all(of, 'AWS::AutoScaling::AutoScalingGroup')[index]!.Properties.Tags;
    const launched = new Map(tags.filter((tag) => tag.PropagateAtLaunch).map((tag) => [tag.Key, tag.Value]));
    assert.equal(launched.get('fieldfuze:stage'), 'production');
    assert.equal(launched.get('fieldfuze:colour'), colour);
  }
});

test('no deployment group is in a template: CloudFormation refuses one that is blue/green', () => {
  assert.deepEqual(all(of, 'AWS::CodeDeploy::DeploymentGroup'), []);
  assert.doesNotMatch(JSON.stringify(Object.values(of).map((template) => template.toJSON())), /BLUE_GREEN/);
});

/** The statements of the managed policy that has this description. */
function policy(description: RegExp): any[] {
  const found = all(of, 'AWS::IAM::ManagedPolicy').find((one) => description.test(one.Properties.Description));
  return (found as Resource).Properties.PolicyDocument.Statement;
}

const list = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

/** What a policy allows: one line for each action on each resource. */
function allowed(statements: any[]): string[] {
  const lines = statements
    .filter((statement) => statement.Sid !== 'StorageKeyThroughDynamoDb')
    .flatMap((statement) => {
      assert.equal(statement.Effect, 'Allow');
      assert.equal(statement.NotAction ?? statement.NotResource, undefined);
      return list<string>(statement.Action).flatMap((action) =>
        list<any>(statement.Resource).map((on) => `${action} ${ending(on)}`),
      );
    });
  return [...new Set(lines)].sort();
}

/** The end of an ARN, from which on it is ours. */
function ending(arn: any): string {
  const text = arn['Fn::Join']
    ? arn['Fn::Join'][1].map((part: any) => (typeof part === 'string' ? part : '*')).join('')
    : JSON.stringify(arn);
  return text
    .replace(/^.*fieldfuze-production-/, '')
    .replace(/^.*:secret:/, '')
    .replace(/^.*WrappingKey.*$/, 'wrapping-key');
}

function name(on: On): string {
  if (on === 'wrapping-key') return on;
  if (on === 'secrets') return 'fieldfuze/production/secrets-??????';
  if ('table' in on) return on.table;
  if ('queue' in on) return on.queue;
  return 'indexes_of' in on ? `${on.indexes_of}/index/*` : `${on.stream_of}/stream/*`;
}

function granted(may: (to: Grant['to']) => boolean): string[] {
  const grants = contract.grants.filter((grant) => may(grant.to));
  return [...new Set(grants.flatMap((grant) => grant.actions.map((action) => `${action} ${name(grant.on)}`)))].sort();
}

test('instances may what the code calls, and nothing more', () => {
  assert.deepEqual(
    allowed(policy(/command-api, query-api and projector/)),
    granted((to) => to !== 'operator'),
  );
});

test('operators may what their commands call, with a second factor', () => {
  assert.deepEqual(
    allowed(policy(/operator commands/)),
    granted((to) => to === 'operator'),
  );
  const role = all(of, 'AWS::IAM::Role').find((one) => one.Properties.RoleName === 'fieldfuze-production-operator');
  const [trust] = role!.Properties.AssumeRolePolicyDocument.Statement;
  assert.deepEqual(trust.Condition, { Bool: { 'aws:MultiFactorAuthPresent': 'true' } });
});

test('the log is never changed and never deleted from', () => {
  for (const statement of all(of, 'AWS::IAM::ManagedPolicy').flatMap(
    (one) => one.Properties.PolicyDocument.Statement,
  )) {
    const onLog = list<any>(statement.Resource).some((arn) => ending(arn) === 'events');
    if (onLog) assert.doesNotMatch(JSON.stringify(statement.Action), /Update|Delete|BatchWrite|\*/);
  }
});

test("the tables' key is used through DynamoDB alone", () => {
  for (const description of [/command-api, query-api and projector/, /operator commands/]) {
    const storage = policy(description).find((statement) => statement.Sid === 'StorageKeyThroughDynamoDb');
    assert.deepEqual(storage.Condition, { StringEquals: { 'kms:ViaService': 'dynamodb.us-east-1.amazonaws.com' } });
  }
});

/** A document as IAM gets it. */
function rendered(value: any): any {
  if (Array.isArray(value)) return value.map(rendered);
  if (typeof value !== 'object' || value === null) return value;
  if ('Fn::Join' in value) return value['Fn::Join'][1].map(rendered).join(value['Fn::Join'][0]);
  if (value.Ref === 'AWS::Partition') return 'aws';
  if (value.Ref === 'AWS::AccountId') return '1'.repeat(12);
  // The ARN of something in another stack: no longer than that of a key or of a repository.
  if ('Ref' in value || 'Fn::ImportValue' in value || 'Fn::GetAtt' in value) return 'x'.repeat(80);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, rendered(part)]));
}

test('policies fit into what IAM takes: 6,144 characters, and 10,240 in all for those inside a role', () => {
  const length = (one: Resource): number => JSON.stringify(rendered(one.Properties.PolicyDocument)).length;
  for (const one of all(of, 'AWS::IAM::ManagedPolicy')) assert.ok(length(one) <= 6_144, `${length(one)}`);
  for (const one of all(of, 'AWS::IAM::Policy')) assert.ok(length(one) <= 10_240, `${length(one)}`);
});

test('only the workflow of this repository, in its environment, may deploy', () => {
  const role = all(of, 'AWS::IAM::Role').find((one) => one.Properties.RoleName === 'fieldfuze-production-pipeline');
  const [trust] = role!.Properties.AssumeRolePolicyDocument.Statement;
  assert.deepEqual(trust.Condition.StringEquals, {
    'token.actions.githubusercontent.com:aud': 'sts.amazonaws.com',
    'token.actions.githubusercontent.com:sub': 'repo:fieldfuze/backend:environment:production',
  });
});

test('what an instance runs at its first start is a sound script', () => {
  const data = all(of, 'AWS::EC2::LaunchTemplate')[0]!.Properties.LaunchTemplateData.UserData['Fn::Base64'];
  const script: string = rendered(data);
  assert.match(script, /^#!\/bin\/bash\nset -euo pipefail\n/);
  const { status, stdout } = spawnSync('shellcheck', ['--severity=warning', '-'], { input: script, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});

test('the bundle of what runs is there however long ago it was deployed', () => {
  const bundles = all(of, 'AWS::S3::Bucket').find((one) => /-bundles-/.test(JSON.stringify(one.Properties.BucketName)));
  const rules: any[] = bundles!.Properties.LifecycleConfiguration.Rules;
  assert.equal(rules.length, 1);
  assert.equal(rules[0].ExpirationInDays, undefined);
});

test('what the hooks and units call is installed', () => {
  const data = all(of, 'AWS::EC2::LaunchTemplate')[0]!.Properties.LaunchTemplateData.UserData['Fn::Base64'];
  const [, installed] = /^dnf install --assumeyes (.*)$/m.exec(rendered(data)) ?? [];
  for (const name of ['docker', 'logrotate']) assert.ok(installed!.split(' ').includes(name), installed);
});

test('what the site says of text messages is told, and nothing where the code has its own figures', () => {
  const variables = (change: Partial<Site>): string[] => {
    const [template] = all(templates('production', change), 'AWS::EC2::LaunchTemplate');
    const script: string = rendered(template!.Properties.LaunchTemplateData.UserData['Fn::Base64']);
    return [...script.matchAll(/^FIELDFUZE_SMS_.*$/gm)].map(([line]) => line);
  };
  assert.deepEqual(variables({}), ['FIELDFUZE_SMS_COUNTRIES=US,CA']);
  assert.deepEqual(variables({ sms_account_rate: 10, sms_sender_rate: 0.1, sms_daily_segments: 500 }), [
    'FIELDFUZE_SMS_COUNTRIES=US,CA',
    'FIELDFUZE_SMS_ACCOUNT_RATE=10',
    'FIELDFUZE_SMS_SENDER_RATE=0.1',
    'FIELDFUZE_SMS_DAILY_SEGMENTS=500',
  ]);
});

test('the services are told where they listen, and nothing secret', () => {
  const text = JSON.stringify(all(of, 'AWS::EC2::LaunchTemplate')[0]!.Properties.LaunchTemplateData.UserData);
  for (const variable of [
    'FIELDFUZE_COMMAND_API_LISTEN=0.0.0.0:8081',
    'FIELDFUZE_QUERY_API_LISTEN=0.0.0.0:8082',
    'FIELDFUZE_PROJECTOR_LISTEN=0.0.0.0:8083',
    'FIELDFUZE_SMS_COUNTRIES=US,CA',
  ]) {
    assert.ok(text.includes(variable), variable);
  }
  assert.doesNotMatch(text, /resolve:secretsmanager/);
});
