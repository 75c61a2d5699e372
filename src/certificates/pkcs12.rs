//! Writes PKCS#12 (RFC 7292): one certificate and its private key in one file, protected with a password.
//!
//! The layout is that of `openssl pkcs12 -export`, and so are the algorithms of its `-legacy` form: triple DES and
//! SHA-1 are the only ones that macOS, old and new, and OpenSSL 1.x and 3 (without its legacy provider) all read. They
//! protect little, which is why this is only for a file whose password is public and whose mode protects the key.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use des::TdesEde3;
use yasna::models::ObjectIdentifier;
use yasna::{DERWriter, Tag};

/// The default of OpenSSL. A higher count protects nothing while the password is public.
const ITERATIONS: u32 = 2048;
/// The version of the format.
const VERSION: u32 = 3;
/// The block of SHA-1, by which the key derivation measures its input.
const HASH_BLOCK: usize = 64;
/// Bytes of a salt.
pub(super) const SALT: usize = 8;

const DATA: &[u64] = &[1, 2, 840, 113549, 1, 7, 1];
const ENCRYPTED_DATA: &[u64] = &[1, 2, 840, 113549, 1, 7, 6];
const FRIENDLY_NAME: &[u64] = &[1, 2, 840, 113549, 1, 9, 20];
const LOCAL_KEY_ID: &[u64] = &[1, 2, 840, 113549, 1, 9, 21];
const X509_CERTIFICATE: &[u64] = &[1, 2, 840, 113549, 1, 9, 22, 1];
const SHROUDED_KEY_BAG: &[u64] = &[1, 2, 840, 113549, 1, 12, 10, 1, 2];
const CERTIFICATE_BAG: &[u64] = &[1, 2, 840, 113549, 1, 12, 10, 1, 3];
const PBE_SHA1_3DES: &[u64] = &[1, 2, 840, 113549, 1, 12, 1, 3];
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];

/// What a derived key is for: the `ID` of RFC 7292, appendix B.3.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Purpose {
    Encryption = 1,
    InitialVector = 2,
    Mac = 3,
}

/// A certificate and its key.
pub(super) struct Pair<'a> {
    /// The certificate as DER.
    pub(super) certificate: &'a [u8],
    /// The private key as the DER of PKCS#8, not encrypted.
    pub(super) key: &'a [u8],
    /// Ties the two together: any bytes that differ from pair to pair.
    pub(super) id: &'a [u8],
    /// The name under which a keychain shows them.
    pub(super) name: &'a str,
}

/// Random bytes, one salt for each of the three parts.
pub(super) struct Salts {
    pub(super) certificate: [u8; SALT],
    pub(super) key: [u8; SALT],
    pub(super) mac: [u8; SALT],
}

/// The content of a PKCS#12 file that holds `pair`.
pub(super) fn write(pair: &Pair<'_>, password: &str, salts: &Salts) -> Vec<u8> {
    let password = bmp(password);
    let key = encrypt(pair.key, &password, &salts.key);
    let certificate = encrypt(&certificate_bag(pair), &password, &salts.certificate);
    let contents = yasna::construct_der(|writer| {
        writer.write_sequence_of(|writer| {
            writer.next().write_sequence(|writer| {
                oid(writer.next(), ENCRYPTED_DATA);
                explicit(writer.next(), |writer| encrypted_data(writer, &certificate, &salts.certificate));
            });
            data(writer.next(), &key_bag(pair, &key, &salts.key));
        });
    });
    let mac_key: [u8; SHA1_OUTPUT_LEN] = derive(Purpose::Mac, &password, &salts.mac);
    let mac = hmac::sign(&hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &mac_key), &contents);
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u32(VERSION);
            data(writer.next(), &contents);
            writer.next().write_sequence(|writer| {
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        oid(writer.next(), SHA1);
                        writer.next().write_null();
                    });
                    writer.next().write_bytes(mac.as_ref());
                });
                writer.next().write_bytes(&salts.mac);
                writer.next().write_u32(ITERATIONS);
            });
        });
    })
}

/// `SafeContents` with the certificate.
fn certificate_bag(pair: &Pair<'_>) -> Vec<u8> {
    bag(pair, CERTIFICATE_BAG, |writer| {
        writer.write_sequence(|writer| {
            oid(writer.next(), X509_CERTIFICATE);
            explicit(writer.next(), |writer| writer.write_bytes(pair.certificate));
        });
    })
}

/// `SafeContents` with the encrypted key.
fn key_bag(pair: &Pair<'_>, encrypted: &[u8], salt: &[u8]) -> Vec<u8> {
    bag(pair, SHROUDED_KEY_BAG, |writer| {
        writer.write_sequence(|writer| {
            algorithm(writer.next(), salt);
            writer.next().write_bytes(encrypted);
        });
    })
}

/// `SafeContents` with one bag.
fn bag(pair: &Pair<'_>, kind: &[u64], value: impl FnOnce(DERWriter<'_>)) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence_of(|writer| {
            writer.next().write_sequence(|writer| {
                oid(writer.next(), kind);
                explicit(writer.next(), value);
                writer.next().write_set_of(|writer| {
                    attribute(writer.next(), FRIENDLY_NAME, |writer| writer.write_bmp_string(pair.name));
                    attribute(writer.next(), LOCAL_KEY_ID, |writer| writer.write_bytes(pair.id));
                });
            });
        });
    })
}

fn attribute(writer: DERWriter<'_>, kind: &[u64], value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|writer| {
        oid(writer.next(), kind);
        writer.next().write_set_of(|writer| value(writer.next()));
    });
}

/// A `ContentInfo` that is not encrypted.
fn data(writer: DERWriter<'_>, content: &[u8]) {
    writer.write_sequence(|writer| {
        oid(writer.next(), DATA);
        explicit(writer.next(), |writer| writer.write_bytes(content));
    });
}

fn encrypted_data(writer: DERWriter<'_>, encrypted: &[u8], salt: &[u8]) {
    writer.write_sequence(|writer| {
        writer.next().write_u32(0);
        writer.next().write_sequence(|writer| {
            oid(writer.next(), DATA);
            algorithm(writer.next(), salt);
            writer.next().write_tagged_implicit(Tag::context(0), |writer| writer.write_bytes(encrypted));
        });
    });
}

fn algorithm(writer: DERWriter<'_>, salt: &[u8]) {
    writer.write_sequence(|writer| {
        oid(writer.next(), PBE_SHA1_3DES);
        writer.next().write_sequence(|writer| {
            writer.next().write_bytes(salt);
            writer.next().write_u32(ITERATIONS);
        });
    });
}

fn oid(writer: DERWriter<'_>, components: &[u64]) {
    writer.write_oid(&ObjectIdentifier::from_slice(components));
}

fn explicit(writer: DERWriter<'_>, value: impl FnOnce(DERWriter<'_>)) {
    writer.write_tagged(Tag::context(0), value);
}

fn encrypt(plain: &[u8], password: &[u8], salt: &[u8; SALT]) -> Vec<u8> {
    let key: [u8; 24] = derive(Purpose::Encryption, password, salt);
    let vector: [u8; 8] = derive(Purpose::InitialVector, password, salt);
    Encryptor::<TdesEde3>::new(&key.into(), &vector.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

/// The password as this format hashes it: UTF-16, big-endian, with a zero at the end.
fn bmp(password: &str) -> Vec<u8> {
    password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect()
}

/// Derives `N` bytes from a password: RFC 7292, appendix B.2, with SHA-1.
fn derive<const N: usize>(purpose: Purpose, password: &[u8], salt: &[u8; SALT]) -> [u8; N] {
    let mut input = [fill(salt), fill(password)].concat();
    let mut derived = [0; N];
    for part in derived.chunks_mut(SHA1_OUTPUT_LEN) {
        let first = [&[purpose as u8; HASH_BLOCK], input.as_slice()].concat();
        let mut hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &first);
        for _ in 1..ITERATIONS {
            hash = digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, hash.as_ref());
        }
        part.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        let addend: Vec<u8> = hash.as_ref().iter().copied().cycle().take(HASH_BLOCK).collect();
        input.chunks_exact_mut(HASH_BLOCK).for_each(|block| add_plus_one(block, &addend));
    }
    derived
}

/// Repeats `bytes` up to a whole number of blocks.
fn fill(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(HASH_BLOCK)).collect()
}

/// `block = block + addend + 1`, as big-endian numbers of the same width; an overflow is dropped.
fn add_plus_one(block: &mut [u8], addend: &[u8]) {
    let mut carry = 1;
    for (digit, other) in block.iter_mut().zip(addend).rev() {
        let sum = u16::from(*digit) + u16::from(*other) + carry;
        let [high, low] = sum.to_be_bytes();
        (*digit, carry) = (low, high.into());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::certificates::testing::{openssl, openssl_fails};

    const SALTS: Salts = Salts { certificate: [1; SALT], key: [2; SALT], mac: [3; SALT] };

    /// Derived by openssl, with a key longer than one hash and a password longer than one block.
    #[test]
    fn keys_are_derived_as_openssl_derives_them() {
        let directory = tempfile::tempdir().unwrap();
        for password in ["swarm", "", "\u{e9}\u{1f40b}", "a password of more than thirty-two characters"] {
            let password = bmp(password);
            let by_openssl = |length, id| {
                let (hexpass, hexsalt) = (hex::encode(&password), hex::encode(SALTS.mac));
                let printed = openssl(
                    directory.path(),
                    &format!(
                        "kdf -keylen {length} -kdfopt digest:SHA1 -kdfopt hexpass:{hexpass} \
                         -kdfopt hexsalt:{hexsalt} -kdfopt iter:{ITERATIONS} -kdfopt id:{id} PKCS12KDF"
                    ),
                );
                let digits: String = printed.trim().chars().filter(|c| *c != ':').collect();
                digits.to_lowercase()
            };
            let key: [u8; 24] = derive(Purpose::Encryption, &password, &SALTS.mac);
            assert_eq!(hex::encode(key), by_openssl(24, 1));
            let vector: [u8; 8] = derive(Purpose::InitialVector, &password, &SALTS.mac);
            assert_eq!(hex::encode(vector), by_openssl(8, 2));
            let mac: [u8; 70] = derive(Purpose::Mac, &password, &SALTS.mac);
            assert_eq!(hex::encode(mac), by_openssl(70, 3));
        }
    }

    #[test]
    fn addition_carries_through_the_block_and_drops_the_overflow() {
        let mut block = [0, 0xff, 0xff];
        add_plus_one(&mut block, &[0, 0, 0]);
        assert_eq!(block, [1, 0, 0]);
        let mut block = [0xff, 0xff, 0xff];
        add_plus_one(&mut block, &[0, 0, 1]);
        assert_eq!(block, [0, 0, 1]);
    }

    #[test]
    fn another_password_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let pair =
            Pair { certificate: certificate.der(), key: key.serialized_der(), id: b"id", name: "a name" };
        fs::write(directory.path().join("pair.pfx"), write(&pair, "right", &SALTS)).unwrap();
        let text = openssl(directory.path(), "pkcs12 -in pair.pfx -passin pass:right -nodes");
        assert!(text.contains("friendlyName: a name") && text.contains("localKeyID: 69 64"), "{text}");
        let wrong = openssl_fails(directory.path(), "pkcs12 -in pair.pfx -passin pass:wrong -nodes");
        assert!(wrong.contains("invalid password"), "{wrong}");
    }
}
