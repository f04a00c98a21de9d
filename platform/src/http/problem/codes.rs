//! Every code of a problem. Clients decide by them: one that is in use is never renamed.

/// Status and code. What they mean stands in `docs/API.md`, which must have the same.
pub const CODES: &[(u16, &str)] = &[
    (400, "body-unreadable"),
    (400, "idempotency-key-required"),
    (400, "invalid-consistency-token"),
    (400, "invalid-idempotency-key"),
    (400, "invalid-if-match"),
    (400, "invalid-page-size"),
    (400, "invalid-last-event-id"),
    (400, "invalid-page-token"),
    (400, "invalid-query"),
    (400, "malformed-json"),
    (400, "unknown-version"),
    (401, "invalid-code"),
    (401, "invalid-credentials"),
    (401, "invalid-refresh-token"),
    (401, "invalid-signature"),
    (401, "step-up-required"),
    (401, "unauthenticated"),
    (403, "administrator-role-fixed"),
    (403, "level-too-high"),
    (403, "password-change-required"),
    (403, "permission-missing"),
    (403, "permission-not-held"),
    (403, "second-factor-required"),
    (404, "not-found"),
    (405, "method-not-allowed"),
    (409, "conflict"),
    (409, "email-taken"),
    (409, "last-administrator"),
    (409, "no-such-factor"),
    (409, "notification-not-due"),
    (409, "role-exists"),
    (409, "role-name-taken"),
    (409, "role-retired"),
    (409, "too-many-roles"),
    (409, "user-exists"),
    (409, "user-not-active"),
    (409, "user-not-invited"),
    (409, "user-not-suspended"),
    (409, "username-taken"),
    (410, "erased"),
    (412, "version-mismatch"),
    (413, "body-too-large"),
    (413, "commit-too-large"),
    (415, "unsupported-media-type"),
    (422, "idempotency-key-reused"),
    (422, "invalid-value"),
    (428, "if-match-required"),
    (429, "rate-limited"),
    (500, "internal"),
    (503, "not-ready"),
    (503, "overloaded"),
    (503, "unavailable"),
];

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    /// With what `Problem::new` is called.
    const STATUSES: [&str; 7] = [
        "UNAUTHORIZED",
        "FORBIDDEN",
        "CONFLICT",
        "PAYLOAD_TOO_LARGE",
        "PRECONDITION_FAILED",
        "TOO_MANY_REQUESTS",
        "SERVICE_UNAVAILABLE",
    ];

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    /// The rows `| status | code | meaning |` of the page.
    fn documented() -> BTreeSet<(u16, String)> {
        let page = fs::read_to_string(repository().join("docs/API.md")).unwrap();
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let status = cells.next()?.parse().ok()?;
            let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            cells.next().filter(|meaning| meaning.len() > " |".len())?;
            Some((status, code.to_owned()))
        });
        rows.collect()
    }

    fn sources(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }

    /// What stands in quotes behind `opening`, over the end of a line too.
    fn quoted_after<'a>(source: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
        source.split(opening).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
    }

    #[test]
    fn the_page_lists_every_code_and_no_other() {
        let listed: BTreeSet<_> = CODES.iter().map(|(status, code)| (*status, (*code).to_owned())).collect();
        assert_eq!(listed.len(), CODES.len(), "a code is listed twice");
        assert_eq!(documented(), listed);
    }

    #[test]
    fn every_code_that_the_sources_name_is_listed() {
        let mut found = Vec::new();
        for part in ["platform", "command-api", "query-api", "projector"] {
            sources(&repository().join(part).join("src"), &mut found);
        }
        let mut seen = 0;
        for source in found.iter().filter_map(|source| source.split("#[cfg(test)]").next()) {
            let openings = STATUSES.map(|status| format!("StatusCode::{status},"));
            let openings = openings.iter().map(String::as_str).chain(["Problem::bad_request("]);
            for code in openings.flat_map(|opening| quoted_after(source, opening)) {
                seen += 1;
                assert!(CODES.iter().any(|(_, listed)| *listed == code), "{code} is in no list");
            }
        }
        assert!(seen > 15, "the sources are written otherwise than this test reads them: {seen} found");
    }
}
