//! What makes bytes of the table trustworthy: digests, signatures and limits. Compressed bytes are checked before they are unpacked.

use crate::{
    model::Gap,
    observe::{
        files::{FileError, SettingsFile},
        limits::{SECRET_FILE, over},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::{
    env, fmt,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// What a signature is about, so that one made for something else is none here.
const CONTEXT: &[u8] = b"onnet facts of a VPC, head\n";

/// The DER of an ed25519 public key but for the key itself. <https://www.rfc-editor.org/rfc/rfc8410#section-10.1>
const PUBLIC_KEY_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Compressed.
pub(super) fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes)?;
    packer.finish()
}

/// What was compressed, of at most `limit` bytes.
///
/// # Errors
/// It is not whole, or longer.
pub(super) fn unpacked(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Gap> {
    let mut unpacked = Vec::new();
    let longest = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = ZlibDecoder::new(bytes).take(longest).read_to_end(&mut unpacked);
    match read {
        Err(error) => Err(Gap::Malformed { detail: format!("shared facts that cannot be decompressed: {error}") }),
        Ok(found) if found > limit => {
            Err(over("bytes in one item of the shared facts, decompressed".to_owned(), limit, found))
        }
        Ok(_) => Ok(unpacked),
    }
}

/// The name of a chunk.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The secret key of a publisher.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public().to_string()).finish()
    }
}

/// A signing key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others may read it.
    #[error("{file} can be read by others (mode {mode:o}): chmod 600 {file}, or pass it by systemd's LoadCredential")]
    Open {
        /// The file.
        file: String,
        /// Its permissions.
        mode: u32,
    },
    /// It is not one.
    #[error(
        "{file} is not an ed25519 key in PEM; `openssl genpkey -algorithm ed25519 -out NEW.pem` makes one in another file"
    )]
    NoKey {
        /// The file.
        file: String,
    },
}

impl SigningKey {
    /// Reads a key in PEM (PKCS #8) that no one else may read.
    ///
    /// # Errors
    /// It cannot be read, others may read it, or it is none.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let file = path.display().to_string();
        let pem = SettingsFile::new(path, "--facts-sign-key").read(SECRET_FILE)?;
        // What systemd passes is the unit's alone, whatever its mode says of the access control list.
        let directory = env::var_os("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
        let directory = directory.and_then(|directory| Path::new(&directory).canonicalize().ok());
        let is_credential =
            directory.zip(path.canonicalize().ok()).is_some_and(|(directory, file)| file.starts_with(directory));
        let mode = path.metadata().map_or(0o777, |metadata| metadata.mode() & 0o777);
        if !is_credential && mode & 0o077 != 0 {
            return Err(KeyError::Open { file, mode });
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).ok();
        let pair = der.and_then(|der| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok());
        pair.map(Self).ok_or(KeyError::NoKey { file })
    }

    /// The public key, as readers are given it.
    pub fn public(&self) -> TrustedKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        TrustedKey(key)
    }

    pub(super) fn sign(&self, document: &[u8]) -> Vec<u8> {
        self.0.sign(&[CONTEXT, document].concat()).as_ref().to_vec()
    }
}

/// The public key of a publisher that a reader trusts. Its text is base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedKey([u8; 32]);

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl TrustedKey {
    /// Reads a key in base64: its 32 bytes, or the line that `openssl pkey -pubout` prints between the marks of a PEM file.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
        let key = bytes.strip_prefix(&PUBLIC_KEY_PREFIX[..]).unwrap_or(&bytes);
        key.try_into().map(Self).map_err(|_| {
            "expected an ed25519 public key in base64, as `openssl pkey -in KEY -pubout` prints it in one line"
                .to_owned()
        })
    }

    pub(super) fn has_signed(self, document: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&[CONTEXT, document].concat(), signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::observe::limits::{FACTS_CHUNK, FACTS_HEAD};
    use std::{fs, os::unix::fs::PermissionsExt};

    /// The example of <https://www.rfc-editor.org/rfc/rfc8410#section-10>.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    fn key() -> SigningKey {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), PEM).unwrap();
        SigningKey::read(file.path()).unwrap()
    }

    #[test]
    fn what_openssl_made_signs_and_is_verified() {
        let (key, other) = (key(), TrustedKey([7; 32]));
        let signature = key.sign(b"facts");
        let public = TrustedKey::parse(PUBLIC).unwrap();
        assert_eq!(public, key.public());
        assert_eq!(TrustedKey::parse(&public.to_string()), Ok(public));
        assert!(public.has_signed(b"facts", &signature));
        assert!(!public.has_signed(b"facts.", &signature) && !other.has_signed(b"facts", &signature));
        assert!(!public.has_signed(b"facts", &signature[1..]) && !public.has_signed(b"facts", b""));
        // Of the bytes alone: a signature for another purpose.
        assert!(!public.has_signed(b"facts", key.0.sign(b"facts").as_ref()));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_and_so_is_what_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), PEM).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::read(file.path()), Err(KeyError::Open { mode: 0o640, .. })));
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(file.path(), "no key").unwrap();
        assert!(matches!(SigningKey::read(file.path()), Err(KeyError::NoKey { .. })));
        for text in ["", "AAAA", "no base64!", PEM] {
            assert!(TrustedKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_unpacked_has_a_limit() {
        let zeros = packed(&vec![0; 1 << 20]).unwrap();
        assert!(zeros.len() < 2_000);
        assert_eq!(unpacked(&zeros, 1 << 20).unwrap().len(), 1 << 20);
        assert!(matches!(unpacked(&zeros, (1 << 20) - 1), Err(Gap::OverLimit { .. })));
        for limit in [FACTS_HEAD, FACTS_CHUNK] {
            let lengths = [limit, limit + 1].map(|length| packed(&vec![0; length]).unwrap());
            let [fits, exceeds] = lengths.map(|bytes| unpacked(&bytes, limit));
            assert_eq!(fits.map(|bytes| bytes.len()), Ok(limit));
            assert!(matches!(exceeds, Err(Gap::OverLimit { .. })));
        }
        assert!(matches!(unpacked(&zeros[..zeros.len() / 2], 1 << 20), Err(Gap::Malformed { .. })));
        assert!(matches!(unpacked(b"no zlib", 1 << 20), Err(Gap::Malformed { .. })));
    }

    #[test]
    fn no_output_has_the_secret() {
        let shown = format!("{:?}", key());
        let secret = PEM.lines().nth(1).unwrap();
        assert!(shown.contains(&key().public().to_string()) && !shown.contains(&secret[24..48]), "{shown}");
    }
}
