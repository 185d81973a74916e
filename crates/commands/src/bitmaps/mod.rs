//! Bitmaps: strings as bits and as integers of any width. Their table; the handlers are in a file per theme.

mod bits;
mod combine;
mod integers;
mod search;
mod single;

use crate::command::{Command, Group, KeySpec, Reader, flag, key_flag};

const BITMAP: Command = Command {
    group: Group::Bitmap,
    categories: &["bitmap"],
    ..Command::BASE
};
const READ: u32 = flag::READONLY;
const WRITE: u32 = flag::WRITE | flag::DENYOOM;
const READ_KEY: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const UPDATED_KEY: &[KeySpec] = &[KeySpec::one(
    1,
    key_flag::RW | key_flag::ACCESS | key_flag::UPDATE,
)];

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "setbit",
        arity: 4,
        flags: WRITE,
        keys: UPDATED_KEY,
        since: "2.2.0",
        summary: "Sets or clears a bit of a string. Creates the key if it doesn't exist",
        syntax: "key offset value",
        run: single::setbit,
        ..BITMAP
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "2.2.0",
        summary: "Returns a bit of a string",
        syntax: "key offset",
        run: single::getbit,
        ..BITMAP
    },
    Command {
        name: "bitcount",
        arity: -2,
        flags: READ,
        keys: READ_KEY,
        since: "2.6.0",
        summary: "Counts the bits that are set in a string or part of it",
        complexity: "O(N) where N is the number of bytes",
        syntax: "key [start [end [BYTE | BIT]]]",
        reader: Reader::of_value(search::bitcount),
        ..BITMAP
    },
    Command {
        name: "bitpos",
        arity: -3,
        flags: READ,
        keys: READ_KEY,
        since: "2.8.7",
        summary: "Finds the first bit of a string that is set, or that is clear",
        complexity: "O(N) where N is the number of bytes",
        syntax: "key bit [start [end [BYTE | BIT]]]",
        reader: Reader::of_value(search::bitpos),
        ..BITMAP
    },
    Command {
        name: "bitop",
        arity: -4,
        flags: WRITE,
        keys: &[
            KeySpec::one(2, key_flag::OW | key_flag::UPDATE),
            KeySpec::all(3, 1, key_flag::RO | key_flag::ACCESS),
        ],
        since: "2.6.0",
        summary: "Combines strings bit by bit and stores the result",
        complexity: "O(N) where N is the number of bytes",
        syntax: "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
        run: combine::bitop,
        ..BITMAP
    },
    Command {
        name: "bitfield",
        arity: -2,
        flags: WRITE,
        keys: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::UPDATE | key_flag::VARIABLE_FLAGS,
        )
        .noted("This command allows both access and modification of the key")],
        since: "3.2.0",
        summary: "Reads and changes integers of any width in a string",
        complexity: "O(1) for each subcommand",
        syntax: "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] \
                 <SET encoding offset value | INCRBY encoding offset increment> ...]",
        run: integers::bitfield,
        ..BITMAP
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: READ | flag::FAST,
        keys: READ_KEY,
        since: "6.0.0",
        summary: "Reads integers of any width in a string",
        complexity: "O(1) for each subcommand",
        syntax: "key [GET encoding offset [GET encoding offset ...]]",
        run: integers::bitfield_ro,
        ..BITMAP
    },
];
