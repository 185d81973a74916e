//! The executable: a thin caller of the library.

fn main() {}
