// The way in: Route 53, CloudFront with its firewall, and the load balancer, which answers CloudFront alone.

import { Duration, Fn, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as route53 from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget, LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import { acknowledge } from './acknowledge.ts';
import type { Compute } from './compute.ts';
import { contract } from './contract.ts';
import type { Data } from './data.ts';
import { firewall } from './edge/firewall.ts';
import type { Network } from './network.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';

export interface EdgeProps extends StackProps {
  readonly stage: Stage;
  readonly site: Site;
  readonly network: Network;
  readonly data: Data;
  readonly compute: Compute;
}

/** By it the load balancer knows CloudFront's own requests from those of other people's distributions. */
const ORIGIN_HEADER = 'X-Fieldfuze-Origin';

/** The contract's header for the client's address, as CloudFront spells it. */
const VIEWER_ADDRESS = 'CloudFront-Viewer-Address';

export class Edge extends Stack {
  readonly balancer: elb.ApplicationLoadBalancer;
  readonly distribution: cloudfront.Distribution;
  readonly certificate: acm.Certificate;
  readonly healthCheck: route53.CfnHealthCheck;
  private readonly originDomain: string;

  constructor(scope: Construct, id: string, { stage, site, network, data, compute, ...props }: EdgeProps) {
    super(scope, id, props);
    this.originDomain = `origin.${site.domain}`;
    const zone = new route53.PublicHostedZone(this, 'Zone', { zoneName: site.domain });
    zone.applyRemovalPolicy(RemovalPolicy.RETAIN);
    // CloudFront and the load balancer are in one region, so that one certificate has both names.
    this.certificate = new acm.Certificate(this, 'Certificate', {
      domainName: site.domain,
      subjectAlternativeNames: [this.originDomain],
      validation: acm.CertificateValidation.fromDns(zone),
    });
    const logs = this.logBucket();
    this.balancer = this.loadBalancer(stage, network, logs);
    this.listeners(data, compute);
    this.distribution = this.cdn(stage, site, data, logs);

    const balancer = route53.RecordTarget.fromAlias(new LoadBalancerTarget(this.balancer));
    new route53.ARecord(this, 'Origin', { zone, recordName: this.originDomain, target: balancer });
    const target = route53.RecordTarget.fromAlias(new CloudFrontTarget(this.distribution));
    new route53.ARecord(this, 'A', { zone, target });
    new route53.AaaaRecord(this, 'Aaaa', { zone, target });
    this.healthCheck = new route53.CfnHealthCheck(this, 'HealthCheck', {
      healthCheckConfig: {
        type: 'HTTPS',
        fullyQualifiedDomainName: site.domain,
        resourcePath: contract.health.ready,
        port: 443,
        enableSni: true,
        requestInterval: 30,
        failureThreshold: 3,
      },
    });
  }

  private logBucket(): s3.Bucket {
    const bucket = new s3.Bucket(this, 'AccessLogs', {
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      // CloudFront writes its logs by an access control list.
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
      // They have the addresses of clients: kept for as long as somebody looks into an attack.
      lifecycleRules: [{ expiration: Duration.days(30) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(bucket, 'S1', 'It is the bucket that logs are written to');
    return bucket;
  }

  private loadBalancer(stage: Stage, { vpc, balancer }: Network, logs: s3.Bucket): elb.ApplicationLoadBalancer {
    const made = new elb.ApplicationLoadBalancer(this, 'Balancer', {
      loadBalancerName: `fieldfuze-${stage.name}`,
      vpc,
      internetFacing: true,
      securityGroup: balancer,
      // The services keep an idle connection for 75 s.
      idleTimeout: Duration.seconds(60),
      dropInvalidHeaderFields: true,
      deletionProtection: stage.name === 'production',
    });
    made.logAccessLogs(logs, 'balancer');
    return made;
  }

  private listeners({ originSecret }: Data, { targetGroups }: Compute): void {
    // Not `open`: that would let the whole Internet in, past CloudFront.
    this.balancer.addListener('Http', {
      port: 80,
      open: false,
      defaultAction: elb.ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true }),
    });
    const https = this.balancer.addListener('Https', {
      port: 443,
      open: false,
      certificates: [this.certificate],
      sslPolicy: elb.SslPolicy.RECOMMENDED_TLS,
      defaultAction: elb.ListenerAction.fixedResponse(403, { contentType: 'text/plain', messageBody: 'not this way' }),
    });
    const fromCloudFront = elb.ListenerCondition.httpHeader(ORIGIN_HEADER, [originSecret.secretValue.unsafeUnwrap()]);
    https.addAction('Read', {
      priority: 10,
      conditions: [fromCloudFront, elb.ListenerCondition.httpRequestMethods([...contract.reading_methods])],
      action: elb.ListenerAction.forward([targetGroups.get('query-api')!]),
    });
    https.addAction('Write', {
      priority: 20,
      conditions: [fromCloudFront],
      action: elb.ListenerAction.forward([targetGroups.get('command-api')!]),
    });
  }

  private cdn(stage: Stage, site: Site, { originSecret }: Data, logs: s3.Bucket): cloudfront.Distribution {
    const withAddress = new cloudfront.OriginRequestPolicy(this, 'WithAddress', {
      originRequestPolicyName: `fieldfuze-${stage.name}`,
      comment: "Everything of the client's request, and the client's address",
      headerBehavior: cloudfront.OriginRequestHeaderBehavior.all(VIEWER_ADDRESS),
      queryStringBehavior: cloudfront.OriginRequestQueryStringBehavior.all(),
      cookieBehavior: cloudfront.OriginRequestCookieBehavior.none(),
    });
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: `FieldFuze ${stage.name}`,
      domainNames: [site.domain],
      certificate: this.certificate,
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      priceClass: cloudfront.PriceClass.PRICE_CLASS_100,
      webAclId: firewall(this, stage),
      logBucket: logs,
      logFilePrefix: 'cloudfront/',
      defaultBehavior: {
        origin: new origins.HttpOrigin(this.originDomain, {
          protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
          originSslProtocols: [cloudfront.OriginSslPolicy.TLS_V1_2],
          // A request takes 20 s at the most; a stream of events says something every few seconds.
          readTimeout: Duration.seconds(60),
          keepaliveTimeout: Duration.seconds(55),
          customHeaders: { [ORIGIN_HEADER]: originSecret.secretValue.unsafeUnwrap() },
        }),
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        // Every answer depends on who asks.
        cachePolicy: cloudfront.CachePolicy.CACHING_DISABLED,
        originRequestPolicy: withAddress,
        responseHeadersPolicy: cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
        compress: true,
      },
    });
    acknowledge(distribution, 'CFR1', 'Field crews travel: the tokens decide, not the country');
    return distribution;
  }

  /** The dimension under which CloudWatch knows the load balancer. */
  get balancerName(): string {
    return Fn.select(1, Fn.split('loadbalancer/', this.balancer.loadBalancerArn));
  }
}
