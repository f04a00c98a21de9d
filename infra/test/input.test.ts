// Wrong input ends before anything is synthesized, with one line.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { EXAMPLE } from './stacks.ts';

const infra = new URL('..', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'fieldfuze-'));

function synth(context: Record<string, string>): { status: number | null; stderr: string } {
  const env = { ...process.env, CDK_CONTEXT_JSON: JSON.stringify(context), CDK_OUTDIR: join(directory, 'out') };
  return spawnSync('node', ['--import', 'tsx', 'bin/app.ts'], { cwd: infra, env, encoding: 'utf8' });
}

function site(change: Record<string, unknown>): string {
  const path = join(directory, 'site.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(EXAMPLE, 'utf8')), ...change }));
  return path;
}

const WRONG: readonly [string, () => Record<string, string>, RegExp][] = [
  ['no stage', () => ({}), /^no stage: say -c stage=staging or production\n$/],
  ['an unknown stage', () => ({ stage: 'prod' }), /^unknown stage prod: staging or production\n$/],
  [
    'no site file',
    () => ({ stage: 'staging' }),
    /^sites\/staging\.json cannot be read \(copy sites\/example\.json\)\n$/,
  ],
  [
    'an address as domain',
    () => ({ stage: 'staging', site: site({ domain: 'https://x.y' }) }),
    /: domain must be a host name in lower case\n$/,
  ],
  [
    'a missing setting',
    () => ({ stage: 'staging', site: site({ telnyx_from: undefined }) }),
    /: telnyx_from must be a telephone number/,
  ],
  [
    'a list that is empty',
    () => ({ stage: 'staging', site: site({ sms_countries: [] }) }),
    /: sms_countries must be a list/,
  ],
  [
    'a rate that is none',
    () => ({ stage: 'staging', site: site({ sms_sender_rate: '20' }) }),
    /: sms_sender_rate must be a number above 0\n$/,
  ],
  [
    'half a segment a day',
    () => ({ stage: 'staging', site: site({ sms_daily_segments: 0.5 }) }),
    /: sms_daily_segments must be a whole number\n$/,
  ],
  [
    'a setting that nobody knows',
    () => ({ stage: 'staging', site: site({ colour: 'blue' }) }),
    /: colour is no setting\n$/,
  ],
];

for (const [what, context, line] of WRONG) {
  test(what, () => {
    const { status, stderr } = synth(context());
    assert.equal(status, 2, stderr);
    assert.match(stderr, line);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  });
}
