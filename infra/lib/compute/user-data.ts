// What an instance does at its first start: installs what the deployments need and writes down what its services are told.
// The services themselves come with CodeDeploy, also onto instances that scaling adds later.

import { RemovalPolicy, type Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type { IRepository } from 'aws-cdk-lib/aws-ecr';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { readFileSync } from 'node:fs';

import { contract } from '../contract.ts';
import { prefixOf, secretNames } from '../data.ts';
import { namespaceOf } from '../observability/own.ts';
import type { Site } from '../site.ts';
import type { Stage } from '../stage.ts';

export interface UserDataProps {
  readonly stage: Stage;
  readonly site: Site;
  readonly repository: IRepository;
}

/** What the services are told by their environment: nothing secret. */
export function environment(stack: Stack, { stage, site }: Omit<UserDataProps, 'repository'>): Record<string, string> {
  return {
    AWS_REGION: stack.region,
    FIELDFUZE_TABLE_PREFIX: prefixOf(stage),
    FIELDFUZE_PUBLIC_URL: `https://${site.domain}`,
    FIELDFUZE_SECRETS_ID: secretNames(stage).services,
    FIELDFUZE_CLIENT_ADDRESS_HEADER: contract.viewer_address_header,
    FIELDFUZE_TELNYX_PUBLIC_KEY: site.telnyx_public_keys.join(','),
    FIELDFUZE_TELNYX_FROM: site.telnyx_from,
    // The CloudWatch agent of the instance takes spans; it reads the metrics out of the services' output.
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    FIELDFUZE_EMF_NAMESPACE: namespaceOf(stage),
    FIELDFUZE_SMS_COUNTRIES: site.sms_countries.join(','),
    // What the site does not say is as the code has it.
    ...(site.sms_account_rate !== undefined && { FIELDFUZE_SMS_ACCOUNT_RATE: `${site.sms_account_rate}` }),
    ...(site.sms_sender_rate !== undefined && { FIELDFUZE_SMS_SENDER_RATE: `${site.sms_sender_rate}` }),
    ...(site.sms_daily_segments !== undefined && { FIELDFUZE_SMS_DAILY_SEGMENTS: `${site.sms_daily_segments}` }),
    ...Object.fromEntries(
      contract.services.map(({ name, port }) => [
        `FIELDFUZE_${name.toUpperCase().replace('-', '_')}_LISTEN`,
        `0.0.0.0:${port}`,
      ]),
    ),
  };
}

export function userData(stack: Stack, props: UserDataProps): ec2.UserData {
  const { stage, repository } = props;
  const agent = new ssm.StringParameter(stack, 'CloudWatchAgent', {
    parameterName: `/fieldfuze/${stage.name}/cloudwatch-agent`,
    description: 'Settings of the CloudWatch agent on the instances',
    stringValue: agentSettings(stage),
  });
  agent.applyRemovalPolicy(RemovalPolicy.DESTROY);
  const lines = Object.entries(environment(stack, props)).map(([name, value]) => `${name}=${value}`);
  const commands = ec2.UserData.forLinux({ shebang: '#!/bin/bash' });
  commands.addCommands(
    'set -euo pipefail',
    'dnf install --assumeyes docker ruby wget logrotate amazon-cloudwatch-agent',
    'install --directory --mode 0755 /etc/fieldfuze /var/log/fieldfuze',
    `cat > /etc/fieldfuze/environment <<'END'\n${lines.join('\n')}\nEND`,
    `cat > /etc/fieldfuze/instance <<'END'\nAWS_REGION=${stack.region}\nREPOSITORY=${repository.repositoryUri}\nTELNYX_KEY_ID=${secretNames(stage).telnyxKey}\nEND`,
    'systemctl enable --now docker',
    `/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c ssm:${agent.parameterName}`,
    // Last: with it the instance can be deployed to.
    `wget --quiet --output-document /tmp/codedeploy https://aws-codedeploy-${stack.region}.s3.${stack.region}.amazonaws.com/latest/install`,
    'ruby /tmp/codedeploy auto',
  );
  return commands;
}

/** The agent's file with the stage's name in it. */
export function agentSettings(stage: Stage): string {
  const text = readFileSync(new URL('../../instance/cloudwatch-agent.json', import.meta.url), 'utf8');
  return JSON.stringify(JSON.parse(text.replaceAll('STAGE', stage.name)));
}
