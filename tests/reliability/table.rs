//! A row of the fault matrix and the macro that makes a test of each.

use std::time::Duration;

/// One fault, what the recorder does about it, and the figures that its test asserts.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What goes wrong, in an operator's words.
    pub fault: &'static str,
    /// What the recorder does, and what is recorded.
    pub outcome: &'static str,
    /// Words that stand in the reasons of `/health` meanwhile; `None`: it stays as it was.
    pub health: Option<&'static str>,
    /// `/health` says so at most this long after the fault began, in seconds.
    pub told_within_s: Option<u64>,
    /// All is well again at most this long after the fault ended, in seconds.
    pub heals_within_s: Option<u64>,
    /// Warnings and errors in the log because of it, at most.
    pub log_lines: Option<usize>,
}

impl Scenario {
    /// For the rows to begin with: `Scenario { fault: "…", ..Scenario::QUIET }`.
    pub const QUIET: Scenario = Scenario {
        fault: "",
        outcome: "",
        health: None,
        told_within_s: None,
        heals_within_s: None,
        log_lines: None,
    };

    pub fn told_within(&self) -> Duration {
        Duration::from_secs(self.told_within_s.expect("the row says how soon /health tells"))
    }

    pub fn heals_within(&self) -> Duration {
        Duration::from_secs(self.heals_within_s.expect("the row says how fast it heals"))
    }

    fn markdown(&self, test: &str) -> String {
        let figures = [
            self.told_within_s.map(|seconds| format!("told ≤ {seconds} s")),
            self.heals_within_s.map(|seconds| format!("healed ≤ {seconds} s")),
            self.log_lines.map(|lines| format!("log ≤ {lines} lines")),
        ];
        let figures: Vec<String> = figures.into_iter().flatten().collect();
        let health = self.health.map_or("unchanged".to_owned(), |words| format!("“{words}”"));
        format!("| {} | {} | {health} | {} | `{test}` |\n", self.fault, self.outcome, figures.join(", "))
    }
}

/// The rows as a Markdown table.
pub fn render(rows: &[(&str, Scenario)]) -> String {
    let mut text = "| fault | what happens | /health | figures | test |\n|---|---|---|---|---|\n".to_owned();
    text.extend(rows.iter().map(|(test, scenario)| scenario.markdown(test)));
    text
}

/// `scenarios! { CAMERAS: name_of_the_test => Scenario { … }, |scenario| { … }; … }`: a table, and a test a row.
macro_rules! scenarios {
    ($table:ident: $($name:ident => $scenario:expr, $play:expr;)*) => {
        pub const $table: &[(&str, crate::reliability::table::Scenario)] = &[$((stringify!($name), $scenario)),*];
        $(
            #[test]
            fn $name() {
                let play: fn(&crate::reliability::table::Scenario) = $play;
                play(&$scenario);
            }
        )*
    };
}
