//! The file envelope as files: reads and writes around [`claviger_crypto::envelope::stream`]. One call of the service makes the
//! data key of a file, one opens it again; between the two the data never leaves this machine.

use std::io::{self, Read, Write};

use claviger_crypto::envelope::stream::{Opener, ParsedHeader, Sealer, StreamHeader};
use claviger_crypto::envelope::{Context, Header};
use claviger_crypto::{CryptoError, SecretBytes};

use crate::failure::Failure;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;

/// A data key as the service hands it out.
#[derive(Debug)]
pub(crate) struct DataKey {
    /// In clear, 32 bytes.
    pub(crate) clear: SecretBytes,
    /// Sealed under the key that it was asked of.
    pub(crate) wrapped: Vec<u8>,
}

/// What a ciphertext is, by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A direct ciphertext, made by the service in one call.
    Direct,
    /// A file envelope.
    Envelope,
    /// Neither; a ciphertext of an RSA key has no header of ours.
    Headless,
}

/// What `start`, the first bytes of a ciphertext, begin.
pub(crate) fn kind_of(start: &[u8]) -> Kind {
    let whole_magic = start.len() >= 4;
    match (StreamHeader::parse(start), Header::parse(start)) {
        (Ok(_), _) if whole_magic => Kind::Envelope,
        (_, Ok(_)) => Kind::Direct,
        _ => Kind::Headless,
    }
}

/// Seals all of `input` under `key` into `out`; `tick` hears of every piece read. Gives the bytes read.
///
/// # Errors
/// When reading, writing or the module fails. What was written until then is no envelope and does not open.
pub(crate) fn seal(
    input: &mut impl Read,
    out: &mut impl Write,
    key: &DataKey,
    context: &Context,
    mut tick: impl FnMut(u64),
) -> Result<u64, Failure> {
    let mut sealed = Vec::with_capacity(PIECE + PIECE / 8);
    let mut sealer =
        Sealer::new(&key.clear, &key.wrapped, context, &mut sealed).map_err(|error| module(&error))?;
    let mut buffer = SecretBytes::zeroed(PIECE);
    let mut total = 0;
    loop {
        let read = read_some(input, buffer.expose_mut()).map_err(|error| reading(&error))?;
        let piece = buffer.expose_mut().get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        sealer.update(piece, &mut sealed).map_err(|error| module(&error))?;
        drain(&mut sealed, out)?;
        let read = u64::try_from(read).unwrap_or(0);
        total += read;
        tick(read);
    }
    sealer.finish(&mut sealed).map_err(|error| module(&error))?;
    drain(&mut sealed, out)?;
    Ok(total)
}

/// A file envelope of which the header has been read.
#[derive(Debug)]
pub(crate) struct Sealed {
    header: StreamHeader,
    /// What was read beyond the header.
    rest: Vec<u8>,
}

impl Sealed {
    /// Reads the header; `start` is what was read of the file before.
    ///
    /// # Errors
    /// When it is no header of a file envelope.
    pub(crate) fn read(start: Vec<u8>, input: &mut impl Read) -> Result<Self, Failure> {
        let mut bytes = start;
        loop {
            let malformed = |_| Failure::failed("this is not a file envelope, or its header is damaged");
            match StreamHeader::parse(&bytes).map_err(malformed)? {
                ParsedHeader::Complete(header, len) => {
                    let rest = bytes.split_off(len);
                    return Ok(Self { header, rest });
                }
                ParsedHeader::NeedsBytes(wanted) => {
                    let missing = u64::try_from(wanted.saturating_sub(bytes.len())).unwrap_or(0);
                    let read =
                        input.take(missing).read_to_end(&mut bytes).map_err(|error| reading(&error))?;
                    if read == 0 {
                        return Err(Failure::failed("the file envelope ends within its header"));
                    }
                }
            }
        }
    }

    /// The data key as the service sealed it: ask it to open this.
    pub(crate) fn wrapped_data_key(&self) -> &[u8] {
        self.header.wrapped_data_key()
    }

    /// Was it sealed with this context? Asked before the service is, so that the answer can say what is wrong.
    pub(crate) fn was_sealed_with(&self, context: &Context) -> bool {
        *self.header.context_digest() == context.digest()
    }

    /// Opens all of the rest into `out`; `tick` hears of every piece read. Gives the bytes written.
    ///
    /// # Errors
    /// When the envelope is not whole or not authentic, or reading or writing fails. What was written until then is the true
    /// beginning of the file, and no more.
    pub(crate) fn open(
        self,
        input: &mut impl Read,
        out: &mut impl Write,
        data_key: &SecretBytes,
        context: &Context,
        mut tick: impl FnMut(u64),
    ) -> Result<u64, Failure> {
        let mut opener = Opener::new(&self.header, data_key, context).map_err(|error| unauthentic(&error))?;
        let mut opened = Plain(Vec::with_capacity(PIECE + PIECE / 2));
        let mut buffer = vec![0; PIECE];
        let mut total = 0;
        opener.update(&self.rest, &mut opened.0).map_err(|error| unauthentic(&error))?;
        loop {
            total += opened.drain(out)?;
            let read = read_some(input, &mut buffer).map_err(|error| reading(&error))?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            opener.update(piece, &mut opened.0).map_err(|error| unauthentic(&error))?;
            tick(u64::try_from(read).unwrap_or(0));
        }
        // The end is verified here: a file that was cut off fails now, before it is reported as done.
        opener.finish(&mut opened.0).map_err(|error| unauthentic(&error))?;
        Ok(total + opened.drain(out)?)
    }
}

/// Plaintext on its way out, wiped behind itself.
struct Plain(Vec<u8>);

impl Plain {
    fn drain(&mut self, out: &mut impl Write) -> Result<u64, Failure> {
        out.write_all(&self.0).map_err(|error| writing(&error))?;
        let written = u64::try_from(self.0.len()).unwrap_or(0);
        self.wipe();
        Ok(written)
    }

    fn wipe(&mut self) {
        // Taking the allocation into a secret wipes all of it.
        let capacity = self.0.capacity();
        drop(SecretBytes::new(std::mem::replace(&mut self.0, Vec::with_capacity(capacity))));
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        drop(SecretBytes::new(std::mem::take(&mut self.0)));
    }
}

fn drain(sealed: &mut Vec<u8>, out: &mut impl Write) -> Result<(), Failure> {
    out.write_all(sealed).map_err(|error| writing(&error))?;
    sealed.clear();
    Ok(())
}

fn read_some(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn reading(error: &io::Error) -> Failure {
    Failure::failed(format!("reading the input: {error}"))
}

fn writing(error: &io::Error) -> Failure {
    Failure::failed(format!("writing the output: {error}"))
}

fn module(error: &CryptoError) -> Failure {
    Failure::failed(format!("sealing: {error}"))
}

fn unauthentic(error: &CryptoError) -> Failure {
    let detail = match error {
        CryptoError::Failed => {
            "the file envelope is not authentic: changed, cut off, or of another data key or context"
        }
        other => return Failure::failed(format!("opening: {other}")),
    };
    Failure::unverified(detail)
        .advise("name the context exactly as when the file was sealed; if it is right, the file is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for the service: wraps by XOR, which is all that a test needs, and opens only what it wrapped.
    struct FakeKeys;

    impl FakeKeys {
        fn make(fill: u8) -> DataKey {
            DataKey { clear: SecretBytes::new(vec![fill; 32]), wrapped: vec![fill ^ 0xff; 40] }
        }

        fn open(wrapped: &[u8]) -> SecretBytes {
            SecretBytes::new(vec![wrapped[0] ^ 0xff; 32])
        }
    }

    fn context() -> Context {
        Context::from_pairs([("file", "a")]).unwrap()
    }

    fn sealed(data: &[u8]) -> Vec<u8> {
        let (mut out, mut heard) = (Vec::new(), 0);
        let read = seal(&mut &data[..], &mut out, &FakeKeys::make(7), &context(), |n| heard += n).unwrap();
        assert_eq!((read, heard), (data.len() as u64, data.len() as u64));
        out
    }

    fn opened(file: &[u8], context: &Context) -> Result<Vec<u8>, (Failure, Vec<u8>)> {
        let (start, mut rest) = file.split_at(file.len().min(28));
        let mut out = Vec::new();
        let result = Sealed::read(start.to_vec(), &mut rest).and_then(|envelope| {
            let key = FakeKeys::open(envelope.wrapped_data_key());
            envelope.open(&mut rest, &mut out, &key, context, |_| {})
        });
        match result {
            Ok(written) => {
                assert_eq!(written, out.len() as u64);
                Ok(out)
            }
            Err(failure) => Err((failure, out)),
        }
    }

    #[test]
    fn files_of_all_sizes_come_back() {
        for len in [0, 1, 65_535, 65_536, 65_537, PIECE, PIECE + 1, 3 * PIECE + 5] {
            let data: Vec<u8> = (0..253).cycle().take(len).collect();
            assert!(opened(&sealed(&data), &context()).unwrap() == data, "{len}");
        }
    }

    #[test]
    fn cut_off_file_is_not_a_success_and_gives_a_true_beginning_only() {
        let data: Vec<u8> = (0..253).cycle().take(200_000).collect();
        let file = sealed(&data);
        let (failure, out) = opened(&file[..file.len() - 1], &context()).unwrap_err();
        assert_eq!(failure.exit(), crate::failure::Exit::Unverified);
        assert!(data.starts_with(&out) && out.len() < data.len());
        assert!(opened(&file[..10], &context()).unwrap_err().0.to_string().contains("within its header"));
    }

    #[test]
    fn changed_byte_and_other_context_do_not_open() {
        let mut file = sealed(&[1; 1000]);
        assert!(opened(&file, &Context::EMPTY).is_err());
        let last = file.len() - 1;
        file[last] ^= 1;
        assert!(opened(&file, &context()).unwrap_err().1.is_empty());
    }

    #[test]
    fn ciphertexts_are_distinguished_by_their_first_bytes() {
        let header = Header { spec: claviger_crypto::Spec::Aes256Gcm, key_id: [1; 16], version: 1 };
        assert_eq!(kind_of(&sealed(b"x")[..28]), Kind::Envelope);
        assert_eq!(kind_of(&header.encode()), Kind::Direct);
        assert_eq!(kind_of(&[0; 256]), Kind::Headless);
        assert_eq!(kind_of(b""), Kind::Headless);
        assert_eq!(kind_of(b"CL"), Kind::Headless);
    }

    #[test]
    fn context_is_known_before_the_service_is_asked() {
        let file = sealed(b"x");
        let envelope = Sealed::read(Vec::new(), &mut &file[..]).unwrap();
        assert!(envelope.was_sealed_with(&context()) && !envelope.was_sealed_with(&Context::EMPTY));
    }
}
