//! One way to attack: a recorder at work, a fault, what `/health` and the log say, and all that heals afterwards.

use crate::reliability::table::Scenario;
use crate::reliability::watch::{complaints, told};
use crate::scene::{Bucket, LIMIT, assert_nothing_lost_or_doubled, camera, rows, uploaded};
use crate::support::{Fault, Meets, Plan, Program, Settings, Workspace, eventually};

/// So many segments are recorded while the fault lasts.
const MEANWHILE: usize = 2;

/// A fault, and how it ends.
pub struct Attack<'s> {
    pub scenario: &'s Scenario,
    /// Before the program starts.
    pub prepare: fn(&Bucket),
    pub begin: Box<dyn FnOnce(&mut Bucket)>,
    pub end: fn(&mut Bucket),
}

impl<'s> Attack<'s> {
    /// By this plan, until it is lifted.
    pub fn by(scenario: &'s Scenario, plan: Plan) -> Self {
        Self {
            scenario,
            prepare: |_| (),
            begin: Box::new(move |bucket| bucket.server.set_faults(plan)),
            end: |bucket| bucket.server.heal(),
        }
    }

    /// Plays it against the real program; the figures are the scenario's.
    pub fn play(self) {
        let (mut bucket, camera) = (Bucket::new(), camera());
        (self.prepare)(&bucket);
        let workspace = Workspace::new(&settings(&bucket, &camera), &bucket.server);
        let program = Program::start(&workspace);
        uploaded(&workspace, "gate", 1);
        let quiet = complaints(&program);

        (self.begin)(&mut bucket);
        let recorded = rows(&workspace).len();
        if self.scenario.health.is_some() {
            told(&program, self.scenario);
        }
        let met = bucket.server.faults_met();
        let meanwhile = eventually(LIMIT, "segments recorded meanwhile", || {
            if self.scenario.health.is_none() {
                let health = program.health();
                assert_eq!(health["status"], "ok", "{health}");
            }
            let count = rows(&workspace).len();
            let spoilt = bucket.server.faults_met() > met || self.scenario.health.is_some();
            if count >= recorded + MEANWHILE && spoilt { Ok(count) } else { Err(format!("{count} rows")) }
        });
        (self.end)(&mut bucket);
        heals(&program, &workspace, self.scenario, meanwhile);

        let lines = complaints(&program).split_off(quiet.len());
        stops(program);
        assert_eq!(lines.is_empty(), self.scenario.health.is_none(), "{lines:#?}");
        let most = self.scenario.log_lines.expect("the row says how many lines");
        assert!(lines.len() <= most, "{} lines: {lines:#?}", lines.len());
        assert_nothing_lost_or_doubled(&workspace, &bucket);
        assert!(rows(&workspace).iter().all(|row| row.state == "uploaded"), "{:?}", rows(&workspace));
    }
}

/// `fault` on everything that makes an object, until it is lifted.
pub fn puts(scenario: &Scenario, fault: Fault) {
    Attack::by(scenario, Plan::always(fault)).play();
}

/// `fault` on every request, until it is lifted.
pub fn everything(scenario: &Scenario, fault: Fault) {
    Attack::by(scenario, Plan::always(fault).meeting(Meets::Everything)).play();
}

/// `fault` on two segments: what costs the program its whole patience is not repeated in a test.
pub fn two_segments(scenario: &Scenario, fault: Fault) {
    Attack::by(scenario, Plan::next(2, fault).meeting(Meets::Segments)).play();
}

/// One camera that costs no encoder, called gate.
pub fn settings(bucket: &Bucket, camera: &crate::support::Camera) -> Settings {
    let mut settings = Settings::new(&bucket.server);
    settings.camera("gate", camera).for_camera("capture.mode", "passthrough");
    settings
}

/// `/health` is ok and the first `count` rows are uploaded, in time.
pub fn heals(program: &Program<'_>, workspace: &Workspace, scenario: &Scenario, count: usize) {
    eventually(scenario.heals_within(), "all to be well", || {
        let health = program.health();
        let waiting: Vec<_> =
            rows(workspace).into_iter().take(count).filter(|row| row.state != "uploaded").collect();
        let well = health["status"] == "ok" && waiting.is_empty();
        if well { Ok(()) } else { Err(format!("{health} {waiting:?}")) }
    });
}

pub fn stops(mut program: Program<'_>) {
    program.sigterm();
    assert!(program.wait_exit(LIMIT).success());
}
