//! What every text is held to before it is sent to anybody, and the list of them that is kept for people to read.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use super::{
    super::segments::segments,
    ALL, Template,
    wording::{Language, Text},
};
use crate::values::Locale;

/// Words that a carrier takes for a wish of the recipient when they send one back, in the languages of the texts: who reads
/// one in our text may send it. The English ones are those of the CTIA's principles and of Telnyx's own list.
const CARRIERS_WORDS: [&str; 21] = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "START",
    "UNSTOP",
    "HELP",
    "INFO",
    "REVOKE",
    "OPTOUT",
    "ALTO",
    "PARAR",
    "PARA YA",
    "CANCELAR",
    "FIN",
    "BAJA",
    "SALIR",
    "AYUDA",
    "EMPEZAR",
];

/// What a segment is planned with, in millionths of a US dollar: the provider's price of an outbound segment to the United
/// States and a usual carrier's fee on it, rounded up. It is for comparing texts, not for a bill.
const MICRODOLLARS_PER_SEGMENT: usize = 8_000;

/// The longest code that is sent.
const LONGEST_CODE: &str = "00000000";

/// The longest given name.
const LONGEST_NAME: usize = 100;

fn texts(template: &Template) -> impl Iterator<Item = Text> {
    template.with_code.into_iter().chain(template.without_code)
}

fn as_written() -> impl Iterator<Item = (&'static Template, Language, &'static str)> {
    ALL.into_iter().flat_map(|template| {
        let wordings = texts(template).flat_map(|text| text.named.into_iter().chain([text.plain]));
        wordings.flat_map(move |wording| {
            Language::ALL.into_iter().map(move |language| (template, language, wording.in_language(language)))
        })
    })
}

/// Everything that a template can say in a language, with names from the shortest to the longest.
fn as_sent(template: &Template, language: Language) -> Vec<String> {
    let locale = Locale::parse(language.tag()).unwrap();
    let names = (1..=LONGEST_NAME).flat_map(|length| ["a".repeat(length), "€".repeat(length), "Ł".repeat(length)]);
    let names: Vec<String> = names.collect();
    texts(template)
        .flat_map(|text| names.iter().map(move |name| (text, name)))
        .map(|(text, name)| text.say(&locale, name, LONGEST_CODE))
        .collect()
}

#[test]
fn no_text_teaches_a_word_that_carriers_take_for_a_wish() {
    for (template, language, text) in as_written() {
        let words = text.to_uppercase().replace(|letter: char| !letter.is_alphanumeric(), " ");
        let words = format!(" {} ", words.split_whitespace().collect::<Vec<_>>().join(" "));
        for word in CARRIERS_WORDS {
            assert!(!words.contains(&format!(" {word} ")), "{} ({}): {word}", template.name, language.tag());
        }
    }
}

#[test]
fn every_placeholder_is_filled() {
    for template in ALL {
        let with_code = template.with_code.is_some();
        assert_eq!(with_code, template.purpose.is_some(), "{}", template.name);
        for language in Language::ALL {
            for text in as_sent(template, language) {
                assert!(!text.contains(['{', '}']), "{text}");
                assert!(text.contains("FieldFuze"), "nobody knows whose it is: {text}");
            }
        }
    }
    let codes = ALL.into_iter().filter_map(|template| template.with_code);
    for text in codes.flat_map(|text| text.named.into_iter().chain([text.plain])) {
        assert!(Language::ALL.into_iter().all(|language| text.in_language(language).contains("{code}")), "{text:?}");
    }
}

#[test]
fn every_text_is_gsm_7_and_as_long_as_it_is_allowed_to_be() {
    for template in ALL {
        for language in Language::ALL {
            for text in as_sent(template, language) {
                let cut = segments(&text);
                assert_eq!((cut.encoding, cut.parts), ("GSM-7", 1), "{} ({}): {text}", template.name, language.tag());
            }
        }
    }
}

#[test]
fn no_two_templates_are_named_alike() {
    let names: BTreeSet<&str> = ALL.into_iter().map(|template| template.name).collect();
    assert_eq!(names.len(), ALL.len());
    assert!(ALL.into_iter().all(|template| Template::named(template.name) == Some(template)));
}

fn snake_case(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap_or_default().to_owned()
}

fn listed() -> String {
    let mut list = String::from(
        "# Texts\n\nEvery message that FieldFuze sends. This file is made from the templates in \
         `events/src/notification/template/`: change a text there, raise its version, and write the file anew with\n\
         `FIELDFUZE_KEEP_DOCUMENTS=1 cargo test --workspace --lib`.\n\n\
         Segments and cost are those of the longest name and code, and a segment is planned with $",
    );
    let dollars = |microdollars: usize| format!("{}.{:06}", microdollars / 1_000_000, microdollars % 1_000_000);
    writeln!(list, "{}: a figure\nto compare texts by, not the provider's bill.\n", dollars(MICRODOLLARS_PER_SEGMENT))
        .unwrap();
    list.push_str("| template | version | category | lane | worth sending for | goes to | language | encoding | segments | cost |\n");
    list.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for template in ALL {
        for language in Language::ALL {
            let cuts: Vec<_> = as_sent(template, language).iter().map(|text| segments(text)).collect();
            let worst = cuts.iter().max_by_key(|cut| cut.parts).unwrap();
            let goes_to: Vec<&str> = template.reaches.iter().map(|status| status.as_str()).collect();
            writeln!(
                list,
                "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | ${} |",
                template.name,
                template.version,
                template.category.as_str(),
                snake_case(template.lane),
                lifetime(template),
                goes_to.join(", "),
                language.tag(),
                worst.encoding,
                worst.parts,
                dollars(worst.parts * MICRODOLLARS_PER_SEGMENT),
            )
            .unwrap();
        }
    }
    list.push_str("\n## As they are written\n");
    let mut last = "";
    for (template, language, text) in as_written() {
        if last != template.name {
            write!(list, "\n### `{}`\n\n", template.name).unwrap();
            last = template.name;
        }
        writeln!(list, "- {}: {text}", language.tag()).unwrap();
    }
    list
}

fn lifetime(template: &Template) -> String {
    match template.lifetime.num_hours() {
        0 => format!("{} minutes", template.lifetime.num_minutes()),
        hours => format!("{hours} hours"),
    }
}

#[test]
fn the_list_of_texts_is_kept() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TEXTS.md");
    if std::env::var_os("FIELDFUZE_KEEP_DOCUMENTS").is_some() {
        std::fs::write(&path, listed()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == listed(), "docs/TEXTS.md is not what the templates say: write it anew as it says at its top");
}
