use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far an operation is: a bar on a terminal, else now and then a line, both on the standard error.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    done: u64,
    began: Instant,
    told: Instant,
}

impl Progress {
    /// Of `total` if that is known, be it roughly.
    pub(super) fn of(what: &'static str, total: Option<u64>) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            let template = match total {
                Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta} left",
                None => "{msg} {spinner} {human_pos} {per_sec} {elapsed}",
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style).with_message(what)
        });
        Self { what, bar, done: 0, began: now, told: now }
    }

    pub(super) fn add(&mut self, done: u64) {
        self.done += done;
        match &self.bar {
            Some(bar) => bar.inc(done),
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                eprintln!("{}: {} in {} s", self.what, self.done, self.began.elapsed().as_secs());
            }
            None => (),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
