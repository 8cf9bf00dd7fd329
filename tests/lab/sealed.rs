//! The bytes of shared facts, as `dist/doc/shared-facts.md` says: what is compressed, and what a signature is of.

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use std::io::{Read, Write};

/// What a signature of a head is of.
pub fn signed(document: &[u8]) -> Vec<u8> {
    [b"onnet facts of a VPC, head\n", document].concat()
}

pub fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut text).expect("whole");
    text
}

pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).expect("in memory");
    packer.finish().expect("in memory")
}
