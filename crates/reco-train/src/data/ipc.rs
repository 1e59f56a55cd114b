//! Arrow IPC, stream or file, decoded as it is read.

use super::DataError;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{Message, root_as_message};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// First bytes of a file, padded to eight; between them and the footer it is a stream.
const MAGIC: &[u8; 8] = b"ARROW1\0\0";

/// Length of the footer and the magic bytes again.
const TAIL: u64 = 10;

/// What a message begins with.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// A message without content, which ends a stream.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Bytes that one compressed buffer may hold. The decoder reserves as many as the file claims.
const LARGEST_BUFFER: i64 = 1 << 31;

/// The batches of a file. Lengths that the file claims are not believed before their bytes have arrived, so
/// a damaged file cannot ask for more memory than there is.
pub(super) struct Batches {
    source: io::Take<BufReader<File>>,
    decoder: StreamDecoder,
    /// Decoded while the schema was looked for.
    first: Option<RecordBatch>,
    schema: SchemaRef,
    ended: bool,
}

impl Batches {
    pub(super) fn open(source: File, path: &Path) -> Result<Self, DataError> {
        let wrong = |cause: &dyn std::fmt::Display| DataError::format(path, "Arrow IPC", cause);
        let stream = stream_within(source).map_err(|cause| DataError::io(path, cause))?;
        let mut source = stream.ok_or_else(|| wrong(&"the file is truncated, it has no footer"))?;
        let (mut decoder, mut first, mut ended) = (StreamDecoder::new(), None, false);
        while !ended && first.is_none() && decoder.schema().is_none() {
            let message = next_message(&mut source).map_err(|cause| wrong(&cause))?;
            ended = message.is_none();
            first = decode(&mut decoder, message).map_err(|cause| wrong(&cause))?;
        }
        let schema = decoder.schema().ok_or_else(|| wrong(&"the file does not say what its columns are"))?;
        Ok(Self { source, decoder, first, schema, ended })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(batch) = self.first.take() {
            return Some(Ok(batch));
        }
        while !self.ended {
            let message = next_message(&mut self.source);
            self.ended = !matches!(message, Ok(Some(_)));
            let batch = message.and_then(|message| decode(&mut self.decoder, message)).transpose();
            self.ended |= matches!(batch, Some(Err(_)));
            if batch.is_some() {
                return batch;
            }
        }
        None
    }
}

/// Gives the decoder a message, or the end.
fn decode(
    decoder: &mut StreamDecoder,
    message: Option<[Buffer; 2]>,
) -> Result<Option<RecordBatch>, ArrowError> {
    let [mut head, mut body] = message.unwrap_or_else(|| [Buffer::from(&END), Buffer::default()]);
    // What has no body is decoded when the next message begins, and has no batch.
    decoder.decode(&mut head)?;
    decoder.decode(&mut body)
}

/// Head and body of the next message; `None` at the end of the stream.
fn next_message(source: &mut impl Read) -> Result<Option<[Buffer; 2]>, ArrowError> {
    let mut size = exactly(source, 4)?;
    if size == CONTINUATION {
        size = exactly(source, 4)?;
    }
    let size = size.iter().rev().fold(0, |size, &byte| size << 8 | u64::from(byte));
    if size == 0 {
        return Ok(None);
    }
    let about = exactly(source, size)?;
    let wrong = |cause: &dyn std::fmt::Display| ArrowError::IpcError(cause.to_string());
    let message = root_as_message(&about).map_err(|cause| wrong(&cause))?;
    let length = u64::try_from(message.bodyLength()).map_err(|cause| wrong(&cause))?;
    let body = exactly(source, length)?;
    if !buffers_are_sound(&message, &body) {
        return Err(wrong(&"a buffer lies outside its message or claims to hold more than 2 GiB"));
    }
    let head = [&CONTINUATION, &(size as u32).to_le_bytes(), &about[..]].concat();
    Ok(Some([head.into(), body.into()]))
}

/// So many bytes, or as few as none at the end of the stream; memory grows as they arrive.
fn exactly(source: &mut impl Read, length: u64) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length || (bytes.is_empty() && length == 4) {
        return Ok(bytes);
    }
    Err(ArrowError::IpcError("the file is truncated".to_owned()))
}

/// Whether all buffers lie within the body and hold no more than is possible, which the decoder takes for
/// granted. The uncompressed length of a compressed buffer stands before its bytes.
fn buffers_are_sound(message: &Message<'_>, body: &[u8]) -> bool {
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else { return true };
    let is_compressed = batch.compression().is_some();
    batch.buffers().into_iter().flatten().all(|buffer| {
        let (start, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let (Ok(start), Ok(length)) = (start, length) else { return false };
        let Some(bytes) = body.get(start..).and_then(|bytes| bytes.get(..length)) else { return false };
        let claimed = bytes.first_chunk().map_or(0, |length| i64::from_le_bytes(*length));
        !is_compressed || claimed <= LARGEST_BUFFER
    })
}

/// The stream that a file consists of or has between magic bytes and footer; `None` without a footer.
fn stream_within(mut source: File) -> io::Result<Option<io::Take<BufReader<File>>>> {
    let length = source.metadata()?.len();
    let mut magic = Vec::new();
    Read::by_ref(&mut source).take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic.starts_with(b"FEA1") {
        let cause = "Feather of version 1 is no Arrow IPC; write it as version 2";
        return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
    }
    if magic != MAGIC {
        source.seek(SeekFrom::Start(0))?;
        return Ok(Some(BufReader::new(source).take(length)));
    }
    if length < MAGIC.len() as u64 + TAIL {
        return Ok(None);
    }
    let mut tail = [0; TAIL as usize];
    source.seek(SeekFrom::Start(length - TAIL))?;
    source.read_exact(&mut tail)?;
    let (footer, magic) = tail.split_at(4);
    let footer = footer.iter().rev().fold(0, |size, &byte| size << 8 | u64::from(byte));
    source.seek(SeekFrom::Start(MAGIC.len() as u64))?;
    let start = after_padding(&mut source)?;
    let stream = length.checked_sub(start + footer + TAIL).filter(|_| magic == &MAGIC[..6]);
    source.seek(SeekFrom::Start(start))?;
    Ok(stream.map(|length| BufReader::new(source).take(length)))
}

/// Where the stream begins: some writers pad the magic bytes to more than eight.
fn after_padding(source: &mut File) -> io::Result<u64> {
    let mut word = [0; MAGIC.len()];
    loop {
        let place = source.stream_position()?;
        source.read_exact(&mut word)?;
        if word != [0; MAGIC.len()] {
            return Ok(place);
        }
    }
}
