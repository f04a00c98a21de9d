// How a build comes onto the instances: registry, bundles, CodeDeploy's application, and the two roles of the pipeline.
// The deployment group is not here: CloudFormation refuses a blue/green one for instances (`infra/README.md`).

import { ArnFormat, Duration, RemovalPolicy, type Stack } from 'aws-cdk-lib';
import * as codedeploy from 'aws-cdk-lib/aws-codedeploy';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';

import { acknowledge, ACCOUNT, objectsOf, wildcards } from '../acknowledge.ts';
import { activeColourParameter } from '../data.ts';
import type { Site } from '../site.ts';
import type { Stage } from '../stage.ts';
import { type Colour, COLOURS, groupName } from './instances.ts';

/** Images to which one can roll back. */
const IMAGES_KEPT = 20;

const GITHUB = 'token.actions.githubusercontent.com';

export interface Delivery {
  readonly repository: ecr.Repository;
  readonly bundles: s3.Bucket;
}

export interface DeliveryProps {
  readonly stage: Stage;
  readonly site: Site;
  readonly instanceRole: iam.Role;
}

export function delivery(stack: Stack, { stage, site, instanceRole }: DeliveryProps): Delivery {
  const repository = new ecr.Repository(stack, 'Images', {
    repositoryName: `fieldfuze-${stage.name}`,
    imageTagMutability: ecr.TagMutability.IMMUTABLE,
    imageScanOnPush: true,
    lifecycleRules: [{ maxImageCount: IMAGES_KEPT, description: 'what one can roll back to' }],
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const bundles = new s3.Bucket(stack, 'Bundles', {
    // The deploy script knows it by this name.
    bucketName: `fieldfuze-${stage.name}-bundles-${stack.account}`,
    encryption: s3.BucketEncryption.S3_MANAGED,
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    versioned: true,
    // A bundle is some kilobytes, and scaling asks for that of the image that runs, however long ago it was deployed.
    lifecycleRules: [{ noncurrentVersionExpiration: Duration.days(30) }],
    removalPolicy: RemovalPolicy.RETAIN,
  });
  acknowledge(
    bundles,
    'S1',
    'Written by one role and read by one other, both of which CloudTrail shows; a bundle holds no data',
  );
  repository.grantPull(instanceRole);
  instanceRole.addToPolicy(
    new iam.PolicyStatement({
      sid: 'Bundles',
      actions: ['s3:GetObject', 's3:GetObjectVersion'],
      resources: [bundles.arnForObjects('*')],
    }),
  );
  wildcards(instanceRole, { [objectsOf(bundles)]: 'A bundle is named by its digest' });
  const application = new codedeploy.CfnApplication(stack, 'Application', {
    applicationName: `fieldfuze-${stage.name}`,
    computePlatform: 'Server',
  });
  const service = codeDeployRole(stack, stage);
  pipelineRole(stack, { stage, site, repository, bundles, service }).node.addDependency(application);
  return { repository, bundles };
}

/** What CodeDeploy itself may: AWS's list for instances behind a load balancer. */
function codeDeployRole(stack: Stack, stage: Stage): iam.Role {
  const role = new iam.Role(stack, 'CodeDeploy', {
    roleName: `fieldfuze-${stage.name}-codedeploy`,
    assumedBy: new iam.ServicePrincipal('codedeploy.amazonaws.com'),
    managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSCodeDeployRole')],
  });
  const kept = 'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRole]';
  acknowledge(
    role,
    kept,
    'The list that AWS keeps for this service; it names launch hooks and tags that change with it',
  );
  return role;
}

function groupArn(stack: Stack, stage: Stage, colour: Colour, partition: string, account: string): string {
  return `arn:${partition}:autoscaling:${stack.region}:${account}:autoScalingGroup:*:autoScalingGroupName/${groupName(stage, colour)}`;
}

interface PipelineProps {
  readonly stage: Stage;
  readonly site: Site;
  readonly repository: ecr.Repository;
  readonly bundles: s3.Bucket;
  readonly service: iam.Role;
}

/** What the workflow may, once somebody has approved it for this stage's environment: push one image, deploy one application. */
function pipelineRole(stack: Stack, { stage, site, repository, bundles, service }: PipelineProps): iam.Role {
  const github = new iam.CfnOIDCProvider(stack, 'GitHub', {
    url: `https://${GITHUB}`,
    clientIdList: ['sts.amazonaws.com'],
  });
  const role = new iam.Role(stack, 'Pipeline', {
    roleName: `fieldfuze-${stage.name}-pipeline`,
    maxSessionDuration: Duration.hours(2),
    assumedBy: new iam.WebIdentityPrincipal(github.attrArn, {
      StringEquals: {
        [`${GITHUB}:aud`]: 'sts.amazonaws.com',
        [`${GITHUB}:sub`]: `repo:${site.repository}:environment:${stage.name}`,
      },
    }),
  });
  repository.grantPullPush(role);
  const of = (
    service: string,
    resource: string,
    resourceName: string,
    arnFormat = ArnFormat.COLON_RESOURCE_NAME,
  ): string => stack.formatArn({ service, resource, resourceName, arnFormat });
  const name = `fieldfuze-${stage.name}`;
  const groups = COLOURS.map((colour) => groupArn(stack, stage, colour, stack.partition, stack.account));
  const allow = (sid: string, actions: string[], resources: string[]): void => {
    role.addToPolicy(new iam.PolicyStatement({ sid, actions, resources }));
  };
  allow('Bundles', ['s3:PutObject'], [bundles.arnForObjects('*')]);
  // By it a run of the deploy script keeps others out. Without the list S3 does not say that it is not there yet.
  allow('Lock', ['s3:GetObject'], [bundles.arnForObjects('deployment.json')]);
  allow('LockIsMissing', ['s3:ListBucket'], [bundles.bucketArn]);
  allow(
    'Deployments',
    [
      'CreateDeployment',
      'GetDeployment',
      'ListDeployments',
      'CreateDeploymentGroup',
      'UpdateDeploymentGroup',
      'GetDeploymentGroup',
    ].map((action) => `codedeploy:${action}`),
    COLOURS.map((colour) => of('codedeploy', 'deploymentgroup', `${name}/${groupName(stage, colour)}`)),
  );
  allow(
    'Revisions',
    ['codedeploy:RegisterApplicationRevision', 'codedeploy:GetApplicationRevision', 'codedeploy:GetApplication'],
    [of('codedeploy', 'application', name)],
  );
  allow(
    'Configuration',
    ['codedeploy:GetDeploymentConfig'],
    [of('codedeploy', 'deploymentconfig', 'CodeDeployDefault.AllAtOnce')],
  );
  allow(
    'Colours',
    [
      'autoscaling:UpdateAutoScalingGroup',
      'autoscaling:AttachLoadBalancerTargetGroups',
      'autoscaling:DetachLoadBalancerTargetGroups',
    ],
    groups,
  );
  // These know no resources.
  allow(
    'Look',
    [
      'autoscaling:DescribeAutoScalingGroups',
      'autoscaling:DescribeLoadBalancerTargetGroups',
      'elasticloadbalancing:DescribeTargetGroups',
      'elasticloadbalancing:DescribeTargetHealth',
      'cloudwatch:DescribeAlarms',
    ],
    ['*'],
  );
  allow(
    'ActiveColour',
    ['ssm:GetParameter', 'ssm:PutParameter'],
    [of('ssm', 'parameter', activeColourParameter(stage).slice(1), ArnFormat.SLASH_RESOURCE_NAME)],
  );
  role.addToPolicy(
    new iam.PolicyStatement({
      sid: 'HandToCodeDeploy',
      actions: ['iam:PassRole'],
      resources: [service.roleArn],
      conditions: { StringEquals: { 'iam:PassedToService': 'codedeploy.amazonaws.com' } },
    }),
  );
  const groupIds = 'Only AWS knows the id of a group; its name is said';
  wildcards(role, {
    'Resource::*': 'The login of ECR, and reading what knows no resources',
    [objectsOf(bundles)]: 'A bundle is named by its digest',
    ...Object.fromEntries(
      COLOURS.map((colour) => [`Resource::${groupArn(stack, stage, colour, '<AWS::Partition>', ACCOUNT)}`, groupIds]),
    ),
  });
  return role;
}
