//! Next-hop objects: what a route names in place of its next hops.

use super::{
    KernelError,
    route::{DEAD, Hop, RawHop, rta},
    socket::{Failure, Socket},
    wire::{self, Malformed, Message, Question},
};
use rustix::io::Errno;

/// The living hops of a next-hop object, if there are not too many.
pub(super) async fn next_hops(socket: &mut Socket, id: u32, most: usize) -> Result<Vec<RawHop>, KernelError> {
    let object = next_hop(socket, id).await?;
    let mut hops: Vec<RawHop> = object.hop.into_iter().collect();
    KernelError::limit("members of a next-hop group", most, object.members.len())?;
    for member in object.members {
        // A group has no groups.
        hops.extend(next_hop(socket, member).await?.hop);
    }
    Ok(hops)
}

#[derive(Default)]
struct Object {
    hop: Option<RawHop>,
    members: Vec<u32>,
}

async fn next_hop(socket: &mut Socket, id: u32) -> Result<Object, KernelError> {
    /// `NHA_ID`
    const ID: u16 = 1;
    let question = Question::new(wire::GET_NEXT_HOP, 0, &[0; 8]).with_u32(ID, id);
    match socket.ask(question, |message| object(&message)).await {
        Ok(object) => Ok(object),
        // It went since the route was read.
        Err(Failure::Refused(number)) if Errno::from_raw_os_error(number) == Errno::NOENT => {
            Err(KernelError::Changing { what: "next hops" })
        }
        Err(failure) => Err(failure.error("next hops")),
    }
}

fn object(message: &Message<'_>) -> Result<Object, Malformed> {
    /// `NHA_GROUP`, `NHA_OIF`, `NHA_GATEWAY`, `NHA_ENCAP_TYPE`
    const GROUP: u16 = 2;
    const OUTPUT: u16 = 5;
    const GATEWAY: u16 = 6;
    const ENCAPSULATION_TYPE: u16 = 7;
    if message.kind != wire::NEW_NEXT_HOP {
        return Err(Malformed("a next hop"));
    }
    let (fixed, attributes) = message.split::<8>()?;
    let (mut object, mut hop) = (Object::default(), Hop::default());
    for attribute in attributes {
        match attribute? {
            // Each member has its number in the first four of eight bytes.
            (GROUP, value) => object.members = value.chunks_exact(8).map(|member| wire::u32_at(member, 0)).collect(),
            (OUTPUT, value) => hop.take(rta::OUTPUT, value)?,
            (GATEWAY, value) => hop.take(rta::GATEWAY, value)?,
            (ENCAPSULATION_TYPE, value) => hop.take(rta::ENCAPSULATION_TYPE, value)?,
            _ => {}
        }
    }
    object.hop = hop.hop().filter(|_| wire::u32_at(fixed, 4) & DEAD == 0);
    Ok(object)
}
