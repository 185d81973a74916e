//! Commands, and sketches against a model that keeps every register apart.

use std::sync::atomic::Ordering::Relaxed;

use resp::Reply;

use super::sketch::{self, Form, REGISTERS, Sketch};
use crate::testing::{TestServer, check};

/// The bytes and estimates are those of redis-server 7.0.
#[test]
fn strings_are_as_redis_makes_them() {
    check(
        "PFADD k
         GET k
         PFADD k a b c
         PFDEBUG DECODE k
         PFCOUNT k
         PFADD k a
         PFDEBUG ENCODING k
         STRLEN k
         PFDEBUG TODENSE k
         PFDEBUG TODENSE k
         PFDEBUG ENCODING k
         PFDEBUG DECODE k
         STRLEN k
         PFCOUNT k
         PFDEBUG ENCODING missing
         PFDEBUG NONE k
         PFCOUNT missing
         PFSELFTEST",
        ":1
         HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\\xff
         :1
         Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603
         :3
         :0
         sparse
         :27
         :1
         :0
         dense
         -ERR HLL encoding is not sparse
         :12304
         :3
         -ERR The specified key does not exist
         -ERR Unknown PFDEBUG subcommand 'NONE'
         :0
         OK",
    );
}

#[test]
fn sketches_are_merged() {
    check(
        "PFADD a 1 2 3
         PFADD b 3 4 5
         PFCOUNT a b missing
         PFMERGE c a b
         PFCOUNT c
         PFDEBUG ENCODING c
         PFDEBUG TODENSE a
         PFMERGE c a
         PFDEBUG ENCODING c
         PFCOUNT c
         PFMERGE new
         PFCOUNT new
         PFCOUNT new c",
        ":1
         :1
         :5
         OK
         :5
         sparse
         :1
         OK
         dense
         :5
         OK
         :0
         :5",
    );
}

#[test]
fn other_strings_are_refused() {
    check(
        "SET k v
         PFADD k a
         PFCOUNT k
         PFMERGE d k
         EXISTS d
         SADD s a
         PFADD s a
         SET n 123
         PFCOUNT n k
         SET short \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"
         PFCOUNT short
         SET odd \"HYLL\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\"
         PFCOUNT odd
         SET dense \"HYLL\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\"
         PFCOUNT dense",
        "OK
         -WRONGTYPE Key is not a valid HyperLogLog string value.
         -WRONGTYPE Key is not a valid HyperLogLog string value.
         -WRONGTYPE Key is not a valid HyperLogLog string value.
         :0
         :1
         -WRONGTYPE Operation against a key holding the wrong kind of value
         OK
         -WRONGTYPE Key is not a valid HyperLogLog string value.
         OK
         -WRONGTYPE Key is not a valid HyperLogLog string value.
         OK
         -WRONGTYPE Key is not a valid HyperLogLog string value.
         OK
         -WRONGTYPE Key is not a valid HyperLogLog string value.",
    );
}

#[test]
fn runs_that_do_not_add_up_are_refused() {
    check(
        "SET k \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\"
         PFCOUNT k
         PFCOUNT k k
         PFADD k a b c
         PFMERGE k k
         PFDEBUG TODENSE k
         PFDEBUG GETREG k
         SET k \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"
         PFADD k a
         PFCOUNT k",
        "OK
         -INVALIDOBJ Corrupted HLL object detected
         -INVALIDOBJ Corrupted HLL object detected
         :1
         -INVALIDOBJ Corrupted HLL object detected
         -INVALIDOBJ Corrupted HLL object detected
         -INVALIDOBJ Corrupted HLL object detected
         OK
         -INVALIDOBJ Corrupted HLL object detected
         -INVALIDOBJ Corrupted HLL object detected",
    );
}

#[test]
fn the_setting_decides_how_long_one_is_sparse() {
    let mut server = TestServer::new();
    server.shared.sparse_sketch_bytes_max.store(30, Relaxed);
    let forms = "PFADD k a\nPFDEBUG ENCODING k\nPFADD k b c d e f g\nPFDEBUG ENCODING k\nPFCOUNT k";
    assert_eq!(server.run(forms), ":1\nsparse\n:1\ndense\n:7");
}

/// The registers of a sketch, one by one.
fn registers(bytes: &[u8]) -> [u8; REGISTERS] {
    let mut ranks = [0; REGISTERS];
    let sketch = Sketch::new(bytes).expect("a sketch");
    sketch.merge_into(&mut ranks).expect("a whole one");
    ranks
}

#[test]
fn both_forms_keep_the_registers_of_the_model() {
    for (sparse_bytes_max, seed) in [(3000, 1_u64), (200, 2), (20_000, 3)] {
        let mut bytes = sketch::empty();
        let mut model = [0; REGISTERS];
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for turn in 0..4_000_u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(turn);
            // Few registers and ranks, so that runs meet and merge.
            let index = (state >> 33) as usize % 3_000;
            let rank = 1 + (state >> 20) as u8 % if turn % 97 == 96 { 34 } else { 4 };
            let rank = if seed == 3 { rank.min(32) } else { rank };
            let is_raised = sketch::raise(&mut bytes, index, rank, sparse_bytes_max);
            assert_eq!(is_raised, Ok(model[index] < rank), "turn {turn}");
            model[index] = rank.max(model[index]);
            let sketch = Sketch::new(&bytes).expect("a sketch");
            assert!(sketch.has((index, model[index])) && !sketch.has((index, model[index] + 1)));
            if turn % 50 == 0 {
                assert_eq!(registers(&bytes), model);
                assert_eq!(sketch.cardinality(), Ok(sketch::cardinality_of(&model)));
            }
        }
        let form = Sketch::new(&bytes).expect("a sketch").form();
        assert_eq!(form == Form::Sparse, seed == 3);
    }
}

#[test]
fn estimates_are_close() {
    let mut server = TestServer::new();
    for element in 1..=20_000_u32 {
        server.command(&["PFADD", "k", &element.to_string()]);
        if element.is_power_of_two() || element % 5_000 == 0 {
            let Reply::Integer(count) = server.command(&["PFCOUNT", "k"]) else {
                panic!("no number");
            };
            let error = (count as f64 - f64::from(element)).abs() / f64::from(element);
            assert!(error < 0.03, "{count} for {element}");
        }
    }
}
