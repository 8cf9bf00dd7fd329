//! Servers that misbehave, by the names they have in the lab, against everything of onnet's that asks a server: each attack
//! ends in a gap, within the time and the memory that there are.

mod answers;
mod files;
mod limits;
mod registry;
mod turns;
