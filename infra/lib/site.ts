// What one company's installation is told: checked before anything is synthesized.

import { readFileSync } from 'node:fs';

import { Refusal } from './refusal.ts';

export interface Site {
  /** The host name of the API. A hosted zone of this name is made. */
  readonly domain: string;
  /** `owner/name` on GitHub, whose workflow may deploy. */
  readonly repository: string;
  /** The address that alarms and the budget's warnings are sent to. */
  readonly alarms_to: string;
  /** The number from which messages are sent (E.164). */
  readonly telnyx_from: string;
  /** Telnyx's public keys (base64 of 32 bytes), two while it rotates. */
  readonly telnyx_public_keys: readonly string[];
  /** Countries whose numbers get messages (ISO 3166-1 alpha-2). */
  readonly sms_countries: readonly string[];
  /** Segments a second that the account may send, and that the sender may. */
  readonly sms_account_rate?: number;
  readonly sms_sender_rate?: number;
  /** Segments a day (UTC) after which nothing is sent until the next. */
  readonly sms_daily_segments?: number;
  /** How tables are paid for: by request up to a maximum, or by reserved capacity that follows the load. */
  readonly capacity: 'on-demand' | 'provisioned';
}

type Rule = (value: unknown) => boolean;

const text =
  (pattern: RegExp): Rule =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const list =
  (most: number, rule: Rule): Rule =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.length <= most && value.every(rule);

const rate: Rule = (value) => typeof value === 'number' && value > 0;
const optional =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined || rule(value);

const RULES: Record<keyof Site, readonly [Rule, string]> = {
  domain: [text(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/), 'a host name in lower case'],
  repository: [text(/^[A-Za-z0-9-]+\/[A-Za-z0-9._-]+$/), 'owner/name on GitHub'],
  alarms_to: [text(/^[^\s@]+@[^\s@]+\.[^\s@]+$/), 'an e-mail address'],
  telnyx_from: [text(/^\+[1-9][0-9]{6,14}$/), 'a telephone number such as +15125550100'],
  telnyx_public_keys: [list(2, text(/^[A-Za-z0-9+/]{43}=$/)), 'one or two keys of 32 bytes in base64'],
  sms_countries: [list(250, text(/^[A-Z]{2}$/)), 'a list of codes of two capital letters'],
  sms_account_rate: [optional(rate), 'a number above 0'],
  sms_sender_rate: [optional(rate), 'a number above 0'],
  sms_daily_segments: [optional((value) => Number.isSafeInteger(value) && (value as number) >= 0), 'a whole number'],
  capacity: [text(/^(on-demand|provisioned)$/), 'on-demand or provisioned'],
};

export function readSite(path: string): Site {
  let site: Record<string, unknown>;
  try {
    site = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is no JSON' : 'cannot be read (copy sites/example.json)';
    throw new Refusal(`${path} ${why}`);
  }
  if (typeof site !== 'object' || site === null || Array.isArray(site)) throw new Refusal(`${path} is no JSON object`);
  for (const [name, [isRight, wanted]] of Object.entries(RULES)) {
    if (!isRight(site[name])) throw new Refusal(`${path}: ${name} must be ${wanted}`);
  }
  const unknown = Object.keys(site).find((name) => !(name in RULES));
  if (unknown !== undefined) throw new Refusal(`${path}: ${unknown} is no setting`);
  return site as unknown as Site;
}
