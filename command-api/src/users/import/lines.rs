use bytes::Bytes;

/// The lines of an import that are not blank, each with its number, from 1. They are cut off one by one: a list of all
/// would be many times as large as a body of short lines.
#[derive(Debug)]
pub(super) struct Lines {
    bytes: Bytes,
    /// Where the next line begins.
    at: usize,
    /// Lines before it.
    before: usize,
}

impl Lines {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0, before: 0 }
    }
}

impl Iterator for Lines {
    type Item = (usize, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let line = self.at..self.at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.at = line.end + 1;
            self.before += 1;
            if !self.bytes[line.clone()].trim_ascii().is_empty() {
                return Some((self.before, self.bytes.slice(line)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Vec<(usize, Bytes)> {
        Lines::new(Bytes::from_static(text.as_bytes())).collect()
    }

    #[test]
    fn blank_lines_are_left_out_and_counted() {
        let line = |number: usize, text: &'static str| (number, Bytes::from_static(text.as_bytes()));
        assert_eq!(lines("\n \r\na\r\n\n\nb"), [line(3, "a\r"), line(6, "b")]);
        assert_eq!(lines("a\nb\n"), [line(1, "a"), line(2, "b")]);
        for blank in ["", "\n", " \n\r\n\t"] {
            assert_eq!(lines(blank), []);
        }
    }
}
