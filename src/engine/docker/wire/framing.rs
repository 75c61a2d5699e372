//! Splits a text that arrives in pieces of any size into JSON values.
//!
//! Each byte is examined once, however the text is cut, and only the incomplete value is kept. Values are not parsed: only
//! strings and brackets are tracked, without recursion.

/// The shape of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A sequence of objects, with or without whitespace in between.
    Objects,
    /// One array whose elements are the values.
    Array,
}

/// Why a text cannot be split into values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingError {
    /// There is something else instead of a value.
    #[error("it is not JSON of the expected shape")]
    Unexpected,
    /// The text ended within a value, or within the array.
    #[error("it was cut off")]
    Incomplete,
}

/// A value, unless it is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// The text of a value.
    Value(&'a [u8]),
    /// A value that was skipped because it is too long.
    TooLong,
}

/// Splits a text into values.
#[derive(Debug)]
pub(super) struct Framer {
    shape: Shape,
    max: usize,
    place: Place,
    /// The incomplete value.
    value: Vec<u8>,
    too_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the array's bracket.
    Start,
    /// Between values.
    Between,
    /// Within an object or an array, with this many brackets open.
    Within(usize),
    /// Within a string inside this many brackets.
    String(usize),
    /// After a backslash in a string.
    Escape(usize),
    /// Within a number or a word.
    Word,
    /// After the array's end.
    End,
}

impl Framer {
    /// Splits a text of this shape, whose values have at most `max` bytes.
    pub(super) fn new(shape: Shape, max: usize) -> Framer {
        let place = if shape == Shape::Array { Place::Start } else { Place::Between };
        Framer { shape, max, place, value: Vec::new(), too_long: false }
    }

    /// Processes the next piece and passes each completed value to `found`.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        mut found: impl FnMut(Frame<'_>),
    ) -> Result<(), FramingError> {
        // The start of the incomplete value in this piece.
        let mut begin = 0;
        for (at, byte) in piece.iter().enumerate() {
            let blank = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            match self.place {
                Place::Start | Place::End if blank => {}
                Place::Start if *byte == b'[' => self.place = Place::Between,
                Place::Start | Place::End => return Err(FramingError::Unexpected),
                Place::Between => match (byte, self.shape) {
                    _ if blank => {}
                    (b'{', _) | (b'[', Shape::Array) => (self.place, begin) = (Place::Within(1), at),
                    (_, Shape::Objects) => return Err(FramingError::Unexpected),
                    (b',', Shape::Array) => {}
                    (b']', Shape::Array) => self.place = Place::End,
                    (b'"', Shape::Array) => (self.place, begin) = (Place::String(0), at),
                    (b'-' | b'0'..=b'9' | b'a'..=b'z', Shape::Array) => {
                        (self.place, begin) = (Place::Word, at);
                    }
                    _ => return Err(FramingError::Unexpected),
                },
                Place::Within(depth) => match byte {
                    b'"' => self.place = Place::String(depth),
                    b'{' | b'[' => self.place = Place::Within(depth + 1),
                    b'}' | b']' if depth > 1 => self.place = Place::Within(depth - 1),
                    b'}' | b']' => {
                        self.keep(piece.get(begin..=at));
                        self.ended(&mut found);
                    }
                    _ => {}
                },
                Place::String(depth) => match byte {
                    b'\\' => self.place = Place::Escape(depth),
                    b'"' if depth > 0 => self.place = Place::Within(depth),
                    b'"' => {
                        self.keep(piece.get(begin..=at));
                        self.ended(&mut found);
                    }
                    _ => {}
                },
                Place::Escape(depth) => self.place = Place::String(depth),
                Place::Word => {
                    if blank || matches!(byte, b',' | b']') {
                        self.keep(piece.get(begin..at));
                        self.ended(&mut found);
                        if *byte == b']' {
                            self.place = Place::End;
                        }
                    }
                }
            }
        }
        if !matches!(self.place, Place::Start | Place::Between | Place::End) {
            self.keep(piece.get(begin..));
        }
        Ok(())
    }

    /// The incomplete value is already too long.
    pub(super) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// Ends the text.
    pub(super) fn finish(&self) -> Result<(), FramingError> {
        match (self.shape, self.place) {
            (Shape::Objects, Place::Between) | (Shape::Array, Place::End) => Ok(()),
            _ => Err(FramingError::Incomplete),
        }
    }

    fn keep(&mut self, part: Option<&[u8]>) {
        let part = part.unwrap_or_default();
        self.too_long |= self.value.len() + part.len() > self.max;
        if self.too_long {
            self.value = Vec::new();
        } else {
            self.value.extend_from_slice(part);
        }
    }

    fn ended(&mut self, found: &mut impl FnMut(Frame<'_>)) {
        self.place = Place::Between;
        match std::mem::take(&mut self.too_long) {
            true => found(Frame::TooLong),
            false => found(Frame::Value(&self.value)),
        }
        self.value.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(shape: Shape, max: usize, text: &str, piece: usize) -> Result<Vec<String>, FramingError> {
        let mut framer = Framer::new(shape, max);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            framer.push(piece, |frame| {
                found.push(match frame {
                    Frame::Value(value) => String::from_utf8(value.to_vec()).unwrap(),
                    Frame::TooLong => "too long".to_owned(),
                });
            })?;
        }
        framer.finish().map(|()| found)
    }

    #[test]
    fn values_do_not_depend_on_how_the_text_is_cut() {
        let array = r#" [ {"a": "}]\"\\", "b": [{}, []]} , [1,[2]],"x,]\"" , 12 ,null,true, {"long": "123456789012345678901234567890"},{}] "#;
        let values = [
            r#"{"a": "}]\"\\", "b": [{}, []]}"#,
            "[1,[2]]",
            r#""x,]\"""#,
            "12",
            "null",
            "true",
            "too long",
            "{}",
        ];
        let objects = "{\"a\":1}{\"b\":\"}{\"}\n\r\n {}";
        for piece in 1..=array.len() {
            assert_eq!(cut(Shape::Array, 40, array, piece).unwrap(), values, "{piece}");
            let found = cut(Shape::Objects, 40, objects, piece).unwrap();
            assert_eq!(found, ["{\"a\":1}", "{\"b\":\"}{\"}", "{}"], "{piece}");
        }
        assert_eq!(cut(Shape::Array, 9, "[]", 1).unwrap(), [""; 0]);
    }

    #[test]
    fn other_and_cut_off_texts_are_errors() {
        for text in ["<html>", "nonsense", "{}", "\"[\"", "[] x", "[<"] {
            assert_eq!(cut(Shape::Array, 99, text, 3), Err(FramingError::Unexpected), "{text}");
        }
        for text in ["", "[", "[{}", "[{},", "[{\"a", "[1"] {
            assert_eq!(cut(Shape::Array, 99, text, 3), Err(FramingError::Incomplete), "{text}");
        }
        assert_eq!(cut(Shape::Objects, 99, "nonsense", 3), Err(FramingError::Unexpected));
        assert_eq!(cut(Shape::Objects, 99, "{} [", 3), Err(FramingError::Unexpected));
        assert_eq!(cut(Shape::Objects, 99, "{} {", 3), Err(FramingError::Incomplete));
    }

    #[test]
    fn an_endless_value_uses_bounded_memory_and_a_deep_one_no_stack() {
        let mut framer = Framer::new(Shape::Array, 1000);
        framer.push(b"[{\"a\": \"", |_| panic!("nothing ended")).unwrap();
        for _ in 0..1000 {
            framer.push(&[b'x'; 4096], |_| panic!("nothing ended")).unwrap();
            assert!(framer.value.capacity() <= 4096 * 2);
        }
        let deep = format!("[{}{}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(cut(Shape::Array, 99, &deep, 4096).unwrap(), ["too long"]);
    }
}
