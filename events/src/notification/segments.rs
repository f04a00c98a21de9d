//! How a text is cut into segments: GSM 03.38 with its extension table where it fits, else UCS-2.

/// The basic table of GSM 03.38 without the letters and digits of ASCII.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";

/// Its extension table: each of these takes two places.
const EXTENSION: &str = "^{}\\[~]|€\u{c}";

/// Places in a message of one segment, and in each segment of a longer one, whose header takes the rest.
const GSM: (usize, usize) = (160, 153);

/// The same in UTF-16 units.
const UCS: (usize, usize) = (70, 67);

/// How a text goes over the air.
#[derive(Debug, PartialEq, Eq)]
pub struct Segments {
    /// `GSM-7` or `UCS-2`.
    pub encoding: &'static str,
    /// How many segments are sent and paid.
    pub parts: usize,
}

/// Cuts a text.
pub fn segments(text: &str) -> Segments {
    match text.chars().map(places).sum::<Option<usize>>() {
        Some(places) => Segments { encoding: "GSM-7", parts: parts(places, GSM) },
        None => Segments { encoding: "UCS-2", parts: parts(text.encode_utf16().count(), UCS) },
    }
}

fn places(character: char) -> Option<usize> {
    if character.is_ascii_alphanumeric() || BASIC.contains(character) {
        Some(1)
    } else if EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

fn parts(units: usize, (single, each): (usize, usize)) -> usize {
    if units <= single { 1 } else { units.div_ceil(each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_outside_the_table_turns_the_whole_text() {
        let cases = [
            ("a".repeat(160), "GSM-7", 1),
            ("a".repeat(161), "GSM-7", 2),
            ("a".repeat(306), "GSM-7", 2),
            ("€".repeat(80), "GSM-7", 1),
            ("€".repeat(81), "GSM-7", 2),
            ("é".repeat(160), "GSM-7", 1),
            ("”".repeat(70), "UCS-2", 1),
            (format!("{}”", "a".repeat(70)), "UCS-2", 2),
            ("😀".repeat(35), "UCS-2", 1),
            ("😀".repeat(36), "UCS-2", 2),
        ];
        for (text, encoding, parts) in cases {
            assert_eq!(segments(&text), Segments { encoding, parts }, "{text}");
        }
    }
}
