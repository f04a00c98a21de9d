//! What a text or a number of a request or an answer may be. The rules are those of `events::values`; here they are said
//! in JSON Schema, as far as it can say them.
//!
//! What is kept is trimmed first: space around a value is neither promised nor counted here.

use utoipa::ToSchema;

/// `local@domain`: at most 64 bytes before the @, a domain of at least two labels, international ones too.
#[derive(ToSchema)]
#[schema(format = "idn-email", min_length = 6, max_length = 254, example = "ada@example.com")]
pub struct Email(#[expect(dead_code, reason = "read by the document only")] String);

/// 3 to 254 letters, digits and `. _ - + @`; it may be one's own e-mail address.
#[derive(ToSchema)]
#[schema(min_length = 3, max_length = 254, pattern = r"^[\p{L}\p{N}._+@-]+$", example = "ada")]
pub struct Username(#[expect(dead_code, reason = "read by the document only")] String);

/// 1 to 100 characters on one line.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 100,
    pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
    example = "Ada"
)]
pub struct PersonName(#[expect(dead_code, reason = "read by the document only")] String);

/// E.164: `+`, the country's code and a number that its numbering plan knows.
#[derive(ToSchema)]
#[schema(format = "e164", min_length = 8, max_length = 16, pattern = r"^\+[1-9][0-9]+$", example = "+15125550123")]
pub struct Phone(#[expect(dead_code, reason = "read by the document only")] String);

/// 15 to 128 characters of any kind, not easily guessed.
#[derive(ToSchema)]
#[schema(format = Password, min_length = 15, max_length = 128, example = "correct horse battery staple")]
pub struct Password(#[expect(dead_code, reason = "read by the document only")] String);

/// A password that takes the place of another one: 8 to 128 characters with a second factor, 15 to 128 without one.
#[derive(ToSchema)]
#[schema(format = Password, min_length = 8, max_length = 128, example = "wind 7 over the grey harbour")]
pub struct NewPassword(#[expect(dead_code, reason = "read by the document only")] String);

/// A one-time code: eight digits; blanks and dashes are passed over.
#[derive(ToSchema)]
#[schema(max_length = 32, example = "2718 2818")]
pub struct Code(#[expect(dead_code, reason = "read by the document only")] String);

/// The hash of a password by argon2, scrypt or PBKDF2 (a PHC string), or by bcrypt.
#[derive(ToSchema)]
#[schema(
    format = "password-hash",
    max_length = 512,
    pattern = r"^\$(argon2(id|i|d)|scrypt|pbkdf2-sha(256|512)|2[abxy])\$[!-~]+$",
    example = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
)]
pub struct PasswordHash(#[expect(dead_code, reason = "read by the document only")] String);

/// A language tag (BCP 47): language, script and region.
#[derive(ToSchema)]
#[schema(
    format = "language-tag",
    min_length = 2,
    pattern = r"^[A-Za-z]{2,8}([_-][A-Za-z0-9]{2,8})*$",
    example = "en-US"
)]
pub struct Locale(#[expect(dead_code, reason = "read by the document only")] String);

/// A time zone of the IANA data base.
#[derive(ToSchema)]
#[schema(format = "time-zone", min_length = 2, pattern = r"^[A-Za-z0-9/_+-]+$", example = "America/Chicago")]
pub struct TimeZone(#[expect(dead_code, reason = "read by the document only")] String);

/// Why: 1 to 500 characters on one line. It is recorded in the history.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 500,
    pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
    example = "left the company"
)]
pub struct Reason(#[expect(dead_code, reason = "read by the document only")] String);

/// 1 to 100 characters on one line, unique among the active roles.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 100,
    pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
    example = "Dispatcher"
)]
pub struct RoleName(#[expect(dead_code, reason = "read by the document only")] String);

/// Up to 500 characters on one line.
#[derive(ToSchema)]
#[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", example = "Plans the day of a branch")]
pub struct Description(#[expect(dead_code, reason = "read by the document only")] String);

/// How high a role stands; 10 is the highest.
#[derive(ToSchema)]
#[schema(minimum = 1, maximum = 10, example = 3)]
pub struct Level(#[expect(dead_code, reason = "read by the document only")] u8);

/// `area:action`, or `*` for everything.
#[derive(ToSchema)]
#[schema(max_length = 64, pattern = r"^(\*|[a-z][a-z0-9_]*:[a-z][a-z0-9_]*)$", example = "users:read")]
pub struct Permission(#[expect(dead_code, reason = "read by the document only")] String);

/// `kind:name`. For other services: on our own routes only assignments without a scope count.
#[derive(ToSchema)]
#[schema(max_length = 100, pattern = "^[a-z0-9_.-]+:[a-z0-9_.-]+$", example = "branch:austin")]
pub struct Scope(#[expect(dead_code, reason = "read by the document only")] String);

/// Where a user stands: invited (without a password yet), active, suspended until reactivated, or forgotten for ever.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", example = "active")]
pub enum UserStatus {
    /// Known, but without a password yet.
    Invited,
    /// May sign in.
    Active,
    /// May not, until reactivated.
    Suspended,
    /// Forgotten for ever.
    Erased,
}

/// Where a role stands: it can be given to users, or grants nothing, for ever.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", example = "active")]
pub enum RoleStatus {
    /// Can be given to users.
    Active,
    /// Grants nothing, for ever.
    Retired,
}

/// What messages are about that somebody can do without: what one may do. One-time codes, and what concerns the account and
/// its security, come always.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", example = "access")]
pub enum MutableCategory {
    /// What one may do.
    Access,
}

/// A time of day on the user's own clock, in 24 hours.
#[derive(ToSchema)]
#[schema(
    format = "time-of-day",
    min_length = 5,
    max_length = 5,
    pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$",
    example = "21:00"
)]
pub struct TimeOfDay(#[expect(dead_code, reason = "read by the document only")] String);

/// Who did it: a user, the system, or the provider of text messages.
#[derive(ToSchema)]
#[schema(
    pattern = "^(user#[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|system|telnyx)$",
    example = "user#0190b1a2-7c1e-7d3a-9a57-2b6f0e1d77a4"
)]
pub struct Actor(#[expect(dead_code, reason = "read by the document only")] String);

/// A text of a person; `{"erased":true}` once the person was forgotten.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum PersonalText {
    /// The text.
    Known(String),
    /// Nobody can know it any more.
    Erased {
        /// Always true.
        erased: bool,
    },
}
