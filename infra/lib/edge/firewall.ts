// The rules that a request passes before it comes to the load balancer.

import type { Stack } from 'aws-cdk-lib';
import * as wafv2 from 'aws-cdk-lib/aws-wafv2';

import type { Stage } from '../stage.ts';

/** Requests from one address in five minutes. A crew behind one address makes a few hundred; who guesses makes more. */
const REQUESTS_IN_FIVE_MINUTES = 2_000;

/** Where Telnyx tells of each message, from few addresses. It is signed, and the service sheds what is too much. */
const NOT_COUNTED = '/v1/webhooks/telnyx';

/** AWS's own lists: known attackers' addresses, what attacks look like, what only probes send. */
const LISTS = [
  'AWSManagedRulesAmazonIpReputationList',
  'AWSManagedRulesCommonRuleSet',
  'AWSManagedRulesKnownBadInputsRuleSet',
] as const;

/** An import has thousands of lines: the services themselves bound what a body may be. */
const COUNT_ONLY = { AWSManagedRulesCommonRuleSet: ['SizeRestrictions_BODY'] } as Record<string, string[]>;

/** As it is sent: the services do not know another spelling of a path either. */
function startsWith(path: string): wafv2.CfnWebACL.StatementProperty {
  return {
    byteMatchStatement: {
      fieldToMatch: { uriPath: {} },
      positionalConstraint: 'STARTS_WITH',
      searchString: path,
      textTransformations: [{ priority: 0, type: 'NONE' }],
    },
  };
}

/** The ARN of a web ACL for CloudFront. */
export function firewall(stack: Stack, stage: Stage): string {
  const visible = (metricName: string): wafv2.CfnWebACL.VisibilityConfigProperty => ({
    metricName,
    cloudWatchMetricsEnabled: true,
    // A sample has the requests' headers, tokens among them.
    sampledRequestsEnabled: false,
  });
  const lists = LISTS.map((name, index) => ({
    name,
    priority: index + 1,
    overrideAction: { none: {} },
    statement: {
      managedRuleGroupStatement: {
        vendorName: 'AWS',
        name,
        ruleActionOverrides: (COUNT_ONLY[name] ?? []).map((rule) => ({ name: rule, actionToUse: { count: {} } })),
      },
    },
    visibilityConfig: visible(name),
  }));
  const acl = new wafv2.CfnWebACL(stack, 'Firewall', {
    name: `fieldfuze-${stage.name}`,
    scope: 'CLOUDFRONT',
    defaultAction: { allow: {} },
    visibilityConfig: visible(`fieldfuze-${stage.name}`),
    rules: [
      {
        name: 'TooMany',
        priority: 0,
        action: { block: { customResponse: { responseCode: 429 } } },
        statement: {
          rateBasedStatement: {
            aggregateKeyType: 'IP',
            limit: REQUESTS_IN_FIVE_MINUTES,
            scopeDownStatement: { notStatement: { statement: startsWith(NOT_COUNTED) } },
          },
        },
        visibilityConfig: visible('TooMany'),
      },
      ...lists,
    ],
  });
  return acl.attrArn;
}
