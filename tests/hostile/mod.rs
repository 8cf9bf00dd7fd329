//! Servers of the lab that misbehave, with every client of onnet: each attack ends in a gap, within the limits of time and
//! memory.

mod answers;
mod files;
mod limits;
mod registry;
mod turns;
