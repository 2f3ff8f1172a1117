//! Telling the story: a line a step, a table at the end.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::t8_client::member;

/// A step did not do what Y.4462 says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unexpected {
    /// What should have been.
    #[error("this does not hold: {0}")]
    Broken(&'static str),
    /// A notification that never came.
    #[error("the notification expected at {0} did not come within {LIMIT:?}")]
    NoNotification(String),
    /// The inbox did not answer.
    #[error("the inbox did not answer: {0}")]
    Inbox(#[from] reqwest::Error),
}

/// How long a notification may take; far beyond what one takes.
const LIMIT: Duration = Duration::from_secs(20);

/// How often the inbox is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Where the story is told: standard output.
pub(crate) struct Stage {
    opened: Instant,
    colour: bool,
    acts: Vec<(String, usize)>,
}

impl Stage {
    /// Tells what is about to be seen.
    pub(crate) fn open() -> Self {
        let stage = Self {
            opened: Instant::now(),
            colour: io::stdout().is_terminal(),
            acts: Vec::new(),
        };
        stage.say(
            "The smart refrigerator, the smart lock and the watch of ITU-T Y.4462, Appendix I",
        );
        stage.say("A sandbox runs on loopback; every line below went through a socket.");
        stage
    }

    /// Begins an act.
    pub(crate) fn act(&mut self, title: &str) {
        self.acts.push((title.to_owned(), 0));
        let (bold, plain) = if self.colour {
            ("\x1b[1m", "\x1b[0m")
        } else {
            ("", "")
        };
        self.say(&format!("\n{bold}{title}{plain}"));
        self.say(&format!(
            "  {:<6} {:<6} {:<8} {:<46} outcome",
            "figure", "step", "point", "message"
        ));
    }

    /// A step that did what it should.
    pub(crate) fn step(
        &mut self,
        figure: &str,
        step: &str,
        point: &str,
        message: &str,
        outcome: &str,
    ) {
        if let Some((_, steps)) = self.acts.last_mut() {
            *steps += 1;
        }
        let (green, plain) = if self.colour {
            ("\x1b[32m", "\x1b[0m")
        } else {
            ("", "")
        };
        self.say(&format!(
            "  {figure:<6} {step:<6} {point:<8} {message:<46} {green}{outcome}{plain}"
        ));
    }

    /// Ends the story early unless this holds.
    ///
    /// # Errors
    /// [`Unexpected::Broken`].
    pub(crate) fn check(&self, holds: bool, what: &'static str) -> Result<(), Unexpected> {
        if holds {
            Ok(())
        } else {
            Err(Unexpected::Broken(what))
        }
    }

    /// The table at the end.
    pub(crate) fn close(&self, whole: bool) {
        self.say("\nSummary");
        let last = self.acts.len().saturating_sub(1);
        for (n, (title, steps)) in self.acts.iter().enumerate() {
            let outcome = if whole || n < last {
                "as Y.4462 says"
            } else {
                "NOT as Y.4462 says"
            };
            self.say(&format!("  {title:<48} {steps:>2} steps   {outcome}"));
        }
        self.say(&format!(
            "  played in {:.1} s",
            self.opened.elapsed().as_secs_f64()
        ));
    }

    fn say(&self, line: &str) {
        // A reader that went away (`| head`) does not end the story.
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// Waits for a notification whose body fits.
///
/// # Errors
/// [`Unexpected`] when it does not come, or the inbox does not answer.
pub(crate) async fn wait_for_notification(
    client: &reqwest::Client,
    inbox: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Value, Unexpected> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        let received: Value = client.get(inbox).send().await?.json().await?;
        let bodies = received
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| member(item, "body"));
        if let Some(body) = bodies.into_iter().find(|body| fits(body)) {
            return Ok(body.clone());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Unexpected::NoNotification(inbox.to_owned()))
}
