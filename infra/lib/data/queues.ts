// One lane's queue with its dead letters, as the contract defines them.

import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

import { contract, type QueueDefinition } from '../contract.ts';
import { name } from './tables.ts';

export interface Lane {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;
}

export function lane(scope: Construct, definition: QueueDefinition, prefix: string): Lane {
  // What a body holds is a notification's id, so that SQS's own keys are enough.
  const both = {
    encryption: sqs.QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.seconds(contract.dead_letter_retention_seconds),
    // The sweeper fills it again from the log.
    removalPolicy: RemovalPolicy.DESTROY,
  };
  const deadLetters = new sqs.Queue(scope, name(definition.dead_letters), {
    ...both,
    queueName: `${prefix}${definition.dead_letters}`,
  });
  const queue = new sqs.Queue(scope, name(definition.name), {
    ...both,
    queueName: `${prefix}${definition.name}`,
    visibilityTimeout: Duration.seconds(contract.visibility_seconds),
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: contract.max_receives },
  });
  return { queue, deadLetters };
}
