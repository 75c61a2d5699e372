//! The values of `--output`.

use clap::ValueEnum;

/// For commands that print lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TextFormat {
    /// Lines for people.
    Text,
    /// The daemon's JSON; for a stream, one object per line.
    Json,
}

/// For commands that print tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TableFormat {
    /// Columns for people.
    Table,
    /// The daemon's JSON; for a stream, one object per line.
    Json,
}

/// For commands that print objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ObjectFormat {
    /// Columns for people.
    Table,
    /// One YAML document per object, for `submit`.
    Yaml,
    /// The object, or an array of several, for `submit`.
    Json,
}
