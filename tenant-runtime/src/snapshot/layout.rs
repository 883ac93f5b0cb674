//! The layout of a snapshot: which levels are indented, and which are written on one line.

use std::io::{self, Write};

use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Indents the outer levels and writes each column, key, policy and grant on a separate line, so that reviews show each
/// change and version control can merge different additions from two branches.
#[derive(Default)]
pub(super) struct OneItemPerLine {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

impl OneItemPerLine {
    /// The indented levels: file, tables, table, columns. Deeper levels are on one line.
    const LEVELS: usize = 4;

    fn indents(&self) -> bool {
        self.depth <= Self::LEVELS
    }
}

macro_rules! by_depth {
    ($($method:ident($($argument:ident: $ty:ty),*);)*) => {$(
        fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $ty)*) -> io::Result<()> {
            if self.indents() {
                self.pretty.$method(writer $(, $argument)*)
            } else {
                CompactFormatter.$method(writer $(, $argument)*)
            }
        }
    )*};
}

impl Formatter for OneItemPerLine {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.indents() { self.pretty.begin_array(writer) } else { CompactFormatter.begin_array(writer) }
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < Self::LEVELS { self.pretty.end_array(writer) } else { CompactFormatter.end_array(writer) }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.indents() { self.pretty.begin_object(writer) } else { CompactFormatter.begin_object(writer) }
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < Self::LEVELS { self.pretty.end_object(writer) } else { CompactFormatter.end_object(writer) }
    }

    by_depth! {
        begin_array_value(first: bool);
        end_array_value();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }
}
