// The way in: by method to the two services, through CloudFront alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contract, port } from '../lib/contract.ts';
import { all, templates } from './stacks.ts';

const of = templates('production');

test('what reads goes to query-api, everything else to command-api, and only with what CloudFront adds', () => {
  const rules = all(of, 'AWS::ElasticLoadBalancingV2::ListenerRule').map((rule) => rule.Properties);
  assert.deepEqual(
    rules.map((rule) => rule.Priority),
    [10, 20],
  );
  const fields = rules.map((rule) => rule.Conditions.map((condition: any) => condition.Field).sort());
  assert.deepEqual(fields, [['http-header', 'http-request-method'], ['http-header']]);
  const methods = rules[0]!.Conditions.find((condition: any) => condition.Field === 'http-request-method');
  assert.deepEqual(methods.HttpRequestMethodConfig.Values, contract.reading_methods);
  for (const rule of rules) {
    const header = rule.Conditions.find((condition: any) => condition.Field === 'http-header').HttpHeaderConfig;
    assert.equal(header.HttpHeaderName, 'X-Fieldfuze-Origin');
    assert.match(JSON.stringify(header.Values), /resolve:secretsmanager/);
  }
  const targets = rules.map((rule) => JSON.stringify(rule.Actions));
  assert.match(targets[0]!, /QueryApi/);
  assert.match(targets[1]!, /CommandApi/);
});

test('port 443 answers nobody else, and port 80 only sends to it', () => {
  const listeners = all(of, 'AWS::ElasticLoadBalancingV2::Listener').map((listener) => listener.Properties);
  const by = new Map(listeners.map((listener) => [listener.Port, listener]));
  assert.deepEqual([...by.keys()].sort(), [443, 80]);
  assert.equal(by.get(80)!.DefaultActions[0].RedirectConfig.Port, '443');
  assert.equal(by.get(443)!.DefaultActions[0].FixedResponseConfig.StatusCode, '403');
  assert.match(by.get(443)!.SslPolicy, /TLS13/);
});

test('target groups ask the services whether they are alive, for the group ends what is not, and drain for longer than they do', () => {
  const groups = all(of, 'AWS::ElasticLoadBalancingV2::TargetGroup').map((group) => group.Properties);
  assert.deepEqual(
    groups.map((group) => group.Port),
    [port('command-api'), port('query-api')],
  );
  for (const group of groups) {
    assert.equal(group.HealthCheckPath, contract.health.alive);
    const delay = group.TargetGroupAttributes.find((one: any) => one.Key === 'deregistration_delay.timeout_seconds');
    assert.ok(Number(delay.Value) > contract.drain_seconds);
  }
});

test('CloudFront keeps nothing, passes on the address of the client, and has a firewall', () => {
  const [distribution] = all(of, 'AWS::CloudFront::Distribution');
  const config = distribution!.Properties.DistributionConfig;
  // AWS's own policy that is called CachingDisabled.
  assert.equal(config.DefaultCacheBehavior.CachePolicyId, '4135ea2d-6df8-44a3-9df3-4b5a84be39ad');
  assert.equal(config.DefaultCacheBehavior.ViewerProtocolPolicy, 'https-only');
  assert.ok(config.WebACLId);
  assert.ok(config.Logging);
  const [policy] = all(of, 'AWS::CloudFront::OriginRequestPolicy');
  const headers = policy!.Properties.OriginRequestPolicyConfig.HeadersConfig;
  assert.deepEqual(
    headers.Headers.map((name: string) => name.toLowerCase()),
    [contract.viewer_address_header],
  );
  assert.equal(headers.HeaderBehavior, 'allViewerAndWhitelistCloudFront');
});

test('too many requests from one address are refused before anything else is looked at', () => {
  const [acl] = all(of, 'AWS::WAFv2::WebACL');
  const first = acl!.Properties.Rules.find((rule: any) => rule.Priority === 0);
  // What Telnyx sends comes from few addresses, is signed, and is shed by the service itself.
  const { ScopeDownStatement: only, ...rate } = first.Statement.RateBasedStatement;
  assert.deepEqual(rate, { AggregateKeyType: 'IP', Limit: 2_000 });
  const { TextTransformations: as, ...match } = only.NotStatement.Statement.ByteMatchStatement;
  assert.deepEqual(match, {
    FieldToMatch: { UriPath: {} },
    PositionalConstraint: 'STARTS_WITH',
    SearchString: '/v1/webhooks/telnyx',
  });
  assert.deepEqual(as, [{ Priority: 0, Type: 'NONE' }]);
  assert.equal(acl!.Properties.Rules.length, 4);
});

test('the name leads to CloudFront, by both kinds of address, and is watched', () => {
  const records = all(of, 'AWS::Route53::RecordSet').map(
    (record) => `${record.Properties.Type} ${record.Properties.Name}`,
  );
  assert.deepEqual(records.sort(), [
    'A api.fieldfuze.example.',
    'A origin.api.fieldfuze.example.',
    'AAAA api.fieldfuze.example.',
  ]);
  const [check] = all(of, 'AWS::Route53::HealthCheck');
  assert.equal(check!.Properties.HealthCheckConfig.ResourcePath, contract.health.ready);
});
