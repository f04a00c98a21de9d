// What must outlive every instance: tables, queues, keys, secrets, and which colour is active.

import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import { contract } from './contract.ts';
import { type Lane, lane } from './data/queues.ts';
import { table } from './data/tables.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';

export interface DataProps extends StackProps {
  readonly stage: Stage;
  readonly site: Site;
}

/** Put in front of every table's and queue's name. */
export function prefixOf(stage: Stage): string {
  return `fieldfuze-${stage.name}-`;
}

/** Names the colour that takes traffic: `blue`, `green`, or `none` before the first deployment. */
export function activeColourParameter(stage: Stage): string {
  return `/fieldfuze/${stage.name}/active-colour`;
}

/** What the secrets are called. */
export function secretNames(stage: Stage): {
  readonly services: string;
  readonly telnyxKey: string;
  readonly origin: string;
} {
  const of = (name: string): string => `fieldfuze/${stage.name}/${name}`;
  return { services: of('secrets'), telnyxKey: of('telnyx-api-key'), origin: of('origin') };
}

export class Data extends Stack {
  readonly tables = new Map<string, Table>();
  readonly lanes = new Map<string, Lane>();
  /** Encrypts the tables at rest. */
  readonly storageKey: kms.Key;
  /** Wraps the key that wraps each person's key. */
  readonly wrappingKey: kms.Key;
  /** The services' keys, as `secrets.json` has them at home. */
  readonly secrets: secretsmanager.Secret;
  /** The key of Telnyx's API. */
  readonly telnyxKey: secretsmanager.Secret;
  /** What CloudFront adds to each request, so that the load balancer answers nobody else. */
  readonly originSecret: secretsmanager.Secret;

  constructor(scope: Construct, id: string, { stage, site, ...props }: DataProps) {
    super(scope, id, props);
    const prefix = prefixOf(stage);
    this.storageKey = this.key('StorageKey', `${prefix}storage`, 'encrypts the tables of FieldFuze at rest');
    this.wrappingKey = this.key('WrappingKey', `${prefix}wrapping`, 'wraps the key that wraps the keys of persons');
    for (const definition of contract.tables) {
      const made = table(this, { definition, prefix, key: this.storageKey, capacity: site.capacity });
      this.tables.set(definition.name, made);
    }
    for (const definition of contract.queues) this.lanes.set(definition.name, lane(this, definition, prefix));

    const names = secretNames(stage);
    this.secrets = this.secret('Secrets', names.services, 'keys of tokens, cursors and persons');
    this.telnyxKey = this.secret('TelnyxKey', names.telnyxKey, 'key of the Telnyx API');
    this.originSecret = this.secret('OriginSecret', names.origin, 'what CloudFront shows to the ALB');
    new ssm.StringParameter(this, 'ActiveColour', {
      parameterName: activeColourParameter(stage),
      stringValue: 'none',
      allowedPattern: '^(blue|green|none)$',
      description: 'The colour that takes traffic. Written by the deploy script alone.',
    });
  }

  private key(id: string, alias: string, description: string): kms.Key {
    return new kms.Key(this, id, { alias, description, enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN });
  }

  private secret(id: string, secretName: string, description: string): secretsmanager.Secret {
    const secret = new secretsmanager.Secret(this, id, {
      secretName,
      description,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(
      secret,
      'SMG4',
      'Rotated by `projector keys rotate`, by hand in the portal of Telnyx, or with a deployment of the edge',
    );
    return secret;
  }
}
