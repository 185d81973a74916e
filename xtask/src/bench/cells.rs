//! What is measured: the cells of the matrix, and their names on the command line.

use std::fmt;
use std::str::FromStr;

/// Connections in every cell.
pub const CONNECTIONS: u32 = 50;

/// Bytes of every key.
pub const KEY_BYTES: u64 = 16;

/// Which command is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// GET of keys that all exist.
    Get,
    /// SET of keys that all exist, with values of the same size.
    Set,
}

impl Operation {
    /// As the client's -t and this tool's cells call it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Get => "get",
            Operation::Set => "set",
        }
    }
}

/// The keys that a server holds while cells are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Keys.
    pub keys: u64,
    /// Bytes of each value.
    pub value_bytes: u64,
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match self.keys {
            keys if keys % 1_000_000 == 0 => format!("{}M", keys / 1_000_000),
            keys if keys % 1_000 == 0 => format!("{}k", keys / 1_000),
            keys => keys.to_string(),
        };
        write!(formatter, "{keys} keys, {}-byte values", self.value_bytes)
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Keys and values.
    pub group: Group,
    /// The command.
    pub operation: Operation,
    /// Requests in a batch.
    pub pipeline: u32,
}

impl Cell {
    /// Every cell of the matrix.
    pub fn all() -> Vec<Cell> {
        let mut cells = Vec::new();
        for value_bytes in [64, 1024] {
            for keys in [1_000_000, 10_000_000] {
                for operation in [Operation::Get, Operation::Set] {
                    for pipeline in [1, 4, 16, 128] {
                        cells.push(Cell {
                            group: Group { keys, value_bytes },
                            operation,
                            pipeline,
                        });
                    }
                }
            }
        }
        cells
    }

    /// A few cells for a look.
    pub fn quick() -> Vec<Cell> {
        let group = Group {
            keys: 1_000_000,
            value_bytes: 64,
        };
        let cell = |operation, pipeline| Cell {
            group,
            operation,
            pipeline,
        };
        vec![
            cell(Operation::Get, 1),
            cell(Operation::Get, 16),
            cell(Operation::Get, 128),
            cell(Operation::Set, 128),
        ]
    }
}

/// The name on the command line: `get-p128-1m-64`.
impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match self.group.keys {
            keys if keys % 1_000_000 == 0 => format!("{}m", keys / 1_000_000),
            keys if keys % 1_000 == 0 => format!("{}k", keys / 1_000),
            keys => keys.to_string(),
        };
        write!(
            formatter,
            "{}-p{}-{keys}-{}",
            self.operation.name(),
            self.pipeline,
            self.group.value_bytes
        )
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| format!("'{text}' is no cell; an example is get-p128-1m-64"))
    }
}

fn parse(text: &str) -> Option<Cell> {
    let mut parts = text.split('-');
    let operation = match parts.next()? {
        "get" => Operation::Get,
        "set" => Operation::Set,
        _ => return None,
    };
    let pipeline = parts
        .next()?
        .strip_prefix('p')?
        .parse()
        .ok()
        .filter(|&pipeline| pipeline > 0)?;
    let keys = parts.next()?;
    let (digits, unit) = match keys.as_bytes().last()? {
        b'm' => (&keys[..keys.len() - 1], 1_000_000),
        b'k' => (&keys[..keys.len() - 1], 1_000),
        _ => (keys, 1),
    };
    let keys = digits
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|&keys| keys > 0)?;
    let value_bytes = parts.next()?.parse().ok()?;
    let cell = Cell {
        group: Group { keys, value_bytes },
        operation,
        pipeline,
    };
    parts.next().is_none().then_some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read_back() {
        for cell in Cell::all().into_iter().chain(Cell::quick()) {
            assert_eq!(cell.to_string().parse(), Ok(cell));
        }
        assert_eq!(Cell::all()[3].to_string(), "get-p128-1m-64");
        assert_eq!("set-p2-50k-7".parse::<Cell>().unwrap().group.keys, 50_000);
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "get",
            "put-p1-1m-64",
            "get-1-1m-64",
            "get-p0-1m-64",
            "get-p1-m-64",
            "get-p1-1m-64-x",
        ] {
            assert!(name.parse::<Cell>().is_err(), "{name}");
        }
    }
}
