//! UBJSON (universal binary JSON, draft 12) as a format of serde: what XGBoost writes of it, and no writing.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Deepest nesting; XGBoost's files have eight levels.
const DEEPEST: u32 = 64;

/// Reads a value; what follows it is left alone.
pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UbjsonError> {
    let mut reader = Reader { bytes, at: 0, depth: 0 };
    let value = T::deserialize(Value { reader: &mut reader, marker: None });
    value.map_err(|error| UbjsonError { place: reader.at, ..error })
}

/// What is wrong, and at which byte.
#[derive(Debug)]
pub(super) struct UbjsonError {
    pub(super) place: usize,
    /// Nothing when the end is missing.
    pub(super) problem: Option<String>,
}

impl fmt::Display for UbjsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.place, self.problem.as_deref().unwrap_or("cut short"))
    }
}

impl std::error::Error for UbjsonError {}

impl serde::de::Error for UbjsonError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self { place: 0, problem: Some(problem.to_string()) }
    }
}

/// An error that [`from_slice`] will give its place.
fn wrong(problem: String) -> UbjsonError {
    UbjsonError { place: 0, problem: Some(problem) }
}

struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: u32,
}

impl<'de> Reader<'de> {
    fn take(&mut self, len: usize) -> Result<&'de [u8], UbjsonError> {
        let taken = self.bytes[self.at..].get(..len).ok_or(UbjsonError { place: 0, problem: None })?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UbjsonError> {
        Ok(self.take(N)?.try_into().expect("as many bytes as asked for"))
    }

    fn byte(&mut self) -> Result<u8, UbjsonError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn next_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    /// The type of the next value.
    fn marker(&mut self) -> Result<u8, UbjsonError> {
        while self.next_is(b'N') {
            self.at += 1;
        }
        self.byte()
    }

    /// A length: any integer from 0 on.
    fn len(&mut self) -> Result<usize, UbjsonError> {
        let marker = self.byte()?;
        let len = self.integer(marker)?.ok_or_else(|| wrong(format!("byte {marker:#04x} is no length")))?;
        usize::try_from(len).map_err(|_| wrong(format!("{len} is no length")))
    }

    /// The integer of this type, if it is one.
    fn integer(&mut self, marker: u8) -> Result<Option<i64>, UbjsonError> {
        Ok(Some(match marker {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn text(&mut self) -> Result<&'de str, UbjsonError> {
        let len = self.len()?;
        std::str::from_utf8(self.take(len)?).map_err(|_| wrong("not text".to_owned()))
    }

    /// The head of an array or object.
    fn container(&mut self, end: u8) -> Result<Container, UbjsonError> {
        let mut container = Container { end, marker: None, left: None };
        if self.next_is(b'$') {
            self.at += 1;
            let marker = self.byte()?;
            // Values that take no bytes could be any number of them.
            if matches!(marker, b'Z' | b'T' | b'F' | b'N') {
                return Err(wrong(format!("an array of {:?}", char::from(marker))));
            }
            container.marker = Some(marker);
        }
        if self.next_is(b'#') {
            self.at += 1;
            container.left = Some(self.len()?);
        } else if container.marker.is_some() {
            return Err(wrong("values of one type without their number".to_owned()));
        }
        Ok(container)
    }
}

/// An array or object of which some is still to come.
#[derive(Clone, Copy)]
struct Container {
    /// What ends it, unless the number of its values is known.
    end: u8,
    /// The type of all its values, if they share it.
    marker: Option<u8>,
    left: Option<usize>,
}

struct Value<'a, 'de> {
    reader: &'a mut Reader<'de>,
    /// Its type, if that was read already.
    marker: Option<u8>,
}

impl<'de> Value<'_, 'de> {
    fn take_marker(&mut self) -> Result<u8, UbjsonError> {
        self.marker.take().map_or_else(|| self.reader.marker(), Ok)
    }

    /// Visits what is inside an array or object.
    fn inside<T>(
        self,
        end: u8,
        visit: impl FnOnce(&mut Inside<'_, 'de>) -> Result<T, UbjsonError>,
    ) -> Result<T, UbjsonError> {
        let container = self.reader.container(end)?;
        self.reader.depth += 1;
        if self.reader.depth > DEEPEST {
            return Err(wrong(format!("nested more than {DEEPEST} deep")));
        }
        let visited = visit(&mut Inside { reader: self.reader, container })?;
        self.reader.depth -= 1;
        Ok(visited)
    }
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = UbjsonError;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, UbjsonError> {
        let marker = self.take_marker()?;
        if let Some(integer) = self.reader.integer(marker)? {
            return visitor.visit_i64(integer);
        }
        match marker {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'd' => visitor.visit_f32(f32::from_be_bytes(self.reader.array()?)),
            b'D' => visitor.visit_f64(f64::from_be_bytes(self.reader.array()?)),
            b'C' => visitor.visit_char(char::from(self.reader.byte()?)),
            b'S' => visitor.visit_borrowed_str(self.reader.text()?),
            b'[' => self.inside(b']', |inside| visitor.visit_seq(inside)),
            b'{' => self.inside(b'}', |inside| visitor.visit_map(inside)),
            _ => Err(wrong(format!("byte {marker:#04x} is no type"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, UbjsonError> {
        match self.take_marker()? {
            b'Z' => visitor.visit_none(),
            marker => visitor.visit_some(Value { reader: self.reader, marker: Some(marker) }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The values of a container, one after the other.
struct Inside<'a, 'de> {
    reader: &'a mut Reader<'de>,
    container: Container,
}

impl Inside<'_, '_> {
    /// Whether another value follows.
    fn has_more(&mut self) -> bool {
        match &mut self.container.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None if self.reader.next_is(self.container.end) => {
                self.reader.at += 1;
                self.container.left = Some(0);
                false
            }
            None => true,
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Inside<'_, 'de> {
    type Error = UbjsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, UbjsonError> {
        if !self.has_more() {
            return Ok(None);
        }
        seed.deserialize(Value { reader: self.reader, marker: self.container.marker }).map(Some)
    }
}

impl<'de> MapAccess<'de> for &mut Inside<'_, 'de> {
    type Error = UbjsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, UbjsonError> {
        if !self.has_more() {
            return Ok(None);
        }
        // Names are texts without a type.
        seed.deserialize(Value { reader: self.reader, marker: Some(b'S') }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, UbjsonError> {
        seed.deserialize(Value { reader: self.reader, marker: self.container.marker })
    }
}
