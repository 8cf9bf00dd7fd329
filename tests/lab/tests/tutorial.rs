//! AWS's tutorial on DynamoDB endpoints: at every step `list-tables` succeeds, and `onnet check` reports the real path.

use crate::{
    ONNET,
    lab::{
        Lab, Mode, World,
        tutorial::{STEPS, Step, association, offers},
        world::MAIN_TABLE,
    },
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::path::Path;

pub(crate) fn trials(namespaces: bool) -> Vec<Trial> {
    let walk = |mode: Mode| {
        Trial::test(format!("onnet_tells_the_steps_of_the_tutorial_apart::{}", mode.name()), move || walk(mode))
            .with_ignored_flag(mode == Mode::Namespaces && !namespaces)
    };
    Mode::ALL.map(walk).into()
}

fn walk(mode: Mode) -> Result<(), Failed> {
    let lab = Lab::start(World::tutorial(), mode)?;
    let mut fix_offered = false;
    for (step, number) in STEPS.iter().zip(1..) {
        let command = Step::perform(number, &lab).map_err(|refused| refused.message)?;
        if number == 3 {
            assert!(fix_offered, "step 2 does not offer {command:?}");
        }
        let tables = lab.list_tables()?;
        assert!(tables.contains("Music"), "list-tables answers at step {number}: {tables}");
        let ran = lab.onnet(Path::new(ONNET), &["check", "--format", "json"])?;
        let report: Value = serde_json::from_str(&ran.stdout).map_err(|error| format!("{error}: {ran:?}"))?;
        let differences = step.differences(ran.code, &report);
        assert!(differences.is_empty(), "step {number}: {differences:?}\n{report:#}");
        let endpoint = lab.world().endpoints.first().map(|endpoint| endpoint.id.clone());
        fix_offered = endpoint.is_some_and(|endpoint| offers(&report, &association(&endpoint, MAIN_TABLE)));
    }
    Ok(())
}
