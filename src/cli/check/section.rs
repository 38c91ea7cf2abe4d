//! The findings about one subject, and how they are printed.

use serde::Serialize;

use crate::cli::view::{
    output,
    terminal::{BOLD, DIM, GREEN, RED, RESET},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    Pass,
    Fail,
    /// Worth knowing; it fails nothing.
    Info,
}

#[derive(Debug, Serialize)]
pub struct Finding {
    mark: Mark,
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// The findings about one subject: the settings, the database, or a server.
#[derive(Debug, Serialize)]
pub struct Section {
    pub subject: String,
    pub findings: Vec<Finding>,
}

impl Section {
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), findings: Vec::new() }
    }

    pub fn pass(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Pass, what: what.into(), advice: None });
    }

    pub fn info(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Info, what: what.into(), advice: None });
    }

    pub fn fail(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Fail, what: what.into(), advice: Some(advice.into()) });
    }

    /// Adds a failure whose sentence already says what to do.
    pub fn wrong(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { mark: Mark::Fail, what: what.into(), advice: None });
    }

    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.mark != Mark::Fail)
    }

    pub fn print(&self) -> Result<(), output::OutputError> {
        let mut text = format!("{BOLD}{}{RESET}", self.subject);
        for Finding { mark, what, advice } in &self.findings {
            let (style, sign) = match mark {
                Mark::Pass => (GREEN, "✔"),
                Mark::Fail => (RED, "✘"),
                Mark::Info => (DIM, "•"),
            };
            text.extend(["\n  ", style, sign, RESET, " ", what]);
            text.extend(advice.iter().flat_map(|advice| ["\n    → ", advice]));
        }
        output::line(text)
    }
}
