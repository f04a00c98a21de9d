//! List prices of DynamoDB, on demand, in us-east-1, as AWS's price list had them on 2026-11-01 (unchanged since the halving
//! of 2024-11-01): <https://aws.amazon.com/dynamodb/pricing/on-demand/>. The only place that knows them.

/// Dollars for a million read request units.
const MILLION_READS: f64 = 0.125;

/// Dollars for a million write request units.
const MILLION_WRITES: f64 = 0.625;

/// Dollars for a million of something that takes so much.
pub(crate) fn dollars_per_million(read_units: f64, write_units: f64) -> f64 {
    read_units * MILLION_READS + write_units * MILLION_WRITES
}
