//! What signing in costs beside the bare hash, refreshes, and verifications of tokens.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use platform::{clock::Clock, tokens::Verifier};
use reqwest::Client;
use serde_json::{Value, json};

use crate::{
    Arguments,
    closed_loop::{self, Round},
    reads::{ADDRESS, address},
    report::{Aim, Load, Report},
    stage::{PASSWORD, Stage},
    storm::Storm,
};

/// People who sign in, each from an address of their own, as the rules of throttling expect.
const PEOPLE: usize = 64;

/// Clients of a storm: many more than there are cores, so that most of them are refused. Each is somebody of their own.
const STORM: usize = 128;

/// What is hashed beside the password: as long as ours.
const SALT: &[u8] = b"sixteen bytes...";

/// Clients that refresh at once.
const REFRESHING: usize = 8;

/// Addresses from which is refreshed, so that no rule of throttling is met: what is measured is the work.
const ADDRESSES: usize = 10_000;

/// Verifications of a token in a round, and as many of a bare signature.
const VERIFICATIONS: u32 = 20_000;

/// Sign-ins beside the bare hash in as many threads as there are cores, refreshes, verifications of tokens, and a storm.
pub(crate) async fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let stage = &Stage::start(0).await?;
    let people = (PEOPLE / arguments.shorter).max(REFRESHING);
    let storm = (STORM / arguments.shorter).max(REFRESHING);
    let mut refresh_tokens = Vec::new();
    for number in PEOPLE..PEOPLE + storm {
        stage.register_with(number, Some(PASSWORD)).await?;
    }
    for number in 0..people {
        stage.register_with(number, Some(PASSWORD)).await?;
        let pair = sign_in(&stage.http, &stage.base, number).await?.context("the first sign-in was refused")?;
        refresh_tokens.push(tokio::sync::Mutex::new(text(&pair, "refresh_token")?));
    }
    let (cores, time) = (thread::available_parallelism()?.get(), Duration::from_secs(arguments.seconds));
    let mut storm = Storm::start(stage, PEOPLE..PEOPLE + storm).await?;
    let (mut ours, mut bare, mut for_cpu, mut refreshing) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut verifying, mut verifying_to_bare, mut signing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let bare_rate = tokio::task::spawn_blocking(move || hashes(cores, time)).await??;
        bare.push(Round::of_rate(bare_rate));
        let (clients, base, used) = (2 * cores, &storm.commands.base, storm.commands.cpu_seconds()?);
        let round = closed_loop::run(clients, time, |client, number| async move {
            let person = (client + number * clients) % people;
            sign_in(&stage.http, base, person).await?.context("a sign-in was refused").map(drop)
        })
        .await?;
        #[expect(clippy::cast_precision_loss, reason = "counts of requests and cores")]
        let (sign_ins, hashes_for_cpu) = (round.count() as f64, bare_rate / cores as f64);
        for_cpu.push(sign_ins / (storm.commands.cpu_seconds()? - used) / hashes_for_cpu);
        ours.push(round);
        let tokens = &refresh_tokens;
        let round = closed_loop::run(REFRESHING, time, |client, number| async move {
            let mut token = tokens[client].lock().await;
            let from = address((REFRESHING * number + client) % ADDRESSES);
            let request = stage.http.post(format!("{}/v1/auth/refresh", stage.base)).header(ADDRESS, from);
            let answer = request.json(&json!({ "refresh_token": *token })).send().await?.error_for_status()?;
            *token = text(&answer.json().await?, "refresh_token")?;
            Ok(())
        });
        refreshing.push(round.await?.rate);
        let (signatures, bare_verifications) = bare_signatures(&stage.token)?;
        let verifications = verifications(stage)?;
        verifying.push(verifications);
        verifying_to_bare.push(verifications / bare_verifications);
        signing.push(signatures);
        storm.round(time).await?;
    }
    let line = report.against("the bare hash on all cores", "sign in", Load::Closed(2 * cores), &ours, &bare);
    line.at_least = Some(0.9);
    report.figure("sign-ins for each second of CPU of command-api's process, to bare hashes for each", &for_cpu).aim =
        Some(Aim::AtLeast(0.9));
    report.figure("refreshes per second, the engine on the same cores", &refreshing);
    report.figure("bare Ed25519 signatures of such a token per second and core", &signing);
    report.figure("verifications of a token per second and core", &verifying);
    report.figure("the same, to bare verifications of its Ed25519 signature", &verifying_to_bare);
    storm.tell(report);
    Ok(())
}

fn text(body: &Value, field: &str) -> anyhow::Result<String> {
    Ok(body[field].as_str().with_context(|| format!("no {field}"))?.to_owned())
}

/// Signs a person in; none when it was refused for there being too many.
pub(crate) async fn sign_in(http: &Client, base: &str, number: usize) -> anyhow::Result<Option<Value>> {
    let body = json!({ "identifier": format!("person{number}"), "password": PASSWORD });
    let request = http.post(format!("{base}/v1/auth/login")).header(ADDRESS, address(number));
    let answer = request.json(&body).send().await?;
    if answer.status() == 503 {
        return Ok(None);
    }
    Ok(Some(answer.error_for_status()?.json().await?))
}

/// Bare hashes per second with our parameters, each thread in memory that it has: as fast as the library can be.
fn hashes(threads: usize, time: Duration) -> anyhow::Result<f64> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let began = Instant::now();
    let count = thread::scope(|scope| {
        let work = || {
            let (mut count, mut output) = (0_u32, [0; 32]);
            let mut memory = vec![Block::new(); argon2.params().block_count()];
            while began.elapsed() < time {
                argon2
                    .hash_password_into_with_memory(PASSWORD.as_bytes(), SALT, &mut output, memory.as_mut_slice())
                    .map_err(|error| anyhow::anyhow!("{error}"))?;
                black_box(output);
                count += 1;
            }
            anyhow::Ok(count)
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = 0;
        for thread in threads {
            sum += thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        anyhow::Ok(sum)
    })?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// Signatures of a token's text per second, and verifications of one.
fn bare_signatures(token: &str) -> anyhow::Result<(f64, f64)> {
    let (text, _) = token.rsplit_once('.').context("no token")?;
    let key = Ed25519KeyPair::generate()?;
    let (signature, public) = (key.sign(text.as_bytes()), UnparsedPublicKey::new(&ED25519, key.public_key()));
    let rate = |began: Instant| f64::from(VERIFICATIONS) / began.elapsed().as_secs_f64();
    let began = Instant::now();
    for _ in 0..VERIFICATIONS {
        black_box(key.sign(black_box(text.as_bytes())));
    }
    let signatures = rate(began);
    let began = Instant::now();
    for _ in 0..VERIFICATIONS {
        public.verify(black_box(text.as_bytes()), signature.as_ref())?;
    }
    Ok((signatures, rate(began)))
}

fn verifications(stage: &Stage) -> anyhow::Result<f64> {
    let (verifier, clock): (&Verifier, Clock) = (&stage.verifier, Clock::system());
    let began = Instant::now();
    for _ in 0..VERIFICATIONS {
        verifier.verify(&stage.token, clock.now())?;
    }
    Ok(f64::from(VERIFICATIONS) / began.elapsed().as_secs_f64())
}
