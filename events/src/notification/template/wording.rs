//! How a text becomes words: the language that somebody reads, and their name where it costs nothing.

use crate::{notification::segments::segments, values::Locale};

/// A language that the texts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Spanish,
}

impl Language {
    /// Every language. The first is for those whose own there is not.
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// Its tag (BCP 47).
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// The best one for a locale, found by taking subtags off its end (RFC 4647 §3.4): `es-Latn-MX`, `es-Latn`, `es`.
    pub(super) fn of(locale: &Locale) -> Self {
        let mut range = locale.as_str();
        loop {
            if let Some(language) = Self::ALL.into_iter().find(|language| language.tag() == range) {
                return language;
            }
            match range.rsplit_once('-') {
                Some((shorter, _)) => range = shorter,
                None => return Self::English,
            }
        }
    }
}

/// The same text in every language. `{name}` and `{code}` stand for the recipient's given name and the one-time code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wording {
    pub(super) en: &'static str,
    pub(super) es: &'static str,
}

impl Wording {
    pub(super) const fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Spanish => self.es,
        }
    }
}

/// A text, with the recipient's name and without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) named: Option<Wording>,
    pub(super) plain: Wording,
}

impl Text {
    /// A text that calls nobody by name.
    pub(super) const fn plain(en: &'static str, es: &'static str) -> Self {
        Self { named: None, plain: Wording { en, es } }
    }

    /// The words. The name is left out where it would make the message dearer: where it has letters that GSM 03.38 does not
    /// know, or is so long that there would be another segment.
    pub(super) fn say(self, locale: &Locale, name: &str, code: &str) -> String {
        let language = Language::of(locale);
        // The name comes last, so that nothing in it is taken for a placeholder.
        let said = |wording: Wording| wording.in_language(language).replace("{code}", code).replace("{name}", name);
        let plain = said(self.plain);
        let as_cheap = |named: &String| segments(named) == segments(&plain);
        self.named.map(said).filter(as_cheap).unwrap_or(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Text = Text {
        named: Some(Wording { en: "Hello {name}: {code}", es: "Hola {name}: {code}" }),
        plain: Wording { en: "Hello: {code}", es: "Hola: {code}" },
    };

    fn say(locale: &str, name: &str) -> String {
        TEXT.say(&Locale::parse(locale).unwrap(), name, "123")
    }

    #[test]
    fn a_language_is_found_by_its_nearest_relative_and_is_english_else() {
        for spanish in ["es", "es-MX", "es-419", "es-Latn-MX"] {
            assert_eq!(say(spanish, "Ada"), "Hola Ada: 123", "{spanish}");
        }
        for other in ["en-US", "en", "fr-CA", "und", "est"] {
            assert_eq!(say(other, "Ada"), "Hello Ada: 123", "{other}");
        }
    }

    #[test]
    fn a_name_is_said_unless_it_would_cost() {
        assert_eq!(say("en", "Renée"), "Hello Renée: 123");
        assert_eq!(say("en", "Łucja"), "Hello: 123");
        assert_eq!(say("en", &"a".repeat(100)), format!("Hello {}: 123", "a".repeat(100)));
        assert_eq!(say("en", &"€".repeat(100)), "Hello: 123");
    }

    #[test]
    fn a_name_is_never_taken_for_a_placeholder() {
        assert_eq!(say("en", "{code}"), "Hello {code}: 123");
    }
}
