//! A card with a frame, as wide as a phone is in a terminal.

use super::{Style, clean};

/// Characters between the frame's sides.
const WIDTH: usize = 52;

/// A card that grows line by line.
pub(super) struct Card {
    style: Style,
    lines: Vec<(String, bool)>,
}

impl Card {
    pub(super) const fn new(style: Style) -> Self {
        Self { style, lines: Vec::new() }
    }

    /// A line, cut where the card ends.
    pub(super) fn line(mut self, text: &str) -> Self {
        self.lines.push((one_line(text), false));
        self
    }

    /// A line that stands out.
    pub(super) fn bold(mut self, text: &str) -> Self {
        self.lines.push((one_line(text), true));
        self
    }

    /// An empty line.
    pub(super) fn gap(self) -> Self {
        self.line("")
    }

    /// As many lines as it takes.
    pub(super) fn wrapped(mut self, text: &str) -> Self {
        for line in wrap(&one_line(text), WIDTH - 4) {
            self = self.line(&line);
        }
        self
    }

    /// As many lines as it takes, standing out.
    pub(super) fn wrapped_bold(mut self, text: &str) -> Self {
        for line in wrap(&one_line(text), WIDTH - 4) {
            self = self.bold(&line);
        }
        self
    }

    /// Digits three lines high, and the same small beneath for those who copy or listen.
    pub(super) fn large(mut self, digits: &str) -> Self {
        let drawn = big(digits);
        if drawn.iter().all(|row| row.chars().count() <= WIDTH - 4) {
            for row in drawn {
                self = self.bold(&row);
            }
        }
        self.bold(&format!("({digits})"))
    }

    /// A name and its value, side by side.
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        let mut first = true;
        for line in wrap(&one_line(value), WIDTH - 4 - 12) {
            let name = if first { name } else { "" };
            self = self.line(&format!("{name:<11} {line}"));
            first = false;
        }
        self
    }

    pub(super) fn draw(&self) -> String {
        let mut out = format!("╭{}╮\n", "─".repeat(WIDTH));
        for (text, bold) in &self.lines {
            let inner: String = text.chars().take(WIDTH - 4).collect();
            let rest = " ".repeat(WIDTH - 4 - inner.chars().count());
            let (on, off) = if *bold && self.style.colour { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
            out.push_str(&format!("│  {on}{inner}{off}{rest}  │\n"));
        }
        out.push_str(&format!("╰{}╯", "─".repeat(WIDTH)));
        out
    }
}

fn one_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Breaks at spaces, and within a word that is longer than a line: nothing of a request may be cut away.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            lines.push(rest.iter().collect());
            rest = tail;
        }
        used += rest.len();
        line.extend(rest);
    }
    lines.push(line);
    lines
}

/// Digits of three rows, as on a pocket calculator.
fn big(text: &str) -> [String; 3] {
    let mut rows = [String::new(), String::new(), String::new()];
    for c in text.chars() {
        let glyph = match c {
            '0' => ["┏━┓", "┃ ┃", "┗━┛"],
            '1' => [" ╻ ", " ┃ ", " ╹ "],
            '2' => ["╺━┓", "┏━┛", "┗━╸"],
            '3' => ["╺━┓", "╺━┫", "╺━┛"],
            '4' => ["╻ ╻", "┗━┫", "  ╹"],
            '5' => ["┏━╸", "┗━┓", "╺━┛"],
            '6' => ["┏━╸", "┣━┓", "┗━┛"],
            '7' => ["╺━┓", "  ┃", "  ╹"],
            '8' => ["┏━┓", "┣━┫", "┗━┛"],
            '9' => ["┏━┓", "┗━┫", "╺━┛"],
            ',' => ["  ", "  ", "╻ "],
            '.' => ["  ", "  ", "▪ "],
            _ => ["  ", "  ", "  "],
        };
        for (row, part) in rows.iter_mut().zip(glyph) {
            row.push_str(part);
            row.push(' ');
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_lost_by_wrapping() {
        let long = format!("{} og {}", "ord".repeat(40), "a b  c ".repeat(20));
        let lines = wrap(&long, 20);
        assert!(lines.iter().all(|line| line.chars().count() <= 20));
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&lines.concat()), letters(&long));
    }

    #[test]
    fn every_line_of_a_card_is_as_wide_as_its_frame() {
        let card = Card::new(Style::default()).line("æøå").large("1.250,00").field("Sted", &"x".repeat(99)).gap();
        let drawn = card.draw();
        assert!(drawn.lines().all(|line| line.chars().count() == WIDTH + 2), "{drawn}");
        assert!(drawn.contains("(1.250,00)"));
    }

    #[test]
    fn a_number_too_wide_to_be_drawn_large_is_still_there() {
        let drawn = Card::new(Style::default()).large("123.456.789.012,34").draw();
        assert!(drawn.contains("(123.456.789.012,34)") && !drawn.contains('┏'), "{drawn}");
    }
}
