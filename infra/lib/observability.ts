// What tells people that something is wrong: log groups, alarms, a dashboard, a budget.

import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as budgets from 'aws-cdk-lib/aws-budgets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';

import type { Compute } from './compute.ts';
import { contract } from './contract.ts';
import type { Data } from './data.ts';
import type { Edge } from './edge.ts';
import { alarms, rollbackAlarm } from './observability/alarms.ts';
import { dashboard } from './observability/dashboard.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';

export interface ObservabilityProps extends StackProps {
  readonly stage: Stage;
  readonly site: Site;
  readonly data: Data;
  readonly compute: Compute;
  readonly edge: Edge;
}

export class Observability extends Stack {
  constructor(scope: Construct, id: string, { stage, site, data, compute, edge, ...props }: ObservabilityProps) {
    super(scope, id, props);
    for (const name of [...contract.services.map((service) => service.name), 'codedeploy']) {
      new logs.LogGroup(this, `Log-${name}`, {
        logGroupName: `/fieldfuze/${stage.name}/${name}`,
        retention: stage.logDays === 90 ? logs.RetentionDays.THREE_MONTHS : logs.RetentionDays.ONE_MONTH,
        // Nothing in them that the log of events does not have.
        removalPolicy: RemovalPolicy.DESTROY,
      });
    }
    const topic = new sns.Topic(this, 'Alarms', { topicName: `fieldfuze-${stage.name}-alarms`, enforceSSL: true });
    topic.addSubscription(new EmailSubscription(site.alarms_to));
    topic.grantPublish(new iam.ServicePrincipal('cloudwatch.amazonaws.com'));
    const all = alarms(this, { stage, data, compute, edge, topic });
    rollbackAlarm(this, stage, all);
    dashboard(this, { stage, data, compute, edge, alarms: all });
    this.budget(stage, site);
  }

  private budget(stage: Stage, site: Site): void {
    const notify = (
      threshold: number,
      notificationType: string,
    ): budgets.CfnBudget.NotificationWithSubscribersProperty => ({
      notification: { comparisonOperator: 'GREATER_THAN', threshold, thresholdType: 'PERCENTAGE', notificationType },
      subscribers: [{ subscriptionType: 'EMAIL', address: site.alarms_to }],
    });
    new budgets.CfnBudget(this, 'Budget', {
      budget: {
        budgetName: `fieldfuze-${stage.name}`,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: stage.budgetDollars, unit: 'USD' },
      },
      notificationsWithSubscribers: [notify(80, 'ACTUAL'), notify(100, 'FORECASTED')],
    });
  }
}
