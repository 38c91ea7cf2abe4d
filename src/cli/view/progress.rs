//! A job's progress: a bar on a terminal, or else a line for each change.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use super::{output, terminal};
use crate::{model::JobStatus, store::jobs::Job};

const SPINNER_INTERVAL: Duration = Duration::from_millis(100);
/// The first is used until the number of steps is known.
const WITHOUT_BAR: &str = "{spinner} {prefix} {elapsed} {wide_msg}";
const WITH_BAR: &str = "{spinner} {prefix} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}";

/// Shows the progress of one job on stderr.
pub struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub fn new(job: &Job) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_style(style(WITHOUT_BAR)).with_prefix(job.kind.to_string());
            bar.enable_steady_tick(SPINNER_INTERVAL);
            bar
        });
        Self { bar, last: String::new() }
    }

    pub fn show(&mut self, job: &Job) {
        let (done, total) = (job.steps_done.unwrap_or(0), job.steps_total.unwrap_or(0));
        let message = match job.status {
            JobStatus::Running => terminal::one_line(job.step.as_deref().unwrap_or("begins")),
            JobStatus::Retrying => {
                let error = terminal::one_line(job.last_error.as_deref().unwrap_or("the reason is not known"));
                format!("waits for attempt {} of {}: {error}", job.attempt + 1, job.max_attempts)
            }
            _ => "waits in the queue for its turn and for a worker".to_owned(),
        };
        if let Some(bar) = &self.bar {
            if let (Ok(total @ 1..), Ok(done)) = (u64::try_from(total), u64::try_from(done)) {
                bar.set_style(style(WITH_BAR));
                bar.set_length(total);
                bar.set_position(done);
            }
            // The bar has room only for the beginning of an error.
            if job.status == JobStatus::Retrying && self.last != message {
                bar.println(&message);
            }
            bar.set_message(message.clone());
            self.last = message;
        } else if total > 0 {
            self.show_text(&format!("{} {done}/{total} {message}", job.kind));
        } else {
            self.show_text(&format!("{} {message}", job.kind));
        }
    }

    /// Shows a text unless it was shown last.
    pub fn show_text(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.last != text => output::note(text),
            None => {}
        }
        text.clone_into(&mut self.last);
    }

    /// Clears the bar from the terminal.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The templates are constant; a broken one would give a plain bar.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}
