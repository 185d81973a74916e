//! The CRC of 64 bits that Redis puts behind dumped values: the polynomial of David T. Jones, reflected, from 0 on.

const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
/// For each byte, and for each place of it among eight.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut place = 1;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[place - 1][byte];
            tables[place][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// The CRC of these bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = 0;
    for word in words {
        let bytes = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        for (place, byte) in bytes.into_iter().enumerate() {
            crc ^= TABLES[7 - place][usize::from(byte)];
        }
    }
    for byte in rest {
        crc = crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::crc64;

    #[test]
    fn it_is_the_crc_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
        assert_eq!(crc64(b"\x00\xc0\x0c\x0a\x00"), 0xd5bc_045c_51f8_2a3c);
    }
}
