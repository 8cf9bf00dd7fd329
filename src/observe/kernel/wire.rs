//! The messages of rtnetlink, as `<linux/rtnetlink.h>`, `<linux/fib_rules.h>` and `<linux/nexthop.h>` define them.
//!
//! Read by hand, not by a library that builds a value of each message: a host with a full BGP table has 400,000 routes, of
//! which a few concern us, and the next kernel's attributes must not make the rest unreadable.

use std::net::IpAddr;

/// `NLM_F_REQUEST`
pub(super) const REQUEST: u16 = 0x1;
/// `NLM_F_DUMP`
pub(super) const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
pub(super) const INTERRUPTED: u16 = 0x10;

/// `NLMSG_ERROR`, also an acknowledgement.
pub(super) const ERROR: u16 = 2;
/// `NLMSG_DONE`
pub(super) const DONE: u16 = 3;

/// `RTM_NEWLINK` and `RTM_GETLINK`
pub(super) const NEW_LINK: u16 = 16;
pub(super) const GET_LINK: u16 = 18;
/// `RTM_NEWROUTE` and `RTM_GETROUTE`
pub(super) const NEW_ROUTE: u16 = 24;
pub(super) const GET_ROUTE: u16 = 26;
/// `RTM_NEWRULE` and `RTM_GETRULE`
pub(super) const NEW_RULE: u16 = 32;
pub(super) const GET_RULE: u16 = 34;
/// `RTM_NEWNEXTHOP` and `RTM_GETNEXTHOP`
pub(super) const NEW_NEXT_HOP: u16 = 104;
pub(super) const GET_NEXT_HOP: u16 = 106;

/// `AF_INET` and `AF_INET6`
pub(super) const INET: u8 = 2;
pub(super) const INET6: u8 = 10;

/// The length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// What cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// A message to the kernel.
#[derive(Clone, Debug)]
pub(super) struct Question(Vec<u8>);

impl Question {
    /// A message whose fixed part is `fixed`.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(REQUEST | flags).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Self(bytes)
    }

    /// The same with an attribute. Values are short: their lengths fit.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(aligned(self.0.len()), 0);
        self
    }

    /// The same with an address.
    pub(super) fn with_address(self, kind: u16, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.with(kind, &address.octets()),
            IpAddr::V6(address) => self.with(kind, &address.octets()),
        }
    }

    /// The same with a number.
    pub(super) fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// The bytes to send.
    pub(super) fn numbered(&mut self, sequence: u32) -> &[u8] {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.0
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// One message of the kernel's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The fixed part of the body, and the attributes after it.
    pub(super) fn split<const N: usize>(&self) -> Result<(&'a [u8; N], Attributes<'a>), Malformed> {
        let (fixed, rest) = self.body.split_first_chunk().ok_or(Malformed("a whole message"))?;
        Ok((fixed, Attributes(rest)))
    }

    /// The error number of an error or the end of a dump; 0 where all went well.
    pub(super) fn error(&self) -> Result<i32, Malformed> {
        match self.body.first_chunk() {
            Some(bytes) => Ok(i32::from_ne_bytes(*bytes).saturating_neg()),
            None if self.kind == DONE => Ok(0),
            None => Err(Malformed("an error number")),
        }
    }
}

/// The messages of one datagram.
#[derive(Debug)]
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some((head, _)) = self.0.split_first_chunk::<HEADER>() else { return self.broken() };
        let length = usize::try_from(u32_at(head, 0)).unwrap_or(usize::MAX);
        let Some(body) = self.0.get(HEADER..length) else { return self.broken() };
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(Ok(Message { kind: u16_at(head, 4), flags: u16_at(head, 6), sequence: u32_at(head, 8), body }))
    }
}

impl Messages<'_> {
    fn broken<T>(&mut self) -> Option<Result<T, Malformed>> {
        self.0 = &[];
        Some(Err(Malformed("a whole message")))
    }
}

/// The attributes of a message, or of another attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        /// What flags leave of the kind: `NLA_TYPE_MASK`.
        const KIND: u16 = 0x3fff;
        if self.0.is_empty() {
            return None;
        }
        let head = self.0.first_chunk::<4>();
        let length = head.map_or(0, |head| usize::from(u16_at(head, 0)));
        let (Some(head), Some(value)) = (head, self.0.get(4..length)) else {
            self.0 = &[];
            return Some(Err(Malformed("a whole attribute")));
        };
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(Ok((u16_at(head, 2) & KIND, value)))
    }
}

/// Two bytes of a fixed part. The offset is a constant below its length.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

/// Four bytes of a fixed part.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// An attribute that is a number of four bytes.
pub(super) fn number(value: &[u8]) -> Result<u32, Malformed> {
    value.try_into().map(u32::from_ne_bytes).map_err(|_| Malformed("a number of 4 bytes"))
}

/// An attribute that is a number of two bytes.
pub(super) fn short(value: &[u8]) -> Result<u16, Malformed> {
    value.try_into().map(u16::from_ne_bytes).map_err(|_| Malformed("a number of 2 bytes"))
}

/// An attribute that is one byte.
pub(super) fn byte(value: &[u8]) -> Result<u8, Malformed> {
    value.first().copied().ok_or(Malformed("a byte"))
}

/// An attribute that is an address of either family.
pub(super) fn address(value: &[u8]) -> Result<IpAddr, Malformed> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).map_err(|_| Malformed("an address"))
}

/// An attribute that is a name ending with a zero byte.
pub(super) fn name(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut question = Question::new(GET_ROUTE, DUMP, &[INET, 0, 0, 0])
            .with(7, b"abc")
            .with_address(1, "192.0.2.1".parse().unwrap())
            .with_u32(25, 1001);
        let bytes = question.numbered(9).to_vec();
        let messages: Vec<_> = Messages(&bytes).map(Result::unwrap).collect();
        let [message] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((message.kind, message.flags, message.sequence), (GET_ROUTE, REQUEST | DUMP, 9));
        let (fixed, attributes) = message.split::<4>().unwrap();
        assert_eq!(*fixed, [INET, 0, 0, 0]);
        let attributes: Vec<_> = attributes.map(Result::unwrap).collect();
        assert_eq!(attributes, [(7, b"abc".as_slice()), (1, &[192, 0, 2, 1]), (25, &1001_u32.to_ne_bytes())]);
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_not_the_end() {
        let mut question = Question::new(GET_ROUTE, 0, &[]).with_u32(1, 1);
        let bytes = question.numbered(1).to_vec();
        for length in 1..bytes.len() {
            assert!(Messages(&bytes[..length]).any(|message| message.is_err()), "{length} of {} bytes", bytes.len());
        }
        let attributes = &bytes[HEADER..];
        for length in 1..attributes.len() {
            assert!(Attributes(&attributes[..length]).any(|attribute| attribute.is_err()), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_a_reader_panic_or_run_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Messages(&bytes).count() <= bytes.len());
            prop_assert!(Attributes(&bytes).count() <= bytes.len());
        }
    }
}
