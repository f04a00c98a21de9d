//! `/v1/auth/mfa`: how one's second factors come and go.

use aws_sdk_dynamodb::types::TransactWriteItem;
use axum::{Json, extract::State, http::StatusCode};
use events::{
    decider::Decider,
    user::{CodePurpose, Factor, Status, User, UserCommand, UserEvent, UserRefusal, UserState},
    values::Email,
};
use platform::{
    http::{
        Problem,
        auth::Caller,
        documented::{Bodied, Erasable, Guarded, Named, Served, Throttled, values},
        fields::Fields,
        json::{Body, KnownFields},
    },
    store::{Command, Companions, Draft, ExecuteError, Folded, Intent},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    client::Client,
    code::send,
    limits::{self, Asking},
    recent::require_recent,
};
use crate::{
    codes,
    command::{Refused, metadata, nothing_taken, problem},
    factors::RecoveryCodes,
    state::AppState,
    throttle::Tally,
};

/// An authenticator's seed, to be shown once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "uri": "otpauth://totp/FieldFuze:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=FieldFuze"
}))]
pub struct TotpSeed {
    /// For typing it off: base 32.
    secret: String,
    /// For an authenticator's camera, as a QR code.
    uri: String,
}

/// A code that shows that one has the factor.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "code": "287082" }))]
pub struct FactorCode {
    /// The code.
    #[schema(required, nullable = false, value_type = values::Code)]
    code: Option<SecretString>,
}

impl KnownFields for FactorCode {
    const FIELDS: &'static [&'static str] = &["code"];
}

/// Codes to sign in with when the factors are lost, to be shown once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "recovery_codes": ["7q2m4-x9k0d", "h3v8r-2pt6w"] }))]
pub struct NewRecoveryCodes {
    /// Each is good once. The ones before are worth nothing.
    recovery_codes: Vec<String>,
}

/// Begin with an authenticator.
///
/// The seed waits 10 minutes to be confirmed by its first code. It takes a sign-in of the last 10 minutes.
#[utoipa::path(
    post, path = "/v1/auth/mfa/totp", tag = "sign-in", operation_id = "draw_totp",
    security(("bearer" = [])),
    responses((status = 200, description = "The seed", body = TotpSeed), Guarded, Served, Named, Erasable)
)]
pub async fn draw_totp(State(state): State<AppState>, caller: Caller) -> Result<Json<TotpSeed>, Problem> {
    require_recent(&state, &caller)?;
    let user = own(&state, &caller).await?;
    let seed = state.factors.draw(user.id).await?;
    let account = user.email.known().map_or("", Email::as_str);
    let (secret, uri) = seed.base32().zip(seed.uri(account)).ok_or_else(Problem::internal)?;
    Ok(Json(TotpSeed { secret, uri }))
}

/// Take the authenticator at each sign-in from now on.
///
/// The first code shows that it has the seed, and is used up by that.
#[utoipa::path(
    post, path = "/v1/auth/mfa/totp/confirm", tag = "sign-in", operation_id = "confirm_totp",
    security(("bearer" = [])),
    request_body = FactorCode,
    responses(
        (status = 200, description = "Confirmed; new recovery codes", body = NewRecoveryCodes),
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Throttled, Served, Bodied, Named, Erasable,
    )
)]
pub async fn confirm_totp(
    State(state): State<AppState>,
    caller: Caller,
    tally: Tally,
    Body(request): Body<FactorCode>,
) -> Result<Json<NewRecoveryCodes>, Problem> {
    require_recent(&state, &caller)?;
    let code = code(request)?;
    let attempt = state.throttle.admit(&tally, limits::second_factor(&state.throttle, caller.user())).await?;
    let confirmed = state.factors.confirm(caller.user(), code.expose_secret()).await?.ok_or_else(wrong)?;
    attempt.succeeded().await;
    add(&state, &caller, Factor::Totp, confirmed.into()).await
}

/// Send a code to one's own telephone, to make it a second factor.
///
/// It is good for 10 minutes and once. It takes a sign-in of the last 10 minutes.
#[utoipa::path(
    post, path = "/v1/auth/mfa/sms", tag = "sign-in", operation_id = "send_sms_factor",
    security(("bearer" = [])),
    responses((status = 202, description = "A message is on its way"), Guarded, Throttled, Served, Named, Erasable)
)]
pub async fn send_sms(
    State(state): State<AppState>,
    client: Client,
    caller: Caller,
    tally: Tally,
) -> Result<StatusCode, Problem> {
    require_recent(&state, &caller)?;
    let user = own(&state, &caller).await?;
    send(&state, &tally, Asking::Owner(&client), &user, CodePurpose::SmsFactor).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Take text messages at each sign-in from now on.
///
/// The code shows that one has the telephone. Another number later is no second factor until it is shown, too.
#[utoipa::path(
    post, path = "/v1/auth/mfa/sms/confirm", tag = "sign-in", operation_id = "confirm_sms_factor",
    security(("bearer" = [])),
    request_body = FactorCode,
    responses(
        (status = 200, description = "Confirmed; new recovery codes", body = NewRecoveryCodes),
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Throttled, Served, Bodied, Named, Erasable,
    )
)]
pub async fn confirm_sms(
    State(state): State<AppState>,
    caller: Caller,
    tally: Tally,
    Body(request): Body<FactorCode>,
) -> Result<Json<NewRecoveryCodes>, Problem> {
    require_recent(&state, &caller)?;
    let code = code(request)?;
    let attempt = state.throttle.admit(&tally, limits::second_factor(&state.throttle, caller.user())).await?;
    let shown =
        state.codes.show(caller.user(), CodePurpose::SmsFactor, code.expose_secret()).await?.ok_or_else(wrong)?;
    attempt.succeeded().await;
    add(&state, &caller, Factor::Sms, vec![state.codes.use_action(&shown)?]).await
}

/// Do without the authenticator.
///
/// Recovery codes stay as long as there is another factor.
#[utoipa::path(
    delete, path = "/v1/auth/mfa/totp", tag = "sign-in", operation_id = "remove_totp",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Removed"),
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn remove_totp(State(state): State<AppState>, caller: Caller) -> Result<StatusCode, Problem> {
    remove(&state, &caller, Factor::Totp).await
}

/// Do without text messages at a sign-in.
///
/// Recovery codes stay as long as there is another factor.
#[utoipa::path(
    delete, path = "/v1/auth/mfa/sms", tag = "sign-in", operation_id = "remove_sms_factor",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Removed"),
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn remove_sms(State(state): State<AppState>, caller: Caller) -> Result<StatusCode, Problem> {
    remove(&state, &caller, Factor::Sms).await
}

/// Draw new recovery codes.
///
/// It takes a sign-in of the last 10 minutes.
#[utoipa::path(
    post, path = "/v1/auth/mfa/recovery-codes", tag = "sign-in", operation_id = "draw_recovery_codes",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The codes; the ones before are worth nothing", body = NewRecoveryCodes),
        (status = 409, description = "`user-not-active` or `conflict`", body = Problem, content_type = "application/problem+json"),
        Guarded, Served, Named, Erasable,
    )
)]
pub async fn draw_recovery_codes(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<NewRecoveryCodes>, Problem> {
    require_recent(&state, &caller)?;
    let codes = RecoveryCodes::draw()?;
    let beside = vec![state.factors.recovery_action(caller.user(), &codes)?];
    execute(&state, &caller, vec![UserCommand::ReplaceRecoveryCodes], beside).await?;
    Ok(Json(NewRecoveryCodes { recovery_codes: codes.shown() }))
}

fn code(request: FactorCode) -> Result<SecretString, Problem> {
    let mut fields = Fields::default();
    let code = fields.required("/code", request.code, codes::check_length);
    fields.finish(code)
}

fn wrong() -> Problem {
    Problem::invalid(Vec::new()).error("/code", "wrong-code", "is not the code, or not any more")
}

async fn own(state: &AppState, caller: &Caller) -> Result<UserState, Problem> {
    let user = state.context.users.load(caller.user().into()).await?.state.ok_or_else(Problem::not_found)?;
    if user.status == Status::Erased { Err(Problem::erased()) } else { Ok(user) }
}

async fn add(
    state: &AppState,
    caller: &Caller,
    factor: Factor,
    mut beside: Companions,
) -> Result<Json<NewRecoveryCodes>, Problem> {
    let codes = RecoveryCodes::draw()?;
    beside.push(state.factors.recovery_action(caller.user(), &codes)?);
    execute(state, caller, vec![UserCommand::AddFactor(factor), UserCommand::ReplaceRecoveryCodes], beside).await?;
    Ok(Json(NewRecoveryCodes { recovery_codes: codes.shown() }))
}

async fn remove(state: &AppState, caller: &Caller, factor: Factor) -> Result<StatusCode, Problem> {
    require_recent(state, caller)?;
    let beside = if factor == Factor::Totp { vec![state.factors.forget_action(caller.user())?] } else { vec![] };
    execute(state, caller, vec![UserCommand::RemoveFactor(factor)], beside).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn execute(
    state: &AppState,
    caller: &Caller,
    wishes: Vec<UserCommand>,
    beside: Vec<TransactWriteItem>,
) -> Result<(), Problem> {
    let intent = Intent::of(metadata(caller.actor(), None));
    match state.context.users.execute(caller.user().into(), &intent, Changing { wishes, beside }).await {
        Ok(_) => Ok(()),
        // The seed or code was used by another request.
        Err(ExecuteError::CompanionRefused(_)) => Err(wrong()),
        Err(error) => Err(problem(error, nothing_taken)),
    }
}

/// The command: what lies in table `credentials` goes along with the commit.
struct Changing {
    wishes: Vec<UserCommand>,
    beside: Companions,
}

impl Command<User> for Changing {
    type Refusal = Refused<UserRefusal>;

    fn decide(&self, folded: &Folded<Option<UserState>>) -> Result<Vec<UserEvent>, Self::Refusal> {
        let mut events = Vec::new();
        for wish in &self.wishes {
            events.extend(User::decide(&folded.state, wish.clone())?);
        }
        Ok(events)
    }

    fn beside(&self, _: &Draft<User>) -> Result<Companions, Self::Refusal> {
        Ok(self.beside.clone())
    }
}
