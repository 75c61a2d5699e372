use super::*;
use crate::engine::logs::LINE_MAX_BYTES;

const AT: &str = "2026-11-26T16:14:12.123456789Z";

fn frame(output: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[output, 0, 0, 0][..], &length, text].concat()
}

/// `STREAM TIME TEXT` of each line, with the time in nanoseconds of its second.
fn shown(reader: &mut LogReader) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(LogLine { stream, at, text }) = reader.next() {
        let at = at.map_or("-".to_owned(), |at| at.parts().1.to_string());
        lines.push(format!("{stream:?} {at} {text}"));
    }
    lines
}

fn read(framing: Framing, stream: &[u8], piece: usize) -> Result<Vec<String>, LogReadError> {
    let mut reader = LogReader::new(framing);
    for piece in stream.chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()?;
    Ok(shown(&mut reader))
}

fn stamped(nanos: u32, text: &str) -> String {
    format!("2026-11-26T16:14:12.{nanos:09}Z {text}")
}

#[test]
fn lines_are_the_same_however_the_stream_is_cut_up() {
    let stream = [
        frame(1, stamped(1, "one\n").as_bytes()),
        frame(2, stamped(2, "two\n").as_bytes()),
        frame(1, stamped(3, "\n").as_bytes()),
        frame(1, b""),
        frame(0, stamped(4, "  indented  \r\n").as_bytes()),
        // A long line arrives in several messages, with other lines in between.
        frame(1, stamped(5, "be").as_bytes()),
        frame(2, stamped(6, "between\n").as_bytes()),
        frame(1, stamped(7, "gin").as_bytes()),
        frame(1, stamped(8, "ning\n").as_bytes()),
        frame(1, stamped(9, "2026-11-26T16:14:12Z of its own\n").as_bytes()),
        frame(1, "2026-11-26T18:14:12.000000010+02:00 elsewhere\n".as_bytes()),
        frame(1, b"without a time\n"),
        frame(1, b"short\nand another\n"),
        frame(1, stamped(11, "the last one has no end").as_bytes()),
    ]
    .concat();
    let lines = [
        "Stdout 1 one",
        "Stderr 2 two",
        "Stdout 3 ",
        "Stdout 4   indented  ",
        "Stderr 6 between",
        "Stdout 5 beginning",
        "Stdout 9 2026-11-26T16:14:12Z of its own",
        "Stdout 10 elsewhere",
        "Stdout - without a time",
        "Stdout - short",
        "Stdout - and another",
        "Stdout 11 the last one has no end",
    ];
    for piece in 1..=stream.len() {
        assert_eq!(read(Framing::Multiplexed, &stream, piece).unwrap(), lines, "{piece}");
    }
}

#[test]
fn the_output_of_a_terminal_is_standard_output() {
    let stream = [
        stamped(1, "one\r\n"),
        stamped(2, "\u{1b}[1mtwo\r\n"),
        stamped(3, "50%\r100%\r\n"),
        stamped(4, "\r\n"),
        "no time at all, and longer than any time is\r\n".to_owned(),
        stamped(5, "$ "),
    ]
    .concat();
    let lines = [
        "Stdout 1 one",
        "Stdout 2 \u{1b}[1mtwo",
        "Stdout 3 50%\r100%",
        "Stdout 4 ",
        "Stdout - no time at all, and longer than any time is",
        "Stdout 5 $ ",
    ];
    for piece in 1..=stream.len() {
        assert_eq!(read(Framing::Raw, stream.as_bytes(), piece).unwrap(), lines, "{piece}");
    }
}

#[test]
fn an_endless_line_uses_bounded_memory() {
    for framing in [Framing::Multiplexed, Framing::Raw] {
        let mut reader = LogReader::new(framing);
        let part = vec![b'x'; LINE_MAX_BYTES];
        for _ in 0..640 {
            let message = [AT.as_bytes(), b" ", &part].concat();
            match framing {
                Framing::Multiplexed => reader.push(&frame(1, &message)).unwrap(),
                // A terminal's output has no messages.
                Framing::Raw => reader.push(&part).unwrap(),
            }
            assert!(reader.ready.is_empty());
            assert!(reader.stdout.kept.capacity() <= 2 * LINE_MAX_BYTES);
        }
        reader.finish().unwrap();
        let line = reader.next().unwrap();
        assert!(line.text.len() <= LINE_MAX_BYTES && line.text.ends_with("x… (10485760 bytes)"));
        assert_eq!(line.at.is_some(), framing == Framing::Multiplexed);
    }
    // A header may announce any length.
    let mut reader = LogReader::new(Framing::Multiplexed);
    reader.push(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).unwrap();
    (0..1000).for_each(|_| reader.push(&[b'x'; 4096]).unwrap());
    assert!(reader.stdout.kept.capacity() <= 2 * LINE_MAX_BYTES);
}

#[test]
fn invalid_cut_off_and_failed_streams_are_errors() {
    let multiplexed = |stream: &[u8]| read(Framing::Multiplexed, stream, 3).unwrap_err();
    assert_eq!(multiplexed(b"<html>It works!</html>"), LogReadError::NotFramed);
    assert_eq!(multiplexed(&frame(4, b"x")), LogReadError::NotFramed);
    assert_eq!(multiplexed(&[1, 0, 0]), LogReadError::BrokeOff);
    assert_eq!(multiplexed(&frame(1, b"line\n")[..10]), LogReadError::BrokeOff);
    let message = [b"no such\nfile".to_vec(), vec![b'x'; 10_000]].concat();
    let LogReadError::Engine(message) = multiplexed(&frame(3, &message)) else { panic!("no error") };
    assert!(message.starts_with("no such\\nfilexxx") && message.len() <= sanitize::MESSAGE_MAX_BYTES);
}

#[test]
fn the_lines_before_a_break_are_not_lost() {
    let mut reader = LogReader::new(Framing::Multiplexed);
    let stream =
        [frame(1, stamped(1, "whole\n").as_bytes()), frame(2, stamped(2, "half").as_bytes())].concat();
    reader.push(&stream[..stream.len() - 2]).unwrap();
    assert_eq!(reader.finish(), Err(LogReadError::BrokeOff));
    assert_eq!(shown(&mut reader), ["Stdout 1 whole", "Stderr 2 ha"]);
    let mut reader = LogReader::new(Framing::Multiplexed);
    reader.push(&stream[..20]).unwrap();
    assert_eq!(reader.finish(), Err(LogReadError::BrokeOff));
    assert_eq!(shown(&mut reader), [""; 0], "an incomplete time is no line");
}
