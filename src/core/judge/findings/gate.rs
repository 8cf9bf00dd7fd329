//! What stops requests beside the routes.

use super::{Draft, Rule, World, code};
use crate::model::{Gate, GateState};

impl Rule for code::GateClosed {
    fn find(world: &World<'_>) -> Vec<Draft> {
        let closed = world.beside.gates.iter().filter(|gate| gate.state == GateState::Closed);
        let draft = |gate: &Gate| {
            let draft = Draft::new(gate.to_string());
            match &gate.fix {
                Some(command) => draft.fix(command, Some(CHANGE.to_owned())),
                None => draft,
            }
        };
        closed.map(draft).collect()
    }
}

const CHANGE: &str = "this changes what every resource behind the same gate may send or get";
