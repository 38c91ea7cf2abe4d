//! Finds a byte in a slice of bytes.

pub fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|other| *other == byte)
}
